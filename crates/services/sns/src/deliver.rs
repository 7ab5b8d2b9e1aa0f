//! Deliveries to queues and functions, and the dead letters of those that fail for good.
//!
//! What waiting may mend is tried again as SNS does for its own kind of subscribers; what the receiver refuses is not.
//! Then the message goes to the subscription's dead-letter queue, in the commit that ends the delivery, or is given up.
//! Source: SNS developer guide, "Amazon SNS message delivery retries" and "Amazon SNS dead-letter queues".
//!
//! SNS calls as `sns.amazonaws.com` on behalf of the topic: queue and function decide by their own policies.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_delivery::{Body, Delivery, Next, Staged, Target, Tries, Verdict, retry};
use hearth_ports::{InvocationType, InvokeError, InvokeRequest, OutgoingMessage, QueueError};
use hearth_store::Record;
use hearth_types::{Arn, Caller, FunctionRef, Partition, Qualifier, Region, RequestContext, RequestId, Scope, clock};
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::envelope::Envelope;
use crate::limits::{FIFO_SUFFIX, RAW_ATTRIBUTES_MAX};
use crate::message::{StoredAttribute, StoredValue, handed_on};
use crate::subscription::{Endpoint, Subscription};
use crate::topic;

pub(crate) const PRINCIPAL: &str = "sns.amazonaws.com";
/// The lanes' names.
pub(crate) const NOTICES: &str = "sns.notification";
pub(crate) const IN_ORDER: &str = "sns.in_order";
pub(crate) const DEAD_LETTERS: &str = "sns.dead_letter";
/// Of a delivery, beside its text and attributes, about.
const OVERHEAD_BYTES: usize = 1_024;

/// A notification for one subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// The topic's name.
    pub(crate) topic: String,
    /// The subscription's id.
    pub(crate) subscription: String,
    pub(crate) message_id: String,
    pub(crate) text: String,
    pub(crate) subject: Option<String>,
    pub(crate) attributes: Vec<StoredAttribute>,
    /// Wall clock.
    pub(crate) published_ms: i64,
    pub(crate) group_id: Option<String>,
    pub(crate) trace: Option<String>,
    /// Of messages of FIFO topics.
    #[serde(default)]
    pub(crate) place: Option<Place>,
}

/// Of a message among those of its FIFO topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) number: u64,
    pub(crate) deduplication_id: String,
}

impl Record for Notice {
    const KIND: &'static str = NOTICES;
    const VERSION: u32 = 1;
}

impl Body for Notice {
    fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|StoredAttribute { name, data_type, value }| {
            let value = match value {
                StoredValue::Text(text) => text.len(),
                StoredValue::Binary(bytes) => bytes.len(),
            };
            name.len() + data_type.len() + value
        });
        self.text.len() + attributes.sum::<usize>() + OVERHEAD_BYTES
    }

    fn line(&self) -> Option<String> {
        self.place.as_ref().map(|_| line(&self.subscription, self.group_id.as_deref()))
    }
}

/// Of a group's messages to a subscription.
fn line(subscription: &str, group_id: Option<&str>) -> String {
    format!("{subscription}/{}", group_id.unwrap_or_default())
}

/// Of a delivery in a line: in the order of the messages' numbers.
pub(crate) fn id_in_line(number: u64, subscription: &str) -> RequestId {
    RequestId::from(format!("{number:020}-{subscription}").as_str())
}

/// A message that its subscriber did not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadLetter {
    /// ARN.
    pub(crate) queue: String,
    /// ARN.
    pub(crate) topic: String,
    pub(crate) text: String,
    pub(crate) attributes: Vec<StoredAttribute>,
    pub(crate) group_id: Option<String>,
    pub(crate) trace: Option<String>,
    #[serde(default)]
    pub(crate) deduplication_id: Option<String>,
    /// As the message's that it was.
    #[serde(default)]
    pub(crate) line: Option<String>,
}

impl Record for DeadLetter {
    const KIND: &'static str = DEAD_LETTERS;
    const VERSION: u32 = 1;
}

impl Body for DeadLetter {
    fn size(&self) -> usize {
        self.text.len() + OVERHEAD_BYTES
    }

    fn line(&self) -> Option<String> {
        self.line.clone()
    }
}

/// Why a subscriber has not got a message.
#[derive(Debug, PartialEq, Eq)]
enum Failed {
    /// A later attempt may find it otherwise.
    ForNow(String),
    ForGood(String),
}

impl From<QueueError> for Failed {
    fn from(error: QueueError) -> Self {
        if error.is_transient() { Self::ForNow(error.to_string()) } else { Self::ForGood(error.to_string()) }
    }
}

