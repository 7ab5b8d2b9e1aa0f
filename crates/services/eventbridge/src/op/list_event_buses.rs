//! ListEventBuses: by name.

use std::sync::Arc;

use hearth_types::RequestContext;
use hearth_wire::Timestamp;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::bus::Bus;
use crate::error::EventsError;
use crate::op::Page;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
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

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    event_buses: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let scope = ctx.scope();
    events.authorize(&ctx, "events:ListEventBuses", Subject::Bus(Some("*")), Vec::new())?;
    let page = Page::read(input.next_token.as_deref(), input.limit)?;
    let prefix = input.name_prefix.unwrap_or_default();
    let found = events.list(&scope, &prefix, page.after.as_deref(), page.limit + 1);
    let (found, next_token) = page.cut(found, |bus| bus.name.clone());
    Ok(Output { event_buses: found.iter().map(|bus| listed(bus)).collect(), next_token })
}

fn listed(bus: &Bus) -> Listed {
    let record = bus.describe().record.clone();
    Listed {
        name: record.name,
        arn: bus.arn.to_string(),
        description: record.description,
        policy: record.policy,
        creation_time: record.created_ms.ne(&0).then_some(Timestamp::from_ms(record.created_ms)),
        last_modified_time: record.modified_ms.ne(&0).then_some(Timestamp::from_ms(record.modified_ms)),
    }
}
