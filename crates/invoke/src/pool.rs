//! Which environments exist, which are idle, who waits, and what the machine has room for (`ledger.rs`). Pure: no clock,
//! no I/O; the environments (`E`) and the waiting invocations (`W`) are opaque.
//!
//! ```text
//!            lease: none idle            started, or given back
//!   (room) ──────────────▶ starting ──────────────────────────▶ busy   (a waiter, first come first served)
//!                             │  failed                           │ ▲
//!                             ▼                     given back    ▼ │ lease: most recently used first
//!                           ended ◀──── retired, expired, ────── idle
//!                                       evicted, too old
//! ```
//! An environment is owned by whoever uses it (`E` is moved, never shared), so two invocations in one environment
//! cannot be expressed. Whoever waits has a start of its own under way; whatever is ready first serves it. Of what is
//! busy the pool keeps a [signal](Occupant) to end it by, for when memory gets short all the same (`relief.rs`).

mod kept;
mod ledger;
mod relief;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use hearth_ports::FunctionVersion;
use hearth_types::{FunctionUid, Mebibytes, SnapshotId, Version};

use self::kept::Kept;
pub(crate) use self::kept::{Keep, KeptKey, Orders};
use self::ledger::Ledger;
pub(crate) use self::ledger::{Observed, RoomLimits};
pub(crate) use self::relief::Relief;
use crate::rates::{Rate, Rates};

/// How fast a function gets environments: a thousand every ten seconds, and what was not needed does not add up. Source:
/// Lambda developer guide, "Lambda scaling behavior".
const STARTS: Rate = Rate { burst: 1_000, per_second: 100 };

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PoolLimits {
    pub(crate) room: RoomLimits,
    /// Environments at the same time, starting ones included.
    pub(crate) environments: usize,
    pub(crate) idle_ms: i64,
    /// An environment older than this serves no further invocation.
    pub(crate) age_ms: i64,
}

/// What an invocation needs: environments of one snapshot are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) snapshot: SnapshotId,
    pub(crate) uid: FunctionUid,
    pub(crate) version: Version,
    pub(crate) memory: Mebibytes,
}

impl Want {
    pub(crate) fn of(version: &FunctionVersion) -> Self {
        Self {
            snapshot: version.snapshot.clone(),
            uid: version.uid.clone(),
            version: version.version,
            memory: version.memory,
        }
    }
}

/// What the pool asks of an environment.
pub(crate) trait Occupant {
    /// Ends the environment in the middle of an invocation.
    type Signal;

    fn signal(&self) -> Self::Signal;

    /// The most memory it has held so far.
    fn held(&self) -> Mebibytes;
}

/// An environment in use, with what the pool must know when it comes back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member<E> {
    pub(crate) environment: E,
    pub(crate) seat: Seat,
    born_ms: i64,
}

/// The pool's account of an environment in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat(u64);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Grant<E> {
    /// After ending `evicted`.
    Warm { member: Member<E>, evicted: Vec<E> },
    /// Start an environment after ending `evicted`. The caller waits: it has been put in the queue.
    Start { evicted: Vec<E> },
    /// A start whose waiter was served by a freed environment is still under way: the caller is in the queue for it.
    Wait,
    /// The machine has no room, even without its idle environments.
    Full,
    /// The function has got as many environments as it may in so short a time.
    TooFast,
}

/// What becomes of an environment that is ready for an invocation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<E, W> {
    Serve(W, Member<E>),
    Idle,
    End(E),
}

#[derive(Debug)]
struct Idle<E> {
    environment: E,
    born_ms: i64,
    since_ms: i64,
    /// Grows with every environment that becomes idle: the order of last use.
    order: u64,
    charged_mib: u64,
}

/// An environment in use, as the pool knows it.
#[derive(Debug)]
struct Busy<S> {
    /// Until it has been told.
    signal: Option<S>,
    charged_mib: u64,
}

#[derive(Debug)]
struct Group<E, W> {
    uid: FunctionUid,
    version: Version,
    /// Least recently used at the front.
    idle: VecDeque<Idle<E>>,
    /// Never more than `starting`.
    waiters: VecDeque<W>,
    /// What each start under way is charged with, MiB.
    starting: Vec<u64>,
    busy: usize,
    /// The most memory that an environment has held after an invocation.
    seen: Option<Mebibytes>,
    retired: bool,
}

