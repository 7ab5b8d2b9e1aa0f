//! DeleteRule: one that is not there is deleted already. `Force` is about rules of other services, of which there are none.

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
    event_bus_name: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Empty, EventsError> {
    let subject = Subject::Rule { bus: input.event_bus_name.as_deref(), name: &input.name };
    let bus = events.authorize(&ctx, "events:DeleteRule", subject, Vec::new())?.bus()?;
    events.delete_rule(&bus, &input.name).await?;
    Ok(Empty {})
}
