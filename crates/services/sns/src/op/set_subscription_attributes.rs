//! SetSubscriptionAttributes: one attribute of a subscription; without a value it is taken away.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sns;
use crate::api::By;
use crate::error::SnsError;
use crate::subscription::{RAW, check_attribute_name};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    subscription_arn: Option<String>,
    attribute_name: Option<String>,
    attribute_value: Option<String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Empty, SnsError> {
    let by = By::Subscription(input.subscription_arn.as_deref());
    let found = sns.authorize(&ctx, "sns:SetSubscriptionAttributes", by, Vec::new())?;
    let (topic, subscription) = found.subscription()?;
    let name = input.attribute_name.unwrap_or_default();
    check_attribute_name(&name)?;
    let value = input.attribute_value.unwrap_or_default();
    sns.edit_subscription(&topic, &subscription.record.id, |attributes| {
        if value.is_empty() && name != RAW {
            attributes.remove(&name);
        } else {
            attributes.insert(name, value);
        }
    })
    .await?;
    Ok(Empty {})
}
