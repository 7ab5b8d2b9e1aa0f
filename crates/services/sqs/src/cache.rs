//! Pages in memory for the next receive. What was sent first is received first: a page that does not fit is left out
//! rather than one that is nearer to its turn.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;

/// Around the content of an entry: hash table, counters of the bytes.
const ENTRY_BYTES: usize = 128;

#[derive(Default)]
struct Pages {
    by_number: HashMap<(u64, u64), Bytes>,
    bytes: usize,
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

    pub(crate) fn put(&self, queue: u64, page: u64, bytes: &Bytes) {
        let size = bytes.len() + ENTRY_BYTES;
        let mut pages = self.pages.lock();
        if pages.bytes + size <= self.bytes_max && pages.by_number.insert((queue, page), bytes.clone()).is_none() {
            pages.bytes += size;
        }
    }

    pub(crate) fn get(&self, queue: u64, page: u64) -> Option<Bytes> {
        self.pages.lock().by_number.get(&(queue, page)).cloned()
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
    }
}
