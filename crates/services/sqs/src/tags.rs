//! Tags of queues. Source: SQS developer guide, "Amazon SQS cost allocation tags"; SQS API reference, TagQueue.

use std::collections::BTreeMap;

use crate::error::SqsError;
use crate::limits::TAGS_MAX;

const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;

/// # Errors
/// [`SqsError::Invalid`] for a tag that cannot be; [`SqsError::OverLimit`] for too many.
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<(), SqsError> {
    if tags.len() > TAGS_MAX {
        return Err(SqsError::invalid(format!("Too many tags: a queue can have {TAGS_MAX}.")));
    }
    for (key, value) in tags {
        let key_chars = key.chars().count();
        if !(1..=KEY_MAX).contains(&key_chars) || key.to_ascii_lowercase().starts_with("aws:") {
            return Err(SqsError::value(key, "TagKey", "It must have 1 to 128 characters and not begin with aws:."));
        }
        if value.chars().count() > VALUE_MAX {
            return Err(SqsError::value(value, "TagValue", "It can have 256 characters."));
        }
    }
    Ok(())
}
