//! Session policies: what a session is cut down to.
//!
//! Source: STS API reference, AssumeRole, `Policy` and `PolicyArns`; IAM user guide, "Session policies".

use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
use hearth_types::RequestContext;
use serde::Deserialize;

use crate::tags::Marks;
use crate::{Sts, StsError};

/// Characters of a policy that is passed.
const POLICY_CHARS_MAX: usize = 2_048;
/// Managed policies that are named.
const POLICY_ARNS_MAX: usize = 10;
/// Documents and tags of one session, bytes: they travel in its token, with every request.
const PACKED_BYTES_MAX: usize = 32 * 1024;

#[derive(Debug, Deserialize)]
pub(crate) struct PolicyArn {
    arn: Option<String>,
}

/// The documents, those of managed policies as they are now. `ctx` is of the role's account.
///
/// # Errors
/// A document that is none, or a policy nobody has.
pub(crate) fn documents(
    sts: &Sts,
    ctx: &RequestContext,
    inline: Option<String>,
    arns: &[PolicyArn],
) -> Result<Vec<Arc<str>>, StsError> {
    let too_long = |value: &str, member, max| {
        StsError::Validation(format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have \
             length less than or equal to {max}"
        ))
    };
    let arns: Vec<&str> = arns.iter().filter_map(|policy| policy.arn.as_deref()).collect();
    if arns.len() > POLICY_ARNS_MAX {
        return Err(too_long(&format!("[{}]", arns.join(", ")), "policyArns", POLICY_ARNS_MAX));
    }
    let mut documents = Vec::new();
    if let Some(text) = inline {
        if text.chars().count() > POLICY_CHARS_MAX {
            return Err(too_long(&text, "policy", POLICY_CHARS_MAX));
        }
        Policy::parse(&text, PolicyKind::Identity)?;
        documents.push(text.into());
    }
    for arn in arns {
        let document = sts.roles.managed_policy(ctx, arn);
        let missing = || StsError::Validation(format!("Policy {arn} does not exist or is not attachable."));
        documents.push(document.ok_or_else(missing)?);
    }
    Ok(documents)
}

/// Per cent of the room for policies and tags that these take; nothing when there are none.
///
/// # Errors
/// More than there is.
pub(crate) fn packed_percent(documents: &[Arc<str>], marks: &Marks) -> Result<Option<usize>, StsError> {
    let tags = marks.tags.iter().map(|(key, value)| key.len() + value.len());
    let bytes: usize = documents.iter().map(|document| document.len()).chain(tags).sum();
    let percent = (bytes * 100).div_ceil(PACKED_BYTES_MAX);
    if percent > 100 {
        return Err(StsError::PackedPolicyTooLarge { percent });
    }
    Ok((bytes > 0).then_some(percent))
}
