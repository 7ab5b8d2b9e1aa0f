//! The worker of one mapping: takes messages while there is room for another batch, and has batches worked on.
//!
//! Cancelled by its token; batches in flight end, what was taken and has not run goes back at once. Errors of the queue
//! are said once and tried again after a growing pause.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hearth_ports::metrics::lambda;
use hearth_ports::{QueueError, QueueFacts, QueueMapping, ReceiveTerms, ReceivedMessage, Resolved};
use hearth_types::{RequestContext, RequestId};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::batch::{Batch, Taken};
use crate::counts::Counts;
use crate::filter::Filter;
use crate::limits::{
    EMPTY_PAUSE, FACTS_AGE_MS, FUNCTION_PAUSE, QUEUE_PAUSE, QUEUE_PAUSE_MAX, RECEIVE_MAX, RECEIVE_WAIT_S,
};
use crate::pollers::PollersParts;
use crate::role::Role;
use crate::scaling::{Scaling, Seen};
use crate::work::{Terms, Work};

/// Whose work it is.
pub(crate) const PRINCIPAL: &str = "lambda.amazonaws.com";

/// A mapping as it is polled now.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) mapping: QueueMapping,
    pub(crate) filter: Filter,
    pub(crate) counts: Counts,
}

/// Why the queue could not be asked the last time; shared with whoever shows it.
pub(crate) type Problem = Arc<Mutex<Option<String>>>;

pub(crate) struct Poller {
    parts: Arc<PollersParts>,
    plan: watch::Receiver<Arc<Plan>>,
    problem: Problem,
    stop: CancellationToken,
    works: TaskTracker,
    running: Arc<Running>,
    scaling: Arc<Mutex<Scaling>>,
    /// What `scaling` was made of.
    concurrency_max: Option<u32>,
    role: Role,
    /// And when they were asked for.
    facts: Option<(QueueFacts, i64)>,
    /// What is gathered, and what found no room in it. Kept here: a stop finds it.
    open: Batch,
    left: VecDeque<Taken>,
    /// By whose leave they were taken.
    taken_as: Option<RequestContext>,
    /// Times that the queue could not be asked, one after the other.
    failures: u32,
}

/// Batches that run.
#[derive(Default)]
struct Running {
    count: AtomicU32,
    ended: Notify,
}

/// One of them.
struct Place(Arc<Running>);

impl Place {
    fn take(running: &Arc<Running>) -> Self {
        running.count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(running))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.notify_one();
    }
}

/// How waiting ended, if not by a stop.
enum Waited<T> {
    For(T),
    /// The mapping has changed.
    Changed,
}

impl Poller {
    pub(crate) fn new(
        parts: Arc<PollersParts>,
        plan: watch::Receiver<Arc<Plan>>,
        problem: Problem,
        stop: CancellationToken,
    ) -> Self {
        let concurrency_max = plan.borrow().mapping.concurrency_max;
        Self {
            parts,
            plan,
            problem,
            stop,
            works: TaskTracker::new(),
            running: Arc::default(),
            scaling: Arc::new(Mutex::new(Scaling::new(concurrency_max))),
            concurrency_max,
            role: Role::default(),
            facts: None,
            open: Batch::default(),
            left: VecDeque::new(),
            taken_as: None,
            failures: 0,
        }
    }

    /// Until it is stopped, and all batches have ended.
    pub(crate) async fn run(mut self) {
        while self.turn().await.is_some() {}
        let waiting = std::mem::take(&mut self.open).messages.into_iter().chain(self.left.drain(..));
        let handles: Vec<String> = waiting.map(|taken| taken.handle()).collect();
        self.give_back(handles).await;
        self.works.close();
        self.works.wait().await;
    }

