//! Which environments exist, which are idle, who waits, and what the machine has room for. Pure: no clock, no I/O;
//! the environments (`E`) and the waiting invocations (`W`) are opaque.
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
//! cannot be expressed. Whoever waits has a start of its own under way; whatever is ready first serves it.

use std::collections::{HashMap, VecDeque};

use hearth_types::{FunctionUid, Mebibytes, SnapshotId, Version};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolLimits {
    /// Memory all environments together may be configured with: the host's, times the overcommit factor.
    pub(crate) memory_mib: u64,
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

/// An environment in use, with what the pool must know when it comes back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member<E> {
    pub(crate) environment: E,
    born_ms: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Grant<E> {
    Warm(Member<E>),
    /// Start an environment after ending `evicted`. The caller waits: it has been put in the queue.
    Start {
        evicted: Vec<E>,
    },
    /// A start whose waiter was served by a freed environment is still under way: the caller is in the queue for it.
    Wait,
    /// The machine has no room, even without its idle environments.
    Full,
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
}

#[derive(Debug)]
struct Group<E, W> {
    uid: FunctionUid,
    version: Version,
    memory: Mebibytes,
    /// Least recently used at the front.
    idle: VecDeque<Idle<E>>,
    /// Never more than `starting`.
    waiters: VecDeque<W>,
    starting: usize,
    busy: usize,
    retired: bool,
}

#[derive(Debug)]
pub(crate) struct Pool<E, W> {
    limits: PoolLimits,
    groups: HashMap<SnapshotId, Group<E, W>>,
    memory_mib: u64,
    environments: usize,
    order: u64,
}

impl<E, W> Pool<E, W> {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        Self { limits, groups: HashMap::new(), memory_mib: 0, environments: 0, order: 0 }
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
        if let Some(group) = self.groups.get_mut(&want.snapshot) {
            while let Some(idle) = group.idle.pop_back() {
                if now_ms - idle.born_ms < self.limits.age_ms {
                    group.busy += 1;
                    return Grant::Warm(Member { environment: idle.environment, born_ms: idle.born_ms });
                }
                self.memory_mib -= u64::from(group.memory.0);
                self.environments -= 1;
                ended.push(idle.environment);
            }
        }
        if let Some(group) = self.groups.get_mut(&want.snapshot)
            && group.waiters.len() < group.starting
        {
            group.waiters.push_back(waiter());
            return Grant::Wait;
        }
        let Some(evicted) = self.make_room(want) else {
            self.forget_if_empty(&want.snapshot);
            return Grant::Full;
        };
        self.memory_mib += u64::from(want.memory.0);
        self.environments += 1;
        let group = self.groups.entry(want.snapshot.clone()).or_insert_with(|| Group::new(want));
        group.starting += 1;
        group.waiters.push_back(waiter());
        Grant::Start { evicted }
    }

    /// A started environment is ready for its first invocation.
    pub(crate) fn started(&mut self, snapshot: &SnapshotId, environment: E, now_ms: i64) -> Next<E, W> {
        if let Some(group) = self.groups.get_mut(snapshot) {
            group.starting -= 1;
            group.busy += 1;
        }
        self.give_back(snapshot, Member { environment, born_ms: now_ms }, now_ms)
    }

    /// A start failed. The waiter in the answer has no start under way any more and must be told.
    pub(crate) fn failed(&mut self, snapshot: &SnapshotId) -> Option<W> {
        let group = self.groups.get_mut(snapshot)?;
        group.starting -= 1;
        self.memory_mib -= u64::from(group.memory.0);
        self.environments -= 1;
        let orphan = if group.waiters.len() > group.starting { group.waiters.pop_front() } else { None };
        self.forget_if_empty(snapshot);
        orphan
    }

    /// The invocation is over and the environment is fit for another.
    pub(crate) fn give_back(&mut self, snapshot: &SnapshotId, member: Member<E>, now_ms: i64) -> Next<E, W> {
        let Some(group) = self.groups.get_mut(snapshot) else { return Next::End(member.environment) };
        let too_old = now_ms - member.born_ms >= self.limits.age_ms;
        if !too_old && let Some(waiter) = group.waiters.pop_front() {
            return Next::Serve(waiter, member);
        }
        group.busy -= 1;
        if too_old || group.retired {
            self.memory_mib -= u64::from(group.memory.0);
            self.environments -= 1;
            self.forget_if_empty(snapshot);
            return Next::End(member.environment);
        }
        self.order += 1;
        group.idle.push_back(Idle {
            environment: member.environment,
            born_ms: member.born_ms,
            since_ms: now_ms,
            order: self.order,
        });
        Next::Idle
    }

    /// The invocation is over and the environment is not usable: the caller ends it.
    pub(crate) fn lost(&mut self, snapshot: &SnapshotId) {
        let Some(group) = self.groups.get_mut(snapshot) else { return };
        group.busy -= 1;
        self.memory_mib -= u64::from(group.memory.0);
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
        idle.filter(move |idle| idle.since_ms <= before_ms).map(|idle| &mut idle.environment)
    }

    /// Everything idle, at shutdown. Busy environments end when they come back.
    pub(crate) fn drain(&mut self) -> Vec<E> {
        self.end_idle(|_, group| {
            group.retired = true;
            group.idle.len()
        })
    }

    /// Takes from each group as many of the least recently used as `count` says.
    fn end_idle(&mut self, mut count: impl FnMut(&SnapshotId, &mut Group<E, W>) -> usize) -> Vec<E> {
        let mut ended = Vec::new();
        self.groups.retain(|snapshot, group| {
            let count = count(snapshot, group);
            self.memory_mib -= u64::from(group.memory.0) * count as u64;
            self.environments -= count;
            ended.extend(group.idle.drain(..count).map(|idle| idle.environment));
            !group.is_empty()
        });
        ended
    }

    /// The idle environments that must end so that the wanted one fits; `None` when it does not fit at all.
    /// Least recently used first, other functions' before this one's.
    fn make_room(&mut self, want: &Want) -> Option<Vec<E>> {
        let needed = u64::from(want.memory.0);
        let fits = |memory_mib: u64, environments: usize, limits: &PoolLimits| {
            memory_mib + needed <= limits.memory_mib && environments < limits.environments
        };
        if fits(self.memory_mib, self.environments, &self.limits) {
            return Some(Vec::new());
        }
        let mut candidates: Vec<(bool, u64, SnapshotId, u64)> = Vec::new();
        for (snapshot, group) in &self.groups {
            let own = group.uid == want.uid;
            let memory = u64::from(group.memory.0);
            candidates.extend(group.idle.iter().map(|idle| (own, idle.order, snapshot.clone(), memory)));
        }
        candidates.sort_unstable();
        let (mut memory_mib, mut environments) = (self.memory_mib, self.environments);
        let mut count = 0;
        while !fits(memory_mib, environments, &self.limits) {
            memory_mib -= candidates.get(count)?.3;
            environments -= 1;
            count += 1;
        }
        let mut evicted = Vec::with_capacity(count);
        for (_, _, snapshot, memory) in candidates.drain(..count) {
            // The candidates of a group are in the order of its queue.
            if let Some(idle) = self.groups.get_mut(&snapshot).and_then(|group| group.idle.pop_front()) {
                self.memory_mib -= memory;
                self.environments -= 1;
                evicted.push(idle.environment);
            }
            self.forget_if_empty(&snapshot);
        }
        Some(evicted)
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
            memory: want.memory,
            idle: VecDeque::new(),
            waiters: VecDeque::new(),
            starting: 0,
            busy: 0,
            retired: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.waiters.is_empty() && self.starting == 0 && self.busy == 0
    }
}

#[cfg(test)]
mod tests;
