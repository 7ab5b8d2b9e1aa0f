//! SetQueueAttributes: changes what is set for a queue; it holds for the messages that are there, too.

use std::collections::BTreeMap;
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
    attributes: Option<BTreeMap<String, String>>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Empty, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:SetQueueAttributes", input.queue_url.as_deref())?;
    let asked = input.attributes.filter(|asked| !asked.is_empty()).ok_or(SqsError::Missing("Attribute.Name"))?;
    sqs.set_attributes(&queue, &asked).await?;
    Ok(Empty {})
}
