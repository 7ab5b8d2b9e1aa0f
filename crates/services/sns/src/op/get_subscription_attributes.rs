//! GetSubscriptionAttributes: what a subscription is set to.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::api::By;
use crate::error::SnsError;
use crate::subscription::{FILTER, FILTER_SCOPE, RAW, is_web};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    subscription_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    attributes: BTreeMap<String, String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Output, SnsError> {
    let by = By::Subscription(input.subscription_arn.as_deref());
    let found = sns.authorize(&ctx, "sns:GetSubscriptionAttributes", by, Vec::new())?;
    let (topic, subscription) = found.subscription()?;
    let record = &subscription.record;
    let computed = [
        ("SubscriptionArn", subscription.arn.clone()),
        ("TopicArn", topic.arn.to_string()),
        ("Owner", topic.arn.account.clone()),
        ("Protocol", record.protocol.clone()),
        ("Endpoint", record.endpoint.clone()),
        ("SubscriptionPrincipal", record.principal.clone()),
        ("ConfirmationWasAuthenticated", record.is_authenticated.to_string()),
        ("PendingConfirmation", (!subscription.is_confirmed()).to_string()),
        (RAW, subscription.is_raw.to_string()),
    ];
    let mut attributes: BTreeMap<String, String> = record.attributes.clone();
    attributes.retain(|_, value| !value.is_empty());
    if attributes.contains_key(FILTER) {
        attributes.entry(FILTER_SCOPE.to_owned()).or_insert_with(|| "MessageAttributes".to_owned());
    }
    if is_web(&record.protocol) {
        let policy = subscription.delivery_policy(&topic.describe().delivery).shown_of_subscription();
        attributes.insert("EffectiveDeliveryPolicy".to_owned(), policy);
    }
    attributes.extend(computed.map(|(name, value)| (name.to_owned(), value)));
    Ok(Output { attributes })
}
