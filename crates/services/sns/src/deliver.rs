//! Deliveries to queues, functions and HTTP endpoints, and the dead letters of those that fail for good.
//!
//! What waiting may mend is tried again as SNS does for its own kind of subscribers, or as a delivery policy says; what the
//! receiver refuses is not.
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
use hearth_types::{
    Arn, Caller, FunctionRef, Millis, Partition, Qualifier, Region, RequestContext, RequestId, Scope, clock,
};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::delivery_policy::DeliveryPolicy;
use crate::envelope::{Envelope, to_be_signed};
use crate::error::SnsError;
use crate::limits::{FIFO_SUFFIX, RAW_ATTRIBUTES_MAX};
use crate::message::{StoredAttribute, StoredValue, handed_on};
use crate::subscription::{Endpoint, Subscription, is_web};
use crate::web::{Post, WebError};

pub(crate) const PRINCIPAL: &str = "sns.amazonaws.com";
/// The lanes' names.
pub(crate) const NOTICES: &str = "sns.notification";
pub(crate) const IN_ORDER: &str = "sns.in_order";
pub(crate) const WEB: &str = "sns.http";
pub(crate) const DEAD_LETTERS: &str = "sns.dead_letter";
/// Who tells HTTP endpoints. Source: SNS developer guide, "HTTP/HTTPS headers".
const USER_AGENT: &str = "Amazon Simple Notification Service Agent";
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
    /// Of the text, base64; `None` for raw delivery, and of an older Hearth.
    #[serde(default)]
    pub(crate) signature: Option<String>,
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
pub(crate) enum Failed {
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

/// The verdict after a failure: again after the pause before that retry, or `None` for no more.
fn again(failed: &Failed, tries: Tries, pause: impl FnOnce(u32) -> Option<Millis>) -> Option<Verdict> {
    let Failed::ForNow(_) = failed else { return None };
    let tries = Tries { not_run: tries.not_run.saturating_add(1), ..tries };
    Some(Verdict::again(pause(tries.not_run)?, tries))
}

/// For queues and functions.
fn managed(retry: u32) -> Option<Millis> {
    retry::AWS_SUBSCRIBER.pause(retry)
}

/// The headers of every message to an HTTP endpoint.
pub(crate) fn posted(content_type: &str) -> [(&'static str, String); 2] {
    [("content-type", content_type.to_owned()), ("user-agent", USER_AGENT.to_owned())]
}

impl Failed {
    /// What an HTTP endpoint's answer means. Source: SNS developer guide, "Amazon SNS dead-letter queues": what the client
    /// did wrong stays wrong, and a server may be mended.
    pub(crate) fn of_answer(answer: Result<StatusCode, WebError>) -> Result<(), Self> {
        match answer {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Self::ForNow(format!("the endpoint answers {status}")))
            }
            Ok(status) => Err(Self::ForGood(format!("the endpoint answers {status}"))),
            Err(error @ WebError::Closed(_)) => Err(Self::ForGood(error.to_string())),
            Err(error @ WebError::Unreachable(_)) => Err(Self::ForNow(error.to_string())),
        }
    }

    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::ForNow(reason) | Self::ForGood(reason) => reason,
        }
    }
}

