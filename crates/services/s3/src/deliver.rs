//! Notifications on their way: accepted with the change they tell of, delivered at least once.
//!
//! S3 calls as `s3.amazonaws.com` on behalf of the bucket: queue, topic and function decide by their own policies.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_delivery::{Body, Delivery, Staged, Target, Tries, Verdict, retry};
use hearth_ports::{
    EventBusError, InvocationType, InvokeError, InvokeRequest, Notification, OutgoingMessage, QueueError, ServiceEvent,
    TopicError,
};
use hearth_store::{Record, RecordError};
use hearth_types::{
    Arn, Caller, FunctionRef, Millis, Partition, Qualifier, Region, RequestContext, RequestId, Scope, clock, limits,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::S3;
use crate::bucket::{self, Bucket};
use crate::error::S3Error;
use crate::notification::{Cause, Kind, Rule, detail, record};
use crate::record::ObjectRecord;

pub(crate) const PRINCIPAL: &str = "s3.amazonaws.com";
pub(crate) const LANE: &str = "s3.notification";
const OVERHEAD_BYTES: usize = 512;
const SUBJECT: &str = "Amazon S3 Notification";

/// A notification for one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) bucket: String,
    pub(crate) kind: Kind,
    /// ARN; for EventBridge the event's type.
    pub(crate) to: String,
    pub(crate) text: String,
    /// Wall clock.
    #[serde(default)]
    pub(crate) happened_ms: Option<i64>,
    pub(crate) trace: Option<String>,
}

impl Record for Notice {
    const KIND: &'static str = LANE;
    const VERSION: u32 = 1;
}

impl Body for Notice {
    fn size(&self) -> usize {
        self.text.len() + OVERHEAD_BYTES
    }
}

/// Why a destination has not got it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    ForNow(String),
    NotFound,
    Denied,
    ForGood(String),
}

impl From<QueueError> for Failed {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NotFound => Self::NotFound,
            QueueError::AccessDenied { .. } => Self::Denied,
            error if error.is_transient() => Self::ForNow(error.to_string()),
            error => Self::ForGood(error.to_string()),
        }
    }
}

impl From<TopicError> for Failed {
    fn from(error: TopicError) -> Self {
        match error {
            TopicError::NotFound => Self::NotFound,
            TopicError::AccessDenied { .. } => Self::Denied,
            error if error.is_transient() => Self::ForNow(error.to_string()),
            error => Self::ForGood(error.to_string()),
        }
    }
}

impl From<EventBusError> for Failed {
    fn from(error: EventBusError) -> Self {
        if error.is_transient() { Self::ForNow(error.to_string()) } else { Self::ForGood(error.to_string()) }
    }
}

impl From<InvokeError> for Failed {
    fn from(error: InvokeError) -> Self {
        match &error {
            InvokeError::FunctionNotFound { .. } => Self::NotFound,
            InvokeError::AccessDenied { .. } => Self::Denied,
            InvokeError::NotReady { .. }
            | InvokeError::Throttled { .. }
            | InvokeError::DiskFull
            | InvokeError::Internal { .. } => Self::ForNow(error.to_string()),
            InvokeError::InvalidRequestContent { .. }
            | InvokeError::PayloadTooLarge { .. }
            | InvokeError::RecursiveLoop
            | InvokeError::InvalidRuntime { .. } => Self::ForGood(error.to_string()),
        }
    }
}

