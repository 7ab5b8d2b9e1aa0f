//! Archives: events of a bus that are kept, for as many days as their archive says, and put on it again by a replay.
//!
//! ```text
//! event ─▶ archives whose pattern it matches ─▶ a row, in the commit that accepts its deliveries
//! StartReplay ─▶ rows of the time window ─▶ deliveries of a page, and how far it has come, in one commit ─▶ COMPLETED
//! ```
//! Source: EventBridge user guide, "Archiving and replaying events".

mod count;
mod keeper;
mod record;
mod replay;

use std::sync::Arc;

use hearth_delivery::{Staged, shard};
use hearth_event_pattern::EventPattern;
use hearth_store::{Epoch, Mutation, scan_all};
use hearth_types::{Arn, Scope};

pub(crate) use count::Counts;
pub(crate) use record::{ArchiveRecord, ReplayRecord, ReplayState};

use self::record::{ArchivedEvent, archive_key, archived_key, archives, replay_key};
use crate::EventBridge;
use crate::bus::Bus;
use crate::error::EventsError;
use crate::event::{CameBy, Event};
use crate::limits::{ARCHIVES_MAX, REPLAYS_MAX, REPLAYS_RUNNING_MAX};
use crate::{arn, pattern};

/// Rows of events that are read, or deleted, together.
const PAGE: usize = 1_000;

/// An archive in memory.
pub(crate) struct Archive {
    pub(crate) record: ArchiveRecord,
    pub(crate) arn: Arn,
    pattern: Option<EventPattern>,
}

impl Archive {
    /// # Errors
    /// [`EventsError::Pattern`].
    fn new(scope: &Scope, record: ArchiveRecord) -> Result<Self, EventsError> {
        let pattern = record.pattern.as_deref().map(pattern::compile).transpose()?;
        Ok(Self { arn: arn::archive(scope, &record.name), pattern, record })
    }
}

impl EventBridge {
    pub(crate) fn archive(&self, scope: &Scope, name: &str) -> Option<Arc<Archive>> {
        self.archives.read().get(scope)?.get(name).cloned()
    }

    pub(crate) fn replay(&self, scope: &Scope, name: &str) -> Option<ReplayRecord> {
        self.replays.read().get(scope)?.get(name).cloned()
    }

    /// By name, those that are wanted.
    pub(crate) fn archives(&self, scope: &Scope, wanted: impl Fn(&Archive) -> bool) -> Vec<Arc<Archive>> {
        let all = self.archives.read();
        all.get(scope).into_iter().flat_map(|all| all.values()).filter(|one| wanted(one)).cloned().collect()
    }

    /// By name, those that are wanted.
    pub(crate) fn replays(&self, scope: &Scope, wanted: impl Fn(&ReplayRecord) -> bool) -> Vec<ReplayRecord> {
        let all = self.replays.read();
        all.get(scope).into_iter().flat_map(|all| all.values()).filter(|one| wanted(one)).cloned().collect()
    }

    fn keep_archive(&self, scope: &Scope, archive: Archive) -> Arc<Archive> {
        let archive = Arc::new(archive);
        let mut all = self.archives.write();
        all.entry(scope.clone()).or_default().insert(archive.record.name.clone(), archive.clone());
        archive
    }

    fn keep_replay(&self, scope: &Scope, record: ReplayRecord) {
        self.replays.write().entry(scope.clone()).or_default().insert(record.name.clone(), record);
    }

    /// # Errors
    /// [`EventsError::AlreadyExists`], [`EventsError::LimitExceeded`], [`EventsError::Pattern`], or the store's.
    pub(crate) async fn create_archive(
        &self,
        scope: &Scope,
        record: ArchiveRecord,
    ) -> Result<Arc<Archive>, EventsError> {
        let _writer = self.writer.lock().await;
        if self.archive(scope, &record.name).is_some() {
            return Err(EventsError::AlreadyExists(format!("Archive {} already exists.", record.name)));
        }
        if self.archives(scope, |_| true).len() >= ARCHIVES_MAX {
            return Err(EventsError::LimitExceeded);
        }
        self.store_archive(scope, record).await
    }

    /// # Errors
    /// [`EventsError::NotFound`], what `edit` refuses, [`EventsError::Pattern`], or the store's.
    pub(crate) async fn edit_archive(
        &self,
        scope: &Scope,
        name: &str,
        edit: impl FnOnce(&mut ArchiveRecord),
    ) -> Result<Arc<Archive>, EventsError> {
        let _writer = self.writer.lock().await;
        let mut record = self.archive(scope, name).ok_or_else(|| no_archive(name))?.record.clone();
        edit(&mut record);
        self.store_archive(scope, record).await
    }

