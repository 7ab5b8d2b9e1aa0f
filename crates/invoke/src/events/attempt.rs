//! One attempt at an event, and what becomes of it.

use std::sync::Arc;

use async_trait::async_trait;
use hearth_delivery::{Delivery, Next, Target, Tries, Verdict};
use hearth_ports::metrics::lambda;
use hearth_ports::{EventTerms, InvokeError, InvokeResponse, Metric, Resolved};
use hearth_types::{Qualifier, RequestContext};

use super::after::{Attempted, Follow, after_attempt, before_attempt};
use super::destination;
use super::end::Ended;
use super::event::Event;
use crate::call::Call;
use crate::engine::Core;
use crate::logs::LogStream;
use crate::pipeline::Order;
use crate::{pipeline, routing, trace};

#[async_trait]
impl Target<Event> for Core {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Event>) -> Verdict {
        let (terms, is_off) = terms(&self, delivery);
        if let Some(condition) = before_attempt(&terms, is_off, delivery.age) {
            let ended = Ended { condition: Some(condition), tries: delivery.tries, answer: None };
            return end(&self, delivery, &ended);
        }
        tell(&self, delivery, &lambda::ASYNC_EVENT_AGE, delivery.age.0 as f64);
        let answer = match delivery.body.is_stopped {
            true => Err(InvokeError::RecursiveLoop),
            false => run(Arc::clone(&self), delivery).await,
        };
        let attempted = match &answer {
            Ok(response) if response.function_error.is_none() => Attempted::Succeeded,
            Ok(_) => Attempted::FunctionError,
            Err(error) => {
                tracing::debug!(id = %delivery.id, %error, "no function ran for an event");
                Attempted::of_error(error)
            }
        };
        let Tries { failed, not_run } = delivery.tries;
        let tries = match attempted {
            Attempted::FunctionError => Tries { failed: failed.saturating_add(1), not_run },
            Attempted::NotRun => Tries { failed, not_run: not_run.saturating_add(1) },
            Attempted::Succeeded | Attempted::Gone => delivery.tries,
        };
        // What was changed meanwhile holds.
        let terms = self::terms(&self, delivery).0;
        let condition = match after_attempt(attempted, tries, &terms, delivery.age) {
            Follow::Requeue { after } => return Verdict { next: Next::Again { after, tries }, then: Vec::new() },
            Follow::Drop { condition } => Some(condition),
            Follow::Done => None,
        };
        end(&self, delivery, &Ended { condition, tries, answer: Some(&answer) })
    }
}

fn context(delivery: &Delivery<Event>) -> RequestContext {
    RequestContext::service(&delivery.scope, LogStream::PRINCIPAL, delivery.id.clone())
}

/// What is set now for where the event goes, and whether that is off: no attempt is made.
fn terms(core: &Core, delivery: &Delivery<Event>) -> (EventTerms, bool) {
    let (ctx, event) = (context(delivery), &delivery.body);
    let (name, qualifier) = (&event.function_name, event.qualifier.as_ref());
    let resolved = core.catalog.resolve(&ctx, name, qualifier);
    let is_off = resolved.is_ok_and(|resolved| resolved.concurrency.reserved == Some(0));
    (core.catalog.event_terms(&ctx, name, qualifier), is_off)
}

async fn run(core: Arc<Core>, delivery: &Delivery<Event>) -> Result<InvokeResponse, InvokeError> {
    let (ctx, event) = (context(delivery), &delivery.body);
    // The alias is resolved at each attempt; the caller was authorised when the event was accepted.
    let Resolved { version, second, invoked_arn, concurrency, provisioned, .. } =
        pipeline::resolve(&core, &ctx, &event.function_name, event.qualifier.as_ref())?;
    if version.uid != event.uid {
        // The name belongs to another function now.
        return Err(InvokeError::FunctionNotFound { arn: invoked_arn });
    }
    let trace = match &event.trace {
        Some(trace) => trace.as_str().into(),
        None => trace::new_header(core.clock.now_ms(), &*core.random),
    };
    let call = Call {
        request_id: delivery.id.clone(),
        invoked_arn,
        trace,
        client_context: None,
        payload: event.payload.clone().into(),
        log_tail: false,
        stream: None,
    };
    let is_weighted = second.is_some();
    let version = routing::choose(version, second, &*core.random);
    pipeline::run(core, Order { version, is_weighted, provisioned, concurrency, is_synchronous: false, call }).await
}

/// The event has come to its end: who is to be told is told, in the commit that forgets it.
fn end(core: &Core, delivery: &Delivery<Event>, ended: &Ended<'_>) -> Verdict {
    if let Some(condition) = ended.condition {
        let function = &delivery.body.function_name;
        tracing::warn!(id = %delivery.id, function, ?condition, "event dropped");
        tell(core, delivery, &lambda::ASYNC_EVENTS_DROPPED, 1.0);
        if delivery.body.is_stopped {
            tell(core, delivery, &lambda::RECURSIVE_INVOCATIONS_DROPPED, 1.0);
        }
    }
    let terms = terms(core, delivery).0;
    Verdict { next: Next::Done, then: destination::tell(core, delivery, &terms, ended) }
}

/// A metric of the event's function.
pub(super) fn tell(core: &Core, delivery: &Delivery<Event>, metric: &'static Metric, value: f64) {
    let event = &delivery.body;
    let qualifier = event.qualifier.as_ref().map(Qualifier::to_string);
    let now_ms = core.clock.now_ms();
    core.metrics.tell(&context(delivery), &event.function_name, qualifier.as_deref(), now_ms, &[(metric, value)]);
}
