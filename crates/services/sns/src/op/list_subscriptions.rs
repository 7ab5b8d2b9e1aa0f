//! ListSubscriptions: the subscriptions of all of the caller's topics.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use super::ListedSubscription;
use crate::error::SnsError;
use crate::limits::LIST_PAGE;
use crate::topic::arn;
use crate::{Sns, op};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
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
    let scope = ctx.scope();
    sns.authorizer.authorize(&ctx, &Access::new("sns:ListSubscriptions", &arn(&scope, "*")))?;
    let after = op::page_start(input.next_token.as_deref())?;
    let after = after.as_deref().and_then(|after| after.split_once(':'));
    let found = sns.list_subscriptions(&scope, after, LIST_PAGE + 1);
    let (found, next_token) = op::cut(found, |last| format!("{}:{}", last.record.topic, last.record.id));
    Ok(Output { subscriptions: found.iter().map(Into::into).collect(), next_token })
}
