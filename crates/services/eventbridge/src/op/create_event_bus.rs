//! CreateEventBus: makes a bus.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{Subject, request_tags};
use crate::error::EventsError;
use crate::tags::{self, Tag};
use crate::{EventBridge, op};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
    event_source_name: Option<String>,
    description: Option<String>,
    kms_key_identifier: Option<String>,
    dead_letter_config: Option<Value>,
    log_config: Option<Value>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    event_bus_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let tags = tags::by_key(input.tags)?;
    events.authorize(&ctx, "events:CreateEventBus", Subject::Bus(Some(&input.name)), request_tags(&tags))?;
    op::refuse(&[
        ("EventSourceName", input.event_source_name.is_some()),
        ("KmsKeyIdentifier", input.kms_key_identifier.is_some_and(|key| !key.is_empty())),
        ("DeadLetterConfig", input.dead_letter_config.is_some()),
        ("LogConfig", input.log_config.is_some()),
    ])?;
    if input.name.contains('/') {
        return Err(EventsError::validation("Event bus name must not contain '/'."));
    }
    let bus = events.create_bus(&ctx.scope(), &input.name, input.description.clone(), tags).await?;
    Ok(Output { event_bus_arn: bus.arn.to_string(), description: input.description })
}
