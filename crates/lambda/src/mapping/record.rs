//! What the store keeps of a mapping, and the states it goes through.

use std::collections::BTreeMap;

use hearth_ports::{Condition, QueueMapping};
use hearth_store::{Key, Record};
use hearth_types::{Arn, ArnError, Millis, Qualifier, RequestContext, Scope};
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;

/// `State` of the API.
///
/// ```text
/// Creating, Updating, Enabling, Disabling ──settled──> Enabled or Disabled, as it is set
/// Enabled, Disabled ──Update──> Updating, Enabling, Disabling    ──Delete──> Deleting ──settled──> gone
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Creating,
    Enabling,
    Enabled,
    Disabling,
    Disabled,
    Updating,
    Deleting,
}

impl Phase {
    /// The real service changes nothing in between.
    pub(crate) const fn is_settled(self) -> bool {
        matches!(self, Self::Enabled | Self::Disabled)
    }

    /// What it becomes when the pollers do as it says; `None`: it is gone.
    pub(crate) const fn settled(self, is_enabled: bool) -> Option<Self> {
        match self {
            Self::Deleting => None,
            _ if is_enabled => Some(Self::Enabled),
            _ => Some(Self::Disabled),
        }
    }

    /// Of an update that sets whether it is enabled.
    pub(crate) const fn updating(was_enabled: bool, is_enabled: bool) -> Self {
        match (was_enabled, is_enabled) {
            (false, true) => Self::Enabling,
            (true, false) => Self::Disabling,
            _ => Self::Updating,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) batch_size: u32,
    pub(crate) window_seconds: u32,
    /// Event patterns, as they were given.
    pub(crate) filters: Vec<String>,
    pub(crate) reports_failures: bool,
    pub(crate) concurrency_max: Option<u32>,
    /// Whether its events are metrics.
    #[serde(default)]
    pub(crate) counts_events: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MappingRecord {
    pub(crate) uuid: String,
    /// ARN.
    pub(crate) queue: String,
    pub(crate) function_name: String,
    pub(crate) qualifier: Option<String>,
    pub(crate) terms: Terms,
    pub(crate) is_enabled: bool,
    pub(crate) phase: Phase,
    pub(crate) last_modified_ms: i64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Record for MappingRecord {
    const KIND: &'static str = "lambda.event_source_mapping";
    const VERSION: u32 = 1;
}

impl MappingRecord {
    /// What the pollers do for it.
    pub(crate) fn polled(&self, scope: &Scope) -> Result<QueueMapping, ArnError> {
        Ok(QueueMapping {
            id: self.uuid.clone(),
            scope: scope.clone(),
            queue: self.queue.parse::<Arn>()?,
            function_name: self.function_name.clone(),
            qualifier: self.qualifier.as_deref().map(Qualifier::parse),
            batch_size: self.terms.batch_size,
            window: Millis::from_secs(self.terms.window_seconds.into()),
            filters: self.terms.filters.clone(),
            reports_failures: self.terms.reports_failures,
            concurrency_max: self.terms.concurrency_max,
            counts_events: self.terms.counts_events,
        })
    }

    /// As qualified as the mapping names it.
    pub(crate) fn function_arn(&self, ctx: &RequestContext) -> Arn {
        let arn = ctx.function_arn(&self.function_name);
        self.qualifier.as_deref().map_or(arn.clone(), |qualifier| arn.qualified(qualifier))
    }

    /// What policies may ask about it.
    pub(crate) fn condition(&self, ctx: &RequestContext) -> Condition {
        Condition::one("lambda:FunctionArn", self.function_arn(ctx).to_string())
    }

    /// # Errors
    /// An earlier change is not done with. `change`: what it is wanted for.
    pub(crate) const fn check_settled(&self, change: &'static str) -> Result<(), LambdaError> {
        if self.phase.is_settled() { Ok(()) } else { Err(LambdaError::MappingInUse { change }) }
    }

    /// The refusal of another one with the same ends.
    pub(crate) fn exists(&self) -> LambdaError {
        let qualifier = self.qualifier.as_deref().map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
        let function = format!("{}{qualifier}", self.function_name);
        LambdaError::MappingExists { queue: self.queue.clone(), function, uuid: self.uuid.clone() }
    }

    /// Whether it has the same ends.
    pub(crate) fn is_between(&self, queue: &str, function_name: &str, qualifier: Option<&str>) -> bool {
        self.queue == queue && self.function_name == function_name && self.qualifier.as_deref() == qualifier
    }
}

pub(super) fn mappings_key(scope: &Scope) -> Key {
    Key::new(scope, MappingRecord::KIND)
}

pub(super) fn mapping_key(scope: &Scope, uuid: &str) -> Key {
    mappings_key(scope).part(uuid)
}

#[cfg(test)]
mod tests {
    use super::Phase::{self, Creating, Deleting, Disabled, Disabling, Enabled, Enabling, Updating};

    #[test]
    fn every_state_leads_to_one_that_stays_or_to_nothing() {
        for phase in [Creating, Updating, Enabling, Disabling, Enabled, Disabled] {
            assert_eq!(phase.settled(true), Some(Enabled), "{phase:?}");
            assert_eq!(phase.settled(false), Some(Disabled), "{phase:?}");
        }
        for is_enabled in [true, false] {
            assert_eq!(Deleting.settled(is_enabled), None);
        }
        for (was, is, phase) in
            [(true, true, Updating), (false, false, Updating), (false, true, Enabling), (true, false, Disabling)]
        {
            assert_eq!(Phase::updating(was, is), phase);
            assert!(!phase.is_settled());
        }
    }
}
