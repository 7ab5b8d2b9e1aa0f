//! Subscriptions that their endpoint's owner has to confirm, and the messages that ask for it.
//!
//! ```text
//! Subscribe ─▶ pending ─SubscriptionConfirmation─▶ endpoint ─token─▶ ConfirmSubscription ─▶ confirmed
//!                 └── two days ──▶ gone                                     ▲
//! Unsubscribe by a link ─▶ ended ─UnsubscribeConfirmation─▶ endpoint ───────┘  (or two days ──▶ gone)
//! ```
//! Source: SNS developer guide, "HTTP/HTTPS subscription confirmation JSON format", "HTTP/HTTPS unsubscribe confirmation
//! JSON format"; SNS API reference, ConfirmSubscription.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_delivery::{Body, Delivery, Target, Tries, Verdict};
use hearth_ports::OutgoingMessage;
use hearth_store::Record;
use hearth_types::{Arn, Millis, RequestContext, clock, random};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::Sns;
use crate::deliver::{Failed, context, is_fifo, posted};
use crate::delivery_policy::DeliveryPolicy;
use crate::envelope::Request;
use crate::error::SnsError;
use crate::limits::TOKEN_MS;
use crate::record::{State, Token};
use crate::subscription::{Endpoint, Subscription};
use crate::topic::{self, Topic};
use crate::web::Post;

/// The lane's name.
pub(crate) const CONFIRMATIONS: &str = "sns.confirmation";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 64;
/// Between two looks for subscriptions that nobody has confirmed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Subscribe,
    Unsubscribe,
}

/// A message that asks for a confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confirmation {
    pub(crate) kind: Kind,
    /// The topic's name.
    pub(crate) topic: String,
    /// ARN.
    pub(crate) subscription: String,
    pub(crate) protocol: String,
    pub(crate) endpoint: String,
    pub(crate) base_url: String,
    pub(crate) by_outsider: bool,
    pub(crate) message_id: String,
    pub(crate) token: String,
    /// Wall clock.
    pub(crate) at_ms: i64,
}

impl Record for Confirmation {
    const KIND: &'static str = CONFIRMATIONS;
    const VERSION: u32 = 1;
}

impl Body for Confirmation {
    fn size(&self) -> usize {
        self.endpoint.len() + 1_024
    }
}

#[async_trait]
impl Target<Confirmation> for Sns {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Confirmation>) -> Verdict {
        let Delivery { id, body, tries, .. } = delivery;
        let Err(failed) = self.ask(delivery).await else { return Verdict::DONE };
        let (id, endpoint, reason) = (id.as_str(), &body.endpoint, failed.reason());
        let tried = Tries { not_run: tries.not_run.saturating_add(1), ..*tries };
        match DeliveryPolicy::default().pause_ms(tried.not_run) {
            Some(pause_ms) if matches!(failed, Failed::ForNow(_)) => {
                tracing::warn!(id, endpoint, reason, "a confirmation is not delivered; it is tried again");
                Verdict::again(Millis(pause_ms), tried)
            }
            _ => {
                tracing::error!(id, endpoint, reason, "a confirmation is given up");
                Verdict::DONE
            }
        }
    }
}

/// What ConfirmSubscription is asked with.
pub(crate) struct Confirming<'a> {
    pub(crate) token: &'a str,
    /// It is signed.
    pub(crate) is_authenticated: bool,
    /// From now on, only who signs may end the subscription.
    pub(crate) authenticates_unsubscribe: bool,
}

fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

impl Sns {
    /// A token, and what is kept of it.
    pub(crate) fn new_token(&self) -> (String, Token) {
        let token = random::hex(&*self.random, TOKEN_BYTES);
        let kept = Token { digest: digest(&token), expires_at_ms: self.outbox.now_ms() + TOKEN_MS };
        (token, kept)
    }

    /// Asks the endpoint's owner; that is on disk when this returns.
    pub(crate) async fn invite(
        &self,
        topic: &Topic,
        subscription: &Subscription,
        kind: Kind,
        token: String,
    ) -> Result<(), SnsError> {
        let record = &subscription.record;
        let confirmation = Confirmation {
            kind,
            topic: topic.name().to_owned(),
            subscription: subscription.arn.clone(),
            protocol: record.protocol.clone(),
            endpoint: record.endpoint.clone(),
            base_url: record.base_url.clone(),
            by_outsider: record.by_outsider,
            message_id: random::uuid(&*self.random),
            token,
            at_ms: self.wall.now_ms(),
        };
        Ok(self.confirmations.accept(&topic.scope, self.new_id(), confirmation).await?)
    }

