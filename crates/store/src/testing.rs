//! A store in memory, for tests of what uses a store: virtual time stays exact, since no other thread is waited for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::{Millis, Scope};
use parking_lot::Mutex;

use crate::limits::COMMIT_BYTES_MAX;
use crate::{Entry, Epoch, Key, KeyVersion, Mutation, Precondition, Revision, Shard, Store, StoreError};

/// Keeps nothing beyond its own life.
#[derive(Default)]
pub struct MemoryStore {
    records: Mutex<BTreeMap<Key, (Bytes, u64)>>,
    revision: AtomicU64,
    /// Every commit fails.
    pub is_down: AtomicBool,
    /// Of any kind, so far.
    pub reads: AtomicUsize,
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(
        &self,
        _: &Shard,
        _: Epoch,
        preconditions: Vec<Precondition>,
        mutations: Vec<Mutation>,
    ) -> Result<Revision, StoreError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Internal("down".to_owned()));
        }
        let size = |mutation: &Mutation| match mutation {
            Mutation::Put(_, value) => value.len(),
            Mutation::Delete(_) => 0,
        };
        let size = mutations.iter().map(size).sum();
        if size > COMMIT_BYTES_MAX {
            return Err(StoreError::TooLarge { what: "a commit", size, max: COMMIT_BYTES_MAX });
        }
        // A commit takes time, in which its caller may go away.
        tokio::task::yield_now().await;
        let mut records = self.records.lock();
        let revision = self.revision.fetch_add(1, Ordering::SeqCst) + 1;
        let holds = |precondition: &Precondition| match precondition {
            Precondition::Absent(key) => !records.contains_key(key),
            Precondition::Exact(key, version) => records.get(key).is_some_and(|(_, found)| *found == version.0),
        };
        if !preconditions.iter().all(holds) {
            return Err(StoreError::PreconditionFailed);
        }
        for mutation in mutations {
            match mutation {
                Mutation::Put(key, value) => drop(records.insert(key, (value, revision))),
                Mutation::Delete(key) => drop(records.remove(&key)),
            }
        }
        Ok(Revision(revision))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let records = self.records.lock();
        Ok(records.get(key).map(|(value, version)| Entry {
            key: key.clone(),
            value: value.clone(),
            version: KeyVersion(*version),
        }))
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let records = self.records.lock();
        let matching =
            records.iter().filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| *key > after));
        let entries = matching.take(limit).map(|(key, (value, version))| Entry {
            key: key.clone(),
            value: value.clone(),
            version: KeyVersion(*version),
        });
        Ok(entries.collect())
    }

    async fn watch(&self, _: &Shard, _: Revision) -> Result<Revision, StoreError> {
        std::future::pending().await
    }

    async fn lease(&self, _: &Shard, _: &str, _: Millis) -> Result<Epoch, StoreError> {
        Ok(Epoch(0))
    }
}

impl MemoryStore {
    /// Records of a table in one account and region.
    #[must_use]
    pub fn count(&self, scope: &Scope, table: &str) -> usize {
        let prefix = Key::new(scope, table);
        self.records.lock().keys().filter(|key| key.starts_with(&prefix)).count()
    }
}
