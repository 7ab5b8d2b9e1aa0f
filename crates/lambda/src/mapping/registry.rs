//! Every mapping in memory, the one way to change one (commit, then show), and what makes the pollers do as it says.
//!
//! A mapping that is not settled has a task that settles it: tries again until the store has it; after a crash the next
//! start goes on. Changes are rare and wait for each other.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hearth_ports::EventPollers;
use hearth_store::{Codec, Epoch, Mutation, Precondition, Shard, Store, StoreError, scan_all, scopes};
use hearth_types::{Clock, RequestContext, Scope};
use parking_lot::RwLock;
use tokio::sync::Mutex;

use super::record::{MappingRecord, mapping_key, mappings_key};
use super::shape::MappingConfiguration;
use crate::error::LambdaError;

/// Pause after something failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// By UUID.
pub(crate) type ByUuid = BTreeMap<String, Arc<MappingRecord>>;

pub struct Mappings {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    pollers: Arc<dyn EventPollers>,
    clock: Arc<dyn Clock>,
    scopes: RwLock<HashMap<Scope, ByUuid>>,
    /// Held by whoever changes a mapping, from deciding to showing.
    changes: Mutex<()>,
}

impl Mappings {
    /// Reads every mapping of every scope.
    ///
    /// # Errors
    /// The store or one of its records cannot be read.
    pub async fn load(
        store: Arc<dyn Store>,
        codec: Arc<Codec>,
        pollers: Arc<dyn EventPollers>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, LambdaError> {
        let mappings = Self { store, codec, pollers, clock, scopes: RwLock::default(), changes: Mutex::default() };
        for scope in scopes(&*mappings.store).await? {
            mappings.reload(&scope).await?;
        }
        Ok(Arc::new(mappings))
    }

    /// Reads the mappings of a scope anew.
    async fn reload(&self, scope: &Scope) -> Result<(), LambdaError> {
        let mut by_uuid = ByUuid::new();
        scan_all(&*self.store, &mappings_key(scope), |entry| {
            let record: MappingRecord = self.codec.decode_at(&entry.key, &entry.value)?;
            by_uuid.insert(record.uuid.clone(), Arc::new(record));
            Ok::<(), LambdaError>(())
        })
        .await?;
        if !by_uuid.is_empty() || self.scopes.read().contains_key(scope) {
            self.scopes.write().insert(scope.clone(), by_uuid);
        }
        Ok(())
    }

    /// Goes on where an earlier life ended. Needs a tokio runtime.
    pub(crate) fn resume(self: &Arc<Self>) {
        let scopes = self.scopes.read();
        for (scope, record) in scopes.iter().flat_map(|(scope, records)| records.values().map(move |one| (scope, one)))
        {
            if !record.phase.is_settled() {
                self.settle(scope, &record.uuid);
            } else if record.is_enabled {
                self.poll(scope, record);
            }
        }
    }

    pub(crate) fn get(&self, scope: &Scope, uuid: &str) -> Option<Arc<MappingRecord>> {
        self.scopes.read().get(scope)?.get(uuid).cloned()
    }

    /// As the API shows it.
    pub(crate) fn show(&self, ctx: &RequestContext, record: &MappingRecord) -> MappingConfiguration {
        MappingConfiguration::new(ctx, record, self.pollers.problem(&record.uuid))
    }

    /// At most `limit` of those that `is_wanted`, in order of their UUIDs, from `from` on.
    pub(crate) fn list(
        &self,
        scope: &Scope,
        from: &str,
        limit: usize,
        is_wanted: impl Fn(&MappingRecord) -> bool,
    ) -> Vec<Arc<MappingRecord>> {
        let scopes = self.scopes.read();
        let Some(records) = scopes.get(scope) else { return Vec::new() };
        let records = records.range::<str, _>((Bound::Included(from), Bound::Unbounded));
        records.map(|(_, record)| record).filter(|record| is_wanted(record)).take(limit).cloned().collect()
    }

    /// Changes a mapping to what `decide` makes of all of the scope, and has it settled. Must not be cancelled half-way:
    /// see `op::to_the_end`.
    ///
    /// # Errors
    /// What `decide` says, or the store's.
    pub(crate) async fn change(
        self: &Arc<Self>,
        scope: &Scope,
        decide: impl FnOnce(&ByUuid) -> Result<MappingRecord, LambdaError>,
    ) -> Result<Arc<MappingRecord>, LambdaError> {
        let _alone = self.changes.lock().await;
        let all = self.scopes.read().get(scope).cloned().unwrap_or_default();
        let record = Arc::new(decide(&all)?);
        self.commit(scope, &record.uuid, Some(Arc::clone(&record))).await?;
        // Who is being settled already has its task.
        let was_settled = all.get(&record.uuid).is_none_or(|base| base.phase.is_settled());
        if was_settled && !record.phase.is_settled() {
            self.settle(scope, &record.uuid);
        }
        Ok(record)
    }

    /// `None`: it is gone.
    async fn commit(&self, scope: &Scope, uuid: &str, record: Option<Arc<MappingRecord>>) -> Result<(), LambdaError> {
        let key = mapping_key(scope, uuid);
        let mutation = match &record {
            Some(record) => Mutation::Put(key.clone(), self.codec.encode_at(&key, &**record)?),
            None => Mutation::Delete(key.clone()),
        };
        // Whoever changes a mapping is alone: what is shown is what the store has.
        let preconditions: Vec<Precondition> = Vec::new();
        let shard = Shard::new(scope, "lambda");
        match self.store.commit(&shard, Epoch::default(), preconditions, vec![mutation]).await {
            Ok(_) => {
                let mut scopes = self.scopes.write();
                let records = scopes.entry(scope.clone()).or_default();
                match record {
                    Some(record) => drop(records.insert(uuid.to_owned(), record)),
                    None => drop(records.remove(uuid)),
                }
                Ok(())
            }
            Err(error) => {
                if matches!(error, StoreError::Internal(_) | StoreError::Closed)
                    && let Err(error) = self.reload(scope).await
                {
                    // Whether it happened is unknown.
                    tracing::error!(%error, mapping = uuid, "mappings cannot be read after a failed commit");
                }
                Err(error.into())
            }
        }
    }

    fn poll(&self, scope: &Scope, record: &MappingRecord) {
        match record.polled(scope) {
            Ok(polled) => self.pollers.poll(polled),
            Err(error) => tracing::error!(mapping = record.uuid, %error, "an event source mapping has no queue"),
        }
    }

    /// Starts the task that settles a mapping.
    fn settle(self: &Arc<Self>, scope: &Scope, uuid: &str) {
        let (mappings, scope, uuid) = (Arc::downgrade(self), scope.clone(), uuid.to_owned());
        tokio::spawn(async move {
            while let Err(error) = settle(&mappings, &scope, &uuid).await {
                tracing::error!(%error, mapping = uuid, "an event source mapping cannot be settled; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        });
    }
}

/// Has the pollers do as the mapping says, then says that they do.
async fn settle(mappings: &Weak<Mappings>, scope: &Scope, uuid: &str) -> Result<(), LambdaError> {
    let unsettled = |mappings: &Mappings| mappings.get(scope, uuid).filter(|record| !record.phase.is_settled());
    let pollers = {
        let Some(mappings) = mappings.upgrade() else { return Ok(()) };
        let Some(record) = unsettled(&mappings) else { return Ok(()) };
        if record.is_enabled && record.phase.settled(true).is_some() {
            mappings.poll(scope, &record);
            None
        } else {
            Some(Arc::clone(&mappings.pollers))
        }
    };
    if let Some(pollers) = pollers {
        pollers.stop(uuid).await;
    }
    let Some(mappings) = mappings.upgrade() else { return Ok(()) };
    let _alone = mappings.changes.lock().await;
    let Some(record) = unsettled(&mappings) else { return Ok(()) };
    let settled = record
        .phase
        .settled(record.is_enabled)
        .map(|phase| Arc::new(MappingRecord { phase, last_modified_ms: mappings.clock.now_ms(), ..(*record).clone() }));
    mappings.commit(scope, uuid, settled).await
}
