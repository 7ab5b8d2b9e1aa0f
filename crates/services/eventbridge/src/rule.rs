//! A rule: which events it is about, and whom it tells. In memory as in the store.

use hearth_event_pattern::EventPattern;
use hearth_ports::Condition;
use hearth_types::{Arn, Scope};

use crate::error::EventsError;
use crate::record::RuleRecord;
use crate::{arn, pattern};

pub(crate) struct Rule {
    pub(crate) record: RuleRecord,
    pub(crate) arn: Arn,
    pub(crate) pattern: Option<EventPattern>,
}

impl Rule {
    /// # Errors
    /// [`EventsError::Pattern`].
    pub(crate) fn new(scope: &Scope, record: RuleRecord) -> Result<Self, EventsError> {
        let pattern = record.pattern.as_deref().map(pattern::compile).transpose()?;
        Ok(Self { arn: arn::rule(scope, &record.bus, &record.name), pattern, record })
    }

    pub(crate) fn conditions(&self) -> Vec<Condition> {
        let tags = self.record.tags.iter();
        tags.map(|(key, value)| Condition::one(format!("aws:ResourceTag/{key}"), value)).collect()
    }

    pub(crate) const fn state(&self) -> &'static str {
        if self.record.is_enabled { "ENABLED" } else { "DISABLED" }
    }
}
