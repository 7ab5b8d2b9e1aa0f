//! One kind of deliveries: accepted, attempted when they are due, attempted again or done.

use std::sync::Arc;
use std::time::Duration;

use hearth_store::{Entry, Epoch, Mutation, RecordError, StoreError, scopes};
use hearth_types::{Millis, RequestId, Scope};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::outbox::{Outbox, Staged};
use crate::record::{IN_LINE_MS, Slip, body_key, read_slip_key, shard, slip_key, slips};
use crate::window::{self, Queued, Upcoming, Window, WindowLimits};
use crate::{Body, Delivery, Next, Target, Tries, Verdict};

/// Waiting deliveries of a lane in memory.
const WINDOW_DELIVERIES: usize = 4_000;
/// Deliveries of one line in memory: a lane has room for so many lines that stand still.
const LINE_DELIVERIES: usize = 64;
/// Deliveries that are read at once.
const READ_ROWS: usize = 1_024;
/// Bodies of a lane's waiting deliveries in memory.
const WINDOW_BODY_BYTES: usize = 64 << 20;
/// The worker looks at the clock at least this often while something waits: the clock may be set.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// So many who wait to be accepted at the same time are a crowd.
const CROWD_CALLERS: usize = 32;
/// Attempts that run beside any crowd: deliveries never stand still.
const ATTEMPTS_ALWAYS: usize = 2;
/// How long an attempt waits to see whether the machine keeps up, and by how much it may wake late when it does.
const GIVE_WAY: Duration = Duration::from_millis(2);
const LATE_MAX: Duration = Duration::from_millis(4);
/// Between two tries at the store after it failed.
const STORE_RETRY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub struct LaneLimits {
    /// Attempts that run at the same time.
    pub attempts: usize,
}

/// See [`crate`].
pub struct Lane<B> {
    outbox: Arc<Outbox>,
    /// `service.noun`; part of the keys in the store and never changed.
    name: &'static str,
    window: Mutex<Window<B>>,
    wake: Notify,
    attempts: Arc<Semaphore>,
    limits: LaneLimits,
}

impl<B: Body> Lane<B> {
    pub fn new(outbox: &Arc<Outbox>, name: &'static str, limits: LaneLimits) -> Arc<Self> {
        let window =
            WindowLimits { deliveries: WINDOW_DELIVERIES, line: LINE_DELIVERIES, body_bytes: WINDOW_BODY_BYTES };
        Arc::new(Self {
            outbox: Arc::clone(outbox),
            name,
            window: Mutex::new(Window::new(window)),
            wake: Notify::new(),
            attempts: Arc::new(Semaphore::new(limits.attempts)),
            limits,
        })
    }

    /// A delivery that is due at once, to be accepted. Ids are not used twice in a lane.
    ///
    /// # Errors
    /// [`RecordError`]: it cannot be encoded.
    pub fn stage(self: &Arc<Self>, scope: &Scope, id: RequestId, body: B) -> Result<Staged, RecordError> {
        let (codec, now_ms) = (&self.outbox.codec, self.outbox.clock.now_ms());
        let (slip, body_record) = Slip::new(codec, body_key(scope, self.name, &id), &body, now_ms)?;
        let mut mutations: Vec<_> = body_record.into_iter().collect();
        let due_ms = if slip.line.is_some() { IN_LINE_MS } else { now_ms };
        mutations.push(Mutation::Put(slip_key(scope, self.name, due_ms, &id), codec.encode(&slip)?));
        let queued = Queued {
            scope: scope.clone(),
            id,
            due_ms,
            accepted_ms: now_ms,
            tries: Tries::default(),
            line: slip.line.clone(),
            is_inline: slip.is_inline(),
            body: Some(Arc::new(body)),
        };
        let lane = Arc::clone(self);
        let offer = Box::new(move || {
            lane.window.lock().offer(queued);
            lane.wake.notify_one();
        });
        Ok(Staged { mutations, offer })
    }

    /// Stages a delivery and accepts it.
    ///
    /// # Errors
    /// [`StoreError`]: it is not accepted.
    pub async fn accept(self: &Arc<Self>, scope: &Scope, id: RequestId, body: B) -> Result<(), StoreError> {
        let staged = self.stage(scope, id, body).map_err(|error| StoreError::Internal(error.to_string()))?;
        self.outbox.accept(scope, vec![staged]).await
    }

