//! What comes again at its times: each occurrence is staged once, whatever restarts come between.
//!
//! ```text
//! set ─▶ plan (memory: who is next) ─▶ due by the service clock ─▶ the occasion stages ─▶ one commit: deliveries, and
//!             ▲                                                                           that it has occurred ─┐
//!             └────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! **What was missed** while the server was down, or could not commit, or its machine slept: of each schedule the last
//! occurrence of that time is made up for, once and at once, unless it is older than the schedule says; the others are
//! let go. Occurrences do not pile up.
//!
//! **A clock that is set back** repeats nothing: an occurrence is behind the one before it, not behind a clock.
//!
//! What never lives here: what an occurrence leads to. Services stage that, and say at their start what is on the timetable.

mod plan;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_schedule::Schedule;
use hearth_store::{Component, Epoch, Key, Mutation, Record, RecordError, StoreError, scan_all, scopes};
use hearth_types::{Millis, Random, Scope};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::plan::{Due, Plan};
use crate::outbox::{Outbox, Staged, shard};

/// Occurrences that are committed together.
const BATCH: usize = 256;
/// The worker looks at the clock at least this often: it may be set.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Who has not looked for so long was away, and what came meanwhile is missed.
const AWAY: Duration = Duration::from_secs(60);
/// Between two tries at the store after it failed.
const STORE_RETRY: Duration = Duration::from_secs(1);

const TABLE: &str = "delivery.occurred";

/// One thing that comes at its times.
#[derive(Clone, Debug)]
pub struct Timed {
    pub schedule: Schedule,
    /// Occurrences after this moment count.
    pub since_ms: i64,
    /// An occurrence is put off by a random part of it.
    pub window: Millis,
    /// An older occurrence is not made up for.
    pub age_max: Millis,
    /// Of this setting of it: what is on record of another does not count.
    pub life: String,
}

/// What is on a timetable, by the name its service gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    pub scope: Scope,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The time that the schedule says.
    pub at_ms: i64,
    /// None follows.
    pub is_last: bool,
}

/// Who knows what an occurrence leads to.
pub trait Occasion: Send + Sync + 'static {
    /// Stages it; `None` when there is no such thing any more, or it was set anew.
    fn occur(&self, name: &Name, life: &str, occurrence: Occurrence) -> Option<Vec<Staged>>;
}

/// The last occurrence that was staged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Occurred {
    life: String,
    at_ms: i64,
}

impl Record for Occurred {
    const KIND: &'static str = TABLE;
    const VERSION: u32 = 1;
}

/// See the module.
pub struct Timetable {
    outbox: Arc<Outbox>,
    /// Part of the keys in the store and never changed.
    table: &'static str,
    random: Arc<dyn Random>,
    plan: Mutex<Plan>,
    /// As in the store; the worker alone writes it.
    occurred: Mutex<HashMap<Name, Occurred>>,
    wake: Notify,
}

#[derive(Debug, thiserror::Error)]
pub enum TimetableError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Timetable {
    /// An empty timetable that knows what has occurred in earlier lives. What is on it is to be [`set`](Self::set) before
    /// [`work`](Self::work).
    ///
    /// # Errors
    /// The store cannot be read, or holds what this version does not know.
    pub async fn open(
        outbox: &Arc<Outbox>,
        table: &'static str,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, TimetableError> {
        let mut occurred = HashMap::new();
        for scope in scopes(&*outbox.store).await? {
            scan_all(&*outbox.store, &Key::new(&scope, TABLE).part(table), |entry| {
                let record = outbox.codec.decode_at::<Occurred>(&entry.key, &entry.value)?;
                if let Some(name) = name_of(&entry.key) {
                    occurred.insert(Name { scope: scope.clone(), name }, record);
                }
                Ok::<_, TimetableError>(())
            })
            .await?;
        }
        Ok(Arc::new(Self {
            outbox: Arc::clone(outbox),
            table,
            random,
            plan: Mutex::new(Plan::new(outbox.now_ms())),
            occurred: Mutex::new(occurred),
            wake: Notify::new(),
        }))
    }

