//! DescribeEventBus.

use std::sync::Arc;

use hearth_types::RequestContext;
use hearth_wire::Timestamp;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    name: String,
    arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified_time: Option<Timestamp>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let found = events.authorize(&ctx, "events:DescribeEventBus", Subject::Bus(input.name.as_deref()), Vec::new())?;
    let bus = found.bus()?;
    let record = bus.describe().record.clone();
    Ok(Output {
        name: bus.name.clone(),
        arn: bus.arn.to_string(),
        description: record.description,
        policy: record.policy,
        creation_time: record.created_ms.ne(&0).then_some(Timestamp::from_ms(record.created_ms)),
        last_modified_time: record.modified_ms.ne(&0).then_some(Timestamp::from_ms(record.modified_ms)),
    })
}