    /// Takes messages for one batch, if there are any. `None`: stopped.
    async fn turn(&mut self) -> Option<()> {
        let plan = self.plan.borrow_and_update().clone();
        if plan.mapping.concurrency_max != self.concurrency_max {
            self.concurrency_max = plan.mapping.concurrency_max;
            let running = self.running.count.load(Ordering::SeqCst);
            let mut scaling = Scaling::new(self.concurrency_max);
            scaling.see(Seen::Messages { running }, self.parts.clock.now_ms());
            *self.scaling.lock() = scaling;
        }
        if let Waited::Changed = self.place().await? {
            return Some(());
        }
        let mapping = &plan.mapping;
        let ctx = RequestContext::service(&mapping.scope, PRINCIPAL, RequestId::generate(&*self.parts.random));
        // Nothing is taken for a function that is not there: its messages wait for it.
        let resolved = self.parts.catalog.resolve(&ctx, &mapping.function_name, mapping.qualifier.as_ref());
        let Ok(Resolved { version, .. }) = resolved else { return self.pause(FUNCTION_PAUSE).await };
        let now_ms = self.parts.clock.now_ms();
        let as_role = match self.role.assume(&self.parts.credentials, &ctx, &version, &mapping.queue, now_ms) {
            Ok(as_role) => as_role,
            Err(error) => return self.failed(&plan, &error).await,
        };
        let facts = match self.facts(&as_role, &plan).await? {
            Waited::For(Ok(facts)) => facts,
            Waited::For(Err(error)) => return self.failed(&plan, &error).await,
            Waited::Changed => return Some(()),
        };
        let terms = Terms { facts, timeout_ms: i64::try_from(version.timeout.0).unwrap_or(i64::MAX) };
        self.taken_as = Some(as_role.clone());
        self.take_left(mapping.batch_size);
        if self.open.messages.is_empty() {
            let asked = tokio::time::Instant::now();
            match self.receive(&as_role, &plan, mapping.batch_size, RECEIVE_WAIT_S).await? {
                Waited::Changed => return Some(()),
                Waited::For(Err(error)) => return self.failed(&plan, &error).await,
                Waited::For(Ok(messages)) if messages.is_empty() => {
                    self.succeeded();
                    let running = self.running.count.load(Ordering::SeqCst);
                    self.scaling.lock().see(Seen::Nothing { running }, self.parts.clock.now_ms());
                    // A queue that does not wait is not asked without end.
                    let rest = EMPTY_PAUSE.saturating_sub(asked.elapsed());
                    return if rest.is_zero() { Some(()) } else { self.pause(rest).await };
                }
                Waited::For(Ok(messages)) => {
                    self.succeeded();
                    self.sort(&as_role, &plan, facts, messages).await;
                }
            }
            if self.open.messages.is_empty() {
                return Some(());
            }
            self.gather(&as_role, &plan, terms).await?;
        }
        let running = self.running.count.load(Ordering::SeqCst) + 1;
        self.scaling.lock().see(Seen::Messages { running }, self.parts.clock.now_ms());
        let work = Work {
            parts: Arc::clone(&self.parts),
            batch: std::mem::take(&mut self.open),
            terms,
            plan,
            as_role,
            scaling: Arc::clone(&self.scaling),
            stop: self.stop.clone(),
        };
        let place = Place::take(&self.running);
        self.works.spawn(async move {
            work.run().await;
            drop(place);
        });
        Some(())
    }

