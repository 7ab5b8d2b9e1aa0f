//! Versions of managed policies.

use hearth_authz::{Policy, PolicyKind};
use hearth_wire::Timestamp;
use serde::Serialize;

use crate::entity::PolicyRecord;
use crate::error::IamError;
use crate::grants::counted_chars;
use crate::managed;
use crate::policy_ref::Managed;
use crate::view::{MANAGED_SINCE_MS, encode_document, version_id};

/// Characters of a managed policy, white space not counted. Source: "IAM and AWS STS quotas".
const POLICY_CHARS_MAX: usize = 6_144;

/// # Errors
/// [`IamError::MalformedPolicy`] or [`IamError::LimitExceeded`].
pub(crate) fn check(document: &str) -> Result<(), IamError> {
    Policy::parse(document, PolicyKind::Identity)?;
    if counted_chars(document) > POLICY_CHARS_MAX {
        return Err(IamError::quota("PolicySize", POLICY_CHARS_MAX));
    }
    Ok(())
}

pub(crate) fn unknown(arn: &str, version: &str) -> IamError {
    IamError::NoSuchEntity(format!("Policy {arn} version {version} does not exist or is not attachable."))
}

/// The number behind `v` in a version's id, as long as there is such a version.
///
/// # Errors
/// `NoSuchEntity`.
pub(crate) fn number(policy: &PolicyRecord, arn: &str, version: &str) -> Result<u32, IamError> {
    let number = version.strip_prefix('v').and_then(|digits| digits.parse().ok());
    number.filter(|number| policy.versions.contains_key(number)).ok_or_else(|| unknown(arn, version))
}

/// The API's `PolicyVersion`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VersionView {
    /// Percent-encoded, see [`encode_document`].
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    version_id: String,
    is_default_version: bool,
    create_date: Timestamp,
    #[serde(skip)]
    number: u32,
}

impl VersionView {
    /// Without its document. Source: `PolicyVersion$Document` ("returned in the response to GetPolicyVersion").
    #[must_use]
    pub(crate) fn listed(policy: &PolicyRecord, number: u32, created_at_ms: i64) -> Self {
        Self {
            document: None,
            version_id: version_id(number),
            is_default_version: number == policy.default_version,
            create_date: Timestamp::from_ms(created_at_ms),
            number,
        }
    }

    /// All versions, the newest first.
    #[must_use]
    pub(crate) fn all(policy: &Managed) -> Vec<Self> {
        match policy {
            Managed::Aws(_) => vec![Self::of_aws()],
            Managed::Customer(policy) => {
                let versions = policy.versions.iter().rev();
                versions.map(|(number, version)| Self::listed(policy, *number, version.created_at_ms)).collect()
            }
        }
    }

    /// The version of that id, with its document.
    #[must_use]
    pub(crate) fn whole(policy: &Managed, version: &str) -> Option<Self> {
        let found = Self::all(policy).into_iter().find(|found| found.version_id == version)?;
        let document = match policy {
            Managed::Aws(policy) => policy.document(),
            Managed::Customer(policy) => &policy.versions.get(&found.number)?.document,
        };
        Some(Self { document: Some(encode_document(document)), ..found })
    }

    fn of_aws() -> Self {
        Self {
            document: None,
            version_id: version_id(managed::VERSION),
            is_default_version: true,
            create_date: Timestamp::from_ms(MANAGED_SINCE_MS),
            number: managed::VERSION,
        }
    }

    /// Grows from one version to the next older one, as they are listed.
    #[must_use]
    pub(crate) fn marker(&self) -> String {
        format!("{:010}", u32::MAX - self.number)
    }
}
