//! The door for other services: what publishes to topics.

use std::sync::Arc;

use async_trait::async_trait;
use hearth_ports::{Notification, TopicError, TopicPublisher};
use hearth_types::{Arn, Partition, Region, RequestContext};

use crate::Sns;
use crate::error::SnsError;
use crate::message::Outgoing;

/// The door of the topics here.
#[derive(Clone)]
pub struct Topics(pub Arc<Sns>);

#[async_trait]
impl TopicPublisher for Topics {
    async fn publish(
        &self,
        ctx: &RequestContext,
        topic: &Arn,
        notification: Notification,
    ) -> Result<String, TopicError> {
        let account = topic.account.parse().map_err(|_| TopicError::NotFound)?;
        let mut ctx = ctx.in_account(account);
        ctx.partition = Partition::of_region(&topic.region);
        ctx.region = Region::from(topic.region.as_str());
        let found = self.0.may(&ctx, "sns:Publish", &topic.resource, Vec::new()).map_err(SnsError::from)?;
        let found = found.filter(|found| found.arn == *topic).ok_or(TopicError::NotFound)?;
        let Notification { message, subject, attributes, group_id, deduplication_id } = notification;
        let outgoing = Outgoing {
            message: Some(message),
            subject,
            message_structure: None,
            message_attributes: attributes.into_iter().map(|(name, value)| (name, value.into())).collect(),
            message_deduplication_id: deduplication_id,
            message_group_id: group_id,
        };
        let messages = [outgoing.check(found.describe().order, "")?];
        let sns = self.0.clone();
        // Not cut short when the caller stops waiting.
        let published = tokio::spawn(async move { sns.publish(&ctx, &found, &messages).await });
        let published = published.await.map_err(|error| TopicError::Unavailable { detail: error.to_string() })?;
        let missing = || TopicError::Unavailable { detail: "nothing was published".to_owned() };
        published?.into_iter().next().map(|published| published.message_id).ok_or_else(missing)
    }
}
