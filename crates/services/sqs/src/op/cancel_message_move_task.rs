//! CancelMessageMoveTask: what has been moved stays moved.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::error::SqsError;
use crate::move_task::read_handle;
use crate::op::source_url;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    task_handle: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    approximate_number_of_messages_moved: u64,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    let handle = input.task_handle.ok_or(SqsError::Missing("TaskHandle"))?;
    let (id, source) =
        read_handle(&handle).ok_or_else(|| SqsError::invalid("Value for parameter TaskHandle is invalid."))?;
    let found = sqs.authorize(&ctx, "sqs:CancelMessageMoveTask", Some(source_url(&ctx, &source)?.as_str()));
    let queue = match found {
        Err(SqsError::NoSuchQueue) => {
            return Err(SqsError::NotFound(
                "The resource that you specified for the SourceArn parameter doesn't exist.",
            ));
        }
        found => found?,
    };
    let moved = sqs.cancel_task(&queue.scope, &id).await?.ok_or(SqsError::NotFound("Task does not exist."))?;
    Ok(Output { approximate_number_of_messages_moved: moved })
}
