//! One file per operation: what it reads, whom it asks, what it does. What several of them need stands here.

pub(crate) mod add_permission;
pub(crate) mod confirm_subscription;
pub(crate) mod create_topic;
pub(crate) mod delete_topic;
pub(crate) mod get_subscription_attributes;
pub(crate) mod get_topic_attributes;
pub(crate) mod list_subscriptions;
pub(crate) mod list_subscriptions_by_topic;
pub(crate) mod list_tags_for_resource;
pub(crate) mod list_topics;
pub(crate) mod publish;
pub(crate) mod publish_batch;
pub(crate) mod remove_permission;
pub(crate) mod set_subscription_attributes;
pub(crate) mod set_topic_attributes;
pub(crate) mod subscribe;
pub(crate) mod tag_resource;
pub(crate) mod unsubscribe;
pub(crate) mod untag_resource;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::error::SnsError;
use crate::limits::LIST_PAGE;
use crate::subscription::Subscription;

/// The answer of an operation that answers nothing.
#[derive(Serialize)]
pub(crate) struct Empty {}

/// Where a page of a list begins: behind this key.
///
/// # Errors
/// [`SnsError::Parameter`]: Hearth gave no such token.
pub(crate) fn page_start(token: Option<&str>) -> Result<Option<String>, SnsError> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    key.map(Some).ok_or_else(|| SnsError::parameter("NextToken"))
}

/// Of one item more than a page: the page, and the token of the next.
pub(crate) fn cut<T>(mut items: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let has_more = items.len() > LIST_PAGE;
    items.truncate(LIST_PAGE);
    let token = items.last().filter(|_| has_more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
    (items, token)
}

/// A subscription in a list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedSubscription {
    subscription_arn: String,
    owner: String,
    protocol: String,
    endpoint: String,
    topic_arn: String,
}

impl From<&Arc<Subscription>> for ListedSubscription {
    fn from(subscription: &Arc<Subscription>) -> Self {
        let topic_arn = subscription.topic_arn();
        Self {
            // Recorded: who has not confirmed is not named.
            subscription_arn: if subscription.is_confirmed() {
                subscription.arn.clone()
            } else {
                "PendingConfirmation".to_owned()
            },
            owner: topic_arn.split(':').nth(4).unwrap_or_default().to_owned(),
            protocol: subscription.record.protocol.clone(),
            endpoint: subscription.record.endpoint.clone(),
            topic_arn: topic_arn.to_owned(),
        }
    }
}
