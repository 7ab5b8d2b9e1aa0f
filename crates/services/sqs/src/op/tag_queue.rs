//! TagQueue: adds tags to a queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sqs;
use crate::api::request_tags;
use crate::error::SqsError;
use crate::tags;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Empty, SqsError> {
    let conditions = request_tags(&input.tags);
    let queue = sqs.authorize(&ctx, "sqs:TagQueue", (input.queue_url.as_deref(), conditions))?;
    if input.tags.is_empty() {
        return Err(SqsError::Missing("Tags"));
    }
    sqs.edit(&queue, |record| {
        record.tags.extend(input.tags);
        tags::check(&record.tags)
    })
    .await?;
    Ok(Empty {})
}
