//! UntagResource: takes tags from a topic.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sns;
use crate::api::{By, tag_keys};
use crate::error::SnsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    resource_arn: Option<String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Empty, SnsError> {
    let conditions = tag_keys(input.tag_keys.clone()).into_iter().collect();
    let by = By::Resource(input.resource_arn.as_deref());
    let topic = sns.authorize(&ctx, "sns:UntagResource", by, conditions)?.resource()?;
    sns.edit(&topic, |record| {
        record.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await?;
    Ok(Empty {})
}
