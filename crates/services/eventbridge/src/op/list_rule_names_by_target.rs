//! ListRuleNamesByTarget: the rules of a bus that tell somebody.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::Page;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    target_arn: String,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    rule_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let subject = Subject::Rule { bus: input.event_bus_name.as_deref(), name: "*" };
    let bus = events.authorize(&ctx, "events:ListRuleNamesByTarget", subject, Vec::new())?.bus()?;
    let page = Page::read(input.next_token.as_deref(), input.limit)?;
    let found = bus.rules(page.after.as_deref(), page.limit + 1, |rule| {
        rule.record.targets.iter().any(|target| target.arn == input.target_arn)
    });
    let (found, next_token) = page.cut(found, |rule| rule.record.name.clone());
    Ok(Output { rule_names: found.iter().map(|rule| rule.record.name.clone()).collect(), next_token })
}
