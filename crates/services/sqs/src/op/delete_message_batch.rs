//! DeleteMessageBatch: ten times DeleteMessage in one commit, with an answer for each.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::batch;
use crate::error::SqsError;

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
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Deleted {
    id: String,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<batch::Output<Deleted>, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:DeleteMessage", input.queue_url.as_deref())?;
    let entries = batch::check("DeleteMessageBatchRequestEntry", input.entries, |entry: &mut Entry| entry.id.take())?;
    let handles: Vec<&str> =
        entries.iter().map(|(_, entry)| entry.receipt_handle.as_deref().unwrap_or_default()).collect();
    let outcomes = sqs.delete(&queue, &handles).await;
    let mut output = batch::Output::default();
    for ((id, _), outcome) in entries.iter().zip(outcomes) {
        output.push(id.clone(), outcome.map(|()| Deleted { id: id.clone() }));
    }
    Ok(output)
}
