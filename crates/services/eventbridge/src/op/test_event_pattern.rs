//! TestEventPattern: whether an event matches a pattern.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::Subject;
use crate::error::EventsError;
use crate::{EventBridge, pattern};

/// What an event has to have. Source: EventBridge API reference, TestEventPattern.
const MEMBERS: [&str; 7] = ["id", "detail-type", "source", "account", "time", "region", "resources"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    event_pattern: String,
    event: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    result: bool,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    events.authorize(&ctx, "events:TestEventPattern", Subject::Rule { bus: None, name: "*" }, Vec::new())?;
    let compiled = pattern::compile(&input.event_pattern)?;
    // Recorded.
    let invalid = || EventsError::validation("Parameter Event is not valid.");
    let event: Value = serde_json::from_str(&input.event).map_err(|_| invalid())?;
    if MEMBERS.iter().any(|member| event.get(member).is_none()) {
        return Err(invalid());
    }
    Ok(Output { result: compiled.matches(&event) })
}
