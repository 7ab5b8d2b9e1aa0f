//! DeleteEventBus: one that is not there is deleted already.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::Empty;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Empty, EventsError> {
    let found = events.authorize(&ctx, "events:DeleteEventBus", Subject::Bus(Some(&input.name)), Vec::new())?;
    let Some(bus) = found.bus else { return Ok(Empty {}) };
    if bus.is_default() {
        // Recorded.
        return Err(EventsError::validation("Cannot delete event bus default."));
    }
    events.delete_bus(&bus).await?;
    Ok(Empty {})
}
