//! PutLogEvents: takes a batch of events, and answers when they are on disk.

use std::sync::Arc;

use hearth_ports::LogEvent;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::arn::Subject;
use crate::queue::Target;
use crate::scan::EVENT_OVERHEAD_BYTES;
use crate::segment::{Event, Record};
use crate::subscription::Lines;
use crate::{Api, LogsError};

// Source of all: CloudWatch Logs API reference, PutLogEvents.
const BATCH_BYTES_MAX: usize = 1_048_576;
const BATCH_SPAN_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
const FUTURE_MS_MAX: i64 = 2 * 60 * 60 * 1_000;
const AGE_MS_MAX: i64 = 14 * 24 * 60 * 60 * 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<InputEvent>,
    entity: Option<Entity>,
}

#[derive(Deserialize)]
struct InputEvent {
    timestamp: i64,
    message: String,
}

/// What emitted the events; Hearth keeps no entities, and says so as the real service does for log groups without them.
#[derive(Deserialize)]
struct Entity {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Output {
    next_sequence_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_log_events_info: Option<Rejected>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_entity_info: Option<RejectedEntity>,
}

/// Parts of the batch that were not taken.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rejected {
    #[serde(skip_serializing_if = "Option::is_none")]
    too_new_log_event_start_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    too_old_log_event_end_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_log_event_end_index: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RejectedEntity {
    error_type: &'static str,
}

/// Older clients hand it on; nothing looks at it. Source: as above, "The sequence token is now ignored".
pub(crate) fn sequence_token(stream: u64) -> String {
    format!("{stream:056}")
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Output, LogsError> {
    let Input { log_group_name: name, log_stream_name: stream_name, log_events: events, entity } = input;
    let group = api.logs.directory.find(&ctx.scope(), &name);
    api.authorize(&ctx, "logs:PutLogEvents", &Subject::stream(&ctx, &name, &stream_name, group.as_deref()))?;
    check(&events)?;
    let group = group.ok_or(LogsError::NoSuchGroup)?;
    let stream = api.logs.directory.find_stream(group.id, &stream_name).ok_or(LogsError::NoSuchStream)?;
    let now_ms = api.logs.clock.now_ms();
    let (taken, rejected) = split(events, now_ms, group.cutoff_ms(now_ms));
    if let (Some(first), Some(last)) = (taken.first(), taken.last())
        && last.timestamp - first.timestamp > BATCH_SPAN_MS_MAX
    {
        return Err(LogsError::invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    if !taken.is_empty() {
        let event = |event: InputEvent| LogEvent { timestamp_ms: event.timestamp, message: event.message.into() };
        let target = Target::Known { group: group.id, stream: stream.id };
        let events: Vec<LogEvent> = taken.into_iter().map(event).collect();
        let pushed = api.logs.queue.push_awaited(target, events.clone());
        let (first_sequence, stored) = pushed.ok_or(LogsError::Unavailable)?;
        // The writer has said in the log why it could not.
        stored.await.map_err(|_| LogsError::Unavailable)?;
        if let Some(filters) = api.logs.directory.subscribed(group.id) {
            let event = |event: &LogEvent| Event { timestamp_ms: event.timestamp_ms, message: event.message.clone() };
            let events = events.iter().map(event).collect();
            let record = Record { first_sequence, group: group.id, stream: stream.id, ingested_ms: now_ms, events };
            api.logs.forwarder.accept(Lines { record, filters, trace: ctx.trace.clone() }).await?;
        }
        api.logs.tell_metrics(&ctx, &events);
    }
    Ok(Output {
        next_sequence_token: sequence_token(stream.id),
        rejected_log_events_info: (rejected != Rejected::default()).then_some(rejected),
        rejected_entity_info: entity.map(|_| RejectedEntity { error_type: "UnsupportedLogGroupType" }),
    })
}

fn check(events: &[InputEvent]) -> Result<(), LogsError> {
    let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(LogsError::invalid(format!("Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}")));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(LogsError::invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    Ok(())
}

/// The events to take, and what was rejected at both ends: `cutoff_ms` is where the group's retention begins.
fn split(mut events: Vec<InputEvent>, now_ms: i64, cutoff_ms: i64) -> (Vec<InputEvent>, Rejected) {
    let before = |time_ms: i64| events.partition_point(|event| event.timestamp < time_ms);
    let expired = before(cutoff_ms);
    let too_old = before(now_ms - AGE_MS_MAX);
    let too_new = before(now_ms + FUTURE_MS_MAX + 1);
    let rejected = Rejected {
        too_new_log_event_start_index: (too_new < events.len()).then_some(too_new),
        too_old_log_event_end_index: (too_old > 0).then_some(too_old),
        expired_log_event_end_index: (expired > 0).then_some(expired),
    };
    events.truncate(too_new);
    events.drain(..expired.max(too_old).min(events.len()));
    (events, rejected)
}
