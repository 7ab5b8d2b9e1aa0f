//! Pages: the messages of each, what is left of them in the store, and what must be written when messages leave.
//!
//! A page is one row with the messages of one request. It is deleted when its last message goes; until then a
//! **tombstone** row for each deletion says which slots are gone. Each names only its own slots, so that deletions that
//! run at the same time cannot undo each other, in whatever order they are committed.
//!
//! In memory it is one entry of a map, with its messages side by side: what a page has in common is kept once.

use std::collections::{BTreeMap, BTreeSet};

use super::dedup::{DedupKey, Remembered};
use super::{MessageKey, PAGE_SLOTS_MAX};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Delayed,
    Ready,
    InFlight,
    Leaving,
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) state: State,
    pub(super) group: u32,
    /// Service clock.
    pub(super) enqueued_at_ms: i64,
    /// Service clock.
    pub(super) due_at_ms: i64,
}

#[derive(Debug)]
struct Page {
    /// By slot; `None` is gone.
    entries: Box<[Option<Entry>]>,
    /// Its place in [`Pages::ages`].
    oldest_at_ms: i64,
    /// Slots whose messages are here and not leaving.
    present: u16,
    /// Slots whose messages are leaving.
    leaving: u16,
    /// Tombstone rows, by their first slot.
    tombstones: u16,
    /// There is a row about receives.
    has_marks: bool,
    /// The row itself is about to be deleted.
    is_closing: bool,
}

/// What to write so that messages are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Others of the page stay.
    Some { page: u64, slots: u16 },
    /// These were the last: the page goes, with its tombstones (by first slot) and the row about receives; what is to
    /// be remembered of it takes its place.
    All { page: u64, tombstones: Vec<u8>, has_marks: bool, remembered: Vec<(DedupKey, Remembered)> },
}

#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: BTreeMap<u64, Page>,
    /// Messages of all pages.
    messages: usize,
    /// Pages with something durable, by the time before which none of it was enqueued.
    ages: BTreeSet<(i64, u64)>,
    /// Deduplication ids of pages that have any: those of FIFO queues.
    dedups: BTreeMap<u64, Box<[DedupKey]>>,
    /// With receives that are not in the store.
    touched: BTreeSet<u64>,
}

/// Of a page that has no place among the ages yet.
const NO_AGE: i64 = i64::MAX;

fn slots(mask: u16) -> Vec<u8> {
    (0..16).filter(|slot| mask & (1 << slot) != 0).collect()
}

impl Pages {
    /// A page with its messages by slot; `None` what is deleted already.
    pub(super) fn insert(&mut self, page: u64, entries: Box<[Option<Entry>]>, dedups: Box<[DedupKey]>) {
        debug_assert!(entries.len() <= PAGE_SLOTS_MAX, "more messages than slots");
        let here = entries.iter().enumerate().filter(|(_, entry)| entry.is_some());
        let present: u16 = here.fold(0, |mask, (slot, _)| mask | 1 << slot);
        self.messages += present.count_ones() as usize;
        if !dedups.is_empty() {
            self.dedups.insert(page, dedups);
        }
        let fresh = Page {
            entries,
            oldest_at_ms: NO_AGE,
            present,
            leaving: 0,
            tombstones: 0,
            has_marks: false,
            is_closing: false,
        };
        self.pages.insert(page, fresh);
    }

    pub(super) fn restore_tombstones(&mut self, page: u64, rows: Vec<u8>, has_marks: bool) {
        if let Some(page) = self.pages.get_mut(&page) {
            page.tombstones = rows.into_iter().fold(0, |mask, slot| mask | 1 << slot);
            page.has_marks = has_marks;
        }
    }

    /// Answers the deduplication ids it had.
    pub(super) fn remove(&mut self, page: u64) -> Box<[DedupKey]> {
        self.touched.remove(&page);
        if let Some(gone) = self.pages.remove(&page) {
            debug_assert!(gone.entries.iter().all(Option::is_none), "a page with messages was removed");
            self.ages.remove(&(gone.oldest_at_ms, page));
        }
        self.dedups.remove(&page).unwrap_or_default()
    }

    pub(super) fn contains(&self, page: u64) -> bool {
        self.pages.contains_key(&page)
    }

    pub(super) fn before(&self, page: u64) -> impl Iterator<Item = u64> {
        self.pages.range(..page).map(|(page, _)| *page)
    }

    /// Messages in any state.
    pub(super) const fn messages(&self) -> usize {
        self.messages
    }

    pub(super) fn entry(&self, key: MessageKey) -> Option<&Entry> {
        self.pages.get(&key.page())?.entries.get(key.slot())?.as_ref()
    }

    pub(super) fn is_in(&self, key: MessageKey, state: State) -> bool {
        self.entry(key).is_some_and(|entry| entry.state == state)
    }

    pub(super) fn set_state(&mut self, key: MessageKey, state: State) {
        let page = self.pages.get_mut(&key.page());
        if let Some(Some(entry)) = page.and_then(|page| page.entries.get_mut(key.slot())) {
            entry.state = state;
        }
    }

