//! Who waits for a shard to move.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::key::Shard;
use crate::store::{Revision, StoreError};

/// The durable revision of every shard that has one or that someone waits for.
#[derive(Debug)]
pub(super) struct Watchers {
    /// `None` once the store is closed.
    shards: Mutex<Option<HashMap<Shard, watch::Sender<u64>>>>,
}

impl Watchers {
    pub(super) fn new(revisions: impl Iterator<Item = (Shard, u64)>) -> Self {
        let shards = revisions.map(|(shard, revision)| (shard, watch::Sender::new(revision))).collect();
        Self { shards: Mutex::new(Some(shards)) }
    }

    /// Called after the revision is durable.
    pub(super) fn publish(&self, shard: &Shard, revision: u64) {
        let mut shards = self.shards.lock();
        let Some(shards) = shards.as_mut() else { return };
        let sender = match shards.get(shard) {
            Some(sender) => sender,
            None => shards.entry(shard.clone()).or_insert_with(|| watch::Sender::new(0)),
        };
        sender.send_if_modified(|current| {
            let grew = *current < revision;
            *current = revision.max(*current);
            grew
        });
    }

    /// The shards that somebody waits for.
    pub(super) fn waited_for(&self) -> Vec<Shard> {
        let shards = self.shards.lock();
        let waited_for = shards.iter().flatten().filter(|(_, sender)| sender.receiver_count() > 0);
        waited_for.map(|(shard, _)| shard.clone()).collect()
    }

    /// Wakes everyone who waits with [`StoreError::Closed`].
    pub(super) fn close(&self) {
        self.shards.lock().take();
    }

    pub(super) async fn wait(&self, shard: &Shard, since: Revision) -> Result<Revision, StoreError> {
        let mut receiver = {
            let mut shards = self.shards.lock();
            let shards = shards.as_mut().ok_or(StoreError::Closed)?;
            shards.entry(shard.clone()).or_insert_with(|| watch::Sender::new(0)).subscribe()
        };
        let revision = receiver.wait_for(|current| *current > since.0).await.map_err(|_| StoreError::Closed)?;
        Ok(Revision(*revision))
    }
}
