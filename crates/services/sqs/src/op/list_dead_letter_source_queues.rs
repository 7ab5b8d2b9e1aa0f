//! ListDeadLetterSourceQueues: the queues whose dead letters come to this one.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::error::SqsError;
use crate::{op, url};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(rename = "queueUrls")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:ListDeadLetterSourceQueues", input.queue_url.as_deref())?;
    let page = op::Page::read(input.next_token.as_deref(), input.max_results)?;
    let found = sqs.list(&queue.scope, "", page.after(), page.limit + 1, |source| {
        source.describe().settings.redrive.as_ref().is_some_and(|redrive| redrive.target == queue.arn)
    });
    let (queues, next_token) = page.cut(found);
    let ctx = ctx.in_account(queue.scope.account);
    Ok(Output { queue_urls: queues.iter().map(|queue| url::make(&ctx, &queue.arn.resource)).collect(), next_token })
}
