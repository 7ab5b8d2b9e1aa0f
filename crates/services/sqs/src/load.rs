//! The start: queues from their records, their messages from one scan of the pages.

use std::collections::{HashMap, HashSet};

use hearth_store::{Entry, Key, Mutation, Record as _};
use hearth_types::Scope;

use crate::Sqs;
use crate::engine::{Arrival, DEDUP_WINDOW_MS, Departed, Now, Seen};
use crate::error::SqsError;
use crate::page::{Marks, Page, decode};
use crate::queue::Queue;
use crate::record::{QueueRecord, Table, numbers, page_number};

/// Rows read at once: pages may be a megabyte each.
const SCAN_ROWS: usize = 64;

/// What the store says about a page beside its messages.
#[derive(Default)]
struct Beside {
    deleted: u16,
    departed: Departed,
    seen: HashMap<u8, Seen>,
}

impl Sqs {
    pub(crate) async fn load(&self) -> Result<(), SqsError> {
        for scope in hearth_store::scopes(&*self.store).await? {
            if scope.region.is_none() {
                continue;
            }
            let mut records = Vec::new();
            let queues = Key::new(&scope, QueueRecord::KIND);
            self.scan(&queues, |entry| {
                records.push(self.codec.decode_at::<QueueRecord>(&entry.key, &entry.value)?);
                Ok(())
            })
            .await?;
            let mut known = HashSet::new();
            for record in records {
                known.insert(record.id);
                let queue = Queue::new(&scope, record, self.wall.now_ms())?;
                self.load_messages(&queue).await?;
                self.insert(queue);
            }
            self.find_orphans(&scope, &known).await?;
        }
        Ok(())
    }

    async fn load_messages(&self, queue: &Queue) -> Result<(), SqsError> {
        let now = self.now();
        let mut beside = self.load_beside(queue).await?;
        let first_page = queue.describe().record.first_page;
        let mut trash = Vec::new();
        self.scan(&Table::Pages.of_queue(&queue.scope, queue.id), |entry| {
            let page = page_of(&entry)?;
            queue.skip_pages(page);
            let beside = beside.remove(&page).unwrap_or_default();
            if page < first_page {
                trash.extend(rows_of(queue, page, &beside));
                return Ok(());
            }
            match Page::decode(&entry.value)? {
                Page::Messages(messages) => {
                    let arrivals: Vec<Option<Arrival<'_>>> = messages
                        .iter()
                        .zip(0_u8..)
                        .map(|(message, slot)| {
                            let is_here = beside.deleted & (1 << slot) == 0;
                            let seen = beside.seen.get(&slot).copied().unwrap_or(message.seen);
                            is_here.then(|| Arrival { seen, ..message.arrival() })
                        })
                        .collect();
                    if arrivals.iter().all(Option::is_none) {
                        trash.extend(rows_of(queue, page, &beside));
                    } else {
                        let dedups = messages.iter().filter_map(|message| message.dedup).collect();
                        queue.live().engine.restore(page, &arrivals, dedups, beside.departed, now);
                        self.cache.put(queue.id, page, &entry.value);
                    }
                    remember(queue, &messages, page, now);
                }
                Page::Remembered(known) => {
                    let mut live = queue.live();
                    let until = known.iter().map(|(_, known)| known.at_ms).max().unwrap_or_default() + DEDUP_WINDOW_MS;
                    known.into_iter().for_each(|(key, known)| live.engine.remember(key, known));
                    live.remembering.push_back((until, page));
                }
            }
            Ok(())
        })
        .await?;
        // Rows about pages that are not there: a crash came between two commits.
        trash.extend(beside.iter().flat_map(|(page, beside)| rows_of(queue, *page, beside)));
        self.discard(&queue.scope, trash);
        Ok(())
    }

    async fn load_beside(&self, queue: &Queue) -> Result<HashMap<u64, Beside>, SqsError> {
        let mut beside: HashMap<u64, Beside> = HashMap::new();
        self.scan(&Table::Tombstones.of_queue(&queue.scope, queue.id), |entry| {
            let of_page = beside.entry(page_of(&entry)?).or_default();
            of_page.deleted |= decode::<u16>(&entry.value)?;
            of_page.departed.rows.extend(numbers(&entry.key).get(2).and_then(|slot| u8::try_from(*slot).ok()));
            Ok(())
        })
        .await?;
        self.scan(&Table::Marks.of_queue(&queue.scope, queue.id), |entry| {
            let of_page = beside.entry(page_of(&entry)?).or_default();
            of_page.departed.has_marks = true;
            of_page.seen = decode::<Marks>(&entry.value)?.into_iter().collect();
            Ok(())
        })
        .await?;
        Ok(beside)
    }

    /// What is left of deleted queues.
    async fn find_orphans(&self, scope: &Scope, known: &HashSet<u64>) -> Result<(), SqsError> {
        for table in Table::ALL {
            let all = table.all(scope);
            let mut after: Option<Key> = None;
            while let Some(entry) = self.store.scan(&all, after.as_ref(), 1).await?.pop() {
                let queue = numbers(&entry.key).first().copied().unwrap_or_default();
                let of_queue = table.of_queue(scope, queue);
                if !known.contains(&queue) {
                    let mut rows = Vec::new();
                    self.scan(&of_queue, |entry| {
                        rows.push(Mutation::Delete(entry.key));
                        Ok(())
                    })
                    .await?;
                    self.discard(scope, rows);
                }
                after = Some(of_queue.end());
            }
        }
        Ok(())
    }

    pub(crate) async fn scan(
        &self,
        prefix: &Key,
        mut take: impl FnMut(Entry) -> Result<(), SqsError> + Send,
    ) -> Result<(), SqsError> {
        let mut after: Option<Key> = None;
        loop {
            let rows = self.store.scan(prefix, after.as_ref(), SCAN_ROWS).await?;
            let is_last = rows.len() < SCAN_ROWS;
            after = rows.last().map(|entry| entry.key.clone());
            rows.into_iter().try_for_each(&mut take)?;
            if is_last {
                return Ok(());
            }
        }
    }
}

/// `…/TABLE/<queue>/<page>…`
fn page_of(entry: &Entry) -> Result<u64, SqsError> {
    page_number(&entry.key).ok_or_else(|| SqsError::Internal(format!("{:?} is no key of a page", entry.key)))
}

/// Everything there is of a page.
fn rows_of(queue: &Queue, page: u64, beside: &Beside) -> Vec<Mutation> {
    let mut rows = vec![Mutation::Delete(queue.page_key(page)), Mutation::Delete(queue.marks_key(page))];
    rows.extend(beside.departed.rows.iter().map(|slot| Mutation::Delete(queue.tombstone_key(page, *slot))));
    rows
}

/// The deduplication ids of messages that are deleted while others of their page are not.
fn remember(queue: &Queue, messages: &[crate::page::StoredMessage<'_>], page: u64, now: Now) {
    let mut live = queue.live();
    for (message, slot) in messages.iter().zip(0..) {
        if let Some(dedup) = message.dedup.filter(|_| now.service_ms - message.enqueued_at_ms < DEDUP_WINDOW_MS) {
            let key = crate::engine::MessageKey::new(page, slot);
            let known = crate::engine::Remembered { key, message_id: message.id, at_ms: message.enqueued_at_ms };
            live.engine.remember(dedup, known);
        }
    }
}
