//! An occurrence becomes an invocation of the target, tried again as the schedule says, and a dead letter if that does not
//! help.
//!
//! What waiting may mend is tried again; what the target refuses is not. All of it is done as the schedule's execution role.
//! Source: EventBridge Scheduler user guide, "Managing a schedule", "Configuring a schedule's dead-letter queue".

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_delivery::timetable::{Name, Occasion, Occurrence};
use hearth_delivery::{Body, Delivery, Next, Staged, Tries, Verdict, retry};
use hearth_ports::{
    AttributeValue, InvocationType, InvokeRequest, MessageAttribute, Notification, OutgoingMessage, ServiceEvent,
};
use hearth_store::Record;
use hearth_types::{Arn, Millis, Partition, Qualifier, Region, RequestContext, RequestId, Scope, random};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Scheduler;
use crate::failure::Failure;
use crate::input::Moment;
use crate::settings::{ActionAfterCompletion, Settings};
use crate::target::{Call, Target, is_fifo};
use crate::{arn, directory};

pub(crate) const PRINCIPAL: &str = "scheduler.amazonaws.com";
/// The lanes' names.
pub(crate) const INVOCATIONS: &str = "scheduler.invocation";
pub(crate) const DEAD_LETTERS: &str = "scheduler.dead_letter";
/// Of a delivery, beside its text, about.
const OVERHEAD_BYTES: usize = 1_024;

/// One occurrence of a schedule, with the target as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invocation {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) scheduled_ms: i64,
    /// Of the schedule that is to be deleted after this.
    pub(crate) completes: Option<String>,
}

impl Record for Invocation {
    const KIND: &'static str = INVOCATIONS;
    const VERSION: u32 = 1;
}

impl Body for Invocation {
    fn size(&self) -> usize {
        self.target.input.as_ref().map_or(0, String::len) + OVERHEAD_BYTES
    }
}

/// An invocation that failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadLetter {
    /// ARN.
    pub(crate) queue: String,
    pub(crate) role_arn: String,
    pub(crate) group: String,
    pub(crate) text: String,
    /// All are strings.
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Record for DeadLetter {
    const KIND: &'static str = DEAD_LETTERS;
    const VERSION: u32 = 1;
}

impl Body for DeadLetter {
    fn size(&self) -> usize {
        self.text.len() + OVERHEAD_BYTES
    }
}

impl Occasion for Scheduler {
    fn occur(&self, name: &Name, life: &str, Occurrence { at_ms, is_last }: Occurrence) -> Option<Vec<Staged>> {
        let (group, schedule) = directory::place_of(&name.name)?;
        let record = self.find(&name.scope, group, schedule).filter(|record| record.life == life)?;
        let Settings { target, action_after_completion, .. } = &record.settings;
        let is_completed = is_last && *action_after_completion == ActionAfterCompletion::Delete;
        let invocation = Invocation {
            group: group.to_owned(),
            name: schedule.to_owned(),
            target: target.clone(),
            scheduled_ms: at_ms,
            completes: is_completed.then(|| life.to_owned()),
        };
        let id = RequestId::from(random::uuid(&*self.random).as_str());
        let staged = self.invocations.stage(&name.scope, id, invocation);
        let told = |error: &hearth_store::RecordError| {
            tracing::error!(schedule = name.name, %error, "an invocation cannot be written down");
        };
        Some(staged.inspect_err(told).into_iter().collect())
    }
}

#[async_trait]
impl hearth_delivery::Target<Invocation> for Scheduler {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Invocation>) -> Verdict {
        let Delivery { scope, id, body, tries, age, .. } = delivery;
        let schedule = arn::of_schedule(scope, &body.group, &body.name);
        let attempt = tries.not_run.saturating_add(1);
        let moment =
            Moment { schedule: &schedule, scheduled_ms: body.scheduled_ms, execution_id: id.as_str(), attempt };
        let Err(failure) = self.call(delivery, &moment).await else {
            self.complete(scope, body).await;
            return Verdict::DONE;
        };
        let (schedule, reason) = (schedule.to_string(), &failure.message);
        let exhausted = match again(&failure, body, *tries, *age) {
            Ok(verdict) => {
                tracing::warn!(id = id.as_str(), schedule, reason, "a target could not be called; it is tried again");
                return verdict;
            }
            Err(exhausted) => exhausted,
        };
        let queue = body.target.dead_letter_config.as_ref().and_then(|config| config.arn.as_ref());
        let then = match queue {
            Some(queue) => {
                tracing::warn!(id = id.as_str(), schedule, reason, "an invocation goes to the dead-letter queue");
                self.bury(scope, queue, body, &moment, &failure, exhausted)
            }
            None => {
                tracing::error!(id = id.as_str(), schedule, reason, "an invocation is given up");
                None
            }
        };
        self.complete(scope, body).await;
        Verdict { next: Next::Done, then: then.into_iter().collect() }
    }
}

