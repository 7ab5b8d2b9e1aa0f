//! The environments of this node: the pure [`Pool`] behind a lock, and the tasks that start and end what it decides.
//!
//! ```text
//! lease ──▶ warm environment
//!       └─▶ start in a task of its own ──▶ whoever waits longest, else idle
//! give back ──▶ whoever waits longest, else idle, else ended in a task of its own
//! ```
//!
//! Those that are kept ready for provisioned concurrency: `lease/provisioned.rs`.

mod provisioned;

use std::sync::Arc;
use std::time::Duration;

use hearth_ports::{FunctionVersion, InvokeError, ThrottleReason};
use hearth_runtime_api::event::InitializationType;
use hearth_types::{FunctionUid, SnapshotId, Version};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::provisioned::Provisions;
use crate::call::{Call, Ran};
use crate::config::FREEZE_GRACE;
use crate::environment::{LiveEnvironment, Workshop};
use crate::pool::{Grant, KeptKey, Member, Next, Observed, Pool, PoolLimits, Relief, Seat, Want};

/// Bounds of the time between two looks for expired environments; a tenth of the idle time-out lies between them.
const SWEEP_MIN: Duration = Duration::from_millis(100);
const SWEEP_MAX: Duration = Duration::from_secs(30);
/// Between two looks at what the machine has room for. Two processors fill some 500 MiB of memory in this time.
const ROOM_LOOK_INTERVAL: Duration = Duration::from_millis(250);

type Answer = Result<Lease, InvokeError>;
type Waiter = oneshot::Sender<Answer>;

pub(crate) struct Environments {
    workshop: Workshop,
    pool: Mutex<Pool<LiveEnvironment, Waiter>>,
    sweep_interval: Duration,
    starting: TaskTracker,
    provisions: Provisions,
}

/// An environment for one invocation. Dropping it without [`Lease::give_back`] ends it: nobody knows its state.
pub(crate) struct Lease {
    member: Member<LiveEnvironment>,
    place: Place,
}

/// The pool's account of a leased environment. Dropping it says that the environment is lost.
struct Place {
    environments: Arc<Environments>,
    shelf: Shelf,
    seat: Seat,
    is_settled: bool,
}

/// Where an environment belongs.
enum Shelf {
    OnDemand(SnapshotId),
    Provisioned(KeptKey),
}

impl Environments {
    pub(crate) fn new(workshop: Workshop, limits: PoolLimits) -> Self {
        let tenth = Duration::from_millis(u64::try_from(limits.idle_ms / 10).unwrap_or(0));
        Self {
            workshop,
            pool: Mutex::new(Pool::new(limits)),
            sweep_interval: tenth.clamp(SWEEP_MIN, SWEEP_MAX),
            starting: TaskTracker::new(),
            provisions: Provisions::default(),
        }
    }

