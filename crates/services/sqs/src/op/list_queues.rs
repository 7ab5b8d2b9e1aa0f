//! ListQueues: the URLs of the caller's queues, by name.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::error::SqsError;
use crate::queue::arn;
use crate::{op, url};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_name_prefix: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    sqs.authorizer.authorize(&ctx, &Access::new("sqs:ListQueues", &arn(&ctx.scope(), "*")))?;
    let page = op::Page::read(input.next_token.as_deref(), input.max_results)?;
    let prefix = input.queue_name_prefix.unwrap_or_default();
    let found = sqs.list(&ctx.scope(), &prefix, page.after(), page.limit + 1, |_| true);
    let (queues, next_token) = page.cut(found);
    Ok(Output { queue_urls: queues.iter().map(|queue| url::make(&ctx, &queue.arn.resource)).collect(), next_token })
}
