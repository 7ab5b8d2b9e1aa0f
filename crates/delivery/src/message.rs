//! Messages to queues, topics, buckets and event buses: dead letters, destinations and whatever else a service tells
//! others by them.
//!
//! What can be mended by waiting is tried again for six hours, as Lambda keeps its own events; a message that its
//! receiver refuses is given up and logged, as Lambda does with dead letters. Source: Lambda developer guide, "Adding a
//! dead-letter queue".

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_ports::metrics::lambda;
use hearth_ports::{
    AttributeValue, CredentialIssuer, EventBusError, EventSink, MessageAttribute, MetricSink, Notification,
    ObjectError, ObjectStore, OutgoingMessage, QueueError, QueueSender, ServiceEvent, TopicError, TopicPublisher,
};
use hearth_store::Record;
use hearth_types::{Arn, Caller, Clock, Millis, RequestContext, limits};
use serde::{Deserialize, Serialize};

use crate::{Body, Delivery, Target, Tries, Verdict, retry};

/// Messages on their way at the same time.
pub const ATTEMPTS_MAX: usize = 64;
/// The lane's name.
pub const LANE: &str = "delivery.message";

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sender {
    /// A function, by its execution role.
    Function { role_arn: String, function_arn: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// ARN of a queue, a topic, a bucket or an event bus.
    pub to: String,
    pub from: Sender,
    pub text: String,
    /// Name, data type and text.
    pub attributes: Vec<(String, String, String)>,
    /// Handed on as `AWSTraceHeader`.
    pub trace: Option<String>,
    /// Of an object, for a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What makes an event of the text, for an event bus.
    #[serde(default)]
    pub event: Option<EventHead>,
}

/// Of an event whose detail is a message's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventHead {
    pub source: String,
    pub detail_type: String,
    pub resources: Vec<String>,
}

impl Record for Message {
    const KIND: &'static str = LANE;
    const VERSION: u32 = 1;
}

impl Body for Message {
    fn size(&self) -> usize {
        self.text.len() + 1_024
    }
}

/// The doors that messages go out by.
pub struct Messenger {
    pub queues: Arc<dyn QueueSender>,
    pub topics: Arc<dyn TopicPublisher>,
    pub objects: Arc<dyn ObjectStore>,
    pub buses: Arc<dyn EventSink>,
    pub credentials: Arc<dyn CredentialIssuer>,
    /// Told of what is given up.
    pub metrics: Arc<dyn MetricSink>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

/// Why a message is not there.
#[derive(Debug, PartialEq, Eq)]
enum Failed {
    /// A later attempt may find it otherwise.
    ForNow(String),
    ForGood(String),
}

#[async_trait]
impl Target<Message> for Messenger {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Message>) -> Verdict {
        let Delivery { id, body, age, tries, .. } = delivery;
        let (to, id) = (&body.to, id.as_str());
        let reason = match self.send(delivery).await {
            Ok(()) => return Verdict::DONE,
            Err(Failed::ForGood(reason)) => reason,
            Err(Failed::ForNow(reason)) => {
                let tries = Tries { not_run: tries.not_run.saturating_add(1), ..*tries };
                let pause = retry::NOT_RUN.pause(tries.not_run).unwrap_or(Millis(0));
                if age.0 + pause.0 <= limits::EVENT_AGE_MAX.0 {
                    tracing::warn!(id, to, reason, "a message could not be sent; it is tried again");
                    return Verdict::again(pause, tries);
                }
                reason
            }
        };
        tracing::error!(id, to, reason, "a message is given up");
        self.tell(delivery);
        Verdict::DONE
    }
}

