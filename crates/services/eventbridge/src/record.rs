//! What the store keeps of buses and rules, and under which keys. Deliveries are kept by `hearth-delivery`; archived events
//! and replays stand beside them (`archive/record.rs`).

use std::collections::BTreeMap;

use hearth_store::{Key, Record, Shard};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

use crate::target::Target;

/// A bus that was made or changed: a default bus is there without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BusRecord {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// A policy document.
    pub(crate) policy: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Wall clock; 0 for a default bus that nobody has changed.
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
}

impl Record for BusRecord {
    const KIND: &'static str = "events.bus";
    const VERSION: u32 = 1;
}

/// One for all buses and rules of an account and region.
pub(crate) fn shard(scope: &Scope) -> Shard {
    Shard::new(scope, "events")
}

pub(crate) fn buses(scope: &Scope) -> Key {
    Key::new(scope, BusRecord::KIND)
}

pub(crate) fn bus_key(scope: &Scope, name: &str) -> Key {
    buses(scope).part(name)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuleRecord {
    pub(crate) bus: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) schedule: Option<RuleSchedule>,
    /// As it was given.
    pub(crate) pattern: Option<String>,
    pub(crate) is_enabled: bool,
    pub(crate) description: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// In the order they were put.
    pub(crate) targets: Vec<Target>,
}

/// When a rule comes by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuleSchedule {
    /// As it was given.
    pub(crate) expression: String,
    /// Another one for each setting of it.
    pub(crate) life: String,
    /// When it was set, by the service clock.
    pub(crate) since_ms: i64,
}

impl Record for RuleRecord {
    const KIND: &'static str = "events.rule";
    const VERSION: u32 = 1;
}

pub(crate) fn rules(scope: &Scope) -> Key {
    Key::new(scope, RuleRecord::KIND)
}

pub(crate) fn rule_key(scope: &Scope, bus: &str, name: &str) -> Key {
    rules(scope).part(bus).part(name)
}