    /// Puts something on the timetable, in the place of what had its name. Answers whether there is an occurrence to come.
    pub fn set(&self, name: Name, timed: Timed) -> bool {
        let known = self.occurred.lock().get(&name).filter(|known| known.life == timed.life).map(|known| known.at_ms);
        let since_ms = known.map_or(timed.since_ms, |at_ms| at_ms.max(timed.since_ms));
        let is_planned = self.plan.lock().set(name, timed, since_ms, self.outbox.now_ms(), &*self.random);
        self.wake.notify_one();
        is_planned
    }

    /// Takes something off the timetable.
    pub fn remove(&self, name: &Name) {
        self.plan.lock().remove(name);
        self.wake.notify_one();
    }

    /// Stages what is due until stopped.
    pub async fn work<O: Occasion>(self: Arc<Self>, occasion: Arc<O>, stop: CancellationToken) {
        loop {
            let due = {
                let (now_ms, mut plan) = (self.outbox.now_ms(), self.plan.lock());
                plan.look(now_ms, &|span| self.outbox.clock.machine_time(span).duration() > AWAY);
                plan.take_due(now_ms, BATCH)
            };
            let has_more = due.len() == BATCH;
            let done = tokio::select! {
                () = stop.cancelled() => return,
                done = self.stage(&*occasion, due) => done,
            };
            self.plan.lock().go_on(done, self.outbox.now_ms(), &*self.random);
            if has_more {
                continue;
            }
            let wait = self.plan.lock().next_due_ms().map_or(LOOK_INTERVAL, |due_ms| {
                let wait = due_ms.saturating_sub(self.outbox.now_ms()).max(0).unsigned_abs();
                self.outbox.clock.machine_time(Millis(wait)).duration().min(LOOK_INTERVAL)
            });
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Commits what follows from occurrences, and that they have occurred; then forgets what is not on the timetable any
    /// more. Answers those that are dealt with.
    async fn stage(&self, occasion: &impl Occasion, due: Vec<Due>) -> Vec<Due> {
        let mut by_scope: HashMap<Scope, Vec<Staged>> = HashMap::new();
        let mut done = Vec::with_capacity(due.len());
        for due in due {
            let Some(mut staged) = occasion.occur(&due.name, &due.life, due.occurrence) else { continue };
            let record = Occurred { life: due.life.clone(), at_ms: due.occurrence.at_ms };
            let key = self.key(&due.name);
            match self.outbox.codec.encode_at(&key, &record) {
                Ok(bytes) => {
                    staged.push(Staged::beside(vec![Mutation::Put(key, bytes)]));
                    by_scope.entry(due.name.scope.clone()).or_default().push(Staged::together(staged));
                    self.occurred.lock().insert(due.name.clone(), record);
                }
                Err(error) => tracing::error!(name = due.name.name, %error, "an occurrence is let go"),
            }
            done.push(due);
        }
        for (scope, staged) in by_scope {
            self.outbox.accept_at_last(&scope, staged, STORE_RETRY).await;
        }
        self.forget().await;
        done
    }

    /// What is not on the timetable any more leaves the store, too. What cannot be deleted now is tried again.
    async fn forget(&self) {
        let gone: Vec<Name> = {
            let (plan, occurred) = (self.plan.lock(), self.occurred.lock());
            if occurred.len() <= plan.len() {
                return;
            }
            occurred.keys().filter(|name| !plan.has(name)).take(BATCH).cloned().collect()
        };
        for name in gone {
            let gone = vec![Mutation::Delete(self.key(&name))];
            let deleted = self.outbox.store.commit(&shard(&name.scope), Epoch(0), Vec::new(), gone).await;
            if let Err(error) = deleted {
                tracing::warn!(%error, "what has occurred cannot be forgotten yet");
                return;
            }
            self.occurred.lock().remove(&name);
        }
    }

    fn key(&self, name: &Name) -> Key {
        Key::new(&name.scope, TABLE).part(self.table).part(&name.name)
    }
}

fn name_of(key: &Key) -> Option<String> {
    match key.components()?.pop()? {
        Component::Text(name) => String::from_utf8(name).ok(),
        _ => None,
    }
}
