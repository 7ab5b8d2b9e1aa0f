//! UntagQueue: takes tags off a queue.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sqs;
use crate::error::SqsError;
use hearth_ports::Condition;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Empty, SqsError> {
    let conditions = vec![Condition::many("aws:TagKeys", input.tag_keys.clone())];
    let queue = sqs.authorize(&ctx, "sqs:UntagQueue", (input.queue_url.as_deref(), conditions))?;
    if input.tag_keys.is_empty() {
        return Err(SqsError::Missing("TagKey"));
    }
    sqs.edit(&queue, |record| {
        record.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await?;
    Ok(Empty {})
}
