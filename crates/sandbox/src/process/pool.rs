//! Slots prepared ahead of need, which is what makes a cold start a matter of milliseconds. How many wait follows what is
//! asked for: a request that finds none doubles the depth, and a minute without one halves it again.
//!
//! [`Depths`] decides, [`SlotPool`] holds the slots and fills itself up in a task of its own, within its share of a
//! processor.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hearth_types::Mebibytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::slot::{Aborted, PreparedSlot};
use crate::environment::SandboxError;
use crate::protocol::ImageTree;
use crate::runtimes::Root;

/// How long a depth that nobody needed stays.
const DEPTH_HALF_LIFE: Duration = Duration::from_secs(60);
/// Nothing is made so soon after something was taken, nor while an environment is being made, at most for so long: others
/// have their own use for the spawner and the processors first.
const QUIET: Duration = Duration::from_millis(20);
const QUIET_WAIT_MAX: Duration = Duration::from_millis(500);
/// After a failure to prepare a slot.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How many slots wait at least and at most, of each kind. 0 at most switches the pool off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    pub depth_min: usize,
    pub depth_max: usize,
    /// Of one processor, percent: what filling up may take while nobody waits.
    pub cpu_percent: u32,
    /// Who finds no process that waits may get a copy of one.
    pub copies: bool,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { depth_min: 4, depth_max: 64, cpu_percent: 50, copies: true }
    }
}

/// What slots that can stand in for each other have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) root: Root,
    /// What is mounted in place of the root.
    pub(super) image: Option<ImageTree>,
    /// What was started in it; `None` leaves it empty.
    pub(super) started: Option<Started>,
}

/// A runtime process that waits for its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Started {
    /// The identifier of its row in [`crate::runtimes::RUNTIMES`].
    pub(super) runtime: &'static str,
    /// What it was started with, where that makes a difference.
    pub(super) memory: Option<Mebibytes>,
}

/// How many slots of each kind should wait. Pure.
struct Depths {
    config: PoolConfig,
    kinds: HashMap<Kind, Depth>,
}

struct Depth {
    wanted: usize,
    /// Never less than this: kinds that functions are known to need. Others vanish when nobody asks any more.
    least: usize,
    changed: Instant,
}

impl Depths {
    fn new(config: PoolConfig) -> Self {
        Self { config, kinds: HashMap::new() }
    }

    /// Functions will need it.
    fn expect(&mut self, kind: Kind, now: Instant) {
        let least = self.config.depth_min.min(self.config.depth_max);
        let depth = self.kinds.entry(kind).or_insert(Depth { wanted: least, least, changed: now });
        depth.least = least;
        depth.wanted = depth.wanted.max(least);
    }

    /// Somebody asked and there was none.
    fn missed(&mut self, kind: Kind, now: Instant) {
        let PoolConfig { depth_min, depth_max, .. } = self.config;
        let depth = self.kinds.entry(kind).or_insert(Depth { wanted: 0, least: 0, changed: now });
        depth.wanted = (depth.wanted * 2).max(depth_min).max(1).min(depth_max);
        depth.changed = now;
    }

    /// How many of a kind should wait now.
    fn wanted(&mut self, kind: Kind, now: Instant) -> usize {
        let Some(depth) = self.kinds.get_mut(&kind) else { return 0 };
        let least = depth.least;
        while depth.wanted > least && now.saturating_duration_since(depth.changed) >= DEPTH_HALF_LIFE {
            depth.wanted = (depth.wanted / 2).max(least);
            depth.changed += DEPTH_HALF_LIFE;
        }
        let wanted = depth.wanted;
        if wanted == 0 && least == 0 {
            self.kinds.remove(&kind);
        }
        wanted
    }
}

pub(super) struct SlotPool {
    state: Mutex<State>,
    /// Something was taken.
    taken: Notify,
    filler: Mutex<Option<Aborted>>,
    cpu_percent: u32,
}

struct State {
    depths: Depths,
    waiting: HashMap<Kind, VecDeque<PreparedSlot>>,
    last_taken: Instant,
    /// Slots taken so far.
    taken: u64,
    /// Environments that are being made.
    making: usize,
    closed: bool,
}

