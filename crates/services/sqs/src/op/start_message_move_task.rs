//! StartMessageMoveTask: the messages of a dead-letter queue go back, or elsewhere.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::error::SqsError;
use crate::limits::MOVE_RATE_MAX;
use crate::op::source_url;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    source_arn: Option<String>,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    task_handle: String,
}

const NO_SOURCE: SqsError =
    SqsError::NotFound("The resource that you specified for the SourceArn parameter doesn't exist.");
const NO_DESTINATION: SqsError =
    SqsError::NotFound("The resource that you specified for the DestinationArn parameter doesn't exist.");

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    let source = input.source_arn.ok_or(SqsError::Missing("SourceArn"))?;
    let source = match sqs.authorize(&ctx, "sqs:StartMessageMoveTask", Some(source_url(&ctx, &source)?.as_str())) {
        Err(SqsError::NoSuchQueue) => return Err(NO_SOURCE),
        found => found?,
    };
    let destination = match &input.destination_arn {
        None => None,
        Some(arn) => match sqs.authorize(&ctx, "sqs:SendMessage", Some(source_url(&ctx, arn)?.as_str())) {
            Err(SqsError::NoSuchQueue) => return Err(NO_DESTINATION),
            found => Some(found?),
        },
    };
    let rate = input.max_number_of_messages_per_second;
    if let Some(rate) = rate.filter(|rate| !(1..=MOVE_RATE_MAX).contains(rate)) {
        return Err(SqsError::value(rate, "MaxNumberOfMessagesPerSecond", "Must be >= 1 and <= 500, if provided."));
    }
    if !sqs.is_dead_letter_queue(&source) {
        return Err(SqsError::invalid("Source queue must be configured as a Dead Letter Queue."));
    }
    let is_fifo = |queue: &crate::queue::Queue| queue.describe().settings.is_fifo;
    if let Some(destination) = &destination
        && (destination.scope != source.scope
            || is_fifo(destination) != is_fifo(&source)
            || destination.id == source.id)
    {
        return Err(SqsError::value(
            &destination.arn,
            "DestinationArn",
            "It must be another queue of the same type, account and region as the source.",
        ));
    }
    let rate = rate.and_then(|rate| u32::try_from(rate).ok());
    let id = sqs.start_task(&source, destination.as_ref(), rate).await?;
    Ok(Output { task_handle: crate::move_task::handle(&id, &source.arn) })
}
