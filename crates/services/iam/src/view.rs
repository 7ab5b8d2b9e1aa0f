//! Entities as the API shows them.

use hearth_types::{AccountId, Arn, Partition, RequestContext};
use hearth_wire::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::directory::Usage;
use crate::entity::{AccessKeyRecord, CustomerPolicy, Group, InstanceProfile, KeyOwner, Named as _, Role, Tag, User};
use crate::managed::{self, ManagedPolicy};

/// Everything but RFC 3986's unreserved characters.
const DOCUMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Policy documents leave the API percent-encoded. Source: IAM API reference, GetRole ("URL-encoded compliant with
/// RFC 3986").
#[must_use]
pub(crate) fn encode_document(document: &str) -> String {
    utf8_percent_encode(document, DOCUMENT).to_string()
}

fn shown(tags: &[Tag]) -> Option<Vec<Tag>> {
    (!tags.is_empty()).then(|| tags.to_vec())
}

/// The API's `AttachedPermissionsBoundary`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BoundaryView {
    permissions_boundary_type: &'static str,
    permissions_boundary_arn: String,
}

impl BoundaryView {
    fn of(arn: Option<&String>) -> Option<Self> {
        arn.map(|arn| Self { permissions_boundary_type: "Policy", permissions_boundary_arn: arn.clone() })
    }
}

/// Present and empty: Hearth does not keep when a role was last used.
#[derive(Debug, Serialize)]
pub(crate) struct RoleLastUsed {}

/// The API's `Role`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RoleView {
    path: String,
    role_name: String,
    role_id: String,
    arn: String,
    create_date: Timestamp,
    /// Percent-encoded, see [`encode_document`].
    assume_role_policy_document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_session_duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<BoundaryView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<Tag>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_last_used: Option<RoleLastUsed>,
}

impl RoleView {
    /// What lists show of each role: neither boundary, tags nor last use. Source: ListRoles.
    #[must_use]
    pub(crate) fn listed(role: &Role, partition: Partition, account: AccountId) -> Self {
        Self {
            path: role.path.clone(),
            role_name: role.name.clone(),
            role_id: role.id.clone(),
            arn: role.arn(partition, account).to_string(),
            create_date: Timestamp::from_ms(role.created_at_ms),
            assume_role_policy_document: encode_document(&role.trust_policy),
            description: role.description.clone(),
            max_session_duration: Some(role.max_session_duration_s),
            permissions_boundary: None,
            tags: None,
            role_last_used: None,
        }
    }

    /// What GetRole shows.
    #[must_use]
    pub(crate) fn whole(role: &Role, partition: Partition, account: AccountId) -> Self {
        Self {
            tags: shown(&role.tags),
            permissions_boundary: BoundaryView::of(role.permissions_boundary.as_ref()),
            role_last_used: Some(RoleLastUsed {}),
            ..Self::listed(role, partition, account)
        }
    }

    /// What CreateRole shows: no session duration (recorded).
    #[must_use]
    pub(crate) fn created(role: &Role, partition: Partition, account: AccountId) -> Self {
        Self { max_session_duration: None, role_last_used: None, ..Self::whole(role, partition, account) }
    }
}

/// The API's `User`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserView {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    user_id: String,
    arn: String,
    create_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<BoundaryView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<Tag>>,
}

impl UserView {
    /// What lists show of each user: neither boundary nor tags. Source: ListUsers.
    #[must_use]
    pub(crate) fn listed(user: &User, partition: Partition, account: AccountId) -> Self {
        Self {
            path: Some(user.path.clone()),
            user_name: Some(user.name.clone()),
            user_id: user.id.clone(),
            arn: user.arn(partition, account).to_string(),
            create_date: Timestamp::from_ms(user.created_at_ms),
            permissions_boundary: None,
            tags: None,
        }
    }

    /// What GetUser and CreateUser show.
    #[must_use]
    pub(crate) fn whole(user: &User, partition: Partition, account: AccountId) -> Self {
        Self {
            permissions_boundary: BoundaryView::of(user.permissions_boundary.as_ref()),
            tags: shown(&user.tags),
            ..Self::listed(user, partition, account)
        }
    }

    /// The account itself, which has neither path nor name. When an account began is not kept: accounts here have no
    /// beginning.
    #[must_use]
    pub(crate) fn root(ctx: &RequestContext) -> Self {
        Self {
            path: None,
            user_name: None,
            user_id: ctx.account.to_string(),
            arn: Arn::iam(ctx.partition, ctx.account, "root").to_string(),
            create_date: Timestamp::from_ms(0),
            permissions_boundary: None,
            tags: None,
        }
    }
}

/// The API's `Group`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GroupView {
    path: String,
    group_name: String,
    group_id: String,
    arn: String,
    create_date: Timestamp,
}

impl GroupView {
    #[must_use]
    pub(crate) fn of(group: &Group, partition: Partition, account: AccountId) -> Self {
        Self {
            path: group.path.clone(),
            group_name: group.name.clone(),
            group_id: group.id.clone(),
            arn: group.arn(partition, account).to_string(),
            create_date: Timestamp::from_ms(group.created_at_ms),
        }
    }
}

