//! What Create and Update ask for, as far as queues have it; the rest is refused by name.
//!
//! Source: Lambda developer guide, "Lambda parameters for Amazon SQS event source mappings"; texts are those users report
//! unless said otherwise.

use std::collections::BTreeMap;

use hearth_event_pattern::EventPattern;
use hearth_types::limits;
use serde::Deserialize;
use serde_json::Value;

use super::record::Terms;
use crate::error::LambdaError;

/// A batch of a FIFO queue, and one without a window.
const SMALL_BATCH_MAX: u32 = 10;
const BATCH_DEFAULT: u32 = 10;

/// Members that Hearth knows and cannot honour yet.
const UNSUPPORTED: [(&str, &str); 2] = [
    ("KMSKeyArn", "filters are kept with the server's own records."),
    ("ProvisionedPollerConfig", "pollers scale by themselves; use ScalingConfig."),
];
/// The metrics that queues have; the others of the model are Kafka's.
pub(super) const EVENT_COUNT: &str = "EventCount";
/// Where to begin in a stream.
const STARTING: [&str; 2] = ["StartingPosition", "StartingPositionTimestamp"];

/// Ranges of numbers are the model's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Requested {
    pub(crate) enabled: Option<bool>,
    batch_size: Option<u32>,
    maximum_batching_window_in_seconds: Option<u32>,
    filter_criteria: Option<FilterCriteria>,
    function_response_types: Option<Vec<String>>,
    scaling_config: Option<ScalingConfig>,
    metrics_config: Option<MetricsConfig>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterCriteria {
    #[serde(default)]
    filters: Option<Vec<Filter>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    pattern: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScalingConfig {
    maximum_concurrency: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricsConfig {
    #[serde(default)]
    metrics: Option<Vec<String>>,
}

impl Requested {
    /// Whether it says how to log in to a broker.
    pub(crate) fn has_access(&self) -> bool {
        self.rest.contains_key("SourceAccessConfigurations")
    }

    /// The terms of a new mapping, or of one that had `base`: what is not mentioned stays.
    ///
    /// # Errors
    /// A queue has no such setting, or not such a value.
    pub(crate) fn terms(self, base: Option<&Terms>, is_fifo: bool) -> Result<Terms, LambdaError> {
        self.rest.iter().try_for_each(|(member, value)| refuse(member, value))?;
        let mut terms = base.cloned().unwrap_or(Terms {
            batch_size: BATCH_DEFAULT,
            window_seconds: 0,
            filters: Vec::new(),
            reports_failures: false,
            concurrency_max: None,
            counts_events: false,
        });
        terms.batch_size = self.batch_size.unwrap_or(terms.batch_size);
        terms.window_seconds = self.maximum_batching_window_in_seconds.unwrap_or(terms.window_seconds);
        if let Some(types) = self.function_response_types {
            terms.reports_failures = !types.is_empty();
        }
        if let Some(scaling) = self.scaling_config {
            terms.concurrency_max = scaling.maximum_concurrency;
        }
        if let Some(config) = self.metrics_config {
            let metrics = config.metrics.unwrap_or_default();
            if metrics.iter().any(|metric| metric != EVENT_COUNT) {
                return Err(unsupported("MetricsConfig"));
            }
            terms.counts_events = !metrics.is_empty();
        }
        if let Some(criteria) = self.filter_criteria {
            let filters = criteria.filters.unwrap_or_default();
            terms.filters = filters.into_iter().map(|filter| filter.pattern.unwrap_or_default()).collect();
        }
        check(&terms, is_fifo)?;
        Ok(terms)
    }
}

fn check(terms: &Terms, is_fifo: bool) -> Result<(), LambdaError> {
    if is_fifo && terms.window_seconds > 0 {
        return Err(LambdaError::invalid("Batching window is not supported for FIFO queues"));
    }
    if is_fifo && terms.batch_size > SMALL_BATCH_MAX {
        let text = format!("Maximum batch size must be between 1 and {SMALL_BATCH_MAX} inclusive");
        return Err(LambdaError::invalid(text));
    }
    if terms.batch_size > SMALL_BATCH_MAX && terms.window_seconds == 0 {
        return Err(LambdaError::invalid(format!(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than {SMALL_BATCH_MAX}"
        )));
    }
    if terms.filters.len() > limits::MAPPING_FILTERS_MAX {
        // Not recorded.
        let text = format!("Filter list size must be less than or equal to {}.", limits::MAPPING_FILTERS_MAX);
        return Err(LambdaError::invalid(text));
    }
    if terms.filters.iter().any(|pattern| EventPattern::parse(pattern).is_err()) {
        return Err(LambdaError::invalid("Invalid filter pattern definition."));
    }
    Ok(())
}

/// Passes what asks for nothing: empty texts, lists and structures, as clients send them.
fn refuse(member: &str, value: &Value) -> Result<(), LambdaError> {
    if asks_for_nothing(value) {
        return Ok(());
    }
    if STARTING.contains(&member) {
        return Err(LambdaError::invalid("StartingPosition is not valid for SQS event sources."));
    }
    if let Some((_, instead)) = UNSUPPORTED.iter().find(|(name, _)| *name == member) {
        return Err(LambdaError::Unsupported { member: member.to_owned(), instead: (*instead).to_owned() });
    }
    Err(unsupported(member))
}

fn unsupported(member: &str) -> LambdaError {
    LambdaError::invalid(format!("Unsupported {member} parameter for given event source mapping type."))
}

fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.values().all(asks_for_nothing),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
