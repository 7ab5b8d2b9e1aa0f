//! GetTopicAttributes: what a topic is set to, and how many subscriptions it has.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::api::By;
use crate::error::SnsError;
use crate::record::State;
use crate::topic::{POLICY, policy_text};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    topic_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    attributes: BTreeMap<String, String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Output, SnsError> {
    let by = By::Topic(input.topic_arn.as_deref());
    let topic = sns.authorize(&ctx, "sns:GetTopicAttributes", by, Vec::new())?.topic()?;
    let description = topic.describe();
    let record = &description.record;
    let mut attributes = BTreeMap::from([("DisplayName".to_owned(), String::new())]);
    attributes.extend(record.attributes.clone());
    let count = |state| topic.subscriptions().values().filter(|found| found.record.state == state).count().to_string();
    let computed = [
        ("TopicArn", topic.arn.to_string()),
        ("Owner", topic.arn.account.clone()),
        (POLICY, policy_text(&topic.arn, record)),
        ("EffectiveDeliveryPolicy", description.delivery.shown_of_topic()),
        ("SubscriptionsConfirmed", count(State::Confirmed)),
        ("SubscriptionsPending", count(State::Pending)),
        ("SubscriptionsDeleted", record.unsubscribed.to_string()),
    ];
    attributes.extend(computed.map(|(name, value)| (name.to_owned(), value)));
    Ok(Output { attributes })
}
