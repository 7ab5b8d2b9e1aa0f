//! FilterLogEvents: the events of a group that a pattern wants, over all streams or some, in the order of time.

use std::collections::HashSet;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::arn::{Subject, named};
use crate::pattern::Pattern;
use crate::position::Position;
use crate::scan::{Direction, Scan};
use crate::token::EventToken;
use crate::{Api, LogsError};

/// Source: CloudWatch Logs API reference, FilterLogEvents, `limit`.
const LIMIT_DEFAULT: usize = 10_000;
/// The newest first is possible for events since 2024-01-01. Source: as above, `startFromHead`.
const NEWEST_FIRST_SINCE_MS: i64 = 1_704_067_200_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
    start_from_head: Option<bool>,
    #[serde(default)]
    unmask: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Output {
    events: Vec<FilteredEvent>,
    /// Always empty. Source: as above, `searchedLogStreams`.
    searched_log_streams: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FilteredEvent {
    log_stream_name: String,
    timestamp: i64,
    message: String,
    ingestion_time: i64,
    event_id: String,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Output, LogsError> {
    let name = named(&ctx, input.log_group_name, input.log_group_identifier)?;
    let group = api.find(&ctx, &name).await;
    api.authorize(&ctx, "logs:FilterLogEvents", &Subject::group(&ctx, &name, group.as_deref()))?;
    if input.unmask {
        // Nothing is masked: whoever may ask for it sees what everybody sees.
        api.authorize(&ctx, "logs:Unmask", &Subject::group(&ctx, &name, group.as_deref()))?;
    }
    if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
        return Err(LogsError::invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters."));
    }
    let newest_first = input.start_from_head == Some(false);
    if newest_first && input.start_time.unwrap_or(0) < NEWEST_FIRST_SINCE_MS {
        return Err(LogsError::invalid(
            "startFromHead can be false only with a startTime on or after January 1, 2024.",
        ));
    }
    let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default())?;
    let token = input.next_token.as_deref().map(EventToken::parse).transpose()?;
    let group = group.ok_or(LogsError::NoSuchGroup)?;
    let streams = match input.log_stream_names {
        Some(names) => {
            let find = |name: &String| Some(api.logs.directory.find_stream(group.id, name)?.id);
            let found: Option<HashSet<u64>> = names.iter().map(find).collect();
            Some(found.ok_or(LogsError::NoSuchStream)?)
        }
        None => None,
    };

    let from = Position::at(input.start_time.unwrap_or(0).max(group.cutoff_ms(api.logs.clock.now_ms())));
    // Unlike that of GetLogEvents this end is part of the range.
    let until = input.end_time.map_or(Position::LAST, |end| Position::at(end.saturating_add(1)));
    let (direction, from, until) = match token {
        Some(EventToken::Forward(position)) => (Direction::Forward, position.max(from), until),
        Some(EventToken::Backward(position)) => (Direction::Backward, from, position.min(until)),
        None if newest_first => (Direction::Backward, from, until),
        None => (Direction::Forward, from, until),
    };
    let scan = Scan { group: group.id, from, until, direction, limit: input.limit.unwrap_or(LIMIT_DEFAULT) };
    let (directory, group_id) = (api.logs.directory.clone(), group.id);
    let wants_stream = move |stream: u64| {
        directory.stream_name(group_id, stream).is_some_and(|name| {
            let has_prefix = input.log_stream_name_prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix));
            has_prefix && streams.as_ref().is_none_or(|streams| streams.contains(&stream))
        })
    };
    let wants = move |message: &[u8]| pattern.is_all() || pattern.matches(&String::from_utf8_lossy(message));
    let page = api.logs.scan(scan, wants_stream, wants).await?;
    let next_token = page.more.map(|more| match direction {
        Direction::Forward => EventToken::Forward(more).to_string(),
        Direction::Backward => EventToken::Backward(more).to_string(),
    });
    let events = page.events.into_iter().filter_map(|found| {
        Some(FilteredEvent {
            // A stream may have been deleted since.
            log_stream_name: api.logs.directory.stream_name(group_id, found.stream)?.to_string(),
            timestamp: found.position.timestamp_ms,
            message: String::from_utf8_lossy(&found.message).into_owned(),
            ingestion_time: found.ingested_ms,
            event_id: found.position.to_string(),
        })
    });
    Ok(Output { events: events.collect(), searched_log_streams: [], next_token })
}
