//! The handle, and the one piece of state that callers and connections share.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hearth_types::RequestId;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::connection;
use crate::http::head::Persistence;
use crate::http::reply::EventReply;
use crate::limits::{ACCEPT_RETRY, BACKLOG_MAX, CONNECTIONS_MAX, LARGE_HEADS_MAX};
use crate::session::{Action, Event, Refusal, Session};
use crate::wire::{Parked, Wire};
use crate::{FunctionError, Invocation, RuntimeAnswer};

/// The handle of one environment's Runtime API. Clones share it.
#[derive(Clone)]
pub struct RuntimeApi {
    shared: Arc<Shared>,
}

impl RuntimeApi {
    /// `max_response_bytes`: largest response body that is passed on.
    #[must_use]
    pub fn new(max_response_bytes: usize) -> Self {
        let (phase, _) = watch::channel(Phase::Starting);
        let inner = Inner {
            session: Session::new(),
            generation: 0,
            closed: false,
            tokens: 0,
            delivered: 0,
            parked: Vec::new(),
            waiting: None,
            current: None,
            connections: HashMap::new(),
            listeners: Vec::new(),
        };
        let shared = Shared {
            max_response_bytes,
            large_heads: Semaphore::new(LARGE_HEADS_MAX),
            phase,
            inner: Mutex::new(inner),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Serves the runtime's connections. Ends when the API is closed.
    pub fn serve(&self, listener: TcpListener) -> JoinHandle<()> {
        let shared = self.shared.clone();
        let listener = Arc::new(listener);
        shared.inner.lock().listeners.push(listener.clone());
        tokio::spawn(async move {
            let mut phase = shared.phase.subscribe();
            loop {
                let accepted = tokio::select! {
                    _ = phase.wait_for(|phase| matches!(phase, Phase::Closed)) => return,
                    accepted = poll_fn(|context| shared.poll_accept(&listener, context)) => accepted,
                };
                if let Err(error) = accepted {
                    tracing::warn!(%error, "runtime API: accept failed");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        })
    }

    /// Waits for the end of the init phase: the runtime's first `/next`, or `/init/error`.
    ///
    /// # Errors
    /// What the runtime posted to `/init/error`; `Sandbox.Failure` when the API was closed.
    pub async fn ready(&self) -> Result<(), FunctionError> {
        let mut phase = self.shared.phase.subscribe();
        let closed = || FunctionError {
            body: Bytes::from_static(
                br#"{"errorType":"Sandbox.Failure","errorMessage":"The execution environment has ended"}"#,
            ),
            error_type: Some("Sandbox.Failure".to_owned()),
        };
        let reached = phase.wait_for(|phase| !matches!(phase, Phase::Starting)).await.map_err(|_| closed())?;
        match &*reached {
            Phase::Failed(error) => Err(error.clone()),
            Phase::Closed => Err(closed()),
            Phase::Ready | Phase::Starting => Ok(()),
        }
    }

    /// Hands an event to the runtime, waiting for it to ask, and waits for the answer. One at a time.
    /// Cancel-safe: when the future is dropped, a late answer is an unknown request id.
    pub async fn invoke(&self, invocation: Invocation) -> RuntimeAnswer {
        let (sender, answer) = oneshot::channel();
        let Some(token) = self.shared.submit(invocation, sender) else { return RuntimeAnswer::Closed };
        let _abandon_when_dropped = Submitted { shared: &self.shared, token };
        answer.await.unwrap_or(RuntimeAnswer::Closed)
    }

    /// Forgets all state for a new runtime process; open connections are closed, also those not accepted yet, and an
    /// invocation in progress gets [`RuntimeAnswer::Closed`]. Call it when every process of the old runtime has ended.
    pub fn reset(&self) {
        self.shared.restart(false);
    }

    /// Ends serving; invocations and [`ready`](Self::ready) end too.
    pub fn close(&self) {
        self.shared.restart(true);
    }
}

/// How far the runtime process has come.
enum Phase {
    Starting,
    Ready,
    Failed(FunctionError),
    Closed,
}

/// Takes the invocation back when its caller stops waiting.
struct Submitted<'a> {
    shared: &'a Shared,
    token: u64,
}

impl Drop for Submitted<'_> {
    fn drop(&mut self) {
        self.shared.abandon(self.token);
    }
}

pub(crate) struct Shared {
    pub(crate) max_response_bytes: usize,
    pub(crate) large_heads: Semaphore,
    phase: watch::Sender<Phase>,
    inner: Mutex<Inner>,
}

struct Inner {
    session: Session,
    /// Counts runtime processes; connections of an earlier one have no say any more.
    generation: u64,
    closed: bool,
    /// Names invocations and connections.
    tokens: u64,
    /// The invocation handed out last.
    delivered: u64,
    /// Connections on which a `/next` waits; the last one is served first, it is the likeliest to be alive.
    parked: Vec<Arc<Wire>>,
    /// An invocation for which the runtime has not asked yet.
    waiting: Option<Submission>,
    /// The invocation the runtime works on.
    current: Option<Submission>,
    connections: HashMap<u64, AbortHandle>,
    listeners: Vec<Arc<TcpListener>>,
}

struct Submission {
    token: u64,
    request_id: RequestId,
    event: EventReply,
    answer: oneshot::Sender<RuntimeAnswer>,
}

/// What to do about a `/next`.
pub(crate) enum Next {
    Send(EventReply),
    /// The connection is parked now: the event will be written to its [`Wire`].
    Wait,
    Refused(Refusal),
}

/// Permission to read an answer's body; given back with the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

impl Inner {
    fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// Hands the waiting invocation, if any, to the runtime that just asked.
    fn deliver(&mut self) -> Option<EventReply> {
        let submission = self.waiting.take()?;
        if self.session.deliver(&submission.request_id).is_err() {
            self.waiting = Some(submission);
            return None;
        }
        self.delivered = submission.token;
        let event = submission.event.clone();
        self.current = Some(submission);
        Some(event)
    }
}

impl Shared {
    /// Takes an invocation in; `None` when there is no room or no runtime for it.
    fn submit(&self, invocation: Invocation, answer: oneshot::Sender<RuntimeAnswer>) -> Option<u64> {
        let request_id = invocation.request_id.clone();
        let event = EventReply::new(invocation);
        let mut inner = self.inner.lock();
        if inner.closed || inner.waiting.is_some() || inner.current.is_some() {
            return None;
        }
        let token = inner.token();
        inner.waiting = Some(Submission { token, request_id, event, answer });
        if inner.parked.is_empty() {
            return Some(token);
        }
        let Some(event) = inner.deliver() else { return Some(token) };
        let mut wire = inner.parked.pop();
        drop(inner);
        // If every waiting connection broke in this moment, the runtime asks again and gets the event then.
        while wire.is_some_and(|parked| !parked.deliver(&event)) {
            wire = self.inner.lock().parked.pop();
        }
        Some(token)
    }

    fn abandon(&self, token: u64) {
        let mut inner = self.inner.lock();
        if inner.waiting.as_ref().is_some_and(|waiting| waiting.token == token) {
            inner.waiting = None;
        } else if inner.current.as_ref().is_some_and(|current| current.token == token) {
            inner.current = None;
            inner.session.abandon();
        }
    }

    fn restart(&self, close: bool) {
        let mut inner = self.inner.lock();
        inner.session = Session::new();
        inner.generation += 1;
        inner.closed |= close;
        inner.parked.clear();
        inner.waiting = None;
        inner.current = None;
        for (_, task) in inner.connections.drain() {
            task.abort();
        }
        // What the old process left in the queue must not be taken for the new one.
        for listener in &inner.listeners {
            let _ = (0..BACKLOG_MAX).take_while(|_| rustix::net::accept(listener).is_ok()).count();
        }
        if inner.closed {
            inner.listeners.clear();
        }
        let phase = if inner.closed { Phase::Closed } else { Phase::Starting };
        self.phase.send_replace(phase);
    }

    /// Accepts a connection and serves it, as one step: with a reset in between, a connection of the old process would
    /// be taken for the new one's.
    fn poll_accept(self: &Arc<Self>, listener: &TcpListener, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner.lock();
        let (stream, _) = ready!(listener.poll_accept(context))?;
        self.adopt(&mut inner, stream);
        Poll::Ready(Ok(()))
    }

    /// Serves one accepted connection, or closes it when there are too many.
    fn adopt(self: &Arc<Self>, inner: &mut Inner, stream: TcpStream) {
        if inner.closed || inner.connections.len() >= CONNECTIONS_MAX {
            return;
        }
        let id = inner.token();
        let generation = inner.generation;
        let shared = self.clone();
        // The task cannot end before it is listed: it needs the lock to unlist itself.
        let task = tokio::spawn(async move {
            connection::run(&shared, stream, generation).await;
            shared.inner.lock().connections.remove(&id);
        });
        inner.connections.insert(id, task.abort_handle());
    }

    /// `GET /next`. Parks `wire` with the replies in `held` when there is nothing to send yet.
    pub(crate) fn next(
        &self,
        generation: u64,
        wire: &Arc<Wire>,
        held: &mut Vec<u8>,
        persistence: Persistence,
        wake: bool,
    ) -> Next {
        let mut inner = self.inner.lock();
        if inner.generation != generation {
            return Next::Refused(Refusal::Replaced);
        }
        match inner.session.apply(Event::Next) {
            Err(refusal) => return Next::Refused(refusal),
            Ok(Action::SendEvent) => {
                let event = inner.current.as_ref().map(|current| current.event.clone());
                return event.map_or(Next::Refused(Refusal::UnknownRequestId), Next::Send);
            }
            Ok(Action::FinishInit) => {
                self.phase.send_replace(Phase::Ready);
            }
            Ok(_) => {}
        }
        if let Some(event) = inner.deliver() {
            return Next::Send(event);
        }
        wire.park(Parked { held: std::mem::take(held), persistence, wake });
        inner.parked.push(wire.clone());
        Next::Wait
    }

    /// The peer of a parked connection has gone.
    pub(crate) fn unpark(&self, wire: &Arc<Wire>) {
        self.inner.lock().parked.retain(|parked| !Arc::ptr_eq(parked, wire));
    }

    /// The head of a `/response` ([`Event::Response`]) or `/error` ([`Event::Error`]).
    pub(crate) fn begin_answer(&self, generation: u64, id: &str, event: Event) -> Result<Ticket, Refusal> {
        let mut inner = self.inner.lock();
        if inner.generation != generation {
            return Err(Refusal::Replaced);
        }
        inner.session.answer(id, event)?;
        Ok(Ticket(inner.delivered))
    }

    /// The end of a `/response` or `/error`: passes the answer on.
    pub(crate) fn finish_answer(&self, generation: u64, ticket: Ticket, answer: RuntimeAnswer) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        if inner.generation != generation {
            return Err(Refusal::Replaced);
        }
        if inner.delivered != ticket.0 {
            return Err(Refusal::TooLate);
        }
        match inner.session.apply(Event::BodyEnd) {
            Ok(Action::Answer) => {
                let current = inner.current.take();
                drop(inner);
                if let Some(current) = current {
                    // The caller may have gone in this moment; then nobody wants the answer.
                    let _ = current.answer.send(answer);
                }
                Ok(())
            }
            _ => Err(Refusal::TooLate),
        }
    }

    /// The head of a `/init/error`.
    pub(crate) fn begin_init_error(&self, generation: u64) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        if inner.generation != generation {
            return Err(Refusal::Replaced);
        }
        inner.session.apply(Event::InitError).map(|_| ())
    }

    /// The end of a `/init/error`.
    pub(crate) fn finish_init_error(&self, generation: u64, error: FunctionError) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        if inner.generation != generation {
            return Err(Refusal::Replaced);
        }
        inner.session.apply(Event::BodyEnd)?;
        self.phase.send_replace(Phase::Failed(error));
        Ok(())
    }
}