impl From<InvokeError> for Failed {
    fn from(error: InvokeError) -> Self {
        match &error {
            InvokeError::NotReady { .. }
            | InvokeError::Throttled { .. }
            | InvokeError::DiskFull
            | InvokeError::Internal { .. } => Self::ForNow(error.to_string()),
            InvokeError::FunctionNotFound { .. }
            | InvokeError::InvalidRequestContent { .. }
            | InvokeError::PayloadTooLarge { .. }
            | InvokeError::RecursiveLoop
            | InvokeError::AccessDenied { .. }
            | InvokeError::InvalidRuntime { .. } => Self::ForGood(error.to_string()),
        }
    }
}

/// The verdict after a failure: again, or `None` for no more.
fn again(failed: &Failed, tries: Tries) -> Option<Verdict> {
    let Failed::ForNow(_) = failed else { return None };
    let tries = Tries { not_run: tries.not_run.saturating_add(1), ..tries };
    let pause = retry::AWS_SUBSCRIBER.pause(tries.not_run)?;
    Some(Verdict::again(pause, tries))
}

impl Failed {
    fn reason(&self) -> &str {
        match self {
            Self::ForNow(reason) | Self::ForGood(reason) => reason,
        }
    }
}

#[async_trait]
impl Target<Notice> for Sns {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Notice>) -> Verdict {
        let Delivery { scope, id, body, tries, .. } = delivery;
        let subscription = self.find(scope, &body.topic).and_then(|topic| topic.subscription(&body.subscription));
        let Some(subscription) = subscription else {
            tracing::info!(id = id.as_str(), topic = body.topic, "a message is dropped: its subscription has ended");
            return Verdict::DONE;
        };
        let topic = topic::arn(scope, &body.topic);
        let Err(failed) = self.tell(scope, id, &topic, &subscription, body).await else { return Verdict::DONE };
        let (subscription_arn, reason) = (&subscription.arn, failed.reason());
        if let Some(verdict) = again(&failed, *tries) {
            tracing::warn!(id = id.as_str(), subscription_arn, reason, "a message is not delivered; it is tried again");
            return verdict;
        }
        let Some(queue) = &subscription.dead_letters else {
            tracing::error!(id = id.as_str(), subscription_arn, reason, "a message is given up");
            return Verdict::DONE;
        };
        tracing::warn!(id = id.as_str(), subscription_arn, reason, "a message goes to the dead-letter queue");
        match self.bury(scope, queue, &topic, &subscription, body) {
            Ok(letter) => Verdict { next: Next::Done, then: vec![letter] },
            Err(error) => {
                tracing::error!(id = id.as_str(), subscription_arn, %error, "a dead letter cannot be written");
                Verdict::DONE
            }
        }
    }
}

#[async_trait]
impl Target<DeadLetter> for Sns {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<DeadLetter>) -> Verdict {
        let Delivery { scope, id, body, tries, .. } = delivery;
        let (Ok(queue), Ok(topic)) = (body.queue.parse::<Arn>(), body.topic.parse::<Arn>()) else {
            tracing::error!(id = id.as_str(), queue = body.queue, "a dead letter is sent to no ARN");
            return Verdict::DONE;
        };
        let message = OutgoingMessage {
            body: body.text.clone(),
            attributes: handed_on(&body.attributes),
            trace_header: body.trace.clone(),
            group_id: body.group_id.clone(),
            deduplication_id: body.deduplication_id.clone().filter(|_| is_fifo(&queue)),
        };
        let sent = self.queues.send(&context(scope, id, &topic, None), &queue, message).await;
        let Err(failed) = sent.map_err(Failed::from) else { return Verdict::DONE };
        let (queue, reason) = (&body.queue, failed.reason());
        if let Some(verdict) = again(&failed, *tries) {
            tracing::warn!(id = id.as_str(), queue, reason, "a dead letter could not be sent; it is tried again");
            return verdict;
        }
        tracing::error!(id = id.as_str(), queue, reason, "a dead letter is given up");
        Verdict::DONE
    }
}

