//! How schedules and groups lie in the store.

use std::collections::BTreeMap;

use hearth_store::{Key, Record, Shard};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScheduleRecord {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) settings: Settings,
    /// Another one for each setting of it.
    pub(crate) life: String,
    /// When it was set, by the service clock: occurrences before that do not count.
    pub(crate) since_ms: i64,
    /// Wall clock.
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
    /// Of the request that made it.
    pub(crate) client_token: Option<String>,
}

impl Record for ScheduleRecord {
    const KIND: &'static str = "scheduler.schedule";
    const VERSION: u32 = 1;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub(crate) name: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// Wall clock; 0 of the default group, which nobody has made.
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
    pub(crate) client_token: Option<String>,
}

impl Record for GroupRecord {
    const KIND: &'static str = "scheduler.group";
    const VERSION: u32 = 1;
}

/// One for all schedules of an account and region.
pub(crate) fn shard(scope: &Scope) -> Shard {
    Shard::new(scope, "scheduler")
}

pub(crate) fn schedules(scope: &Scope) -> Key {
    Key::new(scope, ScheduleRecord::KIND)
}

pub(crate) fn schedule_key(scope: &Scope, group: &str, name: &str) -> Key {
    schedules(scope).part(group).part(name)
}

pub(crate) fn groups(scope: &Scope) -> Key {
    Key::new(scope, GroupRecord::KIND)
}

pub(crate) fn group_key(scope: &Scope, name: &str) -> Key {
    groups(scope).part(name)
}
