//! What becomes of a batch: the function runs with it, then its messages are deleted or left to come back.

use std::sync::Arc;

use hearth_ports::metrics::lambda;
use hearth_ports::{InvocationType, InvokeRequest, InvokeResponse, QueueError, QueueFacts};
use hearth_types::{Caller, RequestContext, RequestId};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::limits::{DELETE_ATTEMPTS, QUEUE_PAUSE, VISIBILITY_MARGIN_MS, VISIBILITY_S_MAX};
use crate::outcome::{self, Ended, Follow, Member, Settlement};
use crate::poller::{PRINCIPAL, Plan};
use crate::pollers::PollersParts;
use crate::scaling::{Scaling, Seen};
use crate::trace;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) facts: QueueFacts,
    /// Of the function.
    pub(crate) timeout_ms: i64,
}

impl Terms {
    /// How long messages must be invisible from the moment the function starts.
    pub(crate) const fn needed_ms(&self) -> i64 {
        self.timeout_ms.saturating_add(VISIBILITY_MARGIN_MS)
    }
}

pub(crate) struct Work {
    pub(crate) parts: Arc<PollersParts>,
    pub(crate) plan: Arc<Plan>,
    /// The context in which the function's role reads the queue.
    pub(crate) as_role: RequestContext,
    pub(crate) batch: Batch,
    pub(crate) terms: Terms,
    pub(crate) scaling: Arc<Mutex<Scaling>>,
    pub(crate) stop: CancellationToken,
}

impl Work {
    pub(crate) async fn run(mut self) {
        if !self.keep_invisible().await {
            return;
        }
        let response = self.invoke().await;
        let ended = match &response {
            Some(InvokeResponse { function_error: None, payload, .. }) => Ended::Returned(payload),
            _ => Ended::Failed,
        };
        let is_fifo = self.terms.facts.is_fifo;
        let members: Vec<Member<'_>> = self
            .batch
            .messages
            .iter()
            .map(|taken| &taken.message)
            .map(|message| {
                // Standard queues have groups, too, and no order in them.
                Member { id: &message.message_id, group: message.group_id().filter(|_| is_fifo) }
            })
            .collect();
        let Settlement { done, returned } = outcome::settle(&members, ended, self.plan.mapping.reports_failures);
        // What did not run has been told of, attempt by attempt.
        if response.is_some() && !returned.is_empty() {
            self.plan.counts.tell(&lambda::FAILED_INVOKE_EVENT_COUNT, returned.len());
        }
        if response.is_some() && done.is_empty() && !returned.is_empty() {
            self.setback();
        }
        self.delete(done.into_iter().map(|at| self.batch.messages[at].handle()).collect()).await;
    }

    /// The function must be able to end before anybody else gets a message of the batch. Whether it may begin.
    async fn keep_invisible(&mut self) -> bool {
        let now_ms = self.parts.clock.now_ms();
        let needed_ms = self.terms.needed_ms();
        if self.batch.visible_at_ms().saturating_sub(now_ms) >= needed_ms {
            return true;
        }
        let needed_s = u32::try_from(needed_ms.saturating_add(999) / 1_000).unwrap_or(u32::MAX);
        let seconds = needed_s.max(self.terms.facts.visibility_timeout_s).min(VISIBILITY_S_MAX);
        let handles: Vec<String> = self.batch.messages.iter().map(|taken| taken.handle()).collect();
        let queue = &self.plan.mapping.queue;
        match self.parts.queues.change_visibility(&self.as_role, queue, &handles, seconds).await {
            Ok(()) => {}
            // A mapping works without that permission, and then as the queue is set.
            Err(QueueError::AccessDenied { .. }) => return self.batch.visible_at_ms() > now_ms,
            Err(error) => {
                let mapping = self.plan.mapping.id.as_str();
                tracing::warn!(mapping, %error, "a batch would be visible before its function ends; its messages come again");
                return false;
            }
        }
        for taken in &mut self.batch.messages {
            taken.visible_at_ms = now_ms + i64::from(seconds) * 1_000;
        }
        true
    }

    /// Runs the function, again and again while it is throttled. `None`: it did not run.
    async fn invoke(&self) -> Option<InvokeResponse> {
        let mapping = &self.plan.mapping;
        let ctx = RequestContext::service(&mapping.scope, PRINCIPAL, RequestId::generate(&*self.parts.random));
        let caller = Caller::Service {
            principal: PRINCIPAL,
            source_arn: Some(mapping.queue.to_string().into()),
            source_account: mapping.queue.account.parse().ok(),
        };
        let headers =
            self.batch.messages.iter().filter_map(|taken| taken.message.system_attributes.get("AWSTraceHeader"));
        let ctx = RequestContext { caller, trace: trace::of_batch(headers.map(String::as_str)), ..ctx };
        let request = InvokeRequest {
            function_name: mapping.function_name.clone(),
            qualifier: mapping.qualifier.clone(),
            invocation_type: InvocationType::RequestResponse,
            payload: self.batch.payload(),
            log_tail: false,
            client_context: None,
            via_url: false,
        };
        let last_start_ms = self.batch.visible_at_ms().saturating_sub(self.terms.timeout_ms);
        let (mut attempts, events) = (0, self.batch.messages.len());
        loop {
            self.plan.counts.tell(&lambda::INVOKED_EVENT_COUNT, events);
            let error = match self.parts.invoker.invoke(&ctx, request.clone()).await {
                Ok(response) => return Some(response),
                Err(error) => error,
            };
            self.plan.counts.tell(&lambda::FAILED_INVOKE_EVENT_COUNT, events);
            self.setback();
            let wait = match outcome::after_error(&error) {
                Follow::Again => outcome::wait(attempts, self.parts.clock.now_ms(), last_start_ms),
                Follow::Return => None,
            };
            let Some(wait) = wait else {
                let mapping = mapping.id.as_str();
                tracing::warn!(mapping, messages = events, %error, "no function ran for a batch; its messages come again");
                return None;
            };
            attempts += 1;
            tokio::select! {
                () = self.stop.cancelled() => {
                    self.give_back().await;
                    return None;
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn setback(&self) {
        self.scaling.lock().see(Seen::Setback, self.parts.clock.now_ms());
    }

    /// Nobody has seen them: they need not wait.
    async fn give_back(&self) {
        let handles: Vec<String> = self.batch.messages.iter().map(|taken| taken.handle()).collect();
        let queue = &self.plan.mapping.queue;
        if let Err(error) = self.parts.queues.change_visibility(&self.as_role, queue, &handles, 0).await {
            tracing::warn!(%queue, %error, "messages cannot be given back; they come after their visibility time-out");
        }
    }

    async fn delete(&self, handles: Vec<String>) {
        let queue = &self.plan.mapping.queue;
        for attempt in 1..=DELETE_ATTEMPTS {
            if handles.is_empty() {
                return;
            }
            let messages = handles.len();
            let Err(error) = self.parts.queues.delete(&self.as_role, queue, &handles).await else {
                return self.plan.counts.tell(&lambda::DELETED_EVENT_COUNT, messages);
            };
            self.plan.counts.tell(&lambda::DELETED_EVENT_COUNT, 0);
            tracing::warn!(%queue, %error, messages, attempt, "messages that are done with cannot be deleted");
            if attempt < DELETE_ATTEMPTS {
                tokio::time::sleep(QUEUE_PAUSE * attempt).await;
            }
        }
        tracing::error!(%queue, "messages that are done with come again: they could not be deleted");
    }
}
