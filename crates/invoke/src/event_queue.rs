//! Asynchronous invocations: accepted when they are in the store, run by a worker through the same pipeline, retried as
//! documented, gone from the store when they are dealt with. At least once, in no particular order.
//!
//! ```text
//! accept ─▶ store ─▶ window (memory, bounded) ─▶ attempt (bounded concurrency) ─▶ after_attempt
//!             ▲            ▲ refill                                                 │ requeue │ drop, done
//!             └────────────┴────────────────────────────────────────────────────────┘         ▼ deleted
//! ```

mod after;
mod ended;
mod record;
mod window;

use std::sync::Arc;
use std::time::Duration;

use hearth_ports::{EventTerms, InvokeError, InvokeResponse};
use hearth_store::limits::SCAN_ENTRIES_MAX;
use hearth_store::{Codec, Entry, Epoch, Mutation, Precondition, RecordError, Store, StoreError, scopes};
use hearth_types::{Arn, Clock, Millis, RequestId, Scope};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::after::{Attempted, Attempts, Follow, after_attempt, before_attempt};
pub(crate) use self::ended::Ended;
pub(crate) use self::record::EventBody;
use self::record::{EventState, body_key, due_key, due_prefix, read_due_key, shard};
use self::window::{Queued, Upcoming, Window, WindowLimits};

/// Waiting events in memory.
const WINDOW_EVENTS: usize = 4_000;
/// Payloads of waiting events in memory, bytes.
const WINDOW_PAYLOAD_BYTES: usize = 64 << 20;
/// The worker looks at the clock at least this often while something waits: the clock may be set or sped up.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Between two tries at the store after it failed.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// Runs one attempt.
pub(crate) trait Attempt: Send + Sync + 'static {
    /// What is set now for where the event goes, and whether that is off: no attempt is made.
    fn terms(&self, scope: &Scope, id: &RequestId, body: &EventBody) -> (EventTerms, bool);

    fn attempt(
        self: Arc<Self>,
        scope: &Scope,
        id: &RequestId,
        body: &EventBody,
    ) -> impl Future<Output = Result<InvokeResponse, InvokeError>> + Send;

    /// The event that tells a destination how this one ended.
    ///
    /// # Errors
    /// Why there can be none, for the log.
    fn forward(
        &self,
        scope: &Scope,
        id: &RequestId,
        body: &EventBody,
        ended: &Ended<'_>,
        destination: &Arn,
    ) -> Result<(RequestId, EventBody), String>;
}

pub(crate) struct EventQueue {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    clock: Arc<dyn Clock>,
    window: Mutex<Window>,
    wake: Notify,
    attempts: Arc<Semaphore>,
}

impl EventQueue {
    /// `attempts_max`: attempts that run at the same time.
    pub(crate) fn new(store: Arc<dyn Store>, codec: Arc<Codec>, clock: Arc<dyn Clock>, attempts_max: usize) -> Self {
        let limits = WindowLimits { events: WINDOW_EVENTS, payload_bytes: WINDOW_PAYLOAD_BYTES };
        Self {
            store,
            codec,
            clock,
            window: Mutex::new(Window::new(limits)),
            wake: Notify::new(),
            attempts: Arc::new(Semaphore::new(attempts_max)),
        }
    }

    /// Takes responsibility for an event: it is in the store when this returns.
    ///
    /// # Errors
    /// [`InvokeError::DiskFull`] or [`InvokeError::Internal`] when it could not be stored.
    pub(crate) async fn accept(&self, scope: Scope, id: RequestId, body: EventBody) -> Result<(), InvokeError> {
        let failed = |detail: String| InvokeError::Internal { detail: format!("the event is not accepted: {detail}") };
        let (due_ms, state) = (body.accepted_ms, EventState::default());
        let mutations = self.accepting(&scope, &id, &body).map_err(|error| failed(error.to_string()))?.into();
        let absent = vec![Precondition::Absent(body_key(&scope, &id))];
        self.store.commit(&shard(&scope), Epoch(0), absent, mutations).await.map_err(|error| match error {
            StoreError::Full => InvokeError::DiskFull,
            error => failed(error.to_string()),
        })?;
        self.window.lock().offer(Queued { scope, id, due_ms, state, body: Some(Arc::new(body)) });
        self.wake.notify_one();
        Ok(())
    }

