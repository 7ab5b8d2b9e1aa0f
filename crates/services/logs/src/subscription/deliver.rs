//! Deliveries to functions: the lane's target, and the check that a filter's function lets CloudWatch Logs in.
//!
//! CloudWatch Logs calls as `logs.amazonaws.com` on behalf of the log group: the function's own policy decides. What may be
//! mended by waiting is tried again for a day, what the function refuses is not. Source: user guide, "Real-time processing
//! of log data with subscriptions".

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_delivery::{Body, Delivery, Target, Tries, Verdict, retry};
use hearth_ports::{InvocationType, InvokeError, InvokeRequest, Invoker};
use hearth_store::Record;
use hearth_types::{Caller, FunctionRef, Millis, Qualifier, RequestContext, RequestId, Scope};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{PRINCIPAL, source_arn};
use crate::Logs;

/// The lane's name.
pub(crate) const LANE: &str = "logs.subscription";
/// Deliveries are tried again for so long. Source: see above.
const AGE_MAX: Millis = Millis::from_secs(24 * 60 * 60);
/// Of a delivery, beside its payload, about.
const OVERHEAD_BYTES: usize = 512;

/// Events for a filter's function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// The group's id: another group of the same name is not meant.
    pub(crate) group: u64,
    pub(crate) group_name: String,
    pub(crate) filter: String,
    /// As the function gets it.
    pub(crate) payload: String,
    pub(crate) trace: Option<String>,
}

impl Record for Batch {
    const KIND: &'static str = LANE;
    const VERSION: u32 = 1;
}

impl Body for Batch {
    fn size(&self) -> usize {
        self.payload.len() + OVERHEAD_BYTES
    }
}

/// The way to functions.
pub(crate) struct Door(pub(crate) Arc<dyn Invoker>);

/// On behalf of what a function is invoked.
pub(crate) struct Source<'a> {
    pub(crate) scope: &'a Scope,
    /// The group's name.
    pub(crate) group: &'a str,
    pub(crate) id: &'a RequestId,
    pub(crate) trace: Option<&'a str>,
}

impl Source<'_> {
    fn context(&self) -> RequestContext {
        let caller = Caller::Service {
            principal: PRINCIPAL,
            source_arn: Some(source_arn(self.scope, self.group).into()),
            source_account: Some(self.scope.account),
        };
        let ctx = RequestContext::service(self.scope, PRINCIPAL, self.id.clone());
        RequestContext { caller, trace: self.trace.map(Into::into), ..ctx }
    }
}

impl Door {
    /// Whether CloudWatch Logs may invoke the function for that group.
    pub(crate) async fn is_open(&self, source: &Source<'_>, function: &FunctionRef) -> bool {
        let asked = self.invoke(source, function, InvocationType::DryRun, Bytes::from_static(b"{}")).await;
        // One that is still being made is there, and lets CloudWatch Logs in.
        matches!(asked, Ok(()) | Err(InvokeError::NotReady { .. }))
    }

    async fn invoke(
        &self,
        source: &Source<'_>,
        function: &FunctionRef,
        invocation_type: InvocationType,
        payload: Bytes,
    ) -> Result<(), InvokeError> {
        let request = InvokeRequest {
            function_name: function.name.clone(),
            qualifier: function.qualifier.as_deref().map(Qualifier::parse),
            invocation_type,
            payload,
            log_tail: false,
            client_context: None,
            via_url: false,
        };
        self.0.invoke(&source.context(), request).await.map(drop)
    }
}

/// The lane's other end.
pub struct Deliveries {
    logs: Arc<Logs>,
    door: Door,
}

impl Deliveries {
    #[must_use]
    pub fn new(logs: Arc<Logs>, invoker: Arc<dyn Invoker>) -> Arc<Self> {
        Arc::new(Self { logs, door: Door(invoker) })
    }

    /// Delivers until stopped; what is under way comes to its end.
    pub async fn work(self: Arc<Self>, stop: CancellationToken) {
        let running = TaskTracker::new();
        let lane = self.logs.forwarder.lane.clone();
        lane.work(self, &stop, &running).await;
        running.close();
        running.wait().await;
    }

    /// The function of a filter, if there still is that filter.
    fn function(&self, batch: &Batch) -> Option<FunctionRef> {
        let record = self.logs.directory.look(batch.group, |group| Arc::clone(&group.record))?;
        let filter = record.subscription_filters.iter().find(|filter| filter.name == batch.filter)?;
        FunctionRef::parse(&filter.destination_arn).ok()
    }
}

#[async_trait]
impl Target<Batch> for Deliveries {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Batch>) -> Verdict {
        let Delivery { scope, id, body, age, tries, .. } = delivery;
        let (group, filter) = (&body.group_name, &body.filter);
        let Some(function) = self.function(body) else {
            tracing::info!(group, filter, "log events are not sent: their subscription filter has gone");
            return Verdict::DONE;
        };
        let payload = Bytes::copy_from_slice(body.payload.as_bytes());
        let source = Source { scope, group, id, trace: body.trace.as_deref() };
        let invoked = self.door.invoke(&source, &function, InvocationType::Event, payload).await;
        let Err(error) = invoked else { return Verdict::DONE };
        let tries = Tries { not_run: tries.not_run.saturating_add(1), ..*tries };
        let pause = retry::NOT_RUN.pause(tries.not_run).unwrap_or(Millis(0));
        if may_pass(&error) && age.0 + pause.0 <= AGE_MAX.0 {
            tracing::warn!(group, filter, %error, "log events are not delivered; it is tried again");
            return Verdict::again(pause, tries);
        }
        tracing::error!(group, filter, %error, "log events are given up");
        Verdict::DONE
    }
}

/// Whether a later attempt may find it otherwise.
fn may_pass(error: &InvokeError) -> bool {
    match error {
        InvokeError::NotReady { .. }
        | InvokeError::Throttled { .. }
        | InvokeError::DiskFull
        | InvokeError::Internal { .. } => true,
        InvokeError::FunctionNotFound { .. }
        | InvokeError::InvalidRequestContent { .. }
        | InvokeError::PayloadTooLarge { .. }
        | InvokeError::RecursiveLoop
        | InvokeError::AccessDenied { .. }
        | InvokeError::InvalidRuntime { .. } => false,
    }
}
