//! Deliveries to targets, and the dead letters of those that fail for good.
//!
//! What waiting may mend is tried again with growing pauses, as often and as long as the target's retry policy says; what
//! the receiver refuses is not. Then the event goes to the target's dead-letter queue, in the commit that ends the
//! delivery, or is given up. Source: EventBridge user guide, "How EventBridge retries delivering events" and "Using
//! dead-letter queues to process undelivered events".
//!
//! EventBridge calls as `events.amazonaws.com` on behalf of the rule: function, queue and topic decide by their own
//! policies. Events go to other buses as the target's role.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_delivery::{Body, Delivery, Next, Staged, Target as Lane, Tries, Verdict, retry};
use hearth_ports::{
    AttributeValue, InvocationType, InvokeRequest, MessageAttribute, MessageAttributes, Notification, OutgoingMessage,
};
use hearth_store::Record;
use hearth_types::{Arn, Caller, FunctionRef, Partition, Qualifier, Region, RequestContext, RequestId, Scope};
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::error::EventsError;
use crate::event::CameBy;
use crate::failure::{Code, Failed};
use crate::limits::DEAD_LETTER_AGE_MS;
use crate::target::{Kind, Target};
use crate::template::Told;

pub(crate) const PRINCIPAL: &str = "events.amazonaws.com";
/// The lanes' names.
pub(crate) const TARGETS: &str = "events.target";
pub(crate) const DEAD_LETTERS: &str = "events.dead_letter";
/// Of a delivery, beside its event, about.
const OVERHEAD_BYTES: usize = 2_048;

/// An event for one target, as both were when the event came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shipment {
    /// ARN.
    pub(crate) rule: String,
    pub(crate) rule_name: String,
    /// Of the rule, for a target that has none.
    pub(crate) role_arn: Option<String>,
    pub(crate) target: Target,
    pub(crate) event: String,
    /// Wall clock.
    pub(crate) arrived_ms: i64,
    pub(crate) came_by: CameBy,
    pub(crate) trace: Option<String>,
}

impl Record for Shipment {
    const KIND: &'static str = TARGETS;
    const VERSION: u32 = 1;
}

impl Body for Shipment {
    fn size(&self) -> usize {
        self.event.len() + OVERHEAD_BYTES
    }
}

/// An event that its target did not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadLetter {
    /// ARN.
    pub(crate) queue: String,
    /// ARN.
    pub(crate) rule: String,
    pub(crate) event: String,
    /// Names and texts.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) trace: Option<String>,
}

impl Record for DeadLetter {
    const KIND: &'static str = DEAD_LETTERS;
    const VERSION: u32 = 1;
}

impl Body for DeadLetter {
    fn size(&self) -> usize {
        self.event.len() + OVERHEAD_BYTES
    }
}

#[async_trait]
impl Lane<Shipment> for EventBridge {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Shipment>) -> Verdict {
        let Delivery { id, body, age, tries, .. } = delivery;
        let Err(failed) = self.tell(delivery).await else { return Verdict::DONE };
        let (id, rule, target, reason) = (id.as_str(), &body.rule, &body.target.arn, &failed.reason);
        let policy = body.target.retry_policy.unwrap_or_default();
        let retry = tries.not_run.saturating_add(1);
        let pause = retry::AWS_TARGET.pause(retry).unwrap_or_default();
        let exhausted = if retry > policy.retries_max() {
            "MaximumRetryAttempts"
        } else if age.0 + pause.0 > policy.age_max().0 {
            "MaximumEventAgeInSeconds"
        } else if failed.is_for_now {
            tracing::warn!(id, rule, target, reason, "an event is not delivered; it is tried again");
            return Verdict::again(pause, Tries { not_run: retry, ..*tries });
        } else {
            ""
        };
        let exhausted = Some(exhausted).filter(|_| failed.is_for_now);
        match self.bury(delivery, &failed, exhausted) {
            Ok(Some(letter)) => {
                tracing::warn!(id, rule, target, reason, "an event goes to the dead-letter queue");
                Verdict { next: Next::Done, then: vec![letter] }
            }
            Ok(None) => {
                tracing::error!(id, rule, target, reason, "an event is given up");
                Verdict::DONE
            }
            Err(error) => {
                tracing::error!(id, rule, target, %error, "a dead letter cannot be written");
                Verdict::DONE
            }
        }
    }
}

