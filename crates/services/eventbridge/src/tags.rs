//! Tags of buses and rules. Source: EventBridge API reference, TagResource; user guide, "Tagging Amazon EventBridge
//! resources".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::EventsError;
use crate::limits::TAGS_MAX;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// # Errors
/// [`EventsError::Validation`] for a key that comes twice, is AWS's own, or for too many.
pub(crate) fn by_key(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, EventsError> {
    let mut map = BTreeMap::new();
    for Tag { key, value } in tags {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(EventsError::validation(format!("Tag key {key} is reserved: keys do not begin with aws:.")));
        }
        if map.insert(key, value).is_some() {
            return Err(EventsError::validation("Duplicated keys are not allowed."));
        }
    }
    check(&map)?;
    Ok(map)
}

/// # Errors
/// [`EventsError::Validation`] for too many.
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<(), EventsError> {
    if tags.len() > TAGS_MAX {
        return Err(EventsError::validation(format!("A resource has at most {TAGS_MAX} tags.")));
    }
    Ok(())
}

pub(crate) fn list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}
