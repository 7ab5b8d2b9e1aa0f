//! What an account has: the records as they are stored, and the entities as they are in memory, their documents
//! compiled.

mod access_key;
mod group;
mod instance_profile;
mod policy;
mod role;
mod user;

use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
use hearth_types::{AccountId, Arn, Partition};
use serde::{Deserialize, Serialize};

pub(crate) use access_key::{AccessKeyEntry, AccessKeyRecord, KEYS_PER_OWNER_MAX, KeyOwner};
pub(crate) use group::{Group, GroupRecord};
pub(crate) use instance_profile::{InstanceProfile, InstanceProfileRecord};
pub(crate) use policy::{CustomerPolicy, PolicyRecord, PolicyVersion};
pub(crate) use role::{MAX_SESSION_DURATION_DEFAULT_S, Role, RoleRecord};
pub(crate) use user::{User, UserRecord};

use crate::directory::Entity;
use crate::error::IamError;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub key: String,
    pub value: String,
}

/// A kind of thing, as texts for callers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noun {
    Role,
    User,
    Group,
    Policy,
    InstanceProfile,
    AccessKey,
}

impl Noun {
    pub(crate) fn unknown(self, name: &str) -> IamError {
        IamError::NoSuchEntity(match self {
            Self::Role => format!("The role with name {name} cannot be found."),
            Self::User => format!("The user with name {name} cannot be found."),
            Self::Group => format!("The group with name {name} cannot be found."),
            Self::Policy => format!("Policy {name} was not found."),
            Self::InstanceProfile => format!("Instance Profile {name} cannot be found."),
            Self::AccessKey => format!("The Access Key with id {name} cannot be found."),
        })
    }

    pub(crate) fn exists(self, name: &str) -> IamError {
        IamError::EntityAlreadyExists(match self {
            Self::Role => format!("Role with name {name} already exists."),
            Self::User => format!("User with name {name} already exists."),
            Self::Group => format!("Group with name {name} already exists."),
            Self::Policy => format!("A policy called {name} already exists. Duplicate names are not allowed."),
            Self::InstanceProfile => format!("Instance Profile {name} already exists."),
            Self::AccessKey => format!("Access Key {name} already exists."),
        })
    }

    /// The quota of an account.
    pub(crate) const fn quota(self) -> &'static str {
        match self {
            Self::Role => "RolesPerAccount",
            Self::User => "UsersPerAccount",
            Self::Group => "GroupsPerAccount",
            Self::Policy => "PoliciesPerAccount",
            Self::InstanceProfile => "InstanceProfilesPerAccount",
            Self::AccessKey => "AccessKeysPerAccount",
        }
    }

    /// How texts name it in the middle of a sentence, and the first part of its ARN's resource.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::User => "user",
            Self::Group => "group",
            Self::Policy => "policy",
            Self::InstanceProfile => "instance-profile",
            Self::AccessKey => "access-key",
        }
    }

    #[must_use]
    pub(crate) fn arn(self, partition: Partition, account: AccountId, path: &str, name: &str) -> Arn {
        Arn::iam(partition, account, &format!("{}{path}{name}", self.word()))
    }
}

/// An entity with an ARN of its own.
pub(crate) trait Named: Entity {
    /// Starts and ends with a slash.
    fn path(&self) -> &str;

    fn tags(&self) -> &[Tag];

    #[must_use]
    fn arn(&self, partition: Partition, account: AccountId) -> Arn {
        Self::NOUN.arn(partition, account, self.path(), Self::name(self.record()))
    }
}

/// What stands in the place of a document that is none any more.
const DENY_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
const TRUST_NOBODY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}]}"#;

/// Compiles a stored document. One that no longer passes grants nothing: its entity stays readable, and nobody may
/// do more than its author meant.
pub(crate) fn compile(document: &str, kind: PolicyKind, what: &str) -> Result<Arc<Policy>, IamError> {
    let policy = Policy::parse(document, kind).or_else(|error| {
        tracing::error!(%error, policy = what, "a stored policy is none any more: it denies everything");
        Policy::parse(if kind == PolicyKind::Trust { TRUST_NOBODY } else { DENY_ALL }, kind)
    })?;
    Ok(Arc::new(policy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_policy_any_more_grants_nothing_whatever_kind_it_was() {
        for (kind, instead) in [(PolicyKind::Trust, TRUST_NOBODY), (PolicyKind::Identity, DENY_ALL)] {
            let policy = compile("{", kind, "p").expect("compiled");
            assert_eq!(&**policy.text(), instead);
        }
    }
}
