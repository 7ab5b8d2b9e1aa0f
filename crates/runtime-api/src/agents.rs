//! The part of the shared state that is about extensions: their calls, and what the platform tells and hears of them.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hearth_types::Random;
use hearth_types::random::uuid;
use serde::Serialize;

use crate::Invocation;
use crate::environment::{ExtensionFailure, InitError, ShutdownReason};
use crate::extensions::{Action, Agent, Event, Extensions, Failure, Kind, Refusal, State};
use crate::http::reply::EventReply;
use crate::shared::{Caller, Inner, Next, Shared};
use crate::telemetry;
use crate::telemetry::event::{PlatformExtension, Record};
use crate::telemetry::subscription::{Api, Request};
use crate::wire::Wire;

/// What is kept with an extension: where its `/next` waits, and the event it has not fetched yet. A newer event takes
/// the place of an older one, whose invocation is over.
#[derive(Default)]
pub(crate) struct Attached {
    parked: Option<Arc<Wire>>,
    pending: Option<EventReply>,
}

impl Agent<Attached> {
    /// Whether nothing is expected of it any more until the next event.
    fn is_settled(&self) -> bool {
        match self.state {
            State::Ready | State::Away => self.attached.pending.is_none(),
            State::Started | State::Registered | State::Running => false,
            State::InitError | State::ExitError | State::LaunchError | State::Exited => true,
        }
    }

    /// Whether it will not call any more.
    const fn has_ended(&self) -> bool {
        matches!(self.state, State::InitError | State::ExitError | State::LaunchError | State::Exited)
    }
}

/// What `INVOKE` tells an extension. The members and their order: "Using the Lambda Extensions API to create
/// extensions".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvokeEvent<'a> {
    event_type: &'static str,
    deadline_ms: i64,
    request_id: &'a str,
    invoked_function_arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracing: Option<Tracing<'a>>,
}

#[derive(Serialize)]
struct Tracing<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShutdownEvent {
    event_type: &'static str,
    shutdown_reason: &'static str,
    deadline_ms: i64,
}

/// What a registration is answered with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registered<'a> {
    function_name: &'a str,
    function_version: &'a str,
    handler: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

fn invoke_event(invocation: &Invocation) -> Bytes {
    let trace = invocation.trace.as_deref().filter(|trace| !trace.is_empty());
    json(&InvokeEvent {
        event_type: "INVOKE",
        deadline_ms: invocation.deadline_ms,
        request_id: invocation.request_id.as_str(),
        invoked_function_arn: &invocation.invoked_arn,
        tracing: trace.map(|value| Tracing { kind: "X-Amzn-Trace-Id", value }),
    })
}

fn json(value: &impl Serialize) -> Bytes {
    // Fails for maps with keys that are not text only; there is none.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// Sends the event now if the extension waits for one, else when it calls next.
fn send(extensions: &mut Extensions<Attached>, index: usize, event: &Bytes, random: &dyn Random) {
    let event = EventReply::json(&[("Lambda-Extension-Event-Identifier", &uuid(random))], event.clone());
    if let Some(wire) = extensions.get_mut(index).attached.parked.take() {
        if wire.deliver(&event) {
            let delivered = extensions.apply(index, Event::Deliver);
            debug_assert!(delivered.is_ok(), "a parked extension is ready");
            return;
        }
        let _ = extensions.apply(index, Event::HangUp);
    }
    extensions.get_mut(index).attached.pending = Some(event);
}

impl Inner {
    /// Tells the extensions that want to know of an invocation that has just been handed out.
    pub(crate) fn send_invoke(&mut self, invocation: &Invocation) {
        let event = invoke_event(invocation);
        self.send_to(&event, |agent| agent.subscriptions.invoke);
    }

    fn send_to(&mut self, event: &Bytes, whom: impl Fn(&Agent<Attached>) -> bool) {
        let told = |(index, agent): (usize, &Agent<_>)| (whom(agent) && !agent.has_ended()).then_some(index);
        let indexes: Vec<usize> = self.extensions.iter().enumerate().filter_map(told).collect();
        for index in indexes {
            send(&mut self.extensions, index, event, &*self.random);
        }
    }

    /// The peer of a connection that may be an extension's has gone.
    pub(crate) fn unpark_extension(&mut self, wire: &Arc<Wire>) {
        let parked = self
            .extensions
            .iter_mut()
            .position(|agent| agent.attached.parked.take_if(|parked| Arc::ptr_eq(parked, wire)).is_some());
        if let Some(index) = parked {
            let _ = self.extensions.apply(index, Event::HangUp);
        }
    }

    /// Whether the runtime and the extensions that are told of invocations wait for the next one.
    pub(crate) fn is_settled(&self) -> bool {
        let settled = |agent: &Agent<_>| !agent.subscriptions.invoke || agent.is_settled();
        self.failure.is_none() && self.session.is_ready() && self.extensions.iter().all(settled)
    }

    /// Whether the processes of all extensions that are told of the end have ended.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.extensions.iter().all(|agent| !agent.subscriptions.shutdown || agent.state == State::Exited)
    }
}