impl Sns {
    async fn tell(
        &self,
        scope: &Scope,
        id: &RequestId,
        topic: &Arn,
        subscription: &Subscription,
        notice: &Notice,
    ) -> Result<(), Failed> {
        let ctx = context(scope, id, topic, notice.trace.as_deref());
        match &subscription.endpoint {
            Endpoint::Queue(queue) => {
                if subscription.is_raw && notice.attributes.len() > RAW_ATTRIBUTES_MAX {
                    let reason = format!("raw delivery takes {RAW_ATTRIBUTES_MAX} message attributes at most");
                    return Err(Failed::ForGood(reason));
                }
                let (body, attributes) = for_queue(topic, subscription, notice);
                let message = OutgoingMessage {
                    body,
                    attributes: handed_on(attributes),
                    trace_header: notice.trace.clone(),
                    group_id: notice.group_id.clone(),
                    deduplication_id: notice.deduplication_id().filter(|_| is_fifo(queue)),
                };
                Ok(self.queues.send(&ctx, queue, message).await.map(drop)?)
            }
            Endpoint::Function { arn, function } => self.invoke(ctx, arn, function, topic, subscription, notice).await,
        }
    }

    async fn invoke(
        &self,
        ctx: RequestContext,
        arn: &Arn,
        function: &FunctionRef,
        topic: &Arn,
        subscription: &Subscription,
        notice: &Notice,
    ) -> Result<(), Failed> {
        let account = arn.account.parse().map_err(|_| Failed::ForGood("the function has no account".to_owned()))?;
        let qualifier = function.qualifier.as_deref().map(Qualifier::parse);
        let mut ctx = ctx.in_account(account);
        ctx.partition = Partition::of_region(&arn.region);
        ctx.region = Region::from(arn.region.as_str());
        let timestamp = clock::iso8601_ms(notice.published_ms);
        let request = InvokeRequest {
            function_name: function.name.clone(),
            qualifier,
            invocation_type: InvocationType::Event,
            payload: Bytes::from(envelope(&topic.to_string(), subscription, notice, &timestamp).for_function()),
            log_tail: false,
            client_context: None,
            via_url: false,
        };
        Ok(self.invoker.invoke(&ctx, request).await.map(drop)?)
    }

    /// A dead letter has what the queue would have got: the message itself where delivery is raw.
    fn bury(
        &self,
        scope: &Scope,
        queue: &Arn,
        topic: &Arn,
        subscription: &Subscription,
        notice: &Notice,
    ) -> Result<Staged, hearth_store::RecordError> {
        let (text, attributes) = for_queue(topic, subscription, notice);
        // A queue takes no more.
        let attributes: &[StoredAttribute] = if attributes.len() > RAW_ATTRIBUTES_MAX { &[] } else { attributes };
        let letter = DeadLetter {
            queue: queue.to_string(),
            topic: topic.to_string(),
            text,
            attributes: attributes.to_vec(),
            group_id: notice.group_id.clone(),
            trace: notice.trace.clone(),
            deduplication_id: notice.deduplication_id(),
            line: notice.line(),
        };
        let id = match &notice.place {
            Some(place) => id_in_line(place.number, &notice.subscription),
            None => self.new_id(),
        };
        self.dead_letters.stage(scope, id, letter)
    }
}

impl Notice {
    fn deduplication_id(&self) -> Option<String> {
        self.place.as_ref().map(|place| place.deduplication_id.clone())
    }
}

pub(crate) fn is_fifo(queue: &Arn) -> bool {
    queue.resource.ends_with(FIFO_SUFFIX)
}

/// Body and attributes of a queue's message.
fn for_queue<'n>(topic: &Arn, subscription: &Subscription, notice: &'n Notice) -> (String, &'n [StoredAttribute]) {
    if subscription.is_raw {
        return (notice.text.clone(), &notice.attributes);
    }
    let timestamp = clock::iso8601_ms(notice.published_ms);
    (envelope(&topic.to_string(), subscription, notice, &timestamp).for_queue(), &[])
}

fn envelope<'a>(
    topic_arn: &'a str,
    subscription: &'a Subscription,
    notice: &'a Notice,
    timestamp: &'a str,
) -> Envelope<'a> {
    Envelope {
        message_id: &notice.message_id,
        number: notice.place.as_ref().map(|place| place.number),
        topic_arn,
        subscription_arn: &subscription.arn,
        base_url: &subscription.record.base_url,
        subject: notice.subject.as_deref(),
        text: &notice.text,
        timestamp,
        attributes: &notice.attributes,
    }
}

fn context(scope: &Scope, id: &RequestId, topic: &Arn, trace: Option<&str>) -> RequestContext {
    let caller = Caller::Service {
        principal: PRINCIPAL,
        source_arn: Some(topic.to_string().into()),
        source_account: Some(scope.account),
    };
    RequestContext { caller, trace: trace.map(Into::into), ..RequestContext::service(scope, PRINCIPAL, id.clone()) }
}
