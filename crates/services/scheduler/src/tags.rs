//! Tags of groups. Source: EventBridge Scheduler API reference, TagResource.

use std::collections::BTreeMap;

use hearth_ports::Condition;
use serde::{Deserialize, Serialize};

use crate::error::SchedulerError;
use crate::limits::TAGS_MAX;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// # Errors
/// [`SchedulerError::Validation`] for a key that comes twice or is AWS's own.
pub(crate) fn by_key(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, SchedulerError> {
    let mut map = BTreeMap::new();
    for Tag { key, value } in tags {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(SchedulerError::validation(format!("Tag key {key} is reserved: keys do not begin with aws:.")));
        }
        if map.insert(key, value).is_some() {
            return Err(SchedulerError::validation("Duplicated keys are not allowed."));
        }
    }
    check(&map)?;
    Ok(map)
}

/// # Errors
/// [`SchedulerError::Validation`] for too many.
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<(), SchedulerError> {
    if tags.len() > TAGS_MAX {
        return Err(SchedulerError::validation(format!("A resource has at most {TAGS_MAX} tags.")));
    }
    Ok(())
}

pub(crate) fn list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

/// The tags that a request sets, as policies see them.
pub(crate) fn requested(tags: &BTreeMap<String, String>) -> Vec<Condition> {
    let mut conditions: Vec<_> =
        tags.iter().map(|(key, value)| Condition::one(format!("aws:RequestTag/{key}"), value)).collect();
    conditions.extend(keys(tags.keys().cloned().collect()));
    conditions
}

pub(crate) fn keys(keys: Vec<String>) -> Option<Condition> {
    (!keys.is_empty()).then(|| Condition::many("aws:TagKeys", keys))
}