/// Another attempt, or which part of the retry policy is used up, if it is one.
fn again(
    failure: &Failure,
    invocation: &Invocation,
    tries: Tries,
    age: Millis,
) -> Result<Verdict, Option<&'static str>> {
    if !failure.is_transient {
        return Err(None);
    }
    let policy = invocation.target.retry_policy;
    if tries.not_run >= policy.maximum_retry_attempts {
        return Err(Some("MaximumRetryAttempts"));
    }
    let tries = Tries { not_run: tries.not_run.saturating_add(1), ..tries };
    let pause = retry::AWS_TARGET.pause(tries.not_run).unwrap_or(Millis(0));
    if age.0.saturating_add(pause.0) > u64::from(policy.maximum_event_age_in_seconds) * 1_000 {
        return Err(Some("MaximumEventAgeInSeconds"));
    }
    Ok(Verdict::again(pause, tries))
}

impl Scheduler {
    /// Calls the target once, as the execution role.
    async fn call(&self, delivery: &Delivery<Invocation>, moment: &Moment<'_>) -> Result<(), Failure> {
        let Delivery { scope, id, body, .. } = delivery;
        let Invocation { group, target, .. } = &**body;
        let ctx = self.as_role(scope, &target.role_arn, group, id)?;
        match target.call(moment)? {
            Call::Invoke { arn, function, payload, is_event } => {
                let invocation_type = if is_event { InvocationType::Event } else { InvocationType::RequestResponse };
                let request = InvokeRequest {
                    function_name: function.name,
                    qualifier: function.qualifier.as_deref().map(Qualifier::parse),
                    invocation_type,
                    payload: Bytes::from(payload),
                    log_tail: false,
                    client_context: None,
                    via_url: false,
                };
                // A function that fails has been called.
                self.invoker.invoke(&at(&ctx, &arn), request).await?;
            }
            Call::SendMessage { queue, body, group_id, deduplication_id } => {
                let message = OutgoingMessage { body, group_id, deduplication_id, ..OutgoingMessage::default() };
                self.queues.send(&ctx, &queue, message).await?;
            }
            Call::Publish { topic, message, subject, group_id } => {
                let deduplication_id = is_fifo(&topic).then(|| moment.execution_id.to_owned());
                let notification =
                    Notification { message, subject, group_id, deduplication_id, ..Notification::default() };
                self.topics.publish(&ctx, &topic, notification).await?;
            }
            Call::PutEvents { bus, detail_type, source, detail } => {
                let resources = vec![moment.schedule.to_string()];
                let event = ServiceEvent { source, detail_type, resources, detail, ..ServiceEvent::default() };
                self.buses.put(&ctx, &bus, vec![event]).await?;
            }
        }
        Ok(())
    }

    fn as_role(&self, scope: &Scope, role_arn: &str, group: &str, id: &RequestId) -> Result<RequestContext, Failure> {
        let ctx = RequestContext::service(scope, PRINCIPAL, id.clone());
        let source = arn::of_group(scope, group).to_string();
        let caller = self.roles.service_role(&ctx, PRINCIPAL, role_arn, &source)?;
        Ok(RequestContext { caller, ..ctx })
    }