    async fn store_archive(&self, scope: &Scope, record: ArchiveRecord) -> Result<Arc<Archive>, EventsError> {
        let archive = Archive::new(scope, record)?;
        self.commit(scope, vec![self.put(archive_key(scope, &archive.record.name), &archive.record)?]).await?;
        Ok(self.keep_archive(scope, archive))
    }

    /// Its events go after it, by the keeper; one of the same name made later has nothing of them.
    ///
    /// # Errors
    /// [`EventsError::NotFound`], or the store's.
    pub(crate) async fn delete_archive(&self, scope: &Scope, name: &str) -> Result<(), EventsError> {
        let _writer = self.writer.lock().await;
        let gone = self.archive(scope, name).ok_or_else(|| no_archive(name))?;
        self.commit(scope, vec![Mutation::Delete(archive_key(scope, name))]).await?;
        if let Some(all) = self.archives.write().get_mut(scope) {
            all.remove(name);
        }
        self.counts.lock().remove(&gone.record.id);
        self.sweep.notify_one();
        Ok(())
    }

    /// The rows of an event in the archives of its bus, beside its deliveries.
    ///
    /// # Errors
    /// The record's.
    pub(crate) fn file(&self, bus: &Bus, event: &Event) -> Result<Option<Staged>, EventsError> {
        // What is replayed is in its archive already.
        if event.came_by == CameBy::Replay {
            return Ok(None);
        }
        let source = bus.arn.to_string();
        let wanted = |archive: &Archive| {
            archive.record.source == source
                && archive.pattern.as_ref().is_none_or(|pattern| pattern.matches(&event.value))
        };
        let mut rows = Vec::new();
        for archive in self.archives(&bus.scope, wanted) {
            let key = archived_key(&bus.scope, &archive.record.id, event.arrived_ms, &event.id);
            rows.push(self.put(key, &ArchivedEvent { json: event.json.clone() })?);
        }
        Ok((!rows.is_empty()).then(|| Staged::beside(rows)))
    }

    /// # Errors
    /// [`EventsError::AlreadyExists`], [`EventsError::LimitExceeded`], or the store's.
    pub(crate) async fn start_replay(&self, scope: &Scope, record: ReplayRecord) -> Result<(), EventsError> {
        let _writer = self.writer.lock().await;
        if self.replay(scope, &record.name).is_some() {
            return Err(EventsError::AlreadyExists(format!("Replay {} already exists.", record.name)));
        }
        let running = self.replays(scope, |replay| replay.state.is_running()).len();
        if running >= REPLAYS_RUNNING_MAX || self.replays(scope, |_| true).len() >= REPLAYS_MAX {
            return Err(EventsError::LimitExceeded);
        }
        self.store_replay(scope, record).await?;
        self.start_replays.notify_one();
        Ok(())
    }

    /// # Errors
    /// [`EventsError::NotFound`], [`EventsError::IllegalStatus`] for one that has ended, or the store's.
    pub(crate) async fn cancel_replay(&self, scope: &Scope, name: &str) -> Result<ReplayRecord, EventsError> {
        let _writer = self.writer.lock().await;
        let mut record = self.replay(scope, name).ok_or_else(|| no_replay(name))?;
        if !record.state.is_running() {
            let text = format!("Replay {name} is not in a valid state for this operation.");
            return Err(EventsError::IllegalStatus(text));
        }
        record.state = ReplayState::Cancelling;
        self.store_replay(scope, record.clone()).await?;
        self.start_replays.notify_one();
        Ok(record)
    }

    async fn store_replay(&self, scope: &Scope, record: ReplayRecord) -> Result<(), EventsError> {
        let put = self.put(replay_key(scope, &record.name), &record)?;
        self.store.commit(&shard(scope), Epoch::default(), Vec::new(), vec![put]).await?;
        self.keep_replay(scope, record);
        Ok(())
    }

    /// # Errors
    /// The store's, or a record is of a newer Hearth.
    pub(crate) async fn load_archives(&self, scope: &Scope) -> Result<(), EventsError> {
        scan_all(&*self.store, &archives(scope), |entry| {
            let record = self.codec.decode_at::<ArchiveRecord>(&entry.key, &entry.value)?;
            self.keep_archive(scope, Archive::new(scope, record)?);
            Ok::<_, EventsError>(())
        })
        .await?;
        scan_all(&*self.store, &record::replays(scope), |entry| {
            self.keep_replay(scope, self.codec.decode_at::<ReplayRecord>(&entry.key, &entry.value)?);
            Ok::<_, EventsError>(())
        })
        .await
    }
}

pub(crate) fn no_archive(name: &str) -> EventsError {
    EventsError::NotFound(format!("Archive {name} does not exist."))
}

pub(crate) fn no_replay(name: &str) -> EventsError {
    EventsError::NotFound(format!("Replay {name} does not exist."))
}