#[async_trait]
impl Lane<DeadLetter> for EventBridge {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<DeadLetter>) -> Verdict {
        let Delivery { scope, id, body, tries, age, .. } = delivery;
        let Ok(queue) = body.queue.parse::<Arn>() else {
            tracing::error!(id = id.as_str(), queue = body.queue, "a dead letter is sent to no ARN");
            return Verdict::DONE;
        };
        let text = |text: &String| MessageAttribute {
            data_type: "String".to_owned(),
            value: AttributeValue::Text(text.clone()),
        };
        let attributes: MessageAttributes =
            body.attributes.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let message = OutgoingMessage {
            body: body.event.clone(),
            attributes,
            trace_header: body.trace.clone(),
            ..OutgoingMessage::default()
        };
        let ctx = context(scope, id, &body.rule, body.trace.as_deref());
        let Err(failed) = self.queues.send(&ctx, &queue, message).await.map_err(Failed::from) else {
            return Verdict::DONE;
        };
        let (queue, reason) = (&body.queue, &failed.reason);
        let pause = retry::AWS_TARGET.pause(tries.not_run.saturating_add(1)).unwrap_or_default();
        if failed.is_for_now && age.0 + pause.0 <= DEAD_LETTER_AGE_MS {
            tracing::warn!(id = id.as_str(), queue, reason, "a dead letter could not be sent; it is tried again");
            return Verdict::again(pause, Tries { not_run: tries.not_run.saturating_add(1), ..*tries });
        }
        tracing::error!(id = id.as_str(), queue, reason, "a dead letter is given up");
        Verdict::DONE
    }
}

impl EventBridge {
    async fn tell(&self, delivery: &Delivery<Shipment>) -> Result<(), Failed> {
        let Delivery { scope, id, body, .. } = delivery;
        let Shipment { rule, rule_name, target, event, arrived_ms, trace, .. } = &**body;
        let (arn, kind) = target.kind().map_err(|error| Failed::for_good(Code::InvalidParameter, error))?;
        let ctx = context(scope, id, rule, trace.as_deref());
        let input = Told { event, rule_arn: rule, rule_name, arrived_ms: *arrived_ms }.to(target);
        match kind {
            Kind::Function(function) => self.invoke(ctx, &arn, &function, input).await,
            Kind::Queue => {
                let message = OutgoingMessage {
                    body: input,
                    trace_header: trace.clone(),
                    group_id: target.group_id().map(str::to_owned),
                    // An attempt that is made again after it had come through is known by it.
                    deduplication_id: arn.resource.ends_with(".fifo").then(|| id.to_string()),
                    ..OutgoingMessage::default()
                };
                Ok(self.queues.send(&ctx, &arn, message).await.map(drop)?)
            }
            Kind::Topic => {
                let is_fifo = arn.resource.ends_with(".fifo");
                let notification = Notification {
                    message: input,
                    group_id: is_fifo.then(|| rule_name.clone()),
                    deduplication_id: is_fifo.then(|| id.to_string()),
                    ..Notification::default()
                };
                Ok(self.topics.publish(&ctx, &arn, notification).await.map(drop)?)
            }
            Kind::Bus => self.forward(&ctx, &arn, body).await,
        }
    }

    async fn invoke(
        &self,
        ctx: RequestContext,
        arn: &Arn,
        function: &FunctionRef,
        input: String,
    ) -> Result<(), Failed> {
        let account = arn.account.parse();
        let account = account.map_err(|_| Failed::for_good(Code::InvalidParameter, "the function has no account"))?;
        if serde_json::from_str::<serde::de::IgnoredAny>(&input).is_err() {
            return Err(Failed::for_good(Code::InvalidJson, "The input of the target is not valid JSON."));
        }
        let qualifier = function.qualifier.as_deref().map(Qualifier::parse);
        let mut ctx = ctx.in_account(account);
        ctx.partition = Partition::of_region(&arn.region);
        ctx.region = Region::from(arn.region.as_str());
        let request = InvokeRequest {
            function_name: function.name.clone(),
            qualifier,
            invocation_type: InvocationType::Event,
            payload: Bytes::from(input),
            log_tail: false,
            client_context: None,
            via_url: false,
        };
        Ok(self.invoker.invoke(&ctx, request).await.map(drop)?)
    }

    fn bury(
        &self,
        delivery: &Delivery<Shipment>,
        failed: &Failed,
        exhausted: Option<&str>,
    ) -> Result<Option<Staged>, EventsError> {
        let Delivery { scope, body, tries, .. } = delivery;
        let Some(queue) = body.target.dead_letters() else { return Ok(None) };
        let mut attributes = vec![
            ("RULE_ARN".to_owned(), body.rule.clone()),
            ("TARGET_ARN".to_owned(), body.target.arn.clone()),
            ("ERROR_CODE".to_owned(), failed.code.as_str().to_owned()),
            ("ERROR_MESSAGE".to_owned(), failed.reason.clone()),
        ];
        if let Some(exhausted) = exhausted {
            attributes.push(("EXHAUSTED_RETRY_CONDITION".to_owned(), exhausted.to_owned()));
            attributes.push(("RETRY_ATTEMPTS".to_owned(), tries.not_run.to_string()));
        }
        let letter = DeadLetter {
            queue: queue.to_string(),
            rule: body.rule.clone(),
            event: body.event.clone(),
            attributes,
            trace: body.trace.clone(),
        };
        Ok(Some(self.dead_letters.stage(scope, RequestId::generate(&*self.random), letter)?))
    }
}

pub(crate) fn context(scope: &Scope, id: &RequestId, rule: &str, trace: Option<&str>) -> RequestContext {
    let caller =
        Caller::Service { principal: PRINCIPAL, source_arn: Some(rule.into()), source_account: Some(scope.account) };
    RequestContext { caller, trace: trace.map(Into::into), ..RequestContext::service(scope, PRINCIPAL, id.clone()) }
}