#[async_trait]
impl Target<Notice> for Sns {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Notice>) -> Verdict {
        let Delivery { scope, id, body, tries, .. } = delivery;
        let found = self.find(scope, &body.topic);
        let found = found.and_then(|topic| Some((topic.subscription(&body.subscription)?, topic)));
        let Some((subscription, topic)) = found.filter(|(subscription, _)| subscription.is_confirmed()) else {
            tracing::info!(id = id.as_str(), topic = body.topic, "a message is dropped: its subscription has ended");
            return Verdict::DONE;
        };
        let policy = subscription.delivery_policy(&topic.describe().delivery);
        let is_web = is_web(&subscription.record.protocol);
        let turn = if is_web {
            match self.paces.enter(&body.subscription, id, policy.interval_ms(), self.outbox.now_ms()) {
                Ok(turn) => Some(turn),
                Err(wait) => return Verdict::again(wait, *tries),
            }
        } else {
            None
        };
        let topic = topic.arn.clone();
        let told = self.tell(scope, id, &topic, &subscription, body, &policy).await;
        if let Some(turn) = turn {
            turn.end(self.outbox.now_ms());
        }
        let Err(failed) = told else { return Verdict::DONE };
        let (subscription_arn, reason) = (&subscription.arn, failed.reason());
        let pause = |retry| if is_web { policy.pause_ms(retry).map(Millis) } else { managed(retry) };
        if let Some(verdict) = again(&failed, *tries, pause) {
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
        if let Some(verdict) = again(&failed, *tries, managed) {
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
        policy: &DeliveryPolicy,
    ) -> Result<(), Failed> {
        let ctx = context(scope, id, topic, notice.trace.as_deref());
        match &subscription.endpoint {
            Endpoint::Queue(queue) => {
                if subscription.is_raw && notice.attributes.len() > RAW_ATTRIBUTES_MAX {
                    let reason = format!("raw delivery takes {RAW_ATTRIBUTES_MAX} message attributes at most");
                    return Err(Failed::ForGood(reason));
                }
                let (body, attributes) = self.for_queue(topic, subscription, notice)?;
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
            Endpoint::Http(url) => self.post(url, topic, subscription, notice, policy).await,
        }
    }

    async fn post(
        &self,
        url: &Uri,
        topic: &Arn,
        subscription: &Subscription,
        notice: &Notice,
        policy: &DeliveryPolicy,
    ) -> Result<(), Failed> {
        let (body, _) = self.for_queue(topic, subscription, notice)?;
        let mut headers = vec![
            ("x-amz-sns-message-type", "Notification".to_owned()),
            ("x-amz-sns-message-id", notice.message_id.clone()),
            ("x-amz-sns-topic-arn", topic.to_string()),
            ("x-amz-sns-subscription-arn", subscription.arn.clone()),
        ];
        headers.extend(subscription.is_raw.then(|| ("x-amz-sns-rawdelivery", "true".to_owned())));
        headers.extend(posted(policy.content_type()));
        let post = Post { url: url.clone(), headers, body, by_outsider: subscription.record.by_outsider };
        Failed::of_answer(self.web.post(post).await)
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
        let payload = self.enveloped(topic, subscription, notice, |envelope| envelope.for_function())?;
        let request = InvokeRequest {
            function_name: function.name.clone(),
            qualifier,
            invocation_type: InvocationType::Event,
            payload: Bytes::from(payload),
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
    ) -> Result<Staged, SnsError> {
        let (text, attributes) = self.for_queue(topic, subscription, notice).map_err(|failed| {
            let reason = failed.reason().to_owned();
            SnsError::Internal(reason)
        })?;
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
        Ok(self.dead_letters.stage(scope, id, letter)?)
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

impl Sns {
    /// Body and attributes of a queue's message; an HTTP endpoint gets the same body.
    fn for_queue<'n>(
        &self,
        topic: &Arn,
        subscription: &Subscription,
        notice: &'n Notice,
    ) -> Result<(String, &'n [StoredAttribute]), Failed> {
        if subscription.is_raw {
            return Ok((notice.text.clone(), &notice.attributes));
        }
        Ok((self.enveloped(topic, subscription, notice, |envelope| envelope.for_queue())?, &[]))
    }

    fn enveloped(
        &self,
        topic: &Arn,
        subscription: &Subscription,
        notice: &Notice,
        form: impl FnOnce(&Envelope<'_>) -> String,
    ) -> Result<String, Failed> {
        let (topic, timestamp) = (topic.to_string(), clock::iso8601_ms(notice.published_ms));
        let base_url = &subscription.record.base_url;
        let subject = notice.subject.as_deref();
        let signature = match &notice.signature {
            Some(signature) => Ok(signature.clone()),
            None => self.sign(&to_be_signed(&notice.text, &notice.message_id, subject, &timestamp, &topic)),
        };
        let certificate_url = self.certificate_url(base_url);
        let unsigned = |error: SnsError| Failed::ForNow(error.to_string());
        Ok(form(&Envelope {
            message_id: &notice.message_id,
            number: notice.place.as_ref().map(|place| place.number),
            topic_arn: &topic,
            subscription_arn: &subscription.arn,
            base_url,
            subject,
            text: &notice.text,
            timestamp: &timestamp,
            attributes: &notice.attributes,
            signature: &signature.map_err(unsigned)?,
            certificate_url: &certificate_url.map_err(unsigned)?,
        }))
    }
}

pub(crate) fn context(scope: &Scope, id: &RequestId, topic: &Arn, trace: Option<&str>) -> RequestContext {
    let caller = Caller::Service {
        principal: PRINCIPAL,
        source_arn: Some(topic.to_string().into()),
        source_account: Some(scope.account),
    };
    RequestContext { caller, trace: trace.map(Into::into), ..RequestContext::service(scope, PRINCIPAL, id.clone()) }
}
