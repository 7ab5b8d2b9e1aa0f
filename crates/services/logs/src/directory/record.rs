//! What the store keeps of log groups and streams.

use std::collections::BTreeMap;

use hearth_store::Record;
use serde::{Deserialize, Serialize};

use crate::subscription::FilterRecord;

/// A log group. Its events are found by its id, which is another one for each life of the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub(crate) name: String,
    pub(crate) id: u64,
    pub(crate) created_at_ms: i64,
    /// `None`: events stay as long as there is room.
    pub(crate) retention_days: Option<u32>,
    pub(crate) tags: BTreeMap<String, String>,
    /// In the order of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) subscription_filters: Vec<FilterRecord>,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl GroupRecord {
    /// Events before this time have expired.
    pub(crate) fn cutoff_ms(&self, now_ms: i64) -> i64 {
        self.retention_days.map_or(i64::MIN, |days| now_ms - i64::from(days) * DAY_MS)
    }
}

impl Record for GroupRecord {
    const KIND: &'static str = "logs.group";
    const VERSION: u32 = 1;
}

/// A log stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamRecord {
    pub(crate) name: String,
    pub(crate) id: u64,
    pub(crate) created_at_ms: i64,
    /// Made by its first line and not by CreateLogStream: it goes with its last one.
    pub(crate) is_automatic: bool,
}

impl Record for StreamRecord {
    const KIND: &'static str = "logs.stream";
    const VERSION: u32 = 1;
}
