//! SetTopicAttributes: one attribute of a topic.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sns;
use crate::api::By;
use crate::error::SnsError;
use crate::topic;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    topic_arn: Option<String>,
    attribute_name: Option<String>,
    attribute_value: Option<String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Empty, SnsError> {
    let by = By::Topic(input.topic_arn.as_deref());
    let topic = sns.authorize(&ctx, "sns:SetTopicAttributes", by, Vec::new())?.topic()?;
    let name = input.attribute_name.filter(|name| topic::is_settable(name));
    let name = name.ok_or_else(|| SnsError::parameter("AttributeName"))?;
    let value = input.attribute_value.unwrap_or_default();
    sns.edit(&topic, |record| topic::set(&mut record.attributes, topic.is_fifo(), &name, &value)).await?;
    Ok(Empty {})
}