    /// The message is gone; its page is not.
    pub(super) fn take(&mut self, key: MessageKey) -> Option<Entry> {
        let taken = self.pages.get_mut(&key.page())?.entries.get_mut(key.slot())?.take();
        self.messages -= usize::from(taken.is_some());
        taken
    }

    /// The messages of a page.
    pub(super) fn of(&self, page: u64) -> impl Iterator<Item = (MessageKey, &Entry)> {
        self.pages.get(&page).into_iter().flat_map(move |of| of.messages(page))
    }

    /// All messages behind this one, or all there are.
    pub(super) fn behind(&self, after: Option<MessageKey>) -> impl Iterator<Item = (MessageKey, &Entry)> {
        let first = after.map_or(0, MessageKey::page);
        let all = self.pages.range(first..).flat_map(|(page, of)| of.messages(*page));
        all.skip_while(move |(key, _)| after.is_some_and(|after| *key <= after))
    }

    /// Finds the page its place among the ages, by what is durable of it and stays.
    pub(super) fn place(&mut self, number: u64) {
        let Some(page) = self.pages.get_mut(&number) else { return };
        self.ages.remove(&(page.oldest_at_ms, number));
        let stays =
            page.entries.iter().flatten().filter(|entry| !matches!(entry.state, State::Pending | State::Leaving));
        page.oldest_at_ms = stays.map(|entry| entry.enqueued_at_ms).min().unwrap_or(NO_AGE);
        if page.oldest_at_ms != NO_AGE {
            self.ages.insert((page.oldest_at_ms, number));
        }
    }

    /// A page with something that may have been enqueued then or before.
    pub(super) fn aged(&self, horizon_ms: i64) -> Option<u64> {
        self.ages.first().filter(|(oldest_at_ms, _)| *oldest_at_ms <= horizon_ms).map(|(_, page)| *page)
    }

    /// A receive of one of its messages is to be saved.
    pub(super) fn touch(&mut self, page: u64) {
        if self.pages.contains_key(&page) {
            self.touched.insert(page);
        }
    }

    pub(super) fn take_touched(&mut self, max: usize) -> Vec<u64> {
        let taken: Vec<u64> = self.touched.iter().copied().take(max).collect();
        for number in &taken {
            self.touched.remove(number);
            if let Some(page) = self.pages.get_mut(number) {
                page.has_marks = true;
            }
        }
        taken
    }

    pub(super) fn depart(&mut self, key: MessageKey) {
        if let Some(page) = self.pages.get_mut(&key.page()) {
            page.present &= !key.bit();
            page.leaving |= key.bit();
        }
    }

    pub(super) fn return_to(&mut self, key: MessageKey) {
        if let Some(page) = self.pages.get_mut(&key.page()) {
            page.present |= key.bit();
            page.leaving &= !key.bit();
            page.is_closing = false;
        }
    }

    /// A message is gone. The page, when it was the last and its row is still in the store: that happens when the last
    /// ones went at the same time, each leaving the row to the other.
    pub(super) fn gone(&mut self, key: MessageKey) -> Option<u64> {
        let page = self.pages.get_mut(&key.page())?;
        page.leaving &= !key.bit();
        page.present &= !key.bit();
        if page.present != 0 || page.leaving != 0 {
            return None;
        }
        let number = key.page();
        if page.is_closing {
            self.remove(number);
            return None;
        }
        Some(number)
    }

    /// The whole page, whatever is in it. Purged messages' deduplication ids count for this life of the server only.
    pub(super) fn departure_of_all(&self, page: u64) -> Departure {
        let found = self.pages.get(&page);
        Departure::All {
            page,
            tombstones: found.map(|page| slots(page.tombstones)).unwrap_or_default(),
            has_marks: found.is_some_and(|page| page.has_marks),
            remembered: Vec::new(),
        }
    }

    pub(super) fn departure(
        &mut self,
        number: u64,
        leaving: u16,
        remembered: impl FnOnce(&[DedupKey]) -> Vec<(DedupKey, Remembered)>,
    ) -> Departure {
        let Some(page) = self.pages.get_mut(&number) else { return Departure::Some { page: number, slots: leaving } };
        // Others that leave at the same time may come back if the store fails them: they count as there.
        if page.present == 0 && page.leaving & !leaving == 0 {
            page.is_closing = true;
            return Departure::All {
                page: number,
                tombstones: slots(page.tombstones),
                has_marks: page.has_marks,
                remembered: self.dedups.get(&number).map(|dedups| remembered(dedups)).unwrap_or_default(),
            };
        }
        page.tombstones |= 1 << leaving.trailing_zeros();
        Departure::Some { page: number, slots: leaving }
    }
}

impl Page {
    fn messages(&self, number: u64) -> impl Iterator<Item = (MessageKey, &Entry)> {
        let by_slot = self.entries.iter().enumerate();
        by_slot.filter_map(move |(slot, entry)| Some((MessageKey::new(number, slot), entry.as_ref()?)))
    }
}

/// What a page of so many messages takes in maps, and outside of them.
#[cfg(test)]
pub(super) const fn bytes(messages: usize) -> (usize, usize) {
    (size_of::<(u64, Page)>() + size_of::<(i64, u64)>(), messages * size_of::<Option<Entry>>())
}
