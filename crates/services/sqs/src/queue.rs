//! A queue that is alive: its record, its messages in memory, and who waits for them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hearth_store::{Key, Mutation};
use hearth_types::{Arn, Scope};
use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::Notify;

use crate::attributes::Settings;
use crate::engine::{Departure, Engine, MessageKey, Now, Taken};
use crate::error::SqsError;
use crate::limits::{RECEIVE_ATTEMPT_MS, RECEIVE_ATTEMPTS_MAX};
use crate::page::{Page, encode};
use crate::receipt::Receipts;
use crate::record::{QueueRecord, Table};

/// Page numbers begin at the wall clock's milliseconds times this: no number of an earlier start comes again, though the
/// pages that had it are gone.
const PAGES_PER_MS: u64 = 1_024;

/// What is set for a queue.
pub(crate) struct Description {
    pub(crate) record: QueueRecord,
    pub(crate) settings: Settings,
}

/// A receive by a client's attempt id.
struct Attempt {
    at_ms: i64,
    taken: Vec<Taken>,
}

/// What changes under the queue's lock, which is never held while anything is awaited.
pub(crate) struct Live {
    pub(crate) engine: Engine,
    next_page: u64,
    attempts: HashMap<String, Attempt>,
    attempt_order: VecDeque<(i64, String)>,
    /// Rows that only remember deduplication ids: when they can go (service clock), and their page.
    pub(crate) remembering: VecDeque<(i64, u64)>,
}

/// What an attempt id stands for.
pub(crate) enum Retry {
    /// It has not been used.
    New,
    /// These are still in flight as they were.
    Again(Vec<Taken>),
    /// Something has become of them since.
    Void,
}

impl Live {
    /// The number for a page that is about to be written.
    pub(crate) fn new_page(&mut self) -> u64 {
        self.next_page += 1;
        self.next_page
    }

    /// The first number that no page has.
    pub(crate) const fn next_page(&self) -> u64 {
        self.next_page + 1
    }

    pub(crate) fn note_attempt(&mut self, id: String, at_ms: i64, taken: Vec<Taken>) {
        self.attempt_order.push_back((at_ms, id.clone()));
        self.attempts.insert(id, Attempt { at_ms, taken });
        while let Some((at, id)) = self.attempt_order.front() {
            if at_ms - at < RECEIVE_ATTEMPT_MS && self.attempt_order.len() <= RECEIVE_ATTEMPTS_MAX {
                break;
            }
            if self.attempts.get(id).is_some_and(|attempt| attempt.at_ms == *at) {
                self.attempts.remove(id);
            }
            self.attempt_order.pop_front();
        }
    }

    pub(crate) fn retry(&mut self, id: &str, visible_in_ms: i64, now: Now) -> Retry {
        let Some(attempt) = self.attempts.get(id).filter(|attempt| now.wall_ms - attempt.at_ms < RECEIVE_ATTEMPT_MS)
        else {
            return Retry::New;
        };
        let engine = &mut self.engine;
        let is_same = |taken: &Taken| engine.is_in_flight(taken.key) && engine.seen(taken.key) == Some(taken.seen);
        if !attempt.taken.iter().all(is_same) {
            return Retry::Void;
        }
        let taken = attempt.taken.clone();
        taken.iter().for_each(|taken| engine.hide(taken.key, visible_in_ms, now));
        let again: Vec<Taken> =
            taken.iter().filter_map(|taken| Some(Taken { key: taken.key, seen: engine.seen(taken.key)? })).collect();
        self.note_attempt(id.to_owned(), now.wall_ms, again.clone());
        Retry::Again(again)
    }
}

pub(crate) struct Queue {
    pub(crate) scope: Scope,
    pub(crate) arn: Arn,
    pub(crate) id: u64,
    pub(crate) receipts: Receipts,
    description: RwLock<Arc<Description>>,
    live: Mutex<Live>,
    /// A message may be there for somebody who waits, or come sooner than thought.
    pub(crate) changed: Notify,
    /// What was on its way to the disk has arrived, or not.
    pub(crate) settled: Notify,
    /// Who reads ahead; the others find what they need when it is their turn.
    pub(crate) reading: tokio::sync::Mutex<()>,
    is_deleted: AtomicBool,
}