impl Shared {
    pub(crate) fn expect_extensions(&self, names: impl IntoIterator<Item = String>) -> Result<(), ExtensionFailure> {
        let mut inner = self.inner.lock();
        for name in names {
            inner.extensions.expect(name.clone()).map_err(|refusal| ExtensionFailure {
                name,
                error_type: Failure::Launch.error_type(),
                message: refusal.message(),
            })?;
        }
        Ok(())
    }

    /// Whether extensions can exist here at all.
    pub(crate) fn serves_extensions(&self) -> bool {
        self.inner.lock().identity.is_some()
    }

    pub(crate) fn has_extensions(&self, kind: Kind) -> bool {
        self.inner.lock().extensions.iter().any(|agent| agent.kind == kind && agent.state != State::LaunchError)
    }

    pub(crate) fn shutdown_subscribers(&self) -> Vec<String> {
        let inner = self.inner.lock();
        let subscribed = inner.extensions.iter().filter(|agent| agent.subscriptions.shutdown);
        subscribed.filter(|agent| agent.state != State::Exited).map(|agent| agent.name.clone()).collect()
    }

    /// `POST /extension/register`. Gives the identifier and the body of the reply.
    pub(crate) fn register_extension(
        &self,
        generation: u64,
        name: Option<&str>,
        events: &[String],
        with_account_id: bool,
    ) -> Result<(String, Bytes), Refusal> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let Some(identity) = inner.identity.as_ref().filter(|_| inner.generation == generation) else {
            return Err(Refusal::Replaced);
        };
        let id = inner.extensions.register(name, events, &*inner.random)?;
        let body = json(&Registered {
            function_name: &identity.function_name,
            function_version: &identity.function_version,
            handler: &identity.handler,
            account_id: with_account_id.then_some(&identity.account_id),
        });
        inner.changed();
        Ok((id, body))
    }

    /// `GET /extension/event/next`. Parks the caller when there is nothing to send yet.
    pub(crate) fn next_extension_event(&self, id: Option<&str>, caller: Caller<'_>) -> Next<Refusal> {
        let mut inner = self.inner.lock();
        if inner.generation != caller.generation {
            return Next::Refused(Refusal::Replaced);
        }
        let asked = inner.extensions.find(id).and_then(|index| {
            inner.extensions.apply(index, Event::Next)?;
            Ok(index)
        });
        let index = match asked {
            Ok(index) => index,
            Err(refusal) => return Next::Refused(refusal),
        };
        if let Some(event) = inner.extensions.get_mut(index).attached.pending.take() {
            let _ = inner.extensions.apply(index, Event::Deliver);
            return Next::Send(event);
        }
        let wire = caller.park();
        inner.extensions.get_mut(index).attached.parked = Some(wire);
        self.try_finish_init(&mut inner);
        inner.changed();
        // An invocation that came before the end of init waits for it.
        let delivery = inner.deliver_to_parked();
        drop(inner);
        if let Some((wire, event)) = delivery {
            self.write(wire, &event);
        }
        Next::Wait
    }

    /// `POST /extension/init/error` ([`Event::InitError`]) or `/exit/error` ([`Event::ExitError`]).
    pub(crate) fn report_extension_error(
        &self,
        generation: u64,
        id: Option<&str>,
        event: Event,
        error_type: Option<&str>,
    ) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        if inner.generation != generation {
            return Err(Refusal::Replaced);
        }
        let index = inner.extensions.find(id)?;
        if let Action::Fail(failure) = inner.extensions.report(index, event, error_type)? {
            let agent = inner.extensions.get_mut(index);
            agent.attached = Attached::default();
            let message = agent.error_type.clone().unwrap_or_default();
            self.fail(&mut inner, index, failure, message);
        }
        inner.changed();
        Ok(())
    }

    /// `PUT /telemetry` or `/logs`, its body read. Gives the name of the extension that may subscribe.
    pub(crate) fn subscribe(
        &self,
        generation: u64,
        id: Option<&str>,
        api: Api,
        request: Result<Request, String>,
    ) -> Result<Result<(), SubscribeError>, Refusal> {
        let inner = self.inner.lock();
        if inner.generation != generation {
            return Err(Refusal::Replaced);
        }
        let index = inner.extensions.find(id)?;
        if inner.extensions.registration_closed() {
            return Ok(Err(SubscribeError::Closed));
        }
        let name = inner.extensions.iter().nth(index).map_or("", |agent| agent.name.as_str());
        Ok(match request {
            Err(why) => Err(SubscribeError::Invalid(why)),
            Ok(request) => self.telemetry.subscribe(name, api, request).map_err(|refusal| match refusal {
                telemetry::Refusal::Closed => SubscribeError::Closed,
                telemetry::Refusal::OtherApi => SubscribeError::Invalid(api.other_in_use()),
            }),
        })
    }

    pub(crate) fn extension_not_launched(&self, name: &str, kind: io::ErrorKind, message: &str) {
        let error_type = if kind == io::ErrorKind::PermissionDenied { "PermissionDenied" } else { "UnknownError" };
        self.ended(name, Event::LaunchError, message, Some(error_type));
    }

    pub(crate) fn extension_exited(&self, name: &str, cause: &str) {
        self.ended(name, Event::Exit, cause, None);
    }

    fn ended(&self, name: &str, event: Event, message: &str, error_type: Option<&str>) {
        let mut inner = self.inner.lock();
        // A process that ends twice, or an extension without one, is the owner's mistake and changes nothing.
        let Some(index) = inner.extensions.position(name) else { return };
        if inner.extensions.get_mut(index).kind != Kind::External {
            return;
        }
        let Ok(action) = inner.extensions.apply(index, event) else { return };
        let agent = inner.extensions.get_mut(index);
        agent.attached = Attached::default();
        self.telemetry.unsubscribe(name);
        if let Some(error_type) = error_type {
            agent.error_type = Some(error_type.to_owned());
        }
        if let Action::Fail(failure) = action {
            self.fail(&mut inner, index, failure, message.to_owned());
        }
        inner.changed();
    }

    /// An extension has failed the environment; only the first one counts.
    fn fail(&self, inner: &mut Inner, index: usize, failure: Failure, message: String) {
        // Ends are expected then.
        if inner.shutting_down {
            return;
        }
        let name = inner.extensions.get_mut(index).name.clone();
        let failure = ExtensionFailure { name, error_type: failure.error_type(), message };
        inner.failure.get_or_insert_with(|| failure.clone());
        self.fail_init(inner, InitError::Extension(failure));
    }

    /// Says of each extension how init ended for it.
    pub(crate) fn announce_extensions(&self, inner: &Inner) {
        for agent in inner.extensions.iter() {
            self.telemetry.announce(Record::PlatformExtension(PlatformExtension {
                name: agent.name.clone(),
                state: agent.state.name(),
                events: agent.subscriptions.names(),
                error_type: agent.error_type.clone(),
            }));
        }
    }

    /// From now on the ends of processes are expected. Gives the generation that is shut down.
    pub(crate) fn begin_shutdown(&self) -> u64 {
        let mut inner = self.inner.lock();
        inner.shutting_down = true;
        self.telemetry.set_frozen(false);
        inner.generation
    }

    pub(crate) fn send_shutdown(&self, generation: u64, reason: ShutdownReason, deadline_ms: i64) {
        let mut inner = self.inner.lock();
        if inner.generation != generation {
            return;
        }
        let event = json(&ShutdownEvent { event_type: "SHUTDOWN", shutdown_reason: reason.name(), deadline_ms });
        inner.send_to(&event, |agent| agent.subscriptions.shutdown);
    }
}

