//! What is sent later or again: the outbox, and the lane of messages to queues, topics and buses.

use std::sync::Arc;

use hearth_delivery::message::{self, Message, Messenger};
use hearth_delivery::{Lane, LaneLimits, Outbox};
use hearth_store::{Codec, Store};
use hearth_types::Clock;
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
    pub(super) async fn work(self, messenger: Messenger, stop: CancellationToken) {
        let running = TaskTracker::new();
        self.messages.work(Arc::new(messenger), &stop, &running).await;
        running.close();
        running.wait().await;
    }
}
