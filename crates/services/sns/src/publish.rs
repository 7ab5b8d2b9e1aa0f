//! Publishing: a delivery for each subscription that wants the message, all in the store before anybody is answered.

use std::sync::Arc;

use hearth_delivery::Staged;
use hearth_types::{RequestContext, RequestId, random};

use crate::Sns;
use crate::deliver::Notice;
use crate::error::SnsError;
use crate::limits::STAGED_BYTES_MAX;
use crate::message::Checked;
use crate::subscription::Subscription;
use crate::topic::Topic;

impl Sns {
    /// Publishes messages; answers their ids. Very large ones to very many subscriptions are accepted in several commits.
    ///
    /// # Errors
    /// The store's: some subscriptions may be told all the same.
    pub(crate) async fn publish(
        &self,
        ctx: &RequestContext,
        topic: &Topic,
        messages: &[Checked],
    ) -> Result<Vec<String>, SnsError> {
        let subscriptions: Vec<Arc<Subscription>> = topic.subscriptions().values().cloned().collect();
        let published_ms = self.wall.now_ms();
        let (mut ids, mut staged, mut bytes) = (Vec::with_capacity(messages.len()), Vec::new(), 0);
        for message in messages {
            let id = random::uuid(&*self.random);
            for subscription in &subscriptions {
                let text = message.text_for(&subscription.record.protocol);
                if subscription.filter.as_ref().is_some_and(|filter| !filter.accepts(&message.attributes, text)) {
                    continue;
                }
                let notice = Notice {
                    topic: topic.name().to_owned(),
                    subscription: subscription.record.id.clone(),
                    message_id: id.clone(),
                    text: text.to_owned(),
                    subject: message.subject.clone(),
                    attributes: message.attributes.clone(),
                    published_ms,
                    group_id: message.group_id.clone(),
                    trace: ctx.trace.as_deref().map(str::to_owned),
                };
                bytes += hearth_delivery::Body::size(&notice);
                staged.push(self.notices.stage(&topic.scope, self.new_id(), notice)?);
                if bytes > STAGED_BYTES_MAX {
                    self.accept(topic, std::mem::take(&mut staged)).await?;
                    bytes = 0;
                }
            }
            ids.push(id);
        }
        self.accept(topic, staged).await?;
        Ok(ids)
    }

    async fn accept(&self, topic: &Topic, staged: Vec<Staged>) -> Result<(), SnsError> {
        Ok(self.outbox.accept(&topic.scope, staged).await?)
    }

    /// Of a delivery.
    pub(crate) fn new_id(&self) -> RequestId {
        RequestId::from(random::uuid(&*self.random).as_str())
    }
}
