//! The one piece of state that the owner of an environment and its connections share: here the runtime's part; that of
//! extensions is in `agents.rs`, that of prepared processes in `preparation.rs`.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use hearth_types::Random;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::agents::Attached;
use crate::connection;
use crate::environment::{ExtensionFailure, Identity, InitError, Interruption, Metadata, RuntimeTiming, Settings};
use crate::extensions::Extensions;
use crate::http::head::Persistence;
use crate::http::reply::EventReply;
use crate::limits::{BACKLOG_MAX, CONNECTIONS_MAX, LARGE_HEADS_MAX};
use crate::preparation::Preparation;
use crate::session::{Action, Event, Refusal, Session};
use crate::telemetry::Telemetry;
use crate::wire::{Parked, Wire};
use crate::{FunctionError, Invocation, ResponseSink, RuntimeAnswer};

/// How far the processes of the environment have come.
pub(crate) enum Phase {
    Starting,
    Ready,
    Failed(InitError),
    Closed,
}

pub(crate) struct Shared {
    pub(crate) max_response_bytes: usize,
    pub(crate) metadata: OnceLock<Metadata>,
    pub(crate) large_heads: Semaphore,
    pub(crate) telemetry: Telemetry,
    phase: watch::Sender<Phase>,
    pub(crate) inner: Mutex<Inner>,
}

pub(crate) struct Inner {
    pub(crate) session: Session,
    /// Counts starts of the environment's processes; connections of an earlier start have no say any more.
    pub(crate) generation: u64,
    pub(crate) closed: bool,
    /// Runtime and extensions have all called for their first event.
    init_done: bool,
    pub(crate) identity: Option<Identity>,
    pub(crate) preparation: Preparation,
    pub(crate) extensions: Extensions<Attached>,
    /// The first extension that failed the environment.
    pub(crate) failure: Option<ExtensionFailure>,
    /// Processes are expected to end.
    pub(crate) shutting_down: bool,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) stopwatch: Stopwatch,
    /// Owners that wait for a change; see [`Shared::wait`].
    waiters: Vec<oneshot::Sender<()>>,
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
    /// Without its payload.
    invocation: Invocation,
    event: EventReply,
    answer: oneshot::Sender<RuntimeAnswer>,
}

/// When the runtime did what with the invocation handed out last.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stopwatch {
    started: Option<Instant>,
    response_started: Option<Instant>,
    response_ended: Option<Instant>,
    done: Option<Instant>,
    produced_bytes: u64,
}

impl Stopwatch {
    fn start() -> Self {
        Self { started: Some(Instant::now()), ..Self::default() }
    }

    /// The runtime calls for an event: is it done with the one before?
    fn next(&mut self) {
        if self.response_ended.is_some() && self.done.is_none() {
            self.done = Some(Instant::now());
        }
    }

    pub(crate) fn timing(&self) -> Option<RuntimeTiming> {
        Some(RuntimeTiming {
            started: self.started?,
            response_started: self.response_started?,
            response_ended: self.response_ended?,
            done: self.done?,
            produced_bytes: self.produced_bytes,
        })
    }
}

/// What to do about a call that may have to wait.
pub(crate) enum Next<R> {
    Send(EventReply),
    /// The connection is parked now: the reply will be written to its [`Wire`].
    Wait,
    Refused(R),
}

/// The connection that calls, and what it holds back: what is needed to park it.
pub(crate) struct Caller<'a> {
    pub(crate) generation: u64,
    pub(crate) wire: &'a Arc<Wire>,
    /// Replies that are not written yet; taken when the connection is parked.
    pub(crate) held: &'a mut Vec<u8>,
    pub(crate) persistence: Persistence,
    /// The task has further requests in its buffer and wants to be told that the reply is out.
    pub(crate) wake: bool,
}

impl Caller<'_> {
    /// From here on the reply is written by whoever brings it.
    pub(crate) fn park(self) -> Arc<Wire> {
        let Self { wire, held, persistence, wake, .. } = self;
        wire.park(Parked { held: std::mem::take(held), persistence, wake });
        wire.clone()
    }
}

/// Permission to read an answer's body; given back with the body.
#[derive(Debug)]
pub(crate) struct Ticket {
    delivered: u64,
    /// Takes the body as it comes, if somebody wants that.
    pub(crate) sink: Option<Arc<dyn ResponseSink>>,
}

impl Inner {
    /// Tells those who wait.
    pub(crate) fn changed(&mut self) {
        for waiter in self.waiters.drain(..) {
            // Who does not wait any more need not know.
            let _ = waiter.send(());
        }
    }

    fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// The waiting invocation, if any, and the connection of a runtime that has asked already.
    pub(crate) fn deliver_to_parked(&mut self) -> Option<(Option<Arc<Wire>>, EventReply)> {
        if self.parked.is_empty() {
            return None;
        }
        let event = self.deliver()?;
        Some((self.parked.pop(), event))
    }

    /// Hands the waiting invocation, if any, to the runtime that just asked.
    fn deliver(&mut self) -> Option<EventReply> {
        if !self.init_done {
            return None;
        }
        let submission = self.waiting.take()?;
        if self.session.deliver(&submission.invocation.request_id).is_err() {
            self.waiting = Some(submission);
            return None;
        }
        self.delivered = submission.token;
        self.stopwatch = Stopwatch::start();
        if !self.extensions.is_empty() {
            self.send_invoke(&submission.invocation);
        }
        let event = submission.event.clone();
        self.current = Some(submission);
        Some(event)
    }
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        let (phase, _) = watch::channel(Phase::Starting);
        let telemetry = Telemetry::new(&settings);
        telemetry.restart(settings.identity.is_some());
        let inner = Inner {
            session: Session::new(),
            generation: 0,
            closed: false,
            init_done: false,
            identity: settings.identity,
            preparation: Preparation::new(settings.prepared),
            extensions: Extensions::new(),
            failure: None,
            shutting_down: false,
            random: settings.random,
            stopwatch: Stopwatch::default(),
            waiters: Vec::new(),
            tokens: 0,
            delivered: 0,
            parked: Vec::new(),
            waiting: None,
            current: None,
            connections: HashMap::new(),
            listeners: Vec::new(),
        };
        Self {
            max_response_bytes: settings.max_response_bytes,
            metadata: settings.metadata.map_or_else(OnceLock::new, OnceLock::from),
            large_heads: Semaphore::new(LARGE_HEADS_MAX),
            telemetry,
            phase,
            inner: Mutex::new(inner),
        }
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) fn listen(&self, listener: Arc<TcpListener>) {
        self.inner.lock().listeners.push(listener);
    }

    /// Waits until `check` finds something or an extension fails the environment. Whoever changes what a check may look
    /// at calls [`Inner::changed`].
    pub(crate) async fn wait<T>(&self, check: impl Fn(&Inner) -> Option<T>) -> Result<T, Interruption> {
        let generation = self.inner.lock().generation;
        let found = self
            .wait_in(generation, |inner| check(inner).map(Ok).or_else(|| inner.failure.clone().map(Err)))
            .await
            .ok_or(Interruption::Closed)?;
        found.map_err(Interruption::Extension)
    }

    /// Waits until `check` finds something; `None` after a reset.
    pub(crate) async fn wait_in<T>(&self, generation: u64, check: impl Fn(&Inner) -> Option<T>) -> Option<T> {
        loop {
            let changed = {
                let mut inner = self.inner.lock();
                if inner.closed || inner.generation != generation {
                    return None;
                }
                if let Some(found) = check(&inner) {
                    return Some(found);
                }
                let (sender, changed) = oneshot::channel();
                inner.waiters.retain(|waiter| !waiter.is_closed());
                inner.waiters.push(sender);
                changed
            };
            // An error means that the waiter was dropped with its environment, which the check finds out.
            let _ = changed.await;
        }
    }

    /// Ends init if runtime and extensions are ready.
    pub(crate) fn try_finish_init(&self, inner: &mut Inner) {
        if !inner.init_done && inner.failure.is_none() && inner.session.is_ready() && inner.extensions.all_ready() {
            inner.init_done = true;
            self.end_init(inner, Phase::Ready);
        }
    }

    /// Init has failed, unless it was over already.
    pub(crate) fn fail_init(&self, inner: &mut Inner, error: InitError) {
        if matches!(&*self.phase.borrow(), Phase::Starting) {
            self.end_init(inner, Phase::Failed(error));
        }
    }

    fn end_init(&self, inner: &mut Inner, phase: Phase) {
        inner.extensions.close_registration();
        self.announce_extensions(inner);
        self.telemetry.init_done();
        self.phase.send_replace(phase);
        inner.changed();
    }

    /// Takes an invocation in; `None` when there is no room or no runtime for it.
    pub(crate) fn submit(&self, mut invocation: Invocation, answer: oneshot::Sender<RuntimeAnswer>) -> Option<u64> {
        let payload = std::mem::take(&mut invocation.payload);
        let event = EventReply::new(&invocation, payload);
        let mut inner = self.inner.lock();
        if inner.closed || inner.waiting.is_some() || inner.current.is_some() {
            return None;
        }
        let token = inner.token();
        inner.waiting = Some(Submission { token, invocation, event, answer });
        let delivery = inner.deliver_to_parked();
        drop(inner);
        if let Some((wire, event)) = delivery {
            self.write(wire, &event);
        }
        Some(token)
    }

    /// Writes the runtime's event to `wire` or another connection that waits for it.
    pub(crate) fn write(&self, mut wire: Option<Arc<Wire>>, event: &EventReply) {
        // If every waiting connection broke in this moment, the runtime asks again and gets the event then.
        while wire.is_some_and(|parked| !parked.deliver(event)) {
            wire = self.inner.lock().parked.pop();
        }
    }

    pub(crate) fn abandon(&self, token: u64) {
        let mut inner = self.inner.lock();
        if inner.waiting.as_ref().is_some_and(|waiting| waiting.token == token) {
            inner.waiting = None;
        } else if inner.current.as_ref().is_some_and(|current| current.token == token) {
            inner.current = None;
            inner.session.abandon();
        }
    }

    pub(crate) fn restart(&self, close: bool) {
        let mut inner = self.inner.lock();
        inner.session = Session::new();
        inner.generation += 1;
        inner.closed |= close;
        inner.init_done = false;
        inner.preparation.restart();
        inner.extensions = Extensions::new();
        inner.failure = None;
        inner.shutting_down = false;
        inner.stopwatch = Stopwatch::default();
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
        self.telemetry.restart(inner.identity.is_some() && !inner.closed);
        let phase = if inner.closed { Phase::Closed } else { Phase::Starting };
        self.phase.send_replace(phase);
        inner.changed();
    }

    /// Accepts a connection and serves it, as one step: with a reset in between, a connection of the old process would
    /// be taken for the new one's.
    pub(crate) fn poll_accept(
        self: &Arc<Self>,
        listener: &TcpListener,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
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

    /// `GET /runtime/invocation/next`. Parks the caller when there is nothing to send yet.
    pub(crate) fn next(&self, caller: Caller<'_>) -> Next<Refusal> {
        let mut inner = self.inner.lock();
        if inner.generation != caller.generation {
            return Next::Refused(Refusal::Replaced);
        }
        match inner.session.apply(Event::Next) {
            Err(refusal) => return Next::Refused(refusal),
            Ok(Action::SendEvent) => {
                let event = inner.current.as_ref().map(|current| current.event.clone());
                return event.map_or(Next::Refused(Refusal::UnknownRequestId), Next::Send);
            }
            Ok(Action::FinishInit) => self.try_finish_init(&mut inner),
            Ok(_) => {}
        }
        inner.stopwatch.next();
        inner.changed();
        if let Some(event) = inner.deliver() {
            return Next::Send(event);
        }
        inner.parked.push(caller.park());
        Next::Wait
    }

    /// The peer of a parked connection has gone.
    pub(crate) fn unpark(&self, wire: &Arc<Wire>) {
        let mut inner = self.inner.lock();
        inner.parked.retain(|parked| !Arc::ptr_eq(parked, wire));
        inner.preparation.unpark(wire);
        inner.unpark_extension(wire);
    }

    /// The head of a `/response` ([`Event::Response`]) or `/error` ([`Event::Error`]).
    pub(crate) fn begin_answer(&self, generation: u64, id: &str, event: Event) -> Result<Ticket, Refusal> {
        let mut inner = self.inner.lock();
        if inner.generation != generation {
            return Err(Refusal::Replaced);
        }
        inner.session.answer(id, event)?;
        inner.stopwatch.response_started = Some(Instant::now());
        let sink = inner.current.as_ref().and_then(|current| current.invocation.sink.clone());
        Ok(Ticket { delivered: inner.delivered, sink })
    }

    /// The end of a `/response` or `/error`: passes the answer on. `size` of its body in bytes, whole or not.
    pub(crate) fn finish_answer(
        &self,
        generation: u64,
        ticket: &Ticket,
        answer: RuntimeAnswer,
        size: usize,
    ) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        if inner.generation != generation {
            return Err(Refusal::Replaced);
        }
        if inner.delivered != ticket.delivered {
            return Err(Refusal::TooLate);
        }
        match inner.session.apply(Event::BodyEnd) {
            Ok(Action::Answer) => {
                inner.stopwatch.response_ended = Some(Instant::now());
                inner.stopwatch.produced_bytes = size as u64;
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
        self.fail_init(&mut inner, InitError::Runtime(error));
        Ok(())
    }
}
