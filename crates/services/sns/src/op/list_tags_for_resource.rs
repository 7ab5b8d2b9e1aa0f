//! ListTagsForResource: a topic's tags.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::api::By;
use crate::error::SnsError;
use crate::tags::Tag;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    resource_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    tags: Vec<Tag>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Output, SnsError> {
    let by = By::Resource(input.resource_arn.as_deref());
    let topic = sns.authorize(&ctx, "sns:ListTagsForResource", by, Vec::new())?.resource()?;
    let tags = topic.describe().record.tags.clone();
    Ok(Output { tags: tags.into_iter().map(|(key, value)| Tag { key, value }).collect() })
}