/// The API's `AccessKeyMetadata`. The account's own keys have no user.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccessKeyView {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    access_key_id: String,
    status: &'static str,
    create_date: Timestamp,
}

impl AccessKeyView {
    #[must_use]
    pub(crate) fn of(key: &AccessKeyRecord) -> Self {
        Self {
            user_name: match &key.owner {
                KeyOwner::Root => None,
                KeyOwner::User { name, .. } => Some(name.clone()),
            },
            access_key_id: key.id.clone(),
            status: if key.is_active { "Active" } else { "Inactive" },
            create_date: Timestamp::from_ms(key.created_at_ms),
        }
    }
}

/// The API's `Policy`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyView {
    policy_name: String,
    policy_id: String,
    arn: String,
    path: String,
    default_version_id: String,
    attachment_count: u32,
    permissions_boundary_usage_count: u32,
    is_attachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    create_date: Timestamp,
    update_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<Tag>>,
}

impl PolicyView {
    /// What GetPolicy and CreatePolicy show.
    #[must_use]
    pub(crate) fn whole(policy: &CustomerPolicy, usage: Usage, partition: Partition, account: AccountId) -> Self {
        Self {
            description: policy.description.clone(),
            tags: shown(&policy.tags),
            ..Self::listed(policy, usage, partition, account)
        }
    }

    /// What ListPolicies shows: neither description nor tags. Source: ListPolicies, and `Policy$Description`.
    #[must_use]
    pub(crate) fn listed(policy: &CustomerPolicy, usage: Usage, partition: Partition, account: AccountId) -> Self {
        Self {
            policy_name: policy.name.clone(),
            policy_id: policy.id.clone(),
            arn: policy.arn(partition, account).to_string(),
            path: policy.path.clone(),
            default_version_id: version_id(policy.default_version),
            attachment_count: usage.attachments,
            permissions_boundary_usage_count: usage.boundaries,
            is_attachable: true,
            description: None,
            create_date: Timestamp::from_ms(policy.created_at_ms),
            update_date: Timestamp::from_ms(policy.updated_at_ms),
            tags: None,
        }
    }

    /// One of AWS's own.
    #[must_use]
    pub(crate) fn of_aws(policy: &ManagedPolicy, usage: Usage, partition: Partition) -> Self {
        Self {
            policy_name: policy.name.clone(),
            policy_id: policy.id(),
            arn: policy.arn(partition),
            path: policy.path.clone(),
            default_version_id: version_id(managed::VERSION),
            attachment_count: usage.attachments,
            permissions_boundary_usage_count: usage.boundaries,
            is_attachable: true,
            description: None,
            create_date: Timestamp::from_ms(MANAGED_SINCE_MS),
            update_date: Timestamp::from_ms(MANAGED_SINCE_MS),
            tags: None,
        }
    }
}

/// When AWS made a policy is not kept here: managed policies as such exist since 2015-02-11.
pub(crate) const MANAGED_SINCE_MS: i64 = 1_423_612_800_000;

/// `v1`, `v2` …
#[must_use]
pub(crate) fn version_id(number: u32) -> String {
    format!("v{number}")
}

/// The API's `InstanceProfile`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InstanceProfileView {
    path: String,
    instance_profile_name: String,
    instance_profile_id: String,
    arn: String,
    create_date: Timestamp,
    roles: Vec<RoleView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<Tag>>,
}

impl InstanceProfileView {
    /// What lists show: no tags. Source: ListInstanceProfiles.
    #[must_use]
    pub(crate) fn listed(
        profile: &InstanceProfile,
        role: Option<&Role>,
        partition: Partition,
        account: AccountId,
    ) -> Self {
        Self {
            path: profile.path.clone(),
            instance_profile_name: profile.name.clone(),
            instance_profile_id: profile.id.clone(),
            arn: profile.arn(partition, account).to_string(),
            create_date: Timestamp::from_ms(profile.created_at_ms),
            roles: role.map(|role| RoleView::listed(role, partition, account)).into_iter().collect(),
            tags: None,
        }
    }

    #[must_use]
    pub(crate) fn whole(
        profile: &InstanceProfile,
        role: Option<&Role>,
        partition: Partition,
        account: AccountId,
    ) -> Self {
        Self { tags: shown(&profile.tags), ..Self::listed(profile, role, partition, account) }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttachedPolicy {
    pub policy_name: String,
    pub policy_arn: String,
}

/// The output of the operations that list attached policies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttachedPolicies {
    pub attached_policies: Vec<AttachedPolicy>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// The output of the operations that list inline policies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyNames {
    pub policy_names: Vec<String>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// The output of the operations that list tags.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tags {
    pub tags: Vec<Tag>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_percent_encoded_as_rfc_3986_says() {
        assert_eq!(encode_document(r#"{"a-b_c.d~e": "*"}"#), "%7B%22a-b_c.d~e%22%3A%20%22%2A%22%7D");
    }
}
