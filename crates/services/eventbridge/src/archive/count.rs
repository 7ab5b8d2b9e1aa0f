//! How many events an archive has, and their bytes: what the keeper has counted at its last look, and what came since.
//!
//! The keeper reads every archive at the start and once an hour; in between only what is younger is read.

use std::collections::HashMap;

use hearth_types::Scope;

use super::record::{archived, archived_key};
use super::{Archive, PAGE};
use crate::EventBridge;
use crate::error::EventsError;

/// Who accepts an event is done with it by then: what is older is in the store, or will never be.
const SETTLED_MS: i64 = 60_000;

/// The events of one archive that came before a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    events: u64,
    bytes: u64,
    before_ms: i64,
}

/// By the archives' ids. What is not here has not been counted.
pub(crate) type Counts = HashMap<String, Count>;

/// The keeper's, while it goes over the archives of a scope.
pub(super) struct Counting {
    before_ms: i64,
    counts: Counts,
}

impl Counting {
    pub(super) fn new(now_ms: i64) -> Self {
        Self { before_ms: now_ms - SETTLED_MS, counts: Counts::new() }
    }

    /// An event that stays.
    pub(super) fn see(&mut self, archive_id: &str, at_ms: i64, bytes: usize) {
        if at_ms >= self.before_ms {
            return;
        }
        if !self.counts.contains_key(archive_id) {
            self.counts.insert(archive_id.to_owned(), Count { before_ms: self.before_ms, ..Count::default() });
        }
        if let Some(count) = self.counts.get_mut(archive_id) {
            count.events += 1;
            count.bytes += bytes as u64;
        }
    }
}

impl EventBridge {
    /// The keeper has seen all events of these archives.
    pub(super) fn keep_counts(&self, scope: &Scope, archive_ids: &[String], counting: Counting) {
        let Counting { before_ms, mut counts } = counting;
        let mut all = self.counts.lock();
        // Some may have been deleted meanwhile.
        for archive in self.archives(scope, |archive| archive_ids.contains(&archive.record.id)) {
            let id = &archive.record.id;
            let count = counts.remove(id).unwrap_or(Count { before_ms, ..Count::default() });
            all.insert(id.clone(), count);
        }
    }

    /// # Errors
    /// The store's.
    pub(crate) async fn measure(&self, scope: &Scope, archive: &Archive) -> Result<(u64, u64), EventsError> {
        let id = &archive.record.id;
        let Count { mut events, mut bytes, before_ms } = self.counts.lock().get(id).copied().unwrap_or_default();
        let mut after = archived_key(scope, id, before_ms, "");
        loop {
            let entries = self.store.scan(&archived(scope, id), Some(&after), PAGE).await?;
            let Some(last) = entries.last() else { return Ok((events, bytes)) };
            after = last.key.clone();
            events += entries.len() as u64;
            bytes += entries.iter().map(|entry| entry.value.len() as u64).sum::<u64>();
        }
    }
}
