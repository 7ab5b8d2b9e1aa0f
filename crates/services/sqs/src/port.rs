//! The doors for other services: what sends to queues and what takes from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_ports::{
    AttributeValue, MessageAttribute, OutgoingMessage, QueueConsumer, QueueError, QueueFacts, QueueSender,
    ReceiveTerms, ReceivedMessage,
};
use hearth_types::{Arn, Partition, Region, RequestContext};

use crate::Sqs;
use crate::error::SqsError;
use crate::limits::{BATCH_ENTRIES_MAX, VISIBILITY_S_MAX, WAIT_S_MAX};
use crate::message::{AttributeInput, Outgoing, uuid_text};
use crate::page::StoredValue;
use crate::queue::Queue;
use crate::receive::{Wanted, show};
use crate::send::sender_id;
use crate::shown::system;

impl Sqs {
    /// The queue of an ARN, if the caller may do this to it.
    fn door(&self, ctx: &RequestContext, action: &str, arn: &Arn) -> Result<Arc<Queue>, QueueError> {
        let account = arn.account.parse().map_err(|_| QueueError::NotFound)?;
        let mut ctx = ctx.in_account(account);
        ctx.partition = Partition::of_region(&arn.region);
        ctx.region = Region::from(arn.region.as_str());
        let queue = self.may(&ctx, action, &arn.resource, Vec::new())?;
        queue.filter(|queue| queue.arn == *arn).ok_or(QueueError::NotFound)
    }
}

/// Work that is not cut short when the caller stops waiting.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, QueueError>> + Send + 'static,
) -> Result<T, QueueError> {
    let task = tokio::spawn(work);
    task.await.unwrap_or_else(|error| Err(QueueError::Unavailable { detail: error.to_string() }))
}

/// The doors of the queues here.
#[derive(Clone)]
pub struct Queues(pub Arc<Sqs>);

#[async_trait]
impl QueueSender for Queues {
    async fn send(&self, ctx: &RequestContext, queue: &Arn, message: OutgoingMessage) -> Result<String, QueueError> {
        let queue = self.0.door(ctx, "sqs:SendMessage", queue)?;
        let (sqs, sender_id) = (self.0.clone(), sender_id(ctx));
        to_the_end(async move {
            let description = queue.describe();
            let outgoing = outgoing(message);
            let checked = outgoing.check(&description.settings)?;
            let sent = sqs.send(&queue, &sender_id, &[checked]).await?;
            let missing = || QueueError::Unavailable { detail: "nothing was sent".to_owned() };
            sent.first().map(|sent| uuid_text(&sent.message_id)).ok_or_else(missing)
        })
        .await
    }
}

#[async_trait]
impl QueueConsumer for Queues {
    async fn facts(&self, ctx: &RequestContext, queue: &Arn) -> Result<QueueFacts, QueueError> {
        let queue = self.0.door(ctx, "sqs:GetQueueAttributes", queue)?;
        let settings = &queue.describe().settings;
        Ok(QueueFacts { visibility_timeout_s: settings.visibility_timeout_s, is_fifo: settings.is_fifo })
    }

    async fn allows(&self, ctx: &RequestContext, queue: &Arn, action: &'static str) -> Result<(), QueueError> {
        self.0.door(ctx, action, queue).map(|_| ())
    }

    async fn receive(
        &self,
        ctx: &RequestContext,
        queue: &Arn,
        terms: ReceiveTerms,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let queue = self.0.door(ctx, "sqs:ReceiveMessage", queue)?;
        let wanted = Wanted {
            max: (terms.messages_max as usize).clamp(1, BATCH_ENTRIES_MAX),
            visibility_s: queue.describe().settings.visibility_timeout_s,
            wait_s: terms.wait_s.min(WAIT_S_MAX as u32),
            attempt: None,
        };
        let handed = self.0.receive(&queue, &wanted).await?;
        let received = show(&handed, |taken, stored| ReceivedMessage {
            message_id: uuid_text(&stored.id),
            receipt_handle: queue.receipts.handle(taken.key, taken.seen.nonce),
            body: stored.body.to_owned(),
            body_md5: hex::encode(stored.body_md5),
            system_attributes: system(taken, stored, |_| true)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            attributes: stored
                .attributes
                .iter()
                .map(|attribute| {
                    let value = match attribute.value {
                        StoredValue::Text(text) => AttributeValue::Text(text.to_owned()),
                        StoredValue::Binary(bytes) => AttributeValue::Binary(Bytes::copy_from_slice(bytes)),
                    };
                    (attribute.name.to_owned(), MessageAttribute { data_type: attribute.data_type.to_owned(), value })
                })
                .collect::<BTreeMap<_, _>>(),
            attributes_md5: stored.attributes_md5.map(hex::encode),
        });
        Ok(received?)
    }

    async fn delete(&self, ctx: &RequestContext, queue: &Arn, receipt_handles: &[String]) -> Result<(), QueueError> {
        let queue = self.0.door(ctx, "sqs:DeleteMessage", queue)?;
        let (sqs, handles) = (self.0.clone(), receipt_handles.to_vec());
        to_the_end(async move {
            let handles: Vec<&str> = handles.iter().map(String::as_str).collect();
            let answers = sqs.delete(&queue, &handles).await;
            // Void handles are passed over; what the store says is not.
            let failed =
                answers.into_iter().filter_map(Result::err).find(|error| error.http_status().is_server_error());
            failed.map_or(Ok(()), |error| Err(error.into()))
        })
        .await
    }

    async fn change_visibility(
        &self,
        ctx: &RequestContext,
        queue: &Arn,
        receipt_handles: &[String],
        visibility_timeout_s: u32,
    ) -> Result<(), QueueError> {
        let queue = self.0.door(ctx, "sqs:ChangeMessageVisibility", queue)?;
        if i64::from(visibility_timeout_s) > VISIBILITY_S_MAX {
            return Err(SqsError::value(visibility_timeout_s, "VisibilityTimeout", "Must be at most 43200.").into());
        }
        for handle in receipt_handles {
            // Void, or over: as passed over as a deleted one.
            let _ = self.0.change_visibility(&queue, handle, visibility_timeout_s);
        }
        Ok(())
    }
}

fn outgoing(message: OutgoingMessage) -> Outgoing {
    let OutgoingMessage { body, attributes, trace_header, group_id, deduplication_id } = message;
    let attributes = attributes.into_iter().map(|(name, MessageAttribute { data_type, value })| {
        let input = match value {
            AttributeValue::Text(text) => AttributeInput::text(data_type, text),
            AttributeValue::Binary(bytes) => AttributeInput::binary(data_type, bytes),
        };
        (name, input)
    });
    let trace = trace_header.map(|text| ("AWSTraceHeader".to_owned(), AttributeInput::text("String".to_owned(), text)));
    Outgoing {
        body: Some(body),
        delay_s: None,
        attributes: attributes.collect(),
        system_attributes: trace.into_iter().collect(),
        dedup_id: deduplication_id,
        group_id,
    }
}
