//! A bus: what it is set to, its rules and its archives. In memory as in the store; changes are durable first.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
use hearth_event_pattern::PatternIndex;
use hearth_ports::{Condition, ResourcePolicy};
use hearth_types::{Arn, Scope};
use parking_lot::RwLock;
use serde_json::Value;

use crate::arn;
use crate::error::EventsError;
use crate::record::BusRecord;
use crate::rule::Rule;

/// What a bus is set to.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) record: BusRecord,
    policy: Option<Policy>,
}

impl Description {
    /// # Errors
    /// [`EventsError::Validation`]: the policy is none.
    pub(crate) fn new(record: BusRecord) -> Result<Self, EventsError> {
        let policy = record.policy.as_deref().map(|text| Policy::parse(text, PolicyKind::Resource)).transpose();
        let policy = policy
            .map_err(|error| EventsError::validation(format!("Parameter Policy is not valid. Reason: {error}")))?;
        Ok(Self { record, policy })
    }

    pub(crate) fn policy(&self) -> ResourcePolicy<'_> {
        self.policy.as_ref().map_or(ResourcePolicy::None, ResourcePolicy::Of)
    }

    pub(crate) fn conditions(&self) -> Vec<Condition> {
        let tags = self.record.tags.iter();
        tags.map(|(key, value)| Condition::one(format!("aws:ResourceTag/{key}"), value)).collect()
    }
}

/// Of a bus.
#[derive(Default)]
struct Rules {
    by_name: BTreeMap<String, Arc<Rule>>,
    /// The patterns of those that are enabled.
    index: PatternIndex<String>,
}

pub(crate) struct Bus {
    pub(crate) scope: Scope,
    pub(crate) arn: Arn,
    pub(crate) name: String,
    description: RwLock<Arc<Description>>,
    rules: RwLock<Rules>,
}

impl Bus {
    /// # Errors
    /// [`EventsError::Validation`]: its policy is none.
    pub(crate) fn new(scope: &Scope, record: BusRecord) -> Result<Self, EventsError> {
        let (arn, name) = (arn::bus(scope, &record.name), record.name.clone());
        let description = RwLock::new(Arc::new(Description::new(record)?));
        Ok(Self { scope: scope.clone(), arn, name, description, rules: RwLock::default() })
    }

    pub(crate) fn is_default(&self) -> bool {
        self.name == arn::DEFAULT_BUS
    }

    pub(crate) fn describe(&self) -> Arc<Description> {
        self.description.read().clone()
    }

    pub(crate) fn set_description(&self, description: Description) {
        *self.description.write() = Arc::new(description);
    }

    pub(crate) fn rule(&self, name: &str) -> Option<Arc<Rule>> {
        self.rules.read().by_name.get(name).cloned()
    }

    pub(crate) fn put_rule(&self, rule: Arc<Rule>) {
        let mut rules = self.rules.write();
        let name = rule.record.name.clone();
        match rule.pattern.clone().filter(|_| rule.record.is_enabled) {
            Some(pattern) => rules.index.insert(name.clone(), pattern),
            None => drop(rules.index.remove(&name)),
        }
        rules.by_name.insert(name, rule);
    }

    pub(crate) fn remove_rule(&self, name: &str) {
        let mut rules = self.rules.write();
        rules.index.remove(&name.to_owned());
        rules.by_name.remove(name);
    }

    pub(crate) fn rules_count(&self) -> usize {
        self.rules.read().by_name.len()
    }

    /// Up to `limit` rules by name, from behind `after`, that are wanted.
    pub(crate) fn rules(&self, after: Option<&str>, limit: usize, wanted: impl Fn(&Rule) -> bool) -> Vec<Arc<Rule>> {
        let rules = self.rules.read();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = rules.by_name.range::<str, _>((start, Bound::Unbounded)).map(|(_, rule)| rule);
        behind.filter(|rule| wanted(rule)).take(limit).cloned().collect()
    }

    /// The enabled rules that an event matches.
    pub(crate) fn matching(&self, event: &Value) -> Vec<Arc<Rule>> {
        let rules = self.rules.read();
        let names = rules.index.matches(event);
        names.into_iter().filter_map(|name| rules.by_name.get(name)).cloned().collect()
    }
}
