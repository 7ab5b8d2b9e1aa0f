//! ChangeMessageVisibility: a message that is in flight comes back sooner or later.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sqs;
use crate::error::SqsError;
use crate::op::visibility_timeout;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Empty, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:ChangeMessageVisibility", input.queue_url.as_deref())?;
    let handle = input.receipt_handle.ok_or(SqsError::Missing("ReceiptHandle"))?;
    let timeout = visibility_timeout(input.visibility_timeout)?.ok_or(SqsError::Missing("VisibilityTimeout"))?;
    sqs.change_visibility(&queue, &handle, timeout)?;
    Ok(Empty {})
}
