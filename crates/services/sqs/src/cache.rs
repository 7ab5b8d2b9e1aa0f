//! Pages in memory for the next receive. What was sent first is received first: a page that does not fit is left out
//! rather than one that is nearer to its turn, and so are all behind it in its queue, until reading has caught up with
//! them: what is read from the store is read ahead.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::limits::{READ_AHEAD_BYTES, READ_AHEAD_ROWS_MAX};

/// Around the content of an entry: hash table, counters of the bytes.
const ENTRY_BYTES: usize = 128;

#[derive(Default)]
struct Pages {
    by_number: HashMap<(u64, u64), Bytes>,
    bytes: usize,
    /// By queue, the first page that was left out.
    left_out: BTreeMap<u64, u64>,
}

impl Pages {
    fn put(&mut self, queue: u64, page: u64, bytes: &Bytes, bytes_max: usize) -> bool {
        let size = bytes.len() + ENTRY_BYTES;
        let fits = self.bytes + size <= bytes_max;
        if fits && self.by_number.insert((queue, page), bytes.clone()).is_none() {
            self.bytes += size;
        }
        fits
    }
}

/// Pages of all queues, by queue and number.
pub(crate) struct PageCache {
    bytes_max: usize,
    pages: Mutex<Pages>,
}

impl PageCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, pages: Mutex::default() }
    }

    /// A page that has just been sent.
    pub(crate) fn put(&self, queue: u64, page: u64, bytes: &Bytes) {
        let mut pages = self.pages.lock();
        let is_behind = pages.left_out.get(&queue).is_some_and(|first| *first <= page);
        if !is_behind && !pages.put(queue, page, bytes, self.bytes_max) {
            pages.left_out.insert(queue, page);
        }
    }

    pub(crate) fn get(&self, queue: u64, page: u64) -> Option<Bytes> {
        self.pages.lock().by_number.get(&(queue, page)).cloned()
    }

    /// How many pages are worth reading behind one of this size that was not here: none that would not fit.
    pub(crate) fn rows_ahead(&self, page_bytes: usize) -> usize {
        let pages = self.pages.lock();
        let room = self.bytes_max.saturating_sub(pages.bytes).min(READ_AHEAD_BYTES);
        (room / (page_bytes + ENTRY_BYTES)).min(READ_AHEAD_ROWS_MAX)
    }

    /// Pages that were read one behind the other, in order; `is_end` when the store has none behind them.
    pub(crate) fn put_read(&self, queue: u64, read: &[(u64, Bytes)], is_end: bool) {
        let mut pages = self.pages.lock();
        let missing = read.iter().find(|(page, bytes)| !pages.put(queue, *page, bytes, self.bytes_max));
        match (missing, read.last()) {
            (Some((page, _)), _) => {
                pages.left_out.insert(queue, *page);
            }
            (None, _) if is_end => {
                pages.left_out.remove(&queue);
            }
            (None, Some((last, _))) => {
                // Sent meanwhile or not, what is behind it is not here.
                if let Some(first) = pages.left_out.get_mut(&queue) {
                    *first = (*first).max(last + 1);
                }
            }
            (None, None) => {}
        }
    }

    pub(crate) fn remove(&self, queue: u64, page: u64) {
        let mut pages = self.pages.lock();
        if let Some(bytes) = pages.by_number.remove(&(queue, page)) {
            pages.bytes -= bytes.len() + ENTRY_BYTES;
        }
    }

    /// All pages of a queue.
    pub(crate) fn forget(&self, queue: u64) {
        let mut pages = self.pages.lock();
        let mut freed = 0;
        pages.by_number.retain(|(owner, _), bytes| {
            let is_kept = *owner != queue;
            freed += if is_kept { 0 } else { bytes.len() + ENTRY_BYTES };
            is_kept
        });
        pages.bytes -= freed;
        pages.left_out.remove(&queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM_FOR_TWO: usize = 2 * (100 + ENTRY_BYTES);

    fn page() -> Bytes {
        vec![7; 100].into()
    }

    #[test]
    fn a_page_that_was_left_out_is_not_overtaken_by_one_behind_it() {
        let cache = PageCache::new(ROOM_FOR_TWO);
        (1..=3).for_each(|number| cache.put(9, number, &page()));
        cache.remove(9, 1);
        cache.put(9, 4, &page());
        assert_eq!(cache.get(9, 4), None, "page 3 comes first");
        // Another queue has nothing to wait for.
        cache.put(8, 4, &page());
        assert_eq!(cache.get(8, 4), Some(page()));
    }

    #[test]
    fn what_is_sent_is_kept_again_once_reading_has_caught_up() {
        let cache = PageCache::new(ROOM_FOR_TWO);
        (1..=3).for_each(|number| cache.put(9, number, &page()));
        (1..=2).for_each(|number| cache.remove(9, number));
        assert_eq!(cache.rows_ahead(100), 2);
        cache.put_read(9, &[(3, page())], true);
        cache.put(9, 4, &page());
        assert_eq!((cache.get(9, 3), cache.get(9, 4)), (Some(page()), Some(page())));
        assert_eq!(cache.rows_ahead(100), 0, "what would not fit is not read");
    }
}
