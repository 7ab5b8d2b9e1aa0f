//! Tags of topics. Source: SNS developer guide, "Amazon SNS topic tagging"; SNS API reference, TagResource.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::SnsError;
use crate::limits::TAGS_MAX;

const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    #[serde(default)]
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}

/// # Errors
/// [`SnsError::Parameter`] for a key that comes twice.
pub(crate) fn by_key(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, SnsError> {
    let mut map = BTreeMap::new();
    for Tag { key, value } in tags {
        if map.insert(key, value).is_some() {
            // Recorded.
            return Err(SnsError::parameter("Duplicated keys are not allowed."));
        }
    }
    Ok(map)
}

/// # Errors
/// [`SnsError::Parameter`] for a tag that cannot be; [`SnsError::TagLimit`] for too many.
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<(), SnsError> {
    if tags.len() > TAGS_MAX {
        return Err(SnsError::TagLimit);
    }
    for (key, value) in tags {
        let is_key = (1..=KEY_MAX).contains(&key.chars().count()) && !key.to_ascii_lowercase().starts_with("aws:");
        if !is_key {
            return Err(SnsError::parameter("Tags Reason: a key has 1 to 128 characters and does not begin with aws:"));
        }
        if value.chars().count() > VALUE_MAX {
            return Err(SnsError::parameter("Tags Reason: a value has at most 256 characters"));
        }
    }
    Ok(())
}
