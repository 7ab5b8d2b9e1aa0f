//! DeleteMessage: a message is dealt with; gone for good when this is answered.

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
    receipt_handle: Option<String>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Empty, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:DeleteMessage", input.queue_url.as_deref())?;
    let handle = input.receipt_handle.ok_or(SqsError::Missing("ReceiptHandle"))?;
    sqs.delete(&queue, &[&handle]).await.into_iter().collect::<Result<(), SqsError>>()?;
    Ok(Empty {})
}