impl Queue {
    /// # Errors
    /// [`SqsError::Internal`] for a record that does not mean anything.
    pub(crate) fn new(scope: &Scope, record: QueueRecord, wall_ms: i64) -> Result<Self, SqsError> {
        let settings = Settings::of(&record.attributes)?;
        let key = hex::decode(&record.handle_key).map_err(|error| SqsError::Internal(error.to_string()))?;
        Ok(Self {
            scope: scope.clone(),
            arn: arn(scope, &record.name),
            id: record.id,
            receipts: Receipts::new(record.id, &key),
            live: Mutex::new(Live {
                engine: Engine::new(settings.terms()),
                next_page: u64::try_from(wall_ms).unwrap_or_default() * PAGES_PER_MS,
                attempts: HashMap::new(),
                attempt_order: VecDeque::new(),
                remembering: VecDeque::new(),
            }),
            description: RwLock::new(Arc::new(Description { record, settings })),
            changed: Notify::new(),
            settled: Notify::new(),
            reading: tokio::sync::Mutex::new(()),
            is_deleted: AtomicBool::new(false),
        })
    }

    pub(crate) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock()
    }

    /// Numbers up to this one are taken.
    pub(crate) fn skip_pages(&self, page: u64) {
        let mut live = self.live();
        live.next_page = live.next_page.max(page);
    }

    pub(crate) fn describe(&self) -> Arc<Description> {
        self.description.read().clone()
    }

    /// New attributes hold at once.
    pub(crate) fn set_description(&self, description: Description) {
        self.live().engine.set_terms(description.settings.terms());
        *self.description.write() = Arc::new(description);
        self.changed.notify_one();
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    /// Who waits for its messages waits in vain.
    pub(crate) fn mark_deleted(&self) {
        self.is_deleted.store(true, Ordering::Release);
        self.changed.notify_waiters();
        self.settled.notify_waiters();
    }

    pub(crate) fn page_key(&self, page: u64) -> Key {
        Table::Pages.row(&self.scope, self.id, page)
    }

    pub(crate) fn marks_key(&self, page: u64) -> Key {
        Table::Marks.row(&self.scope, self.id, page)
    }

    pub(crate) fn tombstone_key(&self, page: u64, slot: u8) -> Key {
        Table::Tombstones.row(&self.scope, self.id, page).part_u64(slot.into())
    }

    /// What the store is told so that messages are gone.
    ///
    /// # Errors
    /// [`SqsError::Internal`]: a defect.
    pub(crate) fn mutations(&self, departures: Vec<Departure>) -> Result<Vec<Mutation>, SqsError> {
        let mut mutations = Vec::with_capacity(departures.len());
        for departure in departures {
            match departure {
                Departure::Some { page, slots } => {
                    let key = self.tombstone_key(page, slots.trailing_zeros() as u8);
                    mutations.push(Mutation::Put(key, encode(&slots)?));
                }
                Departure::All { page, tombstones, has_marks, remembered } => {
                    mutations.push(if remembered.is_empty() {
                        Mutation::Delete(self.page_key(page))
                    } else {
                        Mutation::Put(self.page_key(page), Page::Remembered(remembered).encode()?)
                    });
                    mutations.extend(tombstones.iter().map(|slot| Mutation::Delete(self.tombstone_key(page, *slot))));
                    mutations.extend(has_marks.then(|| Mutation::Delete(self.marks_key(page))));
                }
            }
        }
        Ok(mutations)
    }

    /// `SequenceNumber` of a FIFO queue's message: 20 digits that grow.
    pub(crate) fn sequence_number(key: MessageKey) -> String {
        const FIRST: u128 = 10_000_000_000_000_000_000;
        (FIRST + u128::from(key.0)).to_string()
    }
}

/// `arn:aws:sqs:REGION:ACCOUNT:NAME`
pub(crate) fn arn(scope: &Scope, name: &str) -> Arn {
    Arn {
        partition: scope.partition.as_str().to_owned(),
        service: "sqs".to_owned(),
        region: scope.region.as_ref().map(|region| region.as_str().to_owned()).unwrap_or_default(),
        account: scope.account.as_str().to_owned(),
        resource: name.to_owned(),
    }
}
