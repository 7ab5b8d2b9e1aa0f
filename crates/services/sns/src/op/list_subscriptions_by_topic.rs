//! ListSubscriptionsByTopic: a topic's subscriptions.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use super::ListedSubscription;
use crate::api::By;
use crate::directory::page;
use crate::error::SnsError;
use crate::limits::LIST_PAGE;
use crate::{Sns, op};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    topic_arn: Option<String>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    subscriptions: Vec<ListedSubscription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Output, SnsError> {
    let by = By::Topic(input.topic_arn.as_deref());
    let topic = sns.authorize(&ctx, "sns:ListSubscriptionsByTopic", by, Vec::new())?.topic()?;
    let after = op::page_start(input.next_token.as_deref())?;
    let found = page(&topic, after.as_deref(), LIST_PAGE + 1);
    let (found, next_token) = op::cut(found, |last| last.record.id.clone());
    Ok(Output { subscriptions: found.iter().map(Into::into).collect(), next_token })
}
