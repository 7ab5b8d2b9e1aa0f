//! EnableRule.

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
    let found = events.authorize(&ctx, "events:EnableRule", subject, Vec::new())?;
    events
        .change_rule(&found, |record| {
            record.is_enabled = true;
            Ok(())
        })
        .await?;
    Ok(Empty {})
}
