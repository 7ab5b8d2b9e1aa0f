//! What is sent later or again: the outbox, and the lane of messages to queues and topics.

use std::sync::Arc;

use async_trait::async_trait;
use hearth_delivery::message::{self, Message, Messenger};
use hearth_delivery::{Lane, LaneLimits, Outbox};
use hearth_ports::{CredentialIssuer, Notification, QueueSender, TopicError, TopicPublisher};
use hearth_store::{Codec, Store};
use hearth_types::{Arn, Clock, RequestContext};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) struct Messaging {
    pub(super) outbox: Arc<Outbox>,
    pub(super) messages: Arc<Lane<Message>>,
}

impl Messaging {
    /// `clock`: the service's.
    pub(super) fn new(store: Arc<dyn Store>, codec: Arc<Codec>, clock: Arc<dyn Clock>) -> Self {
        let outbox = Outbox::new(store, codec, clock);
        let messages = Lane::new(&outbox, message::LANE, LaneLimits { attempts: message::ATTEMPTS_MAX });
        Self { outbox, messages }
    }

    /// Sends messages until stopped; those on their way come to their end.
    pub(super) async fn work(
        self,
        queues: Arc<dyn QueueSender>,
        credentials: Arc<dyn CredentialIssuer>,
        stop: CancellationToken,
    ) {
        let messenger = Messenger { queues, topics: Arc::new(NoTopics), credentials };
        let running = TaskTracker::new();
        self.messages.work(Arc::new(messenger), &stop, &running).await;
        running.close();
        running.wait().await;
    }
}

/// There is no SNS yet. Topics are refused where they are named, so nothing comes here.
struct NoTopics;

#[async_trait]
impl TopicPublisher for NoTopics {
    async fn publish(&self, _: &RequestContext, topic: &Arn, _: Notification) -> Result<String, TopicError> {
        Err(TopicError::Invalid { message: format!("there is no SNS here to publish to {topic}") })
    }
}