    /// Makes attempts until stopped; those under way go on and are counted by `running`.
    pub async fn work<T: Target<B>>(self: Arc<Self>, target: Arc<T>, stop: &CancellationToken, running: &TaskTracker) {
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => return,
                permit = Arc::clone(&self.attempts).acquire_owned() => permit,
            };
            self.give_way(stop).await;
            let (Ok(permit), Some(queued)) = (permit, self.next(stop).await) else { return };
            let (lane, target) = (Arc::clone(&self), Arc::clone(&target));
            let stop = stop.clone();
            running.spawn(async move {
                lane.run(target, queued, &stop).await;
                drop(permit);
                lane.wake.notify_one();
            });
        }
    }

    /// A crowd of callers goes before what they left here, on a machine that cannot do both: its answers are waited
    /// for, the deliveries are not. How late the machine wakes whoever sleeps says whether it can.
    async fn give_way(&self, stop: &CancellationToken) {
        let running = || self.limits.attempts - self.attempts.available_permits() - 1;
        while !stop.is_cancelled() && self.outbox.callers() >= CROWD_CALLERS && running() >= ATTEMPTS_ALWAYS {
            let began = tokio::time::Instant::now();
            tokio::time::sleep(GIVE_WAY).await;
            if began.elapsed() < GIVE_WAY + LATE_MAX {
                return;
            }
        }
    }

    /// The next delivery that is due; waits for one.
    async fn next(&self, stop: &CancellationToken) -> Option<Queued<B>> {
        loop {
            if self.window.lock().wants_refill() {
                self.refill(stop).await?;
            }
            let clock = &self.outbox.clock;
            let now_ms = clock.now_ms();
            let upcoming = self.window.lock().next(now_ms);
            let wait = match upcoming {
                Upcoming::Due(queued) => return Some(*queued),
                Upcoming::At(due_ms) => {
                    let wait = clock.machine_time(Millis((due_ms - now_ms).unsigned_abs()));
                    Some(wait.duration().min(LOOK_INTERVAL))
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
            let read = self.read_due().await;
            if read.is_err() {
                // Nothing is lost: all of it is outside the window until it has been read.
                self.window.lock().leave_outside(window::before_all());
            }
            self.window.lock().end_refill();
            let Err(error) = read else { return Some(()) };
            tracing::error!(%error, lane = self.name, "deliveries cannot be read from the store");
            self.pause(stop).await?;
        }
    }

    async fn read_due(&self) -> Result<(), StoreError> {
        for scope in scopes(&*self.outbox.store).await? {
            let mut after = None;
            loop {
                let entries = self.outbox.store.scan(&slips(&scope, self.name), after.as_ref(), READ_ROWS).await?;
                let is_all = entries.len() < READ_ROWS;
                after = entries.last().map(|entry| entry.key.clone());
                let last = after.as_ref().and_then(read_slip_key);
                for entry in entries {
                    if let Some(queued) = self.decode(&scope, &entry) {
                        self.window.lock().offer(queued);
                    }
                }
                if is_all || last.is_some_and(|last| self.window.lock().has_read(&last)) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn decode(&self, scope: &Scope, entry: &Entry) -> Option<Queued<B>> {
        let codec = &self.outbox.codec;
        let read = || {
            let (due_ms, id) = read_slip_key(&entry.key).ok_or("its key is malformed")?;
            let slip = Slip::read(codec, entry).map_err(|error| error.to_string())?;
            let body = slip.body(codec).map_err(|error| error.to_string())?.map(Arc::new);
            let (scope, is_inline) = (scope.clone(), slip.is_inline());
            let Slip { accepted_ms, tries, line, .. } = slip;
            Ok(Queued { scope, id, due_ms, accepted_ms, tries, line, is_inline, body })
        };
        let told = |error: &String| {
            tracing::error!(key = ?entry.key, error, "a delivery cannot be read; it stays in the store");
        };
        read().inspect_err(told).ok()
    }

    async fn run<T: Target<B>>(self: &Arc<Self>, target: Arc<T>, queued: Queued<B>, stop: &CancellationToken) {
        let Some(body) = self.body(&queued, stop).await else { return };
        let age = self.outbox.clock.now_ms() - queued.accepted_ms;
        let delivery = Delivery {
            scope: queued.scope.clone(),
            id: queued.id.clone(),
            body,
            accepted_ms: queued.accepted_ms,
            age: Millis(u64::try_from(age).unwrap_or(0)),
            tries: queued.tries,
        };
        let Verdict { next, then } = target.attempt(&delivery).await;
        match next {
            Next::Done => self.finish(&queued, then, stop).await,
            Next::Again { after, tries } => {
                let due_ms = self.outbox.clock.now_ms().saturating_add_unsigned(after.0);
                self.requeue(queued, delivery.body, due_ms, tries, then, stop).await;
            }
        }
    }

    async fn body(&self, queued: &Queued<B>, stop: &CancellationToken) -> Option<Arc<B>> {
        if let Some(body) = &queued.body {
            return Some(Arc::clone(body));
        }
        let key = if queued.is_inline { self.slip_key(queued) } else { self.body_key(queued) };
        let entry = loop {
            match self.outbox.store.get(&key).await {
                Ok(entry) => break entry,
                Err(error) => {
                    tracing::error!(id = %queued.id, %error, "a delivery cannot be read");
                    self.pause(stop).await?;
                }
            }
        };
        let codec = &self.outbox.codec;
        let body = match &entry {
            None => Ok(None),
            Some(entry) if queued.is_inline => Slip::read(codec, entry).and_then(|slip| slip.body(codec)),
            Some(entry) => codec.decode(&entry.value).map(Some),
        };
        match body {
            Ok(Some(body)) => Some(Arc::new(body)),
            Ok(None) => {
                tracing::error!(id = %queued.id, "a delivery has no body");
                self.finish(queued, Vec::new(), stop).await;
                None
            }
            Err(error) => {
                // It stays in the store for a Hearth that can read it, and known here so that it is not tried again.
                tracing::error!(id = %queued.id, %error, "a delivery cannot be decoded");
                None
            }
        }
    }

    /// Deletes a delivery that is dealt with. A kill before this makes one more attempt.
    async fn finish(&self, queued: &Queued<B>, then: Vec<Staged>, stop: &CancellationToken) {
        let mut mutations = vec![Mutation::Delete(self.slip_key(queued))];
        if !queued.is_inline {
            mutations.push(Mutation::Delete(self.body_key(queued)));
        }
        if let Some(offers) = self.persist(&queued.scope, mutations, then, stop).await {
            self.window.lock().finish(&queued.id, queued.line.as_deref());
            self.wake.notify_one();
            offers.into_iter().for_each(|offer| offer());
        }
    }

    async fn requeue(
        &self,
        queued: Queued<B>,
        body: Arc<B>,
        due_ms: i64,
        tries: Tries,
        then: Vec<Staged>,
        stop: &CancellationToken,
    ) {
        let codec = &self.outbox.codec;
        let inline = queued.is_inline.then_some(&*body);
        let slip = Slip::again(codec, queued.accepted_ms, tries, queued.line.clone(), inline);
        let slip = match slip.and_then(|slip| codec.encode(&slip)) {
            Ok(slip) => slip,
            Err(error) => {
                tracing::error!(id = %queued.id, %error, "a delivery cannot be queued again; the next start tries it");
                return;
            }
        };
        let before = self.slip_key(&queued);
        let mutations = if queued.line.is_some() {
            vec![Mutation::Put(before, slip)]
        } else {
            let key = slip_key(&queued.scope, self.name, due_ms, &queued.id);
            vec![Mutation::Delete(before), Mutation::Put(key, slip)]
        };
        if let Some(offers) = self.persist(&queued.scope, mutations, then, stop).await {
            self.window.lock().requeue(Queued { due_ms, tries, body: Some(body), ..queued });
            offers.into_iter().for_each(|offer| offer());
        }
    }

    /// Commits, trying until it succeeds; `None` when stopped before. Repeating it changes nothing.
    async fn persist(
        &self,
        scope: &Scope,
        mut mutations: Vec<Mutation>,
        then: Vec<Staged>,
        stop: &CancellationToken,
    ) -> Option<Vec<Box<dyn FnOnce() + Send>>> {
        let mut offers = Vec::with_capacity(then.len());
        for staged in then {
            mutations.extend(staged.mutations);
            offers.push(staged.offer);
        }
        loop {
            let committed = self.outbox.store.commit(&shard(scope), Epoch(0), Vec::new(), mutations.clone()).await;
            let Err(error) = committed else { return Some(offers) };
            tracing::error!(%error, lane = self.name, "deliveries cannot be written to the store");
            self.pause(stop).await?;
        }
    }

    fn slip_key(&self, queued: &Queued<B>) -> hearth_store::Key {
        let due_ms = if queued.line.is_some() { IN_LINE_MS } else { queued.due_ms };
        slip_key(&queued.scope, self.name, due_ms, &queued.id)
    }

    fn body_key(&self, queued: &Queued<B>) -> hearth_store::Key {
        body_key(&queued.scope, self.name, &queued.id)
    }

    async fn pause(&self, stop: &CancellationToken) -> Option<()> {
        tokio::select! {
            () = stop.cancelled() => None,
            () = tokio::time::sleep(STORE_RETRY) => Some(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
