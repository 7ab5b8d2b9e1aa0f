//! GetLogEvents: one stream, a page at a time, in either direction.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::arn::{Subject, named};
use crate::position::Position;
use crate::scan::{Direction, Found, Scan};
use crate::token::EventToken;
use crate::{Api, LogsError};

/// Source: CloudWatch Logs API reference, GetLogEvents, `limit`.
const LIMIT_DEFAULT: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    start_from_head: bool,
    #[serde(default)]
    unmask: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Output {
    events: Vec<OutputEvent>,
    next_forward_token: String,
    next_backward_token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputEvent {
    timestamp: i64,
    message: String,
    ingestion_time: i64,
}

impl From<Found> for OutputEvent {
    fn from(found: Found) -> Self {
        Self {
            timestamp: found.position.timestamp_ms,
            message: String::from_utf8_lossy(&found.message).into_owned(),
            ingestion_time: found.ingested_ms,
        }
    }
}

/// Where the tokens of an answer point to: before its first event, and behind its last one.
struct Edges {
    before: Position,
    behind: Position,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Output, LogsError> {
    let name = named(&ctx, input.log_group_name, input.log_group_identifier)?;
    let group = api.find(&ctx, &name).await;
    let subject = Subject::stream(&ctx, &name, &input.log_stream_name, group.as_deref());
    api.authorize(&ctx, "logs:GetLogEvents", &subject)?;
    if input.unmask {
        // Nothing is masked: whoever may ask for it sees what everybody sees.
        api.authorize(&ctx, "logs:Unmask", &Subject::group(&ctx, &name, group.as_deref()))?;
    }
    let token = input.next_token.as_deref().map(EventToken::parse).transpose()?;
    let group = group.ok_or(LogsError::NoSuchGroup)?;
    let stream = api.logs.directory.find_stream(group.id, &input.log_stream_name).ok_or(LogsError::NoSuchStream)?;

    let from = Position::at(input.start_time.unwrap_or(0).max(group.cutoff_ms(api.logs.clock.now_ms())));
    let until = input.end_time.map_or(Position::LAST, Position::at);
    let (direction, from, until) = match token {
        Some(EventToken::Forward(position)) => (Direction::Forward, position.max(from), until),
        Some(EventToken::Backward(position)) => (Direction::Backward, from, position.min(until)),
        None if input.start_from_head => (Direction::Forward, from, until),
        None => (Direction::Backward, from, until),
    };
    let limit = input.limit.unwrap_or(LIMIT_DEFAULT);
    let scan = Scan { group: group.id, from, until, direction, limit };
    let wanted = stream.id;
    let page = api.logs.scan(scan, move |stream| stream == wanted, |_| true).await?;
    let mut events = page.events;
    if direction == Direction::Backward {
        events.reverse();
    }
    let nothing = match (direction, token) {
        (Direction::Forward, _) => from,
        (Direction::Backward, Some(_)) => until,
        // The latest of a stream that has nothing yet: what comes will be behind.
        (Direction::Backward, None) => from,
    };
    let mut edges = Edges {
        before: events.first().map_or(nothing, |first| first.position),
        behind: events.last().map_or(nothing, |last| last.position.next()),
    };
    if let Some(more) = page.more {
        match direction {
            Direction::Forward => edges.behind = more,
            Direction::Backward => edges.before = more,
        }
    }
    // At the end of the stream the answer has the token of the question.
    let at_end = |asked: Option<EventToken>, next: EventToken| match asked {
        Some(asked) if events.is_empty() && page.more.is_none() => asked,
        _ => next,
    };
    let (forward, backward) = match token {
        Some(EventToken::Forward(_)) => (token, None),
        Some(EventToken::Backward(_)) => (None, token),
        None => (None, None),
    };
    Ok(Output {
        next_forward_token: at_end(forward, EventToken::Forward(edges.behind)).to_string(),
        next_backward_token: at_end(backward, EventToken::Backward(edges.before)).to_string(),
        events: events.into_iter().map(OutputEvent::from).collect(),
    })
}
