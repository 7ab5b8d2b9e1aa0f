//! Unsubscribe: ends a subscription; one that is not there has ended already.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sns;
use crate::api::{By, Found};
use crate::error::SnsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    subscription_arn: Option<String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Empty, SnsError> {
    let by = By::Subscription(input.subscription_arn.as_deref());
    let Found { topic, id } = sns.authorize(&ctx, "sns:Unsubscribe", by, Vec::new())?;
    if let Some(topic) = topic {
        sns.unsubscribe(&topic, &id).await?;
    }
    Ok(Empty {})
}