impl Messenger {
    /// Counts what its receiver never got, for the function it was about. Dead letters have attributes, records of
    /// destinations have none.
    fn tell(&self, delivery: &Delivery<Message>) {
        let Sender::Function { function_arn, .. } = &delivery.body.from;
        let name = function_arn.split(':').nth(6).unwrap_or_default();
        let is_dead_letter = !delivery.body.attributes.is_empty();
        let metric = if is_dead_letter { &lambda::DEAD_LETTER_ERRORS } else { &lambda::DESTINATION_DELIVERY_FAILURES };
        let ctx = RequestContext::service(&delivery.scope, "lambda.amazonaws.com", delivery.id.clone());
        let sets = vec![lambda::of_region(), lambda::of_function(name), lambda::of_resource(name, name)];
        self.metrics.meter(&ctx, sets).record(self.clock.now_ms(), &[(metric, 1.0)]);
    }

    async fn send(&self, delivery: &Delivery<Message>) -> Result<(), Failed> {
        let message = &*delivery.body;
        let to: Arn = message.to.parse().map_err(|_| Failed::ForGood("it is sent to no ARN".to_owned()))?;
        let ctx = RequestContext::service(&delivery.scope, "lambda.amazonaws.com", delivery.id.clone());
        let Sender::Function { role_arn, function_arn } = &message.from;
        let function: Arn =
            function_arn.parse().map_err(|_| Failed::ForGood("it is sent by no function's ARN".to_owned()))?;
        let caller = self.credentials.function_role(&ctx, role_arn, &function);
        let caller = caller.map_err(|error| Failed::ForGood(error.to_string()))?;
        self.send_as(&ctx, caller, &to, message).await
    }

    async fn send_as(&self, ctx: &RequestContext, caller: Caller, to: &Arn, message: &Message) -> Result<(), Failed> {
        let ctx = RequestContext { caller, ..ctx.clone() };
        let attributes: BTreeMap<_, _> = message
            .attributes
            .iter()
            .map(|(name, data_type, text)| {
                let value = AttributeValue::Text(text.clone());
                (name.clone(), MessageAttribute { data_type: data_type.clone(), value })
            })
            .collect();
        match &*to.service {
            "sqs" => {
                let (body, trace_header) = (message.text.clone(), message.trace.clone());
                let message = OutgoingMessage { body, attributes, trace_header, ..OutgoingMessage::default() };
                self.queues.send(&ctx, to, message).await.map(drop).map_err(Failed::from)
            }
            "sns" => {
                let notification =
                    Notification { message: message.text.clone(), attributes, ..Notification::default() };
                self.topics.publish(&ctx, to, notification).await.map(drop).map_err(Failed::from)
            }
            "s3" => {
                let key = message.key.as_deref().ok_or_else(|| Failed::ForGood("it has no key".to_owned()))?;
                let text = Bytes::from(message.text.clone());
                self.objects.write(&ctx, &to.resource, key, "application/json", text).await.map_err(Failed::from)
            }
            "events" => {
                let head = message.event.clone();
                let head = head.ok_or_else(|| Failed::ForGood("it is no event".to_owned()))?;
                let EventHead { source, detail_type, resources } = head;
                let (detail, trace) = (message.text.clone(), message.trace.clone());
                let event = ServiceEvent { source, detail_type, resources, detail, time_ms: None, trace };
                self.buses.put(&ctx, to, vec![event]).await.map(drop).map_err(Failed::from)
            }
            other => Err(Failed::ForGood(format!("messages cannot be sent to {other}"))),
        }
    }
}

impl From<QueueError> for Failed {
    fn from(error: QueueError) -> Self {
        if error.is_transient() { Self::ForNow(error.to_string()) } else { Self::ForGood(error.to_string()) }
    }
}

impl From<ObjectError> for Failed {
    fn from(error: ObjectError) -> Self {
        if error.is_transient() { Self::ForNow(error.to_string()) } else { Self::ForGood(error.to_string()) }
    }
}

impl From<TopicError> for Failed {
    fn from(error: TopicError) -> Self {
        if error.is_transient() { Self::ForNow(error.to_string()) } else { Self::ForGood(error.to_string()) }
    }
}

impl From<EventBusError> for Failed {
    fn from(error: EventBusError) -> Self {
        if error.is_transient() { Self::ForNow(error.to_string()) } else { Self::ForGood(error.to_string()) }
    }
}
