//! ListTargetsByRule: in the order they were put.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::Page;
use crate::target::Target;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    rule: String,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    targets: Vec<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let subject = Subject::Rule { bus: input.event_bus_name.as_deref(), name: &input.rule };
    let (_, rule) = events.authorize(&ctx, "events:ListTargetsByRule", subject, Vec::new())?.rule()?;
    let page = Page::read(input.next_token.as_deref(), input.limit)?;
    let all = rule.record.targets.iter();
    let found: Vec<Target> = match &page.after {
        Some(after) => all.skip_while(|target| target.id != *after).skip(1).cloned().collect(),
        None => all.cloned().collect(),
    };
    let (targets, next_token) = page.cut(found, |target| target.id.clone());
    Ok(Output { targets, next_token })
}
