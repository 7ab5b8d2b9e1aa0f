//! Publish: whoever wants the message is told; that is in the store when this is answered.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::api::By;
use crate::error::SnsError;
use crate::message::Outgoing;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    topic_arn: Option<String>,
    target_arn: Option<String>,
    phone_number: Option<String>,
    #[serde(flatten)]
    message: Outgoing,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Output, SnsError> {
    if let Some(number) = input.phone_number {
        return Err(SnsError::parameter(format!("PhoneNumber Reason: {number} is not valid to publish to")));
    }
    // A topic may be named either way.
    let topic_arn = input.topic_arn.or(input.target_arn);
    let is_endpoint = topic_arn.as_deref().is_some_and(|arn| arn.contains(":endpoint/"));
    if is_endpoint {
        // Recorded.
        return Err(SnsError::parameter("TargetArn Reason: No endpoint found for the target arn specified"));
    }
    let by = By::Topic(topic_arn.as_deref());
    let topic = sns.authorize(&ctx, "sns:Publish", by, Vec::new())?.topic()?;
    let messages = [input.message.check(topic.describe().order, "")?];
    let published = sns.publish(&ctx, &topic, &messages).await?.into_iter().next();
    let published = published.ok_or_else(|| SnsError::Internal("nothing was published".to_owned()))?;
    Ok(Output { sequence_number: published.sequence_number(), message_id: published.message_id })
}