    /// Waits for room for another batch.
    async fn place(&mut self) -> Option<Waited<()>> {
        loop {
            let now_ms = self.parts.clock.now_ms();
            let (places, grows_in) = {
                let scaling = self.scaling.lock();
                (scaling.places(now_ms), scaling.grows_in_ms(now_ms))
            };
            if self.running.count.load(Ordering::SeqCst) < places {
                return Some(Waited::For(()));
            }
            let running = Arc::clone(&self.running);
            let room = async move {
                let grown = async move {
                    match grows_in {
                        Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = running.ended.notified() => {}
                    () = grown => {}
                }
            };
            if let Waited::Changed = self.wait_for(room).await? {
                return Some(Waited::Changed);
            }
        }
    }

    /// Messages until the batch is full or its time is over: the window, or when the function could no longer end while
    /// the first message is invisible. What was taken stays in `open` whatever happens.
    async fn gather(&mut self, as_role: &RequestContext, plan: &Arc<Plan>, terms: Terms) -> Option<()> {
        let facts = terms.facts;
        let window_ms = i64::try_from(plan.mapping.window.0).unwrap_or(i64::MAX);
        let spare_ms = self.open.visible_at_ms().saturating_sub(terms.needed_ms());
        let end_ms = self.parts.clock.now_ms().saturating_add(window_ms).min(spare_ms);
        while self.left.is_empty() && self.open.room(plan.mapping.batch_size) > 0 {
            let rest_ms = end_ms - self.parts.clock.now_ms();
            if rest_ms <= 0 {
                break;
            }
            let wait_s = u32::try_from(rest_ms / 1_000).unwrap_or(u32::MAX).min(RECEIVE_WAIT_S);
            if wait_s == 0 {
                // Receives wait for whole seconds.
                self.sleep(Duration::from_millis(u64::try_from(rest_ms).unwrap_or(0))).await?;
            }
            let room = self.open.room(plan.mapping.batch_size);
            let received = self.received(as_role, plan, room, wait_s);
            let stop = self.stop.clone();
            let messages = tokio::select! {
                () = stop.cancelled() => return None,
                received = received => received,
            };
            match messages {
                Ok(messages) => self.sort(as_role, plan, facts, messages).await,
                // What is there is enough.
                Err(_) => break,
            }
        }
        Some(())
    }

    /// Puts messages into the batch, and deletes those that the filter keeps from the function.
    async fn sort(
        &mut self,
        as_role: &RequestContext,
        plan: &Arc<Plan>,
        facts: QueueFacts,
        messages: Vec<ReceivedMessage>,
    ) {
        let queue = &plan.mapping.queue;
        let visible_at_ms = self.parts.clock.now_ms() + i64::from(facts.visibility_timeout_s) * 1_000;
        let mut unwanted = Vec::new();
        for message in messages {
            if plan.filter.matches(&message, queue) {
                self.left.push_back(Taken::new(message, queue, visible_at_ms));
            } else {
                unwanted.push(message.receipt_handle);
            }
        }
        if !plan.mapping.filters.is_empty() {
            plan.counts.tell(&lambda::FILTERED_OUT_EVENT_COUNT, unwanted.len());
        }
        self.take_left(plan.mapping.batch_size);
        if facts.is_fifo && !self.left.is_empty() {
            // Nothing of a group may wait behind a batch that runs.
            let handles = self.left.drain(..).map(|taken| taken.handle()).collect();
            self.give_back(handles).await;
        }
        if !unwanted.is_empty()
            && let Err(error) = self.parts.queues.delete(as_role, queue, &unwanted).await
        {
            let mapping = plan.mapping.id.as_str();
            tracing::warn!(mapping, %error, "messages that no filter matches cannot be deleted; they come again");
        }
    }

    /// What was left joins the batch, as far as it fits and nobody else has it by now.
    fn take_left(&mut self, size_max: u32) {
        let now_ms = self.parts.clock.now_ms();
        while let Some(taken) = self.left.pop_front() {
            if taken.visible_at_ms <= now_ms {
                continue;
            }
            if let Err(taken) = self.open.push(taken, size_max) {
                self.left.push_front(*taken);
                break;
            }
        }
    }

    async fn give_back(&mut self, handles: Vec<String>) {
        let queue = self.plan.borrow().mapping.queue.clone();
        let Some(as_role) = self.taken_as.as_ref().filter(|_| !handles.is_empty()) else { return };
        if let Err(error) = self.parts.queues.change_visibility(as_role, &queue, &handles, 0).await {
            tracing::warn!(%queue, %error, "messages cannot be given back; they come after their visibility time-out");
        }
    }

    async fn facts(
        &mut self,
        as_role: &RequestContext,
        plan: &Arc<Plan>,
    ) -> Option<Waited<Result<QueueFacts, String>>> {
        let now_ms = self.parts.clock.now_ms();
        if let Some((facts, _)) = self.facts.filter(|(_, at_ms)| now_ms - at_ms < FACTS_AGE_MS) {
            return Some(Waited::For(Ok(facts)));
        }
        let (parts, as_role, plan) = (Arc::clone(&self.parts), as_role.clone(), Arc::clone(plan));
        let asked = async move { parts.queues.facts(&as_role, &plan.mapping.queue).await };
        Some(match self.wait_for(asked).await? {
            Waited::Changed => Waited::Changed,
            Waited::For(Err(error)) => Waited::For(Err(error.to_string())),
            Waited::For(Ok(facts)) => {
                self.facts = Some((facts, now_ms));
                Waited::For(Ok(facts))
            }
        })
    }

    async fn receive(
        &mut self,
        as_role: &RequestContext,
        plan: &Arc<Plan>,
        room: u32,
        wait_s: u32,
    ) -> Option<Waited<Result<Vec<ReceivedMessage>, String>>> {
        let received = self.received(as_role, plan, room, wait_s);
        Some(match self.wait_for(received).await? {
            Waited::Changed => Waited::Changed,
            Waited::For(received) => Waited::For(received.map_err(|error| error.to_string())),
        })
    }

    fn received(
        &self,
        as_role: &RequestContext,
        plan: &Arc<Plan>,
        room: u32,
        wait_s: u32,
    ) -> impl Future<Output = Result<Vec<ReceivedMessage>, QueueError>> + use<> {
        let (parts, as_role, plan) = (Arc::clone(&self.parts), as_role.clone(), Arc::clone(plan));
        let terms = ReceiveTerms { messages_max: room.clamp(1, RECEIVE_MAX), wait_s };
        async move {
            let received = parts.queues.receive(&as_role, &plan.mapping.queue, terms).await?;
            plan.counts.tell(&lambda::POLLED_EVENT_COUNT, received.len());
            Ok(received)
        }
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        *self.problem.lock() = None;
    }

    /// The queue could not be asked.
    async fn failed(&mut self, plan: &Arc<Plan>, error: &str) -> Option<()> {
        if self.failures == 0 {
            let (mapping, queue) = (plan.mapping.id.as_str(), &plan.mapping.queue);
            tracing::warn!(mapping, %queue, error, "an event source mapping cannot read its queue; trying again");
        }
        *self.problem.lock() = Some(error.to_owned());
        let pause = QUEUE_PAUSE.saturating_mul(1 << self.failures.min(16)).min(QUEUE_PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.facts = None;
        self.role.forget();
        self.pause(pause).await
    }

    /// Does nothing for a while, or until the mapping changes.
    async fn pause(&mut self, pause: Duration) -> Option<()> {
        self.wait_for(tokio::time::sleep(pause)).await.map(|_| ())
    }

    async fn sleep(&self, pause: Duration) -> Option<()> {
        tokio::select! {
            () = self.stop.cancelled() => None,
            () = tokio::time::sleep(pause) => Some(()),
        }
    }

    /// `None`: stopped before.
    async fn wait_for<T>(&mut self, what: impl Future<Output = T>) -> Option<Waited<T>> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            // Without a sender there is nobody to poll for.
            changed = self.plan.changed() => changed.ok().map(|()| Waited::Changed),
            done = what => Some(Waited::For(done)),
        }
    }
}
