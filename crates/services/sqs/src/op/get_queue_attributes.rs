//! GetQueueAttributes: what is set for a queue, and how much is in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::attributes;
use crate::engine::Counts;
use crate::error::SqsError;
use crate::queue::Queue;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:GetQueueAttributes", input.queue_url.as_deref())?;
    let names = &input.attribute_names;
    if let Some(name) = names.iter().find(|name| *name != "All" && !attributes::is_known(name)) {
        return Err(attributes::unknown(name));
    }
    let mut all = all(&sqs, &queue);
    all.retain(|name, _| names.iter().any(|wanted| wanted == "All" || wanted == name));
    Ok(Output { attributes: all })
}

fn all(sqs: &Sqs, queue: &Queue) -> BTreeMap<String, String> {
    let description = queue.describe();
    let Counts { visible, in_flight, delayed } = sqs.counts(queue);
    let record = &description.record;
    let computed = [
        queue.arn.to_string(),
        (record.created_at_ms / 1_000).to_string(),
        (record.modified_at_ms / 1_000).to_string(),
        visible.to_string(),
        in_flight.to_string(),
        delayed.to_string(),
    ];
    let mut all = attributes::shown(&record.attributes);
    all.extend(attributes::COMPUTED.map(str::to_owned).into_iter().zip(computed));
    all
}