    fn bury(
        &self,
        scope: &Scope,
        queue: &str,
        invocation: &Invocation,
        moment: &Moment<'_>,
        failure: &Failure,
        exhausted: Option<&'static str>,
    ) -> Option<Staged> {
        let target = &invocation.target;
        let mut attributes = BTreeMap::from([
            ("ERROR_CODE", failure.code.to_owned()),
            ("ERROR_MESSAGE", failure.message.clone()),
            ("EXECUTION_ID", moment.execution_id.to_owned()),
            ("IS_PAYLOAD_TRUNCATED", "false".to_owned()),
            ("RETRY_ATTEMPTS", (moment.attempt - 1).to_string()),
            ("SCHEDULED_TIME", moment.scheduled_time()),
            ("SCHEDULE_ARN", moment.schedule.to_string()),
            ("TARGET_ARN", target.arn.clone()),
        ]);
        attributes.extend(exhausted.map(|condition| ("EXHAUSTED_RETRY_CONDITION", condition.to_owned())));
        let letter = DeadLetter {
            queue: queue.to_owned(),
            role_arn: target.role_arn.clone(),
            group: invocation.group.clone(),
            text: target.call(moment).map_or_else(|_| moment.fill(target.input.as_deref()), |call| call.text()),
            attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let staged = self.dead_letters.stage(scope, RequestId::from(moment.execution_id), letter);
        staged.inspect_err(|error| tracing::error!(%error, "a dead letter cannot be written")).ok()
    }

    /// A schedule that was to be deleted after its last invocation is.
    async fn complete(&self, scope: &Scope, invocation: &Invocation) {
        let Some(life) = &invocation.completes else { return };
        if let Err(error) = self.complete_schedule(scope, &invocation.group, &invocation.name, life).await {
            tracing::error!(schedule = invocation.name, %error, "a schedule cannot be deleted; the next start does it");
        }
    }
}

#[async_trait]
impl hearth_delivery::Target<DeadLetter> for Scheduler {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<DeadLetter>) -> Verdict {
        let Delivery { scope, id, body, tries, age, .. } = delivery;
        let Err(failure) = self.send_letter(scope, id, body).await else { return Verdict::DONE };
        let (queue, reason) = (&body.queue, &failure.message);
        let tries = Tries { not_run: tries.not_run.saturating_add(1), ..*tries };
        let pause = retry::AWS_TARGET.pause(tries.not_run).filter(|pause| age.0 + pause.0 <= LETTER_AGE_MAX.0);
        if let Some(pause) = pause.filter(|_| failure.is_transient) {
            tracing::warn!(id = id.as_str(), queue, reason, "a dead letter could not be sent; it is tried again");
            return Verdict::again(pause, tries);
        }
        tracing::error!(id = id.as_str(), queue, reason, "a dead letter is given up");
        Verdict::DONE
    }
}

/// As long as an invocation itself.
const LETTER_AGE_MAX: Millis = Millis::from_secs(crate::limits::AGE_S_MAX as u64);

impl Scheduler {
    async fn send_letter(&self, scope: &Scope, id: &RequestId, letter: &DeadLetter) -> Result<(), Failure> {
        let ctx = self.as_role(scope, &letter.role_arn, &letter.group, id)?;
        let queue: Arn = letter.queue.parse().map_err(|_| hearth_ports::QueueError::NotFound)?;
        let attribute = |text: &String| MessageAttribute {
            data_type: "String".to_owned(),
            value: AttributeValue::Text(text.clone()),
        };
        let attributes = letter.attributes.iter().map(|(name, text)| (name.clone(), attribute(text))).collect();
        let message = OutgoingMessage { body: letter.text.clone(), attributes, ..OutgoingMessage::default() };
        self.queues.send(&ctx, &queue, message).await?;
        Ok(())
    }
}

impl Call {
    /// The request as the target's API has it. Source: EventBridge Scheduler user guide, "Retrieve the dead-letter event".
    fn text(&self) -> String {
        match self {
            Self::Invoke { arn, payload, is_event, .. } => {
                let invocation_type = if *is_event { "Event" } else { "RequestResponse" };
                json!({ "FunctionName": arn.to_string(), "InvocationType": invocation_type, "Payload": payload })
            }
            Self::SendMessage { queue, body, group_id, .. } => {
                let Arn { region, account, resource, .. } = queue;
                let url = format!("https://sqs.{region}.amazonaws.com/{account}/{resource}");
                let mut request = json!({ "MessageBody": body, "QueueUrl": url });
                if let Some(group_id) = group_id {
                    request["MessageGroupId"] = group_id.as_str().into();
                }
                request
            }
            Self::Publish { topic, message, .. } => json!({ "Message": message, "TopicArn": topic.to_string() }),
            Self::PutEvents { bus, detail_type, source, detail } => json!({ "Entries": [{
                "Detail": detail, "DetailType": detail_type, "EventBusName": bus.to_string(), "Source": source,
            }] }),
        }
        .to_string()
    }
}

/// The context where the ARN is.
fn at(ctx: &RequestContext, arn: &Arn) -> RequestContext {
    let mut ctx = arn.account.parse().map_or_else(|_| ctx.clone(), |account| ctx.in_account(account));
    ctx.partition = Partition::of_region(&arn.region);
    ctx.region = Region::from(arn.region.as_str());
    ctx
}
