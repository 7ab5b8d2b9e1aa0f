//! ChangeMessageVisibilityBatch: ten times ChangeMessageVisibility, with an answer for each.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::batch;
use crate::error::SqsError;
use crate::op::visibility_timeout;
use crate::queue::Queue;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Changed {
    id: String,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<batch::Output<Changed>, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:ChangeMessageVisibility", input.queue_url.as_deref())?;
    let entries =
        batch::check("ChangeMessageVisibilityBatchRequestEntry", input.entries, |entry: &mut Entry| entry.id.take())?;
    let mut output = batch::Output::default();
    for (id, entry) in entries {
        let outcome = change(&sqs, &queue, entry).map(|()| Changed { id: id.clone() });
        output.push(id, outcome);
    }
    Ok(output)
}

fn change(sqs: &Sqs, queue: &Queue, entry: Entry) -> Result<(), SqsError> {
    let handle = entry.receipt_handle.ok_or(SqsError::Missing("ReceiptHandle"))?;
    let timeout = visibility_timeout(entry.visibility_timeout)?.ok_or(SqsError::Missing("VisibilityTimeout"))?;
    sqs.change_visibility(queue, &handle, timeout)
}
