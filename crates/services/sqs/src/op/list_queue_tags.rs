//! ListQueueTags: a queue's tags.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::error::SqsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:ListQueueTags", input.queue_url.as_deref())?;
    Ok(Output { tags: queue.describe().record.tags.clone() })
}
