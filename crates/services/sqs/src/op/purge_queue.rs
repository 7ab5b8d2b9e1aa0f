//! PurgeQueue: takes all messages away, once a minute at most.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sqs;
use crate::error::SqsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Empty, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:PurgeQueue", input.queue_url.as_deref())?;
    sqs.purge(&queue).await?;
    Ok(Empty {})
}
