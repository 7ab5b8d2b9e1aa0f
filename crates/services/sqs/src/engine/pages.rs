//! Pages as the store has them: what is left of each, and what must be written when messages leave.
//!
//! A page is one row with the messages of one request. It is deleted when its last message goes; until then a
//! **tombstone** row for each deletion says which slots are gone. Each names only its own slots, so that deletions that
//! run at the same time cannot undo each other, in whatever order they are committed.

use std::collections::{BTreeMap, BTreeSet};

use super::MessageKey;
use super::dedup::{DedupKey, Remembered};

#[derive(Debug, Default)]
pub(super) struct Page {
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
    dedups: Box<[DedupKey]>,
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
    /// With receives that are not in the store.
    touched: BTreeSet<u64>,
}

const fn bit(key: MessageKey) -> u16 {
    1 << key.slot()
}

fn slots(mask: u16) -> Vec<u8> {
    (0..16).filter(|slot| mask & (1 << slot) != 0).collect()
}

impl Pages {
    pub(super) fn insert(&mut self, page: u64, messages: usize, dedups: Box<[DedupKey]>) {
        let present = ((1_u32 << messages) - 1) as u16;
        self.pages.insert(page, Page { present, dedups, ..Page::default() });
    }

    pub(super) fn restore_tombstones(&mut self, page: u64, rows: Vec<u8>, has_marks: bool) {
        if let Some(page) = self.pages.get_mut(&page) {
            page.tombstones = rows.into_iter().fold(0, |mask, slot| mask | 1 << slot);
            page.has_marks = has_marks;
            // What was deleted in an earlier life is not about to be.
            page.leaving = 0;
        }
    }

    pub(super) fn remove(&mut self, page: u64) -> Box<[DedupKey]> {
        self.touched.remove(&page);
        self.pages.remove(&page).map(|page| page.dedups).unwrap_or_default()
    }

    pub(super) fn contains(&self, page: u64) -> bool {
        self.pages.contains_key(&page)
    }

    pub(super) fn before(&self, page: u64) -> impl Iterator<Item = u64> {
        self.pages.range(..page).map(|(page, _)| *page)
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
            page.present &= !bit(key);
            page.leaving |= bit(key);
        }
    }

    pub(super) fn return_to(&mut self, key: MessageKey) {
        if let Some(page) = self.pages.get_mut(&key.page()) {
            page.present |= bit(key);
            page.leaving &= !bit(key);
            page.is_closing = false;
        }
    }

    /// A message is gone. The page, when it was the last and its row is still in the store: that happens when the last
    /// ones went at the same time, each leaving the row to the other.
    pub(super) fn gone(&mut self, key: MessageKey) -> Option<u64> {
        let page = self.pages.get_mut(&key.page())?;
        page.leaving &= !bit(key);
        page.present &= !bit(key);
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
                remembered: remembered(&page.dedups),
            };
        }
        page.tombstones |= 1 << leaving.trailing_zeros();
        Departure::Some { page: number, slots: leaving }
    }
}

#[cfg(test)]
pub(super) const PAGE_ENTRY_BYTES: usize = size_of::<(u64, Page)>();
