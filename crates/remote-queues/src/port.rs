//! The doors: each operation goes to the queue's own place.

use std::time::Duration;

use async_trait::async_trait;
use hearth_ports::{
    OutgoingMessage, QueueConsumer, QueueError, QueueFacts, QueueSender, ReceiveTerms, ReceivedMessage,
};
use hearth_types::{Arn, RequestContext};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::answer::silence;
use crate::limits::{BATCH_ENTRIES_MAX, WAIT_S_MAX};
use crate::queues::{Away, Queues};
use crate::shape::{
    Batch, BatchAnswer, BatchEntry, Failed, GetQueueAttributes, QueueAttributes, ReceiveMessage, Received, SendMessage,
    Sent,
};

#[async_trait]
impl QueueSender for Queues {
    async fn send(&self, ctx: &RequestContext, queue: &Arn, message: OutgoingMessage) -> Result<String, QueueError> {
        let Some(away) = self.away(ctx, "sqs:SendMessage", queue)? else {
            return self.sender.send(ctx, queue, message).await;
        };
        let sent: Sent = away.call("SendMessage", &SendMessage::new(&away.url, message)).await?;
        Ok(sent.message_id)
    }
}

#[async_trait]
impl QueueConsumer for Queues {
    async fn facts(&self, ctx: &RequestContext, queue: &Arn) -> Result<QueueFacts, QueueError> {
        let Some(away) = self.away(ctx, "sqs:GetQueueAttributes", queue)? else {
            return self.consumer.facts(ctx, queue).await;
        };
        let asked = GetQueueAttributes { queue_url: &away.url, attribute_names: ["VisibilityTimeout"] };
        let QueueAttributes { attributes } = away.call("GetQueueAttributes", &asked).await?;
        let timeout = attributes.unwrap_or_default().get("VisibilityTimeout").and_then(|text| text.parse().ok());
        let missing = || silence(&away.remote.endpoint, "with the queue's VisibilityTimeout");
        // Standard queues have no attribute that says so; names do.
        let is_fifo = queue.resource.ends_with(".fifo");
        Ok(QueueFacts { visibility_timeout_s: timeout.ok_or_else(missing)?, is_fifo })
    }

    async fn allows(&self, ctx: &RequestContext, queue: &Arn, action: &'static str) -> Result<(), QueueError> {
        match self.away(ctx, action, queue)? {
            // What the endpoint allows the server is seen when it is asked.
            Some(_) => Ok(()),
            None => self.consumer.allows(ctx, queue, action).await,
        }
    }

    async fn receive(
        &self,
        ctx: &RequestContext,
        queue: &Arn,
        terms: ReceiveTerms,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let Some(away) = self.away(ctx, "sqs:ReceiveMessage", queue)? else {
            return self.consumer.receive(ctx, queue, terms).await;
        };
        // In a task of its own: what is on its way to somebody who has stopped waiting is given back at once.
        let (sender, receiver) = oneshot::channel();
        let endpoint = away.remote.endpoint.clone();
        tokio::spawn(async move {
            if let Err(Ok(messages)) = sender.send(away.receive(terms).await) {
                let handles: Vec<String> = messages.into_iter().map(|message| message.receipt_handle).collect();
                if let Err(error) = away.batch("ChangeMessageVisibilityBatch", &handles, Some(0)).await {
                    tracing::warn!(queue = away.url, %error, "messages that nobody waits for come back by themselves");
                }
            }
        });
        receiver.await.unwrap_or_else(|_| Err(silence(&endpoint, "the request was given up")))
    }

    async fn delete(&self, ctx: &RequestContext, queue: &Arn, receipt_handles: &[String]) -> Result<(), QueueError> {
        match self.away(ctx, "sqs:DeleteMessage", queue)? {
            Some(away) => away.batch("DeleteMessageBatch", receipt_handles, None).await,
            None => self.consumer.delete(ctx, queue, receipt_handles).await,
        }
    }

    async fn change_visibility(
        &self,
        ctx: &RequestContext,
        queue: &Arn,
        receipt_handles: &[String],
        visibility_timeout_s: u32,
    ) -> Result<(), QueueError> {
        match self.away(ctx, "sqs:ChangeMessageVisibility", queue)? {
            Some(away) => away.batch("ChangeMessageVisibilityBatch", receipt_handles, Some(visibility_timeout_s)).await,
            None => self.consumer.change_visibility(ctx, queue, receipt_handles, visibility_timeout_s).await,
        }
    }
}

impl Away {
    async fn call<T: DeserializeOwned>(&self, operation: &str, input: &impl Serialize) -> Result<T, QueueError> {
        self.call_waiting(operation, input, 0).await
    }

    async fn call_waiting<T: DeserializeOwned>(
        &self,
        operation: &str,
        input: &impl Serialize,
        wait_s: u32,
    ) -> Result<T, QueueError> {
        let now_ms = self.door.clock.now_ms();
        let waits = Duration::from_secs(wait_s.into());
        self.door.http.call(&self.remote, operation, input, now_ms, waits).await
    }

    async fn receive(&self, terms: ReceiveTerms) -> Result<Vec<ReceivedMessage>, QueueError> {
        let wait_s = terms.wait_s.min(WAIT_S_MAX);
        let asked = ReceiveMessage {
            queue_url: &self.url,
            max_number_of_messages: terms.messages_max.clamp(1, BATCH_ENTRIES_MAX as u32),
            wait_time_seconds: wait_s,
            message_system_attribute_names: ["All"],
            attribute_names: ["All"],
            message_attribute_names: ["All"],
        };
        let Received { messages } = self.call_waiting("ReceiveMessage", &asked, wait_s).await?;
        Ok(messages.unwrap_or_default().into_iter().map(ReceivedMessage::from).collect())
    }

    /// Says the same of any number of messages, ten at a time. All are tried, whatever becomes of some.
    async fn batch(&self, operation: &str, handles: &[String], visibility: Option<u32>) -> Result<(), QueueError> {
        let mut outcome = Ok(());
        for some in handles.chunks(BATCH_ENTRIES_MAX) {
            let entries = some.iter().enumerate().map(|(at, handle)| BatchEntry {
                id: at.to_string(),
                receipt_handle: handle,
                visibility_timeout: visibility,
            });
            let input = Batch { queue_url: &self.url, entries: entries.collect() };
            let done = match self.call::<BatchAnswer>(operation, &input).await {
                Ok(BatchAnswer { failed }) => self.settled(failed.unwrap_or_default()),
                Err(error) => Err(error),
            };
            outcome = outcome.and(done);
        }
        outcome
    }

    /// Void handles are the sender's fault, and passed over.
    fn settled(&self, failed: Vec<Failed>) -> Result<(), QueueError> {
        match failed.into_iter().find(|failed| !failed.sender_fault) {
            None => Ok(()),
            Some(Failed { code, message, .. }) => {
                let message = message.unwrap_or_default();
                Err(QueueError::Elsewhere { message: format!("{} answers: {code} {message}", self.remote.endpoint) })
            }
        }
    }
}