/// Makes a slot of a kind.
#[async_trait::async_trait]
pub(super) trait Maker: Send + Sync + 'static {
    async fn make(&self, kind: Kind) -> Result<PreparedSlot, SandboxError>;
}

impl SlotPool {
    /// Starts to fill up.
    pub(super) fn start(config: PoolConfig, maker: Arc<dyn Maker>) -> Arc<Self> {
        let depths = Depths::new(config);
        let pool = Arc::new(Self {
            state: Mutex::new(State {
                depths,
                waiting: HashMap::new(),
                last_taken: now(),
                taken: 0,
                making: 0,
                closed: false,
            }),
            taken: Notify::new(),
            filler: Mutex::default(),
            cpu_percent: config.cpu_percent.clamp(1, 100),
        });
        *pool.filler.lock() = Some(Aborted(tokio::spawn(fill(Arc::downgrade(&pool), maker))));
        pool
    }

    /// Slots of these kinds are to wait from now on, whether or not one is asked for.
    pub(super) fn expect(&self, kinds: impl IntoIterator<Item = Kind>) {
        let (mut state, now) = (self.state.lock(), now());
        kinds.into_iter().for_each(|kind| state.depths.expect(kind, now));
        drop(state);
        self.taken.notify_one();
    }

    /// The slot of this kind that waited longest.
    pub(super) fn take(&self, kind: Kind) -> Option<PreparedSlot> {
        let mut state = self.state.lock();
        let slot = loop {
            match state.waiting.get_mut(&kind).and_then(VecDeque::pop_front) {
                Some(slot) if !slot.is_alive() => drop(slot),
                other => break other,
            }
        };
        if slot.is_none() {
            state.depths.missed(kind, now());
        }
        state.taken += u64::from(slot.is_some());
        state.last_taken = now();
        drop(state);
        self.taken.notify_one();
        slot
    }

    /// Lets go of slots of such a kind that wait: those made from now on are better.
    pub(super) fn renew(&self, is_such: impl Fn(&Kind) -> bool) {
        self.state.lock().waiting.retain(|kind, _| !is_such(kind));
        self.taken.notify_one();
    }

    /// Does a slot of such a kind wait?
    pub(super) fn any(&self, is_such: impl Fn(&Kind) -> bool) -> bool {
        self.state.lock().waiting.iter().any(|(kind, slots)| is_such(kind) && !slots.is_empty())
    }

    /// What waits now.
    pub(super) fn depth(&self) -> usize {
        self.state.lock().waiting.values().map(VecDeque::len).sum()
    }

    pub(super) fn taken(&self) -> u64 {
        self.state.lock().taken
    }

    /// Ends what waits and stops filling up.
    pub(super) fn close(&self) {
        drop(self.filler.lock().take());
        let mut state = self.state.lock();
        state.closed = true;
        state.waiting.clear();
    }

    /// A kind that lacks slots, the emptiest first. Lets go of those there are too many of.
    fn lacking(&self) -> Option<Kind> {
        let state = &mut *self.state.lock();
        let now = now();
        let kinds: Vec<Kind> = state.depths.kinds.keys().copied().collect();
        let mut lacking = None;
        // Those nobody wants any more, too.
        let forgotten: Vec<Kind> =
            state.waiting.keys().filter(|kind| !state.depths.kinds.contains_key(kind)).copied().collect();
        for kind in kinds.into_iter().chain(forgotten) {
            let wanted = state.depths.wanted(kind, now);
            let waiting = state.waiting.entry(kind).or_default();
            waiting.truncate(wanted);
            if waiting.len() < wanted && lacking.is_none_or(|(fewest, _)| waiting.len() < fewest) {
                lacking = Some((waiting.len(), kind));
            }
        }
        lacking.map(|(_, kind)| kind)
    }

    /// Says that an environment is being made, until it is dropped.
    pub(super) fn making(self: &Arc<Self>) -> Making {
        self.state.lock().making += 1;
        Making(Arc::clone(self))
    }

