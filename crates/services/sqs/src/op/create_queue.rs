//! CreateQueue: makes a queue; asking again for the same one answers its URL.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::api::request_tags;
use crate::error::SqsError;
use crate::{tags, url};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_name: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(rename = "tags", default)]
    tags: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    queue_url: String,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    let name = input.queue_name.filter(|name| !name.is_empty()).ok_or(SqsError::Missing("QueueName"))?;
    let tags = request_tags(&input.tags);
    let actions: &[&str] = if tags.is_empty() { &["sqs:CreateQueue"] } else { &["sqs:CreateQueue", "sqs:TagQueue"] };
    // Without a host, which might name another region than the one it is made in.
    let path = format!("/{}/{name}", ctx.account);
    for action in actions {
        match sqs.authorize(&ctx, action, (Some(path.as_str()), tags.clone())) {
            // It is about to be made.
            Ok(_) | Err(SqsError::NoSuchQueue) => {}
            Err(error) => return Err(error),
        }
    }
    tags::check(&input.tags)?;
    sqs.create(&ctx.scope(), &name, &input.attributes, input.tags).await?;
    Ok(Output { queue_url: url::make(&ctx, &name) })
}
