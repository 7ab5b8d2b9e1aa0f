//! What the API model does not say of tags.

use std::collections::BTreeMap;

use crate::error::LogsError;

/// Tags of one group. Source: "CloudWatch Logs quotas".
const TAGS_MAX: usize = 50;

/// # Errors
/// [`LogsError::InvalidParameter`] for a key that is AWS's own.
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<(), LogsError> {
    match tags.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        Some(key) => Err(LogsError::invalid(format!(
            "The tag key {key} is reserved: aws: prefixed tag key names are not allowed"
        ))),
        None => Ok(()),
    }
}

/// Adds tags; one of the same key gets the new value.
///
/// # Errors
/// [`LogsError::TooManyTags`], with `tags` as they were.
pub(crate) fn add(tags: &mut BTreeMap<String, String>, more: BTreeMap<String, String>) -> Result<(), LogsError> {
    let mut all = tags.clone();
    all.extend(more);
    if all.len() > TAGS_MAX {
        return Err(LogsError::TooManyTags { max: TAGS_MAX });
    }
    *tags = all;
    Ok(())
}