    /// Waits until nothing is made, nor has been taken for a moment.
    pub(super) async fn quiet(&self) {
        let until_max = now() + QUIET_WAIT_MAX;
        loop {
            let since = {
                let state = self.state.lock();
                if state.making > 0 { now() } else { state.last_taken }
            };
            let quiet_from = (since + QUIET).min(until_max);
            if quiet_from <= now() {
                return;
            }
            tokio::time::sleep_until(quiet_from.into()).await;
        }
    }

    fn put(&self, kind: Kind, slot: PreparedSlot) {
        let mut state = self.state.lock();
        if !state.closed {
            state.waiting.entry(kind).or_default().push_back(slot);
        }
    }
}

pub(super) struct Making(Arc<SlotPool>);

impl Drop for Making {
    fn drop(&mut self) {
        self.0.state.lock().making -= 1;
    }
}

/// Fills up until the pool is gone.
async fn fill(pool: Weak<SlotPool>, maker: Arc<dyn Maker>) {
    loop {
        let Some(strong) = pool.upgrade() else { return };
        let Some(kind) = strong.lacking() else {
            let pause = tokio::time::timeout(DEPTH_HALF_LIFE, strong.taken.notified());
            // Either way it is time to look again.
            let _ = pause.await;
            continue;
        };
        strong.quiet().await;
        let started = now();
        let made = maker.make(kind).await;
        match made {
            Ok(slot) => strong.put(kind, slot),
            Err(SandboxError::ShutDown) => return,
            Err(error) => {
                tracing::warn!(%error, ?kind, "no slot could be prepared; cold starts take longer");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
        let share = strong.cpu_percent;
        drop(strong);
        tokio::time::sleep(started.elapsed() * (100 - share) / share).await;
    }
}

/// Depths are about real load on a real machine; no promise of theirs depends on the hour.
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { root: Root::Provided, image: None, started: None };
    const CONFIG: PoolConfig = PoolConfig { depth_min: 2, depth_max: 16, cpu_percent: 50, copies: true };

    fn expecting(config: PoolConfig, now: Instant) -> Depths {
        let mut depths = Depths::new(config);
        depths.expect(KIND, now);
        depths
    }

    #[test]
    fn nothing_waits_that_no_function_is_known_to_need() {
        let start = now();
        let mut depths = Depths::new(CONFIG);
        assert_eq!(depths.wanted(KIND, start), 0);
        depths.expect(KIND, start);
        depths.missed(KIND, start);
        depths.expect(KIND, start);
        assert_eq!(depths.wanted(KIND, start), 4, "what was learnt is not forgotten");
    }

    #[test]
    fn depth_doubles_with_each_miss_and_halves_with_each_quiet_minute() {
        let start = now();
        let mut depths = expecting(CONFIG, start);
        assert_eq!(depths.wanted(KIND, start), 2);
        for wanted in [4, 8, 16, 16] {
            depths.missed(KIND, start);
            assert_eq!(depths.wanted(KIND, start), wanted);
        }
        assert_eq!(depths.wanted(KIND, start + DEPTH_HALF_LIFE - Duration::from_millis(1)), 16);
        assert_eq!(depths.wanted(KIND, start + DEPTH_HALF_LIFE), 8);
        assert_eq!(depths.wanted(KIND, start + DEPTH_HALF_LIFE * 10), 2, "and never below the least");
    }

    #[test]
    fn a_kind_that_was_learnt_is_forgotten_when_nobody_asks_any_more() {
        let start = now();
        let mut depths = expecting(CONFIG, start);
        let started = Started { runtime: "nodejs20.x", memory: Some(Mebibytes(512)) };
        let root = Root::With(crate::runtimes::Language::Node { major: 20 });
        let learnt = Kind { root, image: None, started: Some(started) };
        assert_eq!(depths.wanted(learnt, start), 0);
        depths.missed(learnt, start);
        assert_eq!(depths.wanted(learnt, start), 2);
        assert_eq!(depths.wanted(learnt, start + DEPTH_HALF_LIFE * 2), 0);
        assert_eq!(depths.kinds.len(), 1);
    }

    #[test]
    fn a_pool_that_is_switched_off_wants_nothing() {
        let start = now();
        let mut depths = expecting(PoolConfig { depth_max: 0, ..CONFIG }, start);
        depths.missed(KIND, start);
        assert_eq!(depths.wanted(KIND, start), 0);
    }
}