/// Why a subscription is refused, apart from who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SubscribeError {
    Closed,
    Invalid(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of "Using the Lambda Extensions API to create extensions".
    #[test]
    fn an_invoke_event_looks_as_documented() {
        let mut invocation = Invocation {
            request_id: "3da1f2dc-3222-475e-9205-e2e6c6318895".into(),
            deadline_ms: 676_051,
            invoked_arn: "arn:aws:lambda:us-east-1:123456789012:function:ExtensionTest".to_owned(),
            trace: Some("Root=1-5f35ae12-0c0fec141ab77a00bc047aa2;Parent=2be948a625588e32;Sampled=1".into()),
            client_context: None,
            content_type: None,
            payload: Bytes::new(),
            sink: None,
        };
        assert_eq!(
            invoke_event(&invocation),
            r#"{"eventType":"INVOKE","deadlineMs":676051,"requestId":"3da1f2dc-3222-475e-9205-e2e6c6318895","invokedFunctionArn":"arn:aws:lambda:us-east-1:123456789012:function:ExtensionTest","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-5f35ae12-0c0fec141ab77a00bc047aa2;Parent=2be948a625588e32;Sampled=1"}}"#
        );
        invocation.trace = None;
        assert!(!String::from_utf8_lossy(&invoke_event(&invocation)).contains("tracing"));
    }
}
