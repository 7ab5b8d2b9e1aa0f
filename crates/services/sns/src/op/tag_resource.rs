//! TagResource: adds tags to a topic.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sns;
use crate::api::{By, request_tags};
use crate::error::SnsError;
use crate::tags::{self, Tag};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    resource_arn: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Empty, SnsError> {
    let tags = tags::by_key(input.tags)?;
    let by = By::Resource(input.resource_arn.as_deref());
    let topic = sns.authorize(&ctx, "sns:TagResource", by, request_tags(&tags))?.resource()?;
    if tags.is_empty() {
        return Err(SnsError::Null("tags".to_owned()));
    }
    sns.edit(&topic, |record| {
        record.tags.extend(tags);
        tags::check(&record.tags)
    })
    .await?;
    Ok(Empty {})
}