/// An idle environment that may have to go. The order of the fields is the order of going.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    is_spared: bool,
    order: u64,
    snapshot: SnapshotId,
    charged_mib: u64,
}

#[derive(Debug)]
pub(crate) struct Pool<E: Occupant, W> {
    limits: PoolLimits,
    groups: HashMap<SnapshotId, Group<E, W>>,
    /// For provisioned concurrency.
    kept: HashMap<KeptKey, Kept<E>>,
    /// By seat: the youngest use comes last.
    busy: BTreeMap<u64, Busy<E::Signal>>,
    ledger: Ledger,
    /// By function.
    starts: Rates<FunctionUid>,
    environments: usize,
    /// Grows with every use and every end of one.
    order: u64,
}

impl<E: Occupant, W> Pool<E, W> {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        let ledger = Ledger::new(limits.room);
        let (groups, kept, busy) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        Self { limits, groups, kept, busy, ledger, starts: Rates::default(), environments: 0, order: 0 }
    }

    /// Environments in every state.
    #[cfg(test)]
    pub(crate) fn environments(&self) -> usize {
        self.environments
    }

    /// An idle environment, or the order to start one unless one is coming that nobody waits for; in both other cases
    /// `waiter` is in the queue.
    /// Environments that became too old meanwhile are added to `ended`.
    pub(crate) fn lease(
        &mut self,
        want: &Want,
        now_ms: i64,
        waiter: impl FnOnce() -> W,
        ended: &mut Vec<E>,
    ) -> Grant<E> {
        if let Some((idle, evicted)) = self.take_idle(want, now_ms, ended) {
            let member = Member { environment: idle.environment, seat: Seat(0), born_ms: idle.born_ms };
            return Grant::Warm { member: self.seat(member, idle.charged_mib), evicted };
        }
        if let Some(group) = self.groups.get_mut(&want.snapshot)
            && group.waiters.len() < group.starting.len()
        {
            group.waiters.push_back(waiter());
            return Grant::Wait;
        }
        let now = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
        if !self.starts.admit(&want.uid, STARTS, now) {
            self.forget_if_empty(&want.snapshot);
            return Grant::TooFast;
        }
        let needed_mib = self.of_running(want);
        let is_at_limit = self.environments >= self.limits.environments;
        let room = if self.ledger.has_disk() { self.make_room(want, needed_mib, 0, is_at_limit) } else { None };
        let Some(evicted) = room else {
            self.forget_if_empty(&want.snapshot);
            return Grant::Full;
        };
        self.ledger.charge(needed_mib);
        self.environments += 1;
        let group = self.groups.entry(want.snapshot.clone()).or_insert_with(|| Group::new(want));
        group.starting.push(needed_mib);
        group.waiters.push_back(waiter());
        Grant::Start { evicted }
    }

    /// The most recently used idle environment that may serve again, charged as running, and what has to make room for
    /// it. Without room for it to run it stays idle.
    fn take_idle(&mut self, want: &Want, now_ms: i64, ended: &mut Vec<E>) -> Option<(Idle<E>, Vec<E>)> {
        let mut idle = loop {
            let idle = self.groups.get_mut(&want.snapshot)?.idle.pop_back()?;
            if now_ms - idle.born_ms < self.limits.age_ms {
                break idle;
            }
            self.ledger.release(idle.charged_mib);
            self.environments -= 1;
            ended.push(idle.environment);
        };
        let needed_mib = self.of_running(want).max(idle.charged_mib);
        // Counted while others are evicted: with it stays its group.
        self.groups.get_mut(&want.snapshot)?.busy += 1;
        let Some(evicted) = self.make_room(want, needed_mib, idle.charged_mib, false) else {
            let group = self.groups.get_mut(&want.snapshot)?;
            group.busy -= 1;
            group.idle.push_back(idle);
            return None;
        };
        self.ledger.recharge(idle.charged_mib, needed_mib);
        idle.charged_mib = needed_mib;
        Some((idle, evicted))
    }

    fn of_running(&self, want: &Want) -> u64 {
        self.ledger.of_running(want.memory, self.groups.get(&want.snapshot).and_then(|group| group.seen))
    }

    /// A started environment is ready for its first invocation.
    pub(crate) fn started(&mut self, snapshot: &SnapshotId, environment: E, now_ms: i64) -> Next<E, W> {
        let Some(group) = self.groups.get_mut(snapshot) else { return Next::End(environment) };
        let charged_mib = group.starting.pop().unwrap_or_default();
        group.busy += 1;
        let member = Member { environment, seat: Seat(0), born_ms: now_ms };
        let member = self.seat(member, charged_mib);
        self.pass_on(snapshot, member, now_ms)
    }

    /// A start failed. The waiter in the answer has no start under way any more and must be told.
    pub(crate) fn failed(&mut self, snapshot: &SnapshotId) -> Option<W> {
        let group = self.groups.get_mut(snapshot)?;
        self.ledger.release(group.starting.pop().unwrap_or_default());
        self.environments -= 1;
        let orphan = if group.waiters.len() > group.starting.len() { group.waiters.pop_front() } else { None };
        self.forget_if_empty(snapshot);
        orphan
    }

    /// The invocation is over and the environment is fit for another.
    pub(crate) fn give_back(&mut self, snapshot: &SnapshotId, member: Member<E>, now_ms: i64) -> Next<E, W> {
        if let Some(group) = self.groups.get_mut(snapshot) {
            group.seen = group.seen.max(Some(member.environment.held()));
        }
        self.pass_on(snapshot, member, now_ms)
    }

    /// To whoever waits longest, else to the idle ones.
    fn pass_on(&mut self, snapshot: &SnapshotId, member: Member<E>, now_ms: i64) -> Next<E, W> {
        let Some(group) = self.groups.get_mut(snapshot) else { return Next::End(member.environment) };
        let too_old = now_ms - member.born_ms >= self.limits.age_ms;
        let charged_mib = self.busy.remove(&member.seat.0).map_or(0, |busy| busy.charged_mib);
        if !too_old && let Some(waiter) = group.waiters.pop_front() {
            // It runs on, under the same charge; as the youngest.
            return Next::Serve(waiter, self.seat(member, charged_mib));
        }
        group.busy -= 1;
        if too_old || group.retired {
            self.ledger.release(charged_mib);
            self.environments -= 1;
            self.forget_if_empty(snapshot);
            return Next::End(member.environment);
        }
        self.order += 1;
        let held_mib = Ledger::of_idle(member.environment.held());
        self.ledger.recharge(charged_mib, held_mib);
        group.idle.push_back(Idle {
            environment: member.environment,
            born_ms: member.born_ms,
            since_ms: now_ms,
            order: self.order,
            charged_mib: held_mib,
        });
        Next::Idle
    }

    /// The invocation is over and the environment is not usable: the caller ends it.
    pub(crate) fn lost(&mut self, snapshot: &SnapshotId, seat: Seat) {
        let Some(group) = self.groups.get_mut(snapshot) else { return };
        group.busy -= 1;
        self.ledger.release(self.busy.remove(&seat.0).map_or(0, |busy| busy.charged_mib));
        self.environments -= 1;
        self.forget_if_empty(snapshot);
    }

    /// Snapshots of that version other than `keep` are no longer current: their idle environments, to be ended now.
    /// Busy ones end when they come back.
    pub(crate) fn retire(&mut self, uid: &FunctionUid, version: Version, keep: Option<&SnapshotId>) -> Vec<E> {
        self.end_idle(|snapshot, group| {
            let concerned = group.uid == *uid && group.version == version && keep != Some(snapshot);
            group.retired |= concerned;
            if concerned { group.idle.len() } else { 0 }
        })
    }

    /// What has been idle for too long, to be ended now.
    pub(crate) fn expire(&mut self, now_ms: i64) -> Vec<E> {
        let idle_ms = self.limits.idle_ms;
        self.end_idle(|_, group| group.idle.partition_point(|idle| now_ms - idle.since_ms >= idle_ms))
    }

    /// Somebody waits for an environment of this snapshot: none of them will become idle.
    pub(crate) fn is_waited_for(&self, snapshot: &SnapshotId) -> bool {
        self.groups.get(snapshot).is_some_and(|group| !group.waiters.is_empty())
    }

    /// Every environment that has been idle since before `before_ms`.
    pub(crate) fn idle_since(&mut self, before_ms: i64) -> impl Iterator<Item = &mut E> {
        let idle = self.groups.values_mut().flat_map(|group| &mut group.idle);
        let kept = self.kept.values_mut().flat_map(|kept| &mut kept.idle);
        idle.chain(kept).filter(move |idle| idle.since_ms <= before_ms).map(|idle| &mut idle.environment)
    }

    /// Everything idle, at shutdown. Busy environments end when they come back.
    pub(crate) fn drain(&mut self) -> Vec<E> {
        let mut ended = self.keep(&HashMap::new(), 0).end;
        ended.extend(self.end_idle(|_, group| {
            group.retired = true;
            group.idle.len()
        }));
        ended
    }

    /// Takes from each group as many of the least recently used as `count` says.
    fn end_idle(&mut self, mut count: impl FnMut(&SnapshotId, &mut Group<E, W>) -> usize) -> Vec<E> {
        let mut ended = Vec::new();
        self.groups.retain(|snapshot, group| {
            let count = count(snapshot, group);
            self.environments -= count;
            for idle in group.idle.drain(..count) {
                self.ledger.release(idle.charged_mib);
                ended.push(idle.environment);
            }
            !group.is_empty()
        });
        ended
    }

    /// The idle environments that must end so that `needed_mib` fit in place of `own_mib`, and one environment more when
    /// their number `is_at_limit`; `None` when it does not fit at all. Least recently used first, other functions' before
    /// this one's.
    fn make_room(&mut self, want: &Want, needed_mib: u64, own_mib: u64, is_at_limit: bool) -> Option<Vec<E>> {
        if !is_at_limit && self.ledger.fits(needed_mib, own_mib) {
            return Some(Vec::new());
        }
        let mut candidates = self.candidates(|group| group.uid == want.uid);
        let (mut ledger, mut count) = (self.ledger, 0);
        while (is_at_limit && count == 0) || !ledger.fits(needed_mib, own_mib) {
            ledger.release(candidates.get(count)?.charged_mib);
            count += 1;
        }
        candidates.truncate(count);
        Some(self.evict(candidates))
    }

    /// Every idle environment, in the order in which they have to go; those of whom `is_spared` go last.
    fn candidates(&self, is_spared: impl Fn(&Group<E, W>) -> bool) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (snapshot, group) in &self.groups {
            let is_spared = is_spared(group);
            candidates.extend(group.idle.iter().map(|idle| Candidate {
                is_spared,
                order: idle.order,
                snapshot: snapshot.clone(),
                charged_mib: idle.charged_mib,
            }));
        }
        candidates.sort_unstable();
        candidates
    }

    /// The first of [`Self::candidates`], whose memory is free from now on.
    fn evict(&mut self, candidates: Vec<Candidate>) -> Vec<E> {
        let mut evicted = Vec::with_capacity(candidates.len());
        for Candidate { snapshot, .. } in candidates {
            // The candidates of a group are in the order of its queue.
            if let Some(idle) = self.groups.get_mut(&snapshot).and_then(|group| group.idle.pop_front()) {
                self.ledger.release(idle.charged_mib);
                self.environments -= 1;
                evicted.push(idle.environment);
            }
            self.forget_if_empty(&snapshot);
        }
        evicted
    }

    /// Notes that the environment is in use.
    fn seat(&mut self, member: Member<E>, charged_mib: u64) -> Member<E> {
        self.order += 1;
        self.busy.insert(self.order, Busy { signal: Some(member.environment.signal()), charged_mib });
        Member { seat: Seat(self.order), ..member }
    }

    fn forget_if_empty(&mut self, snapshot: &SnapshotId) {
        if self.groups.get(snapshot).is_some_and(Group::is_empty) {
            self.groups.remove(snapshot);
        }
    }
}

impl<E, W> Group<E, W> {
    fn new(want: &Want) -> Self {
        Self {
            uid: want.uid.clone(),
            version: want.version,
            idle: VecDeque::new(),
            waiters: VecDeque::new(),
            starting: Vec::new(),
            busy: 0,
            seen: None,
            retired: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.waiters.is_empty() && self.starting.is_empty() && self.busy == 0
    }
}

#[cfg(test)]
mod tests;
