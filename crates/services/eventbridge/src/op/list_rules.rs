//! ListRules: of a bus, by name.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::{ListedRule, Page};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    rules: Vec<ListedRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let subject = Subject::Rule { bus: input.event_bus_name.as_deref(), name: "*" };
    let bus = events.authorize(&ctx, "events:ListRules", subject, Vec::new())?.bus()?;
    let page = Page::read(input.next_token.as_deref(), input.limit)?;
    let prefix = input.name_prefix.unwrap_or_default();
    let found = bus.rules(page.after.as_deref(), page.limit + 1, |rule| rule.record.name.starts_with(&prefix));
    let (found, next_token) = page.cut(found, |rule| rule.record.name.clone());
    Ok(Output { rules: found.iter().map(|rule| ListedRule::from(&**rule)).collect(), next_token })
}
