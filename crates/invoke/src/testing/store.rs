//! A store in memory: virtual time stays exact, since no other thread is waited for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_store::{Entry, Epoch, Key, KeyVersion, Mutation, Precondition, Revision, Shard, Store, StoreError};
use hearth_types::Millis;
use parking_lot::Mutex;

use super::scope;

#[derive(Default)]
pub(crate) struct MemoryStore {
    records: Mutex<BTreeMap<Key, (Bytes, u64)>>,
    revision: AtomicU64,
    /// Every commit fails.
    pub(crate) is_down: AtomicBool,
    pub(crate) reads: AtomicUsize,
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
    /// Records of a table.
    pub(crate) fn count(&self, table: &str) -> usize {
        let prefix = Key::new(&scope(), table);
        self.records.lock().keys().filter(|key| key.starts_with(&prefix)).count()
    }
}
