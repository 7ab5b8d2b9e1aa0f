//! One file per operation: its input, its output, what it does. Each asks [`crate::Iam::authorize`] first.

pub(crate) mod attach_role_policy;
pub(crate) mod create_role;
pub(crate) mod delete_role;
pub(crate) mod delete_role_policy;
pub(crate) mod detach_role_policy;
pub(crate) mod get_role;
pub(crate) mod get_role_policy;
pub(crate) mod list_attached_role_policies;
pub(crate) mod list_instance_profiles_for_role;
pub(crate) mod list_role_policies;
pub(crate) mod list_role_tags;
pub(crate) mod list_roles;
pub(crate) mod put_role_policy;
pub(crate) mod tag_role;
pub(crate) mod untag_role;

use hearth_ports::Condition;

use crate::error::IamError;
use crate::role::Tag;

/// The output of an operation that has none.
#[derive(serde::Serialize)]
pub(crate) struct Empty {}

/// Tags of one role. Source: "IAM and AWS STS quotas".
const TAGS_MAX: usize = 50;

/// The condition under which policies may be attached or detached.
fn policy_arn_condition(arn: &str) -> Condition {
    Condition { key: "iam:PolicyARN", values: vec![arn.to_owned()] }
}

/// The tag keys a request names.
fn tag_keys_condition<'a>(keys: impl Iterator<Item = &'a str>) -> Condition {
    Condition { key: "aws:TagKeys", values: keys.map(str::to_owned).collect() }
}

/// What the API model does not say of tags: keys differ regardless of case, and `aws:` is AWS's own.
fn check_tags(tags: &[Tag]) -> Result<(), IamError> {
    let mut keys = std::collections::HashSet::new();
    for tag in tags {
        if tag.key.to_lowercase().starts_with("aws:") {
            return Err(IamError::InvalidInput(
                "Tag keys that start with aws: are reserved for AWS use and cannot be set.".to_owned(),
            ));
        }
        if !keys.insert(tag.key.to_lowercase()) {
            return Err(IamError::InvalidInput(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
            ));
        }
    }
    Ok(())
}
