//! The role a request names, and how long a session of it may last.

use std::sync::Arc;

use hearth_authz::Policy;
use hearth_ports::{Condition, RoleFacts};
use hearth_types::{AccountId, Arn, Partition, RequestContext};

use crate::{Sts, StsError};

/// A session's length when none is asked for. Source: STS API reference, `DurationSeconds`.
const DURATION_S_DEFAULT: u32 = 3_600;
/// Longest session that a session may make. Source: IAM user guide, "Role chaining".
const CHAINED_DURATION_S_MAX: u32 = 3_600;

/// A role that is asked for; whether it exists is nobody's business before the request is authorised.
pub(crate) struct Target {
    pub(crate) arn: Arn,
    /// Whose it is.
    pub(crate) account: AccountId,
    found: Option<RoleFacts>,
}

impl Target {
    /// # Errors
    /// The text is no ARN of a role.
    pub(crate) fn find(sts: &Sts, ctx: &RequestContext, text: &str) -> Result<Self, StsError> {
        let invalid = || StsError::Validation(format!("{text} is invalid"));
        let arn: Arn = text.parse().map_err(|_| invalid())?;
        let account = arn.account.parse().map_err(|_| invalid())?;
        let partitions = [Partition::Aws, Partition::AwsCn, Partition::AwsUsGov];
        let is_role = partitions.iter().any(|partition| partition.as_str() == arn.partition)
            && arn.service == "iam"
            && arn.region.is_empty()
            && arn.resource.strip_prefix("role/").is_some_and(|name| !name.is_empty());
        if !is_role {
            return Err(invalid());
        }
        let found = sts.roles.find_role(&ctx.in_account(account), &arn);
        Ok(Self { arn, account, found })
    }

    /// Who may assume it; nobody may assume a role that does not exist.
    pub(crate) fn trust(&self) -> Arc<Policy> {
        self.found.as_ref().map_or_else(|| Arc::new(Policy::nothing()), |role| role.trust.clone())
    }

    /// Its tags, as conditions see them. Source: service authorization reference, STS.
    pub(crate) fn conditions(&self) -> Vec<Condition> {
        let tags = self.found.iter().flat_map(|role| &role.tags);
        tags.flat_map(|(key, value)| {
            [format!("aws:ResourceTag/{key}"), format!("iam:ResourceTag/{key}")]
                .map(|key| Condition::one(key, value.clone()))
        })
        .collect()
    }

    /// The role, after the request was authorised.
    pub(crate) fn role(self) -> Option<RoleFacts> {
        self.found
    }
}

/// How long the session will last.
///
/// # Errors
/// Longer is asked for than the role, or a session that assumes it, may have.
pub(crate) fn duration_s(asked: Option<u32>, role: &RoleFacts, is_chained: bool) -> Result<u32, StsError> {
    let duration_s = asked.unwrap_or(DURATION_S_DEFAULT);
    if is_chained && duration_s > CHAINED_DURATION_S_MAX {
        let text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
        return Err(StsError::Validation(text.to_owned()));
    }
    if duration_s > role.max_session_duration_s {
        let text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(StsError::Validation(text.to_owned()));
    }
    Ok(duration_s)
}
