//! DeleteTopic: a topic and its subscriptions; what is not there is deleted already.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sns;
use crate::api::By;
use crate::error::SnsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    topic_arn: Option<String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Empty, SnsError> {
    let by = By::Topic(input.topic_arn.as_deref());
    // What is not there is deleted already.
    if let Some(topic) = sns.authorize(&ctx, "sns:DeleteTopic", by, Vec::new())?.topic {
        sns.delete_topic(&topic).await?;
    }
    Ok(Empty {})
}
