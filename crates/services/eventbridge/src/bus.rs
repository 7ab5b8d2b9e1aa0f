//! A bus: what it is set to, its rules and its archives. In memory as in the store; changes are durable first.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
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

pub(crate) struct Bus {
    pub(crate) scope: Scope,
    pub(crate) arn: Arn,
    pub(crate) name: String,
    description: RwLock<Arc<Description>>,
    rules: RwLock<BTreeMap<String, Arc<Rule>>>,
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
        self.rules.read().get(name).cloned()
    }

    pub(crate) fn put_rule(&self, rule: Arc<Rule>) {
        self.rules.write().insert(rule.record.name.clone(), rule);
    }

    pub(crate) fn remove_rule(&self, name: &str) {
        self.rules.write().remove(name);
    }

    pub(crate) fn rules_count(&self) -> usize {
        self.rules.read().len()
    }

    /// Up to `limit` rules by name, from behind `after`, that are wanted.
    pub(crate) fn rules(&self, after: Option<&str>, limit: usize, wanted: impl Fn(&Rule) -> bool) -> Vec<Arc<Rule>> {
        let rules = self.rules.read();
        let behind = rules.range::<str, _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        behind.map(|(_, rule)| rule).filter(|rule| wanted(rule)).take(limit).cloned().collect()
    }

    /// The enabled rules that an event matches, by name.
    pub(crate) fn matching(&self, event: &Value) -> Vec<Arc<Rule>> {
        let rules = self.rules.read();
        let matches = |rule: &&Arc<Rule>| {
            rule.record.is_enabled && rule.pattern.as_ref().is_some_and(|pattern| pattern.matches(event))
        };
        rules.values().filter(matches).cloned().collect()
    }
}
