//! A role as it is stored, and as the API shows it.

use std::collections::{BTreeMap, BTreeSet};

use hearth_store::Record;
use hearth_types::{AccountId, Arn, Partition};
use hearth_wire::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// Seconds a session of a role may last when nothing was said. Source: CreateRole, `MaxSessionDuration`.
pub(crate) const MAX_SESSION_DURATION_DEFAULT_S: u32 = 3_600;

/// Everything about one role, in one record: trust, description, tags, inline and attached policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleRecord {
    pub name: String,
    /// Starts and ends with a slash.
    pub path: String,
    /// `AROA…`; another one for each life of the name.
    pub id: String,
    pub created_at_ms: i64,
    /// The document as sent.
    pub trust_policy: String,
    pub description: Option<String>,
    pub max_session_duration_s: u32,
    pub tags: Vec<Tag>,
    /// Policy name → document as sent.
    pub inline_policies: BTreeMap<String, String>,
    /// ARNs.
    pub attached_policies: BTreeSet<String>,
}

impl Record for RoleRecord {
    const KIND: &'static str = "iam.role";
    const VERSION: u32 = 1;
}

impl RoleRecord {
    #[must_use]
    pub(crate) fn arn(&self, partition: Partition, account: AccountId) -> Arn {
        Arn::iam(partition, account, &format!("role{}{}", self.path, self.name))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub key: String,
    pub value: String,
}

/// Present and empty: Hearth does not keep when a role was last used.
#[derive(Debug, Serialize)]
pub(crate) struct RoleLastUsed {}

/// The API's `Role`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RoleView {
    pub path: String,
    pub role_name: String,
    pub role_id: String,
    pub arn: String,
    pub create_date: Timestamp,
    /// Percent-encoded, see [`encode_document`].
    pub assume_role_policy_document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_session_duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_last_used: Option<RoleLastUsed>,
}

impl RoleView {
    /// What ListRoles shows of each role: neither tags nor last use.
    #[must_use]
    pub(crate) fn listed(role: &RoleRecord, partition: Partition, account: AccountId) -> Self {
        Self {
            path: role.path.clone(),
            role_name: role.name.clone(),
            role_id: role.id.clone(),
            arn: role.arn(partition, account).to_string(),
            create_date: Timestamp::from_ms(role.created_at_ms),
            assume_role_policy_document: encode_document(&role.trust_policy),
            description: role.description.clone(),
            max_session_duration: Some(role.max_session_duration_s),
            tags: None,
            role_last_used: None,
        }
    }

    /// What GetRole shows.
    #[must_use]
    pub(crate) fn whole(role: &RoleRecord, partition: Partition, account: AccountId) -> Self {
        Self { tags: shown_tags(role), role_last_used: Some(RoleLastUsed {}), ..Self::listed(role, partition, account) }
    }

    /// What CreateRole shows: no session duration (recorded).
    #[must_use]
    pub(crate) fn created(role: &RoleRecord, partition: Partition, account: AccountId) -> Self {
        Self { tags: shown_tags(role), max_session_duration: None, ..Self::listed(role, partition, account) }
    }
}

fn shown_tags(role: &RoleRecord) -> Option<Vec<Tag>> {
    (!role.tags.is_empty()).then(|| role.tags.clone())
}

/// Everything but RFC 3986's unreserved characters.
const DOCUMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Policy documents leave the API percent-encoded. Source: IAM API reference, GetRole ("URL-encoded compliant with
/// RFC 3986").
#[must_use]
pub(crate) fn encode_document(document: &str) -> String {
    utf8_percent_encode(document, DOCUMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_percent_encoded_as_rfc_3986_says() {
        assert_eq!(encode_document(r#"{"a-b_c.d~e": "*"}"#), "%7B%22a-b_c.d~e%22%3A%20%22%2A%22%7D");
    }
}