    /// Runs attempts until stopped; those under way go on and are counted by `running`.
    pub(crate) async fn work<A: Attempt>(
        self: &Arc<Self>,
        attempt: Arc<A>,
        stop: &CancellationToken,
        running: &TaskTracker,
    ) {
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => return,
                permit = Arc::clone(&self.attempts).acquire_owned() => permit,
            };
            let (Ok(permit), Some(event)) = (permit, self.next(stop).await) else { return };
            let (queue, attempt) = (Arc::clone(self), Arc::clone(&attempt));
            let stop = stop.clone();
            running.spawn(async move {
                queue.run(attempt, event, &stop).await;
                drop(permit);
                queue.wake.notify_one();
            });
        }
    }

    /// The next event that is due; waits for one.
    async fn next(&self, stop: &CancellationToken) -> Option<Queued> {
        loop {
            if self.window.lock().wants_refill() {
                self.refill(stop).await?;
            }
            let now_ms = self.clock.now_ms();
            let upcoming = self.window.lock().next(now_ms);
            let wait = match upcoming {
                Upcoming::Due(event) => return Some(*event),
                Upcoming::At(due_ms) => {
                    Some(Duration::from_millis((due_ms - now_ms).unsigned_abs()).min(LOOK_INTERVAL))
                }
                Upcoming::Nothing => None,
            };
            let timer = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return None,
                () = self.wake.notified() => {}
                () = timer => {}
            }
        }
    }

    /// Reads what is due next from the store. Tries until it succeeds; `None` when stopped.
    async fn refill(&self, stop: &CancellationToken) -> Option<()> {
        loop {
            self.window.lock().begin_refill();
            let Err(error) = self.read_due().await else { return Some(()) };
            tracing::error!(%error, "queued events cannot be read from the store");
            // Nothing is lost: all of it is outside the window until it has been read.
            self.window.lock().leave_outside(window::before_all());
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(STORE_RETRY) => {}
            }
        }
    }

    async fn read_due(&self) -> Result<(), StoreError> {
        // What runs is met again: a page is larger than the half window that is missing and all attempts together.
        let limit = SCAN_ENTRIES_MAX;
        for scope in scopes(&*self.store).await? {
            let entries = self.store.scan(&due_prefix(&scope), None, limit).await?;
            let is_all = entries.len() < limit;
            let mut last = None;
            for entry in entries {
                let Some(event) = self.decode(&scope, &entry) else { continue };
                last = Some((event.due_ms, event.id.clone()));
                self.window.lock().offer(event);
            }
            if let (false, Some(last)) = (is_all, last) {
                self.window.lock().leave_outside(last);
            }
        }
        Ok(())
    }

    fn decode(&self, scope: &Scope, entry: &Entry) -> Option<Queued> {
        let read = read_due_key(&entry.key).ok_or_else(|| "its key is malformed".to_owned());
        let state = self.codec.decode::<EventState>(&entry.value).map_err(|error| error.to_string());
        match read.and_then(|place| Ok((place, state?))) {
            Ok(((due_ms, id), state)) => Some(Queued { scope: scope.clone(), id, due_ms, state, body: None }),
            Err(error) => {
                tracing::error!(key = ?entry.key, error, "a queued event cannot be read; it stays in the store");
                None
            }
        }
    }

    async fn run<A: Attempt>(&self, attempt: Arc<A>, event: Queued, stop: &CancellationToken) {
        let Some(body) = self.body(&event, stop).await else { return };
        let (terms, is_off) = attempt.terms(&event.scope, &event.id, &body);
        let counted = |state: &EventState| Attempts { failed: state.failed, not_run: state.not_run };
        if let Some(condition) = before_attempt(&terms, is_off, self.age(&body)) {
            let ended = Ended { condition: Some(condition), runs: event.state.failed, response: None };
            return self.end(&*attempt, &event, &body, &terms, ended, stop).await;
        }
        let answer = Arc::clone(&attempt).attempt(&event.scope, &event.id, &body).await;
        let attempted = match &answer {
            Ok(response) if response.function_error.is_none() => Attempted::Succeeded,
            Ok(_) => Attempted::FunctionError,
            Err(error) => {
                tracing::debug!(id = %event.id, %error, "no function ran for an event");
                Attempted::of_error(error)
            }
        };
        let mut state = event.state.clone();
        match attempted {
            Attempted::FunctionError => state.failed += 1,
            Attempted::NotRun => state.not_run = state.not_run.saturating_add(1),
            Attempted::Succeeded | Attempted::Gone => {}
        }
        // What was changed meanwhile holds.
        let (terms, _) = attempt.terms(&event.scope, &event.id, &body);
        let response = answer.as_ref().ok();
        match after_attempt(attempted, counted(&state), &terms, self.age(&body)) {
            Follow::Done => {
                let ended = Ended { condition: None, runs: state.failed + 1, response };
                self.end(&*attempt, &event, &body, &terms, ended, stop).await;
            }
            Follow::Drop { condition } => {
                let ended = Ended { condition: Some(condition), runs: state.failed, response };
                self.end(&*attempt, &event, &body, &terms, ended, stop).await;
            }
            Follow::Requeue { after } => {
                let due_ms = self.clock.now_ms().saturating_add_unsigned(after.0);
                self.requeue(Queued { state, body: Some(body), ..event }, due_ms, stop).await;
            }
        }
    }

    fn age(&self, body: &EventBody) -> Millis {
        Millis(u64::try_from(self.clock.now_ms() - body.accepted_ms).unwrap_or(0))
    }

    /// An event has come to its end: its destination is told, in the same commit that forgets the event.
    async fn end<A: Attempt>(
        &self,
        attempt: &A,
        event: &Queued,
        body: &EventBody,
        terms: &EventTerms,
        ended: Ended<'_>,
        stop: &CancellationToken,
    ) {
        let destination = match ended.condition {
            None => &terms.on_success,
            Some(condition) => {
                tracing::warn!(id = %event.id, function = body.function_name, ?condition, "event dropped");
                &terms.on_failure
            }
        };
        let told = destination.as_ref().and_then(|destination| {
            let forwarded = attempt.forward(&event.scope, &event.id, body, &ended, destination);
            let failed = |error: &String| {
                tracing::warn!(id = %event.id, %destination, error, "a destination cannot be told of an event's end");
            };
            forwarded.inspect_err(failed).ok()
        });
        self.finish(event, told, stop).await;
    }

    async fn body(&self, event: &Queued, stop: &CancellationToken) -> Option<Arc<EventBody>> {
        if let Some(body) = &event.body {
            return Some(Arc::clone(body));
        }
        let entry = loop {
            match self.store.get(&body_key(&event.scope, &event.id)).await {
                Ok(entry) => break entry,
                Err(error) => {
                    tracing::error!(id = %event.id, %error, "a queued event cannot be read");
                    self.pause(stop).await?;
                }
            }
        };
        let Some(entry) = entry else {
            tracing::error!(id = %event.id, "a queued event has no body");
            self.finish(event, None, stop).await;
            return None;
        };
        match self.codec.decode(&entry.value) {
            Ok(body) => Some(Arc::new(body)),
            Err(error) => {
                // It stays in the store for a Hearth that can read it, and known here so that it is not tried again.
                tracing::error!(id = %event.id, %error, "a queued event cannot be decoded");
                None
            }
        }
    }

    /// Deletes an event that is dealt with, and accepts the one that tells of it. A kill before this runs it once more.
    async fn finish(&self, event: &Queued, told: Option<(RequestId, EventBody)>, stop: &CancellationToken) {
        let due = due_key(&event.scope, event.due_ms, &event.id);
        let mut mutations = vec![Mutation::Delete(body_key(&event.scope, &event.id)), Mutation::Delete(due)];
        let mut next = None;
        if let Some((id, body)) = told {
            match self.accepting(&event.scope, &id, &body) {
                Ok(accepting) => {
                    mutations.extend(accepting);
                    let (scope, due_ms, state) = (event.scope.clone(), body.accepted_ms, EventState::default());
                    next = Some(Queued { scope, id, due_ms, state, body: Some(Arc::new(body)) });
                }
                Err(error) => tracing::error!(id = %event.id, %error, "the event for a destination cannot be stored"),
            }
        }
        if self.persist(&event.scope, mutations, stop).await.is_some() {
            let mut window = self.window.lock();
            window.finish(&event.id);
            if let Some(next) = next {
                window.offer(next);
            }
        }
    }

    /// What puts a new event into the store.
    fn accepting(&self, scope: &Scope, id: &RequestId, body: &EventBody) -> Result<[Mutation; 2], RecordError> {
        Ok([
            Mutation::Put(body_key(scope, id), self.codec.encode(body)?),
            Mutation::Put(due_key(scope, body.accepted_ms, id), self.codec.encode(&EventState::default())?),
        ])
    }

    async fn requeue(&self, event: Queued, due_ms: i64, stop: &CancellationToken) {
        let state = match self.codec.encode(&event.state) {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(id = %event.id, %error, "an event cannot be queued again; the next start runs it");
                return;
            }
        };
        let mutations = vec![
            Mutation::Delete(due_key(&event.scope, event.due_ms, &event.id)),
            Mutation::Put(due_key(&event.scope, due_ms, &event.id), state),
        ];
        if self.persist(&event.scope, mutations, stop).await.is_some() {
            self.window.lock().requeue(Queued { due_ms, ..event });
        }
    }

    /// Commits, trying until it succeeds; `None` when stopped before. Repeating it changes nothing.
    async fn persist(&self, scope: &Scope, mutations: Vec<Mutation>, stop: &CancellationToken) -> Option<()> {
        loop {
            let Err(error) = self.store.commit(&shard(scope), Epoch(0), Vec::new(), mutations.clone()).await else {
                return Some(());
            };
            tracing::error!(%error, "the event queue cannot write to the store");
            self.pause(stop).await?;
        }
    }

    async fn pause(&self, stop: &CancellationToken) -> Option<()> {
        tokio::select! {
            () = stop.cancelled() => None,
            () = tokio::time::sleep(STORE_RETRY) => Some(()),
        }
    }
}

#[cfg(test)]
mod tests;