impl S3 {
    /// The notifications of a change, to be accepted with it.
    ///
    /// # Errors
    /// One cannot be encoded.
    pub(crate) fn notices(
        &self,
        cause: &Cause<'_>,
        bucket: &Bucket,
        object: &ObjectRecord,
    ) -> Result<Vec<Staged>, RecordError> {
        let notice = |kind, to: &str, text| Notice {
            bucket: bucket.name().to_owned(),
            kind,
            to: to.to_owned(),
            text,
            happened_ms: Some(cause.at_ms),
            trace: cause.ctx.trace.as_deref().map(str::to_owned),
        };
        let rules = bucket.record.notifications.rules.iter().filter(|rule| rule.wants(cause.event, &object.key));
        let by_rules = rules.map(|rule| notice(rule.kind, &rule.to, record(cause, bucket, object, rule)));
        let bus = bucket.record.notifications.event_bridge.then(|| {
            let (detail_type, _, _) = cause.event.on_bus();
            notice(Kind::Bus, detail_type, detail(cause, bucket, object).to_string())
        });
        let stage = |notice| self.lane.stage(&bucket.scope, RequestId::generate(&*self.random), notice);
        by_rules.chain(bus).map(stage).collect()
    }

    /// Asks a destination whether it takes notifications of this bucket; queues and topics get a message that says so.
    ///
    /// # Errors
    /// Why it does not, in the recorded words.
    pub(crate) async fn probe(&self, ctx: &RequestContext, bucket: &Bucket, rule: &Rule) -> Result<(), S3Error> {
        let text = json!({
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": clock::iso8601_ms(self.wall.now_ms()),
            "Bucket": bucket.name(),
            "RequestId": ctx.request_id.as_str(),
            "HostId": crate::front::host_id(ctx.request_id.as_str()),
        });
        let notice = Notice {
            bucket: bucket.name().to_owned(),
            kind: rule.kind,
            to: rule.to.clone(),
            text: text.to_string(),
            happened_ms: None,
            trace: None,
        };
        let Err(failed) = self.tell(&bucket.scope, &ctx.request_id, &notice, true).await else { return Ok(()) };
        let failed = match failed {
            // Who may not send is not told whether it is there; who configures it is.
            Failed::Denied if rule.kind == Kind::Queue && self.is_missing(ctx, bucket, &rule.to).await => {
                Failed::NotFound
            }
            failed => failed,
        };
        let (name, value) = match (rule.kind, failed) {
            (Kind::Function, Failed::NotFound) => {
                (format!("{}, null", rule.to), "The destination Lambda function does not exist".to_owned())
            }
            (Kind::Function, Failed::Denied) => {
                (format!("{}, null", rule.to), format!("Not authorized to invoke function [{}]", rule.to))
            }
            (Kind::Queue, Failed::NotFound) => (rule.to.clone(), "The destination queue does not exist".to_owned()),
            (Kind::Topic | Kind::Bus, Failed::NotFound) => {
                (rule.to.clone(), "The destination topic does not exist".to_owned())
            }
            (kind, Failed::Denied) => {
                let what = if kind == Kind::Queue { "queue" } else { "topic" };
                let message = format!(
                    "Permissions on the destination {what} do not allow S3 to publish notifications from this bucket"
                );
                (rule.to.clone(), message)
            }
            (_, Failed::ForNow(reason) | Failed::ForGood(reason)) => (rule.to.clone(), reason),
        };
        let message = "Unable to validate the following destination configurations";
        let error = S3Error::new("InvalidArgument", http::StatusCode::BAD_REQUEST, message);
        Err(error.with("ArgumentName1", name).with("ArgumentValue1", value))
    }

    async fn is_missing(&self, ctx: &RequestContext, bucket: &Bucket, queue: &str) -> bool {
        let Ok(queue) = queue.parse::<Arn>() else { return true };
        if queue.account != bucket.account().as_str() {
            return false;
        }
        // As the account itself, whose queue it would be.
        let caller = Caller::Root { account: bucket.account() };
        let ctx = RequestContext { caller, ..context(&bucket.scope, &ctx.request_id, bucket.name(), None) };
        self.consumers.facts(&ctx, &queue).await == Err(QueueError::NotFound)
    }

