//! RemovePermission: takes a statement out of the queue's policy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sqs;
use crate::attributes::POLICY;
use crate::error::SqsError;
use crate::permission;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    label: Option<String>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Empty, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:RemovePermission", input.queue_url.as_deref())?;
    let label = input.label.ok_or(SqsError::Missing("Label"))?;
    sqs.edit(&queue, |record| {
        let policy = permission::remove(record.attributes.get(POLICY).map(String::as_str), &queue.arn, &label)?;
        match policy.is_empty() {
            true => record.attributes.remove(POLICY),
            false => record.attributes.insert(POLICY.to_owned(), policy),
        };
        Ok(())
    })
    .await?;
    Ok(Empty {})
}
