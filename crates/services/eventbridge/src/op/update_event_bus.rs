//! UpdateEventBus.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::Subject;
use crate::error::EventsError;
use crate::{EventBridge, op};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: Option<String>,
    kms_key_identifier: Option<String>,
    description: Option<String>,
    dead_letter_config: Option<Value>,
    log_config: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    arn: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let found = events.authorize(&ctx, "events:UpdateEventBus", Subject::Bus(input.name.as_deref()), Vec::new())?;
    let bus = found.bus()?;
    op::refuse(&[
        ("KmsKeyIdentifier", input.kms_key_identifier.is_some_and(|key| !key.is_empty())),
        ("DeadLetterConfig", input.dead_letter_config.is_some_and(|config| config.get("Arn").is_some())),
        ("LogConfig", input.log_config.is_some_and(|config| config["Level"] != "OFF")),
    ])?;
    let description = input.description.clone();
    events
        .edit_bus(&bus, |record| {
            record.description = description;
            Ok(())
        })
        .await?;
    Ok(Output { arn: bus.arn.to_string(), name: bus.name.clone(), description: input.description })
}