    async fn tell(&self, scope: &Scope, id: &RequestId, notice: &Notice, is_probe: bool) -> Result<(), Failed> {
        let ctx = context(scope, id, &notice.bucket, notice.trace.as_deref());
        if notice.kind == Kind::Bus {
            let event = ServiceEvent {
                source: "aws.s3".to_owned(),
                detail_type: notice.to.clone(),
                resources: vec![bucket::arn(scope, &notice.bucket).to_string()],
                detail: notice.text.clone(),
                time_ms: notice.happened_ms,
                trace: notice.trace.clone(),
            };
            return Ok(self.bus.emit(&ctx, vec![event]).await.map(drop)?);
        }
        let to: Arn = notice.to.parse().map_err(|_| Failed::ForGood("it is sent to no ARN".to_owned()))?;
        match notice.kind {
            Kind::Bus => Ok(()),
            Kind::Queue => {
                let message = OutgoingMessage {
                    body: notice.text.clone(),
                    trace_header: notice.trace.clone(),
                    ..OutgoingMessage::default()
                };
                Ok(self.queues.send(&ctx, &to, message).await.map(drop)?)
            }
            Kind::Topic => {
                let notification = Notification {
                    message: notice.text.clone(),
                    subject: Some(SUBJECT.to_owned()),
                    ..Notification::default()
                };
                Ok(self.topics.publish(&ctx, &to, notification).await.map(drop)?)
            }
            Kind::Function => {
                let function = FunctionRef::parse(&notice.to).map_err(|_| Failed::NotFound)?;
                let account = to.account.parse().map_err(|_| Failed::NotFound)?;
                let mut ctx = ctx.in_account(account);
                ctx.partition = Partition::of_region(&to.region);
                ctx.region = Region::from(to.region.as_str());
                let request = InvokeRequest {
                    function_name: function.name.clone(),
                    qualifier: function.qualifier.as_deref().map(Qualifier::parse),
                    invocation_type: if is_probe { InvocationType::DryRun } else { InvocationType::Event },
                    payload: Bytes::from(notice.text.clone()),
                    log_tail: false,
                    client_context: None,
                    via_url: false,
                };
                match self.invoker.invoke(&ctx, request).await {
                    // One that is still being made is there, and lets S3 in.
                    Err(InvokeError::NotReady { .. }) if is_probe => Ok(()),
                    other => Ok(other.map(drop)?),
                }
            }
        }
    }
}

#[async_trait]
impl Target<Notice> for S3 {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Notice>) -> Verdict {
        let Delivery { scope, id, body, age, tries, .. } = delivery;
        let (to, bucket, id_text) = (&body.to, &body.bucket, id.as_str());
        let reason = match self.tell(scope, id, body, false).await {
            Ok(()) => return Verdict::DONE,
            Err(Failed::ForNow(reason)) => {
                let tries = Tries { not_run: tries.not_run.saturating_add(1), ..*tries };
                let pause = retry::NOT_RUN.pause(tries.not_run).unwrap_or(Millis(0));
                if age.0 + pause.0 <= limits::EVENT_AGE_MAX.0 {
                    tracing::warn!(
                        id = id_text,
                        to,
                        bucket,
                        reason,
                        "a notification could not be sent; it is tried again"
                    );
                    return Verdict::again(pause, tries);
                }
                reason
            }
            Err(Failed::NotFound) => "the destination does not exist".to_owned(),
            Err(Failed::Denied) => "the destination does not let S3 in".to_owned(),
            Err(Failed::ForGood(reason)) => reason,
        };
        tracing::error!(id = id_text, to, bucket, reason, "a notification is given up");
        Verdict::DONE
    }
}

fn context(scope: &Scope, id: &RequestId, bucket: &str, trace: Option<&str>) -> RequestContext {
    let caller = Caller::Service {
        principal: PRINCIPAL,
        source_arn: Some(bucket::arn(scope, bucket).to_string().into()),
        source_account: Some(scope.account),
    };
    RequestContext { caller, trace: trace.map(Into::into), ..RequestContext::service(scope, PRINCIPAL, id.clone()) }
}
