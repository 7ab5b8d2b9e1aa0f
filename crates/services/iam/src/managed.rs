//! The policies AWS manages, as far as Hearth knows them, with their documents. Attachable in every account.
//!
//! Source: "AWS managed policy reference". What is missing here is refused, never guessed: attaching a policy that
//! grants nothing would look like success. `ReadOnlyAccess`, `ViewOnlyAccess` and `SecurityAudit` are long lists of
//! all services of AWS; here they name the services that Hearth has or plans. AWS counts versions of its policies;
//! here each has the one in force, `v1`.

use std::sync::{Arc, LazyLock, OnceLock};

use hearth_authz::{Policy, PolicyKind};
use hearth_types::{Partition, SeededRandom};
use serde::Deserialize;

use crate::ids;

/// The version every managed policy is at.
pub(crate) const VERSION: u32 = 1;

/// A policy of AWS's own.
#[derive(Debug)]
pub(crate) struct ManagedPolicy {
    /// Starts and ends with a slash.
    pub path: String,
    pub name: String,
    document: String,
    compiled: OnceLock<Arc<Policy>>,
}

/// As it stands in `managed.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    path: String,
    name: String,
    statement: serde_json::Value,
}

/// Sorted by name, regardless of case.
static MANAGED: LazyLock<Vec<ManagedPolicy>> = LazyLock::new(|| {
    let listed: Vec<Listed> = match serde_json::from_str(include_str!("managed.json")) {
        Ok(listed) => listed,
        // Part of the program: the first test that looks at it shows it.
        Err(error) => panic!("managed.json: {error}"),
    };
    let mut policies: Vec<ManagedPolicy> = listed
        .into_iter()
        .map(|Listed { path, name, statement }| ManagedPolicy {
            path,
            name,
            document: format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#),
            compiled: OnceLock::new(),
        })
        .collect();
    policies.sort_by_cached_key(|policy| policy.name.to_lowercase());
    policies
});

impl ManagedPolicy {
    #[must_use]
    pub(crate) fn arn(&self, partition: Partition) -> String {
        format!("arn:{partition}:iam::aws:policy{}{}", self.path, self.name)
    }

    /// The same on every server.
    #[must_use]
    pub(crate) fn id(&self) -> String {
        // FNV-1a: only to have another id for each name.
        let seed = self
            .name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        ids::policy_id(&SeededRandom::new(seed))
    }

    #[must_use]
    pub(crate) fn document(&self) -> &str {
        &self.document
    }

    #[must_use]
    pub(crate) fn compiled(&self) -> Arc<Policy> {
        let policy = self.compiled.get_or_init(|| match Policy::parse(&self.document, PolicyKind::Identity) {
            Ok(policy) => Arc::new(policy),
            // Part of the program: a test compiles them all.
            Err(error) => panic!("managed.json, {}: {error}", self.name),
        });
        policy.clone()
    }
}

/// All of them, in the order of their names.
pub(crate) fn all() -> impl Iterator<Item = &'static ManagedPolicy> {
    MANAGED.iter()
}

/// By `policy/PATH/NAME`, the last part of an ARN of account `aws`.
#[must_use]
pub(crate) fn find(resource: &str) -> Option<&'static ManagedPolicy> {
    let (path, name) = path_and_name(resource)?;
    let lower = name.to_lowercase();
    let at = MANAGED.binary_search_by_key(&lower, |policy| policy.name.to_lowercase()).ok()?;
    MANAGED.get(at).filter(|policy| policy.name == name && policy.path == path)
}

/// Path and name of a managed policy's ARN resource `policy/a/b/name`: (`/a/b/`, `name`).
#[must_use]
pub(crate) fn path_and_name(resource: &str) -> Option<(&str, &str)> {
    let full = resource.strip_prefix("policy").filter(|rest| rest.starts_with('/'))?;
    full.rfind('/').map(|slash| full.split_at(slash + 1)).filter(|(_, name)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_managed_policy_is_known_by_its_whole_path() {
        assert!(find("policy/service-role/AWSLambdaBasicExecutionRole").is_some());
        assert!(find("policy/AdministratorAccess").is_some());
        assert!(find("policy/administratoraccess").is_none());
        assert!(find("policy/AWSLambdaBasicExecutionRole").is_none());
        assert!(find("policy/service-role/AdministratorAccess").is_none());
        assert!(find("policy/").is_none());
    }

    #[test]
    fn every_managed_policy_is_a_policy_with_an_id_and_a_name_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for policy in all() {
            assert_eq!(&**policy.compiled().text(), policy.document());
            assert!(seen.insert(policy.name.to_lowercase()) && seen.insert(policy.id()), "{}", policy.name);
        }
        assert!(seen.len() > 50);
    }

    #[test]
    fn a_policy_resource_splits_into_path_and_name() {
        assert_eq!(path_and_name("policy/n"), Some(("/", "n")));
        assert_eq!(path_and_name("policy/service-role/n"), Some(("/service-role/", "n")));
        assert_eq!(path_and_name("role/n"), None);
    }
}
