//! Environments that are kept for provisioned concurrency: started ahead, taken by those only for whom they are kept, never
//! evicted and never too long idle. Each is charged as running for all its life: it is promised.
//!
//! ```text
//! keep ──▶ starting ──▶ idle ⇄ busy        too old, or more than wanted ──▶ ended
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use hearth_types::SnapshotId;

use super::{Idle, Member, Next, Occupant, Pool, Seat, Want};

/// For whom environments are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeptKey {
    pub(crate) snapshot: SnapshotId,
    /// What they invoke the function by.
    pub(crate) qualifier: Arc<str>,
}

/// How many of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keep {
    pub(crate) want: Want,
    pub(crate) count: usize,
    /// Whether those that are missing are to be started.
    pub(crate) starts: bool,
}

/// What has to be done so that what is wanted is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Orders<E> {
    /// One environment each, after ending what is given with it.
    pub(crate) start: Vec<(KeptKey, Vec<E>)>,
    /// There is no room for all that is missing of these.
    pub(crate) short: Vec<KeptKey>,
    pub(crate) end: Vec<E>,
}

#[derive(Debug)]
pub(super) struct Kept<E> {
    wanted: usize,
    /// Least recently used at the front.
    pub(super) idle: VecDeque<Idle<E>>,
    /// What each start under way is charged with, MiB.
    starting: Vec<u64>,
    busy: usize,
}

impl<E> Default for Kept<E> {
    fn default() -> Self {
        Self { wanted: 0, idle: VecDeque::new(), starting: Vec::new(), busy: 0 }
    }
}

impl<E> Kept<E> {
    fn len(&self) -> usize {
        self.idle.len() + self.starting.len() + self.busy
    }
}

impl<E: Occupant, W> Pool<E, W> {
    /// `all` is everything that is to be kept from now on.
    pub(crate) fn keep(&mut self, all: &HashMap<KeptKey, Keep>, now_ms: i64) -> Orders<E> {
        let mut orders = Orders { start: Vec::new(), short: Vec::new(), end: Vec::new() };
        let age_ms = self.limits.age_ms;
        for (key, kept) in &mut self.kept {
            kept.wanted = all.get(key).map_or(0, |keep| keep.count);
            let mut surplus = kept.len().saturating_sub(kept.wanted);
            // The least recently used are looked at first.
            for idle in std::mem::take(&mut kept.idle) {
                if surplus == 0 && now_ms - idle.born_ms < age_ms {
                    kept.idle.push_back(idle);
                    continue;
                }
                surplus = surplus.saturating_sub(1);
                self.ledger.release(idle.charged_mib);
                self.environments -= 1;
                orders.end.push(idle.environment);
            }
        }
        self.kept.retain(|key, kept| all.contains_key(key) || kept.len() > 0);
        for (key, keep) in all {
            let missing = keep.count.saturating_sub(self.kept.get(key).map_or(0, Kept::len));
            for _ in 0..if keep.starts { missing } else { 0 } {
                let needed_mib = self.of_running(&keep.want);
                let is_at_limit = self.environments >= self.limits.environments;
                let has_disk = self.ledger.has_disk();
                let room = if has_disk { self.make_room(&keep.want, needed_mib, 0, is_at_limit) } else { None };
                let Some(evicted) = room else {
                    orders.short.push(key.clone());
                    break;
                };
                self.ledger.charge(needed_mib);
                self.environments += 1;
                let kept = self.kept.entry(key.clone()).or_default();
                kept.wanted = keep.count;
                kept.starting.push(needed_mib);
                orders.start.push((key.clone(), evicted));
            }
        }
        orders
    }

    /// A start that was ordered is done: the environment becomes idle, unless it is not wanted any more.
    pub(crate) fn kept_started(&mut self, key: &KeptKey, environment: E, now_ms: i64) -> Next<E, W> {
        let Some(kept) = self.kept.get_mut(key) else { return Next::End(environment) };
        let charged_mib = kept.starting.pop().unwrap_or_default();
        self.shelve(key, environment, charged_mib, now_ms, now_ms)
    }

    /// A start that was ordered failed.
    pub(crate) fn kept_failed(&mut self, key: &KeptKey) {
        let Some(kept) = self.kept.get_mut(key) else { return };
        self.ledger.release(kept.starting.pop().unwrap_or_default());
        self.environments -= 1;
    }

    /// The most recently used of those kept for `key` that is idle. Those that are too old are added to `ended`.
    pub(crate) fn take_kept(&mut self, key: &KeptKey, now_ms: i64, ended: &mut Vec<E>) -> Option<Member<E>> {
        loop {
            let kept = self.kept.get_mut(key)?;
            let idle = kept.idle.pop_back()?;
            if now_ms - idle.born_ms < self.limits.age_ms {
                kept.busy += 1;
                let member = Member { environment: idle.environment, seat: Seat(0), born_ms: idle.born_ms };
                return Some(self.seat(member, idle.charged_mib));
            }
            self.ledger.release(idle.charged_mib);
            self.environments -= 1;
            ended.push(idle.environment);
        }
    }

    /// The invocation is over and the environment is fit for another.
    pub(crate) fn give_back_kept(&mut self, key: &KeptKey, member: Member<E>, now_ms: i64) -> Next<E, W> {
        let Some(kept) = self.kept.get_mut(key) else { return Next::End(member.environment) };
        kept.busy -= 1;
        let charged_mib = self.busy.remove(&member.seat.0).map_or(0, |busy| busy.charged_mib);
        self.shelve(key, member.environment, charged_mib, member.born_ms, now_ms)
    }

    /// The invocation is over and the environment is not usable: the caller ends it.
    pub(crate) fn lost_kept(&mut self, key: &KeptKey, seat: Seat) {
        let Some(kept) = self.kept.get_mut(key) else { return };
        kept.busy -= 1;
        self.ledger.release(self.busy.remove(&seat.0).map_or(0, |busy| busy.charged_mib));
        self.environments -= 1;
    }

    /// How many are initialised, idle or not.
    pub(crate) fn kept_ready(&self, key: &KeptKey) -> usize {
        self.kept.get(key).map_or(0, |kept| kept.idle.len() + kept.busy)
    }

    /// Puts an environment that nothing counts any more with the idle ones, or lets it go.
    fn shelve(&mut self, key: &KeptKey, environment: E, charged_mib: u64, born_ms: i64, now_ms: i64) -> Next<E, W> {
        self.order += 1;
        match self.kept.get_mut(key) {
            Some(kept) if kept.len() < kept.wanted && now_ms - born_ms < self.limits.age_ms => {
                let order = self.order;
                kept.idle.push_back(Idle { environment, born_ms, since_ms: now_ms, order, charged_mib });
                Next::Idle
            }
            _ => {
                self.ledger.release(charged_mib);
                self.environments -= 1;
                Next::End(environment)
            }
        }
    }
}
