//! A mapping as the API shows it.

use hearth_types::{Arn, RequestContext};
use hearth_wire::Timestamp;
use serde::Serialize;

use super::record::{MappingRecord, Phase};
use super::requested::EVENT_COUNT;

/// What changed it last is always a user; recorded for queues.
const REASON: &str = "USER_INITIATED";

/// `EventSourceMappingConfiguration` of the API model, with the members that queues have.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MappingConfiguration {
    #[serde(rename = "UUID")]
    uuid: String,
    batch_size: u32,
    maximum_batching_window_in_seconds: u32,
    event_source_arn: String,
    filter_criteria: Option<FilterCriteria>,
    scaling_config: Option<ScalingConfig>,
    metrics_config: Option<MetricsConfig>,
    function_arn: String,
    last_modified: Timestamp,
    state: Phase,
    state_transition_reason: &'static str,
    /// Recorded: shown when it is empty, too.
    function_response_types: Vec<&'static str>,
    event_source_mapping_arn: String,
    /// The real service says nothing about queues here. A mapping that cannot read its queue says so, in the words it has
    /// for streams.
    last_processing_result: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FilterCriteria {
    filters: Vec<Filter>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    pattern: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScalingConfig {
    maximum_concurrency: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricsConfig {
    metrics: [&'static str; 1],
}

pub(crate) fn mapping_arn(ctx: &RequestContext, uuid: &str) -> Arn {
    Arn { resource: format!("event-source-mapping:{uuid}"), ..ctx.function_arn("") }
}

impl MappingConfiguration {
    /// `problem`: see [`EventPollers::problem`](hearth_ports::EventPollers::problem).
    pub(crate) fn new(ctx: &RequestContext, record: &MappingRecord, problem: Option<String>) -> Self {
        let terms = &record.terms;
        let filters: Vec<Filter> = terms.filters.iter().map(|pattern| Filter { pattern: pattern.clone() }).collect();
        let reports = terms.reports_failures.then_some("ReportBatchItemFailures");
        Self {
            uuid: record.uuid.clone(),
            batch_size: terms.batch_size,
            maximum_batching_window_in_seconds: terms.window_seconds,
            event_source_arn: record.queue.clone(),
            filter_criteria: (!filters.is_empty()).then_some(FilterCriteria { filters }),
            scaling_config: terms.concurrency_max.map(|max| ScalingConfig { maximum_concurrency: max }),
            metrics_config: terms.counts_events.then_some(MetricsConfig { metrics: [EVENT_COUNT] }),
            function_arn: record.function_arn(ctx).to_string(),
            last_modified: Timestamp::from_ms(record.last_modified_ms),
            state: record.phase,
            state_transition_reason: REASON,
            function_response_types: reports.into_iter().collect(),
            event_source_mapping_arn: mapping_arn(ctx, &record.uuid).to_string(),
            last_processing_result: problem.map(|problem| format!("PROBLEM: {problem}")),
        }
    }
}