    async fn ask(&self, delivery: &Delivery<Confirmation>) -> Result<(), Failed> {
        let Delivery { scope, id, body, .. } = delivery;
        let topic = topic::arn(scope, &body.topic);
        let endpoint = Endpoint::parse(&body.protocol, &body.endpoint, &topic);
        let endpoint = endpoint.map_err(|error| Failed::ForGood(error.to_string()))?;
        let document = self.document(body, &topic).map_err(|error| Failed::ForNow(error.to_string()))?;
        match endpoint {
            Endpoint::Http(url) => {
                let kind = match body.kind {
                    Kind::Subscribe => "SubscriptionConfirmation",
                    Kind::Unsubscribe => "UnsubscribeConfirmation",
                };
                let mut headers = vec![
                    ("x-amz-sns-message-type", kind.to_owned()),
                    ("x-amz-sns-message-id", body.message_id.clone()),
                    ("x-amz-sns-topic-arn", topic.to_string()),
                ];
                if body.kind == Kind::Unsubscribe {
                    headers.push(("x-amz-sns-subscription-arn", body.subscription.clone()));
                }
                headers.extend(posted(DeliveryPolicy::default().content_type()));
                let post = Post { url, headers, body: document, by_outsider: body.by_outsider };
                Failed::of_answer(self.web.post(post).await)
            }
            Endpoint::Queue(queue) => {
                let alone = is_fifo(&queue).then(|| body.message_id.clone());
                let message = OutgoingMessage {
                    body: document,
                    group_id: alone.clone(),
                    deduplication_id: alone,
                    ..OutgoingMessage::default()
                };
                Ok(self.queues.send(&context(scope, id, &topic, None), &queue, message).await.map(drop)?)
            }
            Endpoint::Function { .. } => Err(Failed::ForGood("functions are not asked".to_owned())),
        }
    }

    fn document(&self, confirmation: &Confirmation, topic: &Arn) -> Result<String, SnsError> {
        let Confirmation { kind, subscription, base_url, message_id, token, at_ms, .. } = confirmation;
        let (kind, text) = match kind {
            Kind::Subscribe => (
                "SubscriptionConfirmation",
                format!(
                    "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the \
                     SubscribeURL included in this message."
                ),
            ),
            Kind::Unsubscribe => (
                "UnsubscribeConfirmation",
                format!(
                    "You have chosen to deactivate subscription {subscription}.\nTo cancel this operation and restore \
                     the subscription, visit the SubscribeURL included in this message."
                ),
            ),
        };
        let request = Request {
            kind,
            message_id,
            token,
            topic_arn: &topic.to_string(),
            text: &text,
            subscribe_url: &format!("{base_url}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}"),
            timestamp: &clock::iso8601_ms(*at_ms),
        };
        let signature = self.sign(&request.to_be_signed())?;
        Ok(request.document(&signature, &self.certificate_url(base_url)?))
    }

    /// Confirms the subscription that has this token; answers its ARN.
    ///
    /// # Errors
    /// [`SnsError::Parameter`]: there is none; the store's.
    pub(crate) async fn confirm(&self, topic: &Topic, confirming: Confirming<'_>) -> Result<String, SnsError> {
        let _writer = self.writer.lock().await;
        let (digest, now_ms) = (digest(confirming.token), self.outbox.now_ms());
        let has_token = |subscription: &&Arc<Subscription>| {
            let token = subscription.record.token.as_ref();
            token.is_some_and(|token| token.digest == digest && token.expires_at_ms > now_ms)
        };
        let found = topic.subscriptions().values().find(has_token).cloned();
        let found = found.ok_or_else(|| SnsError::parameter("Token"))?;
        let mut record = found.record.clone();
        match record.state {
            // A link may be followed twice.
            State::Confirmed => return Ok(found.arn.clone()),
            State::Pending => {}
            State::Ended => self.count_unsubscribed(topic, |unsubscribed| unsubscribed.saturating_sub(1)).await?,
        }
        record.state = State::Confirmed;
        record.is_authenticated = confirming.is_authenticated;
        record.authenticates_unsubscribe = confirming.authenticates_unsubscribe && confirming.is_authenticated;
        self.store_subscription(topic, Subscription::new(&topic.arn, record)?).await
    }

    /// Ends a subscription at the word of somebody who may be anybody: its endpoint is told, and may take it back.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn suspend(&self, topic: &Topic, id: &str) -> Result<(), SnsError> {
        let _writer = self.writer.lock().await;
        let Some(found) = topic.subscription(id) else { return Ok(()) };
        let (token, kept) = self.new_token();
        let mut record = found.record.clone();
        (record.state, record.token) = (State::Ended, Some(kept));
        self.count_unsubscribed(topic, |unsubscribed| unsubscribed + 1).await?;
        let ended = Subscription::new(&topic.arn, record)?;
        self.store_subscription(topic, ended).await?;
        self.invite(topic, &found, Kind::Unsubscribe, token).await
    }

    /// Removes what nobody has confirmed in time, until stopped.
    pub(crate) async fn sweep(self: Arc<Self>, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP_INTERVAL) => {}
            }
            if let Err(error) = self.remove_expired().await {
                tracing::error!(%error, "subscriptions that nobody confirmed cannot be removed; it is tried again");
            }
        }
    }

    async fn remove_expired(&self) -> Result<(), SnsError> {
        let now_ms = self.outbox.now_ms();
        let all: Vec<Arc<Topic>> = self.topics.read().values().flat_map(|topics| topics.values().cloned()).collect();
        for topic in all {
            let is_over = |subscription: &&Arc<Subscription>| {
                let record = &subscription.record;
                let is_late = record.token.as_ref().is_none_or(|token| token.expires_at_ms <= now_ms);
                record.state != State::Confirmed && is_late
            };
            let over = |topic: &Topic| -> Vec<String> {
                topic.subscriptions().values().filter(is_over).map(|found| found.record.id.clone()).collect()
            };
            if over(&topic).is_empty() {
                continue;
            }
            let _writer = self.writer.lock().await;
            for id in over(&topic) {
                self.remove_subscription(&topic, &id).await?;
            }
        }
        Ok(())
    }
}

/// Whether the request shows who it is from.
pub(crate) fn is_signed(ctx: &RequestContext) -> bool {
    ctx.proof != hearth_types::Proof::Unsigned
}
