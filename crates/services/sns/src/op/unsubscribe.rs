//! Unsubscribe: ends a subscription; one that is not there has ended already. Whoever has a message has the link to end
//! its subscription, and needs no signature unless whoever confirmed it said so; then its endpoint may take that back.

use std::sync::Arc;

use hearth_ports::Denied;
use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sns;
use crate::api::{By, Found};
use crate::confirm::is_signed;
use crate::error::SnsError;
use crate::subscription::is_web;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    subscription_arn: Option<String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Empty, SnsError> {
    let by = By::Subscription(input.subscription_arn.as_deref());
    if is_signed(&ctx) {
        let Found { topic, id } = sns.authorize(&ctx, "sns:Unsubscribe", by, Vec::new())?;
        if let Some(topic) = topic {
            sns.unsubscribe(&topic, &id).await?;
        }
        return Ok(Empty {});
    }
    let Ok((topic, subscription)) = sns.locate(&ctx, by)?.subscription() else { return Ok(Empty {}) };
    if subscription.record.authenticates_unsubscribe {
        let message = "Unsubscribe requires authentication for this subscription".to_owned();
        return Err(Denied { message }.into());
    }
    let id = &subscription.record.id;
    if subscription.is_confirmed() && is_web(&subscription.record.protocol) {
        sns.suspend(&topic, id).await?;
    } else {
        sns.unsubscribe(&topic, id).await?;
    }
    Ok(Empty {})
}
