//! Who is next, in memory. Pure.

use std::collections::{BTreeSet, HashMap};

use hearth_types::{Millis, Random, random};

use super::{Name, Occurrence, Timed};

/// An occurrence that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) name: Name,
    pub(super) life: String,
    pub(super) occurrence: Occurrence,
}

struct Entry {
    timed: Timed,
    /// The next occurrence, and when it is due; `None` while it is being staged, or when there is none any more.
    next: Option<(i64, i64)>,
}

pub(super) struct Plan {
    entries: HashMap<Name, Entry>,
    by_due: BTreeSet<(i64, Name)>,
    /// Nobody looked before that: the server was down, or could not.
    awake_since_ms: i64,
    looked_ms: i64,
}

impl Plan {
    pub(super) fn new(now_ms: i64) -> Self {
        Self { entries: HashMap::new(), by_due: BTreeSet::new(), awake_since_ms: now_ms, looked_ms: now_ms }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn has(&self, name: &Name) -> bool {
        self.entries.contains_key(name)
    }

    /// Plans the first occurrence after that moment; answers whether there is one.
    pub(super) fn set(&mut self, name: Name, timed: Timed, since_ms: i64, now_ms: i64, random: &dyn Random) -> bool {
        self.remove(&name);
        self.entries.insert(name.clone(), Entry { timed, next: None });
        self.plan(&name, since_ms, now_ms, random)
    }

    pub(super) fn remove(&mut self, name: &Name) {
        if let Some((_, due_ms)) = self.entries.remove(name).and_then(|entry| entry.next) {
            self.by_due.remove(&(due_ms, name.clone()));
        }
    }

    fn plan(&mut self, name: &Name, since_ms: i64, now_ms: i64, random: &dyn Random) -> bool {
        let Some(entry) = self.entries.get_mut(name) else { return false };
        let Timed { schedule, window, age_max, .. } = &entry.timed;
        let since_ms = since_ms.max(now_ms.saturating_sub_unsigned(age_max.0).saturating_sub(1));
        entry.next = schedule.next_after(since_ms).map(|at_ms| (at_ms, at_ms.saturating_add(part(*window, random))));
        if let Some((_, due_ms)) = entry.next {
            self.by_due.insert((due_ms, name.clone()));
        }
        entry.next.is_some()
    }

    /// The clock is looked at. `is_long`: whether somebody who did not look for that span was away.
    pub(super) fn look(&mut self, now_ms: i64, is_long: &dyn Fn(Millis) -> bool) {
        let passed = u64::try_from(now_ms.saturating_sub(self.looked_ms)).unwrap_or(0);
        if is_long(Millis(passed)) {
            self.awake_since_ms = now_ms;
        }
        self.looked_ms = now_ms;
    }

    pub(super) fn next_due_ms(&self) -> Option<i64> {
        self.by_due.first().map(|(due_ms, _)| *due_ms)
    }

    /// Takes what is due, the first of each. They stay on the timetable and are not due again before [`Plan::go_on`].
    pub(super) fn take_due(&mut self, now_ms: i64, limit: usize) -> Vec<Due> {
        let mut taken = Vec::new();
        while taken.len() < limit && self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let Some((_, name)) = self.by_due.pop_first() else { break };
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            let Some((at_ms, _)) = entry.next.take() else { continue };
            let schedule = &entry.timed.schedule;
            // Of those that came while nobody looked, the last.
            let missed = || schedule.last_between(at_ms, self.awake_since_ms.min(now_ms));
            let at_ms = if at_ms < self.awake_since_ms { missed().unwrap_or(at_ms) } else { at_ms };
            let occurrence = Occurrence { at_ms, is_last: schedule.next_after(at_ms).is_none() };
            taken.push(Due { name, life: entry.timed.life.clone(), occurrence });
        }
        taken
    }

    /// Plans what follows on occurrences that have been staged, unless they were set anew meanwhile.
    pub(super) fn go_on(&mut self, done: Vec<Due>, now_ms: i64, random: &dyn Random) {
        for Due { name, life, occurrence } in done {
            if self.entries.get(&name).is_some_and(|entry| entry.timed.life == life && entry.next.is_none()) {
                self.plan(&name, occurrence.at_ms, now_ms, random);
            }
        }
    }
}

/// A random part of a window, milliseconds.
fn part(window: Millis, random: &dyn Random) -> i64 {
    if window == Millis(0) {
        return 0;
    }
    // Windows are hours at most: exact.
    (random::unit(random) * window.0 as f64) as i64
}