    /// An environment of that version, warm or new, whichever is there first.
    ///
    /// # Errors
    /// Why none could be made; [`InvokeError::Throttled`] when the machine has no room.
    pub(crate) async fn lease(self: &Arc<Self>, version: &Arc<FunctionVersion>) -> Answer {
        let want = Want::of(version);
        let mut too_old = Vec::new();
        let mut answer = None;
        let grant = self.pool.lock().lease(
            &want,
            self.now_ms(),
            || {
                let (sender, receiver) = oneshot::channel();
                answer = Some(receiver);
                sender
            },
            &mut too_old,
        );
        drop(too_old);
        match grant {
            Grant::Warm { member, evicted } => {
                let lease = self.lend(Shelf::OnDemand(want.snapshot), member);
                end_all(evicted).await;
                return Ok(lease);
            }
            Grant::Start { evicted } => self.start(Arc::clone(version), evicted),
            Grant::Wait => {}
            Grant::TooFast => {
                tracing::debug!(function = version.name, "the function gets environments as fast as it may");
            }
            Grant::Full => {
                tracing::warn!(function = version.name, memory_mib = version.memory.0, "no room for an environment");
            }
        }
        match answer {
            Some(answer) => answer.await.unwrap_or_else(|_| {
                Err(InvokeError::Internal { detail: "the start of an environment was given up".to_owned() })
            }),
            None => Err(InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded }),
        }
    }

    fn start(self: &Arc<Self>, version: Arc<FunctionVersion>, evicted: Vec<LiveEnvironment>) {
        let environments = Arc::clone(self);
        self.starting.spawn(async move {
            end_all(evicted).await;
            let snapshot = version.snapshot.clone();
            match environments.workshop.start(version, InitializationType::OnDemand).await {
                Ok(mut environment) => {
                    environments.settle(&snapshot, &mut environment);
                    let now_ms = environments.now_ms();
                    let next = environments.pool.lock().started(&snapshot, environment, now_ms);
                    environments.pass_on(snapshot, next);
                }
                Err(error) => {
                    if environments.workshop.stop.is_cancelled() {
                        tracing::debug!(%snapshot, %error, "the stop came before an environment had started");
                    } else {
                        tracing::warn!(%snapshot, %error, "an environment did not start");
                    }
                    if let Some(waiter) = environments.pool.lock().failed(&snapshot) {
                        // Who stopped waiting needs no answer.
                        let _ = waiter.send(Err(error));
                    }
                }
            }
        });
    }

    fn pass_on(self: &Arc<Self>, snapshot: SnapshotId, next: Next<LiveEnvironment, Waiter>) {
        match next {
            Next::Serve(waiter, member) => {
                let lease = self.lend(Shelf::OnDemand(snapshot), member);
                // Nobody waits any more: the environment is untouched, so the next one may have it.
                if let Err(Ok(lease)) = waiter.send(Ok(lease)) {
                    lease.give_back();
                }
            }
            Next::Idle => {}
            Next::End(environment) => drop(environment),
        }
    }

    /// What is about to become idle is frozen. A waiter that comes in this very moment thaws it again.
    fn settle(&self, snapshot: &SnapshotId, environment: &mut LiveEnvironment) {
        if environment.freezes_at_once() && !self.pool.lock().is_waited_for(snapshot) {
            environment.freeze();
        }
    }

    /// Freezes what has been idle for a moment, where it was not frozen at once, until stopped.
    pub(crate) async fn freeze_idle(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(FREEZE_GRACE.duration() / 2) => {}
            }
            let before_ms = self.now_ms().saturating_sub_unsigned(FREEZE_GRACE.0);
            self.pool.lock().idle_since(before_ms).for_each(LiveEnvironment::freeze);
        }
    }

    fn lend(self: &Arc<Self>, shelf: Shelf, member: Member<LiveEnvironment>) -> Lease {
        let seat = member.seat;
        Lease { member, place: Place { environments: Arc::clone(self), shelf, seat, is_settled: false } }
    }

    /// See [`hearth_ports::EnvironmentKeeper`].
    pub(crate) fn retire(&self, uid: &FunctionUid, version: Version, keep: Option<&SnapshotId>) {
        let retired = self.pool.lock().retire(uid, version, keep);
        drop(retired);
    }

    /// Ends idle environments after their time, until stopped.
    pub(crate) async fn work(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.sweep_interval) => {}
            }
            let expired = self.pool.lock().expire(self.now_ms());
            drop(expired);
        }
    }

    /// Looks several times a second what the machine has room for, and ends what has to end for want of it, until stopped.
    pub(crate) async fn watch_room(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROOM_LOOK_INTERVAL) => {}
            }
            let Some(room) = self.workshop.backend.room() else { continue };
            let observed = Observed {
                held_mib: room.memory_held.0.into(),
                available_mib: room.memory_available.0.into(),
                disk_mib: room.disk_available.0.into(),
            };
            let Relief { idle, running } = self.pool.lock().observe(observed);
            if !idle.is_empty() || !running.is_empty() {
                let (idle, running) = (idle.len(), running.len());
                tracing::warn!(?observed, idle, running, "memory or disk is short: environments end");
            }
            running.iter().for_each(CancellationToken::cancel);
        }
    }

    /// Ends everything idle and waits for all starts and ends under way.
    pub(crate) async fn close(&self) {
        self.starting.close();
        self.starting.wait().await;
        let idle = self.pool.lock().drain();
        drop(idle);
        self.workshop.ending.close();
        self.workshop.ending.wait().await;
    }

    fn now_ms(&self) -> i64 {
        self.workshop.clock.now_ms()
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.pool.lock().environments()
    }
}

impl Lease {
    pub(crate) async fn run(&mut self, call: Call) -> Ran {
        self.member.environment.run(call).await
    }

    /// The invocation is over. An environment that broke ends, any other serves again.
    pub(crate) fn give_back(self) {
        let Self { mut member, mut place } = self;
        if !member.environment.is_usable() {
            return;
        }
        place.is_settled = true;
        let environments = Arc::clone(&place.environments);
        match &place.shelf {
            Shelf::OnDemand(snapshot) => {
                environments.settle(snapshot, &mut member.environment);
                let next = environments.pool.lock().give_back(snapshot, member, environments.now_ms());
                environments.pass_on(snapshot.clone(), next);
            }
            Shelf::Provisioned(key) => environments.give_back_provisioned(key, member),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_settled {
            match &self.shelf {
                Shelf::OnDemand(snapshot) => self.environments.pool.lock().lost(snapshot, self.seat),
                Shelf::Provisioned(key) => self.environments.lost_provisioned(key, self.seat),
            }
        }
    }
}

/// Their room is promised to another environment: it must be free before that uses it.
async fn end_all(evicted: Vec<LiveEnvironment>) {
    for environment in evicted {
        environment.end().await;
    }
}
