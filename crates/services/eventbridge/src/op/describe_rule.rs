//! DescribeRule.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::ListedRule;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
    event_bus_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(flatten)]
    rule: ListedRule,
    created_by: String,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let subject = Subject::Rule { bus: input.event_bus_name.as_deref(), name: &input.name };
    let (_, rule) = events.authorize(&ctx, "events:DescribeRule", subject, Vec::new())?.rule()?;
    Ok(Output { rule: ListedRule::from(&*rule), created_by: rule.arn.account.clone() })
}
