//! Every layer in memory, by scope and name, and the one way to change one: commit, then show.
//!
//! Entries are immutable and replaced as a whole. Changes of layers are rare and wait for each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use hearth_ports::{CodeDigest, Guard};
use hearth_store::{Codec, Epoch, KeyVersion, Mutation, Precondition, Shard, Store, StoreError, scan_all, scopes};
use hearth_types::Scope;
use parking_lot::RwLock;
use tokio::sync::Mutex;

use super::record::{
    LayerRecord, LayerVersionRecord, all_versions_key, layer_key, layers_key, version_key, versions_key,
};
use crate::error::LambdaError;
use crate::permission::PolicyRecord;

/// A layer with its versions, of which there may be none left.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) record: LayerRecord,
    key_version: KeyVersion,
    pub(crate) versions: BTreeMap<u64, LayerVersion>,
}

#[derive(Clone, Debug)]
pub(crate) struct LayerVersion {
    pub(crate) record: Arc<LayerVersionRecord>,
    pub(crate) guard: Arc<Guard>,
}

impl LayerVersion {
    fn new(record: LayerVersionRecord) -> Self {
        let policy = record.policy.as_ref().and_then(PolicyRecord::compiled);
        Self { guard: Arc::new(Guard { policy, conditions: Vec::new() }), record: Arc::new(record) }
    }
}

/// What shall become of a layer.
pub(crate) enum LayerChange {
    /// A new or changed version; a new one counts.
    Put(Box<LayerVersionRecord>),
    Delete(u64),
}

type Names = BTreeMap<String, Arc<Layer>>;

/// The layers of the store and what is shown of them.
pub struct Layers {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    scopes: RwLock<HashMap<Scope, Names>>,
    /// Held by whoever changes a layer, from deciding to showing.
    changes: Mutex<()>,
}

impl Layers {
    /// Reads every layer of every scope.
    ///
    /// # Errors
    /// The store or one of its records cannot be read.
    pub async fn load(store: Arc<dyn Store>, codec: Arc<Codec>) -> Result<Arc<Self>, LambdaError> {
        let layers = Self { store, codec, scopes: RwLock::default(), changes: Mutex::default() };
        for scope in scopes(&*layers.store).await? {
            let mut versions: HashMap<String, BTreeMap<u64, LayerVersion>> = HashMap::new();
            scan_all(&*layers.store, &all_versions_key(&scope), |entry| {
                let version: LayerVersionRecord = layers.codec.decode_at(&entry.key, &entry.value)?;
                let of_layer = versions.entry(version.layer.clone()).or_default();
                of_layer.insert(version.number, LayerVersion::new(version));
                Ok::<(), LambdaError>(())
            })
            .await?;
            scan_all(&*layers.store, &layers_key(&scope), |entry| {
                let record: LayerRecord = layers.codec.decode_at(&entry.key, &entry.value)?;
                let versions = versions.remove(&record.name).unwrap_or_default();
                layers.show(&scope, Layer { record, key_version: entry.version, versions });
                Ok::<(), LambdaError>(())
            })
            .await?;
        }
        Ok(Arc::new(layers))
    }

    pub(crate) fn get(&self, scope: &Scope, name: &str) -> Option<Arc<Layer>> {
        self.scopes.read().get(scope)?.get(name).cloned()
    }

    pub(crate) fn version(&self, scope: &Scope, name: &str, number: u64) -> Option<LayerVersion> {
        self.get(scope, name)?.versions.get(&number).cloned()
    }

    /// At most `limit` of what `choose` makes of the layers, in order of their names, from the one named `from` on.
    pub(crate) fn list<T>(
        &self,
        scope: &Scope,
        from: &str,
        limit: usize,
        choose: impl Fn(&Layer) -> Option<T>,
    ) -> Vec<T> {
        let scopes = self.scopes.read();
        let Some(names) = scopes.get(scope) else { return Vec::new() };
        let names = names.range::<str, _>((Bound::Included(from), Bound::Unbounded));
        names.filter_map(|(_, layer)| choose(layer)).take(limit).collect()
    }

    /// Every package that a layer version names.
    pub(crate) fn digests(&self) -> BTreeSet<CodeDigest> {
        let scopes = self.scopes.read();
        let layers = scopes.values().flat_map(BTreeMap::values);
        layers.flat_map(|layer| layer.versions.values()).map(|version| version.record.code.digest).collect()
    }

    /// Sizes of all packages of the scope's layer versions, bytes.
    pub(crate) fn code_bytes(&self, scope: &Scope) -> u64 {
        let scopes = self.scopes.read();
        let layers = scopes.get(scope).into_iter().flat_map(BTreeMap::values);
        layers.flat_map(|layer| layer.versions.values()).map(|version| version.record.code.bytes).sum()
    }

    /// Changes a layer, which need not exist. Must not be cancelled half-way: see `op::to_the_end`.
    ///
    /// # Errors
    /// What `decide` says, or the store's.
    pub(crate) async fn change<T>(
        &self,
        scope: &Scope,
        name: &str,
        decide: impl FnOnce(Option<&Layer>) -> Result<(Option<LayerChange>, T), LambdaError>,
    ) -> Result<T, LambdaError> {
        let _alone = self.changes.lock().await;
        let layer = self.get(scope, name);
        let (change, answer) = decide(layer.as_deref())?;
        if let Some(change) = change {
            self.commit(scope, name, layer.as_deref(), change).await?;
        }
        Ok(answer)
    }

    async fn commit(
        &self,
        scope: &Scope,
        name: &str,
        base: Option<&Layer>,
        change: LayerChange,
    ) -> Result<(), LambdaError> {
        let key = layer_key(scope, name);
        let precondition = match base {
            Some(base) => Precondition::Exact(key.clone(), base.key_version),
            None => Precondition::Absent(key.clone()),
        };
        let mut layer = base.cloned().unwrap_or_else(|| Layer {
            record: LayerRecord { name: name.to_owned(), versions_issued: 0 },
            key_version: KeyVersion(0),
            versions: BTreeMap::new(),
        });
        let mutation = match change {
            LayerChange::Put(version) => {
                let key = version_key(scope, name, version.number);
                let mutation = Mutation::Put(key.clone(), self.codec.encode_at(&key, &*version)?);
                layer.record.versions_issued = layer.record.versions_issued.max(version.number);
                layer.versions.insert(version.number, LayerVersion::new(*version));
                mutation
            }
            LayerChange::Delete(number) => {
                layer.versions.remove(&number);
                Mutation::Delete(version_key(scope, name, number))
            }
        };
        let record = Mutation::Put(key.clone(), self.codec.encode_at(&key, &layer.record)?);
        let shard = Shard::new(scope, "lambda");
        // One process owns an embedded store, so no shard was ever leased: all are at epoch 0.
        let committed = self.store.commit(&shard, Epoch::default(), vec![precondition], vec![record, mutation]).await;
        match committed {
            Ok(revision) => {
                layer.key_version = KeyVersion(revision.0);
                self.show(scope, layer);
                Ok(())
            }
            Err(error @ (StoreError::Internal(_) | StoreError::Closed)) => {
                // Whether it happened is unknown: show what the store says now.
                if let Err(error) = self.reload(scope, name).await {
                    tracing::error!(%error, layer = name, "a layer cannot be read after a failed commit");
                }
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn reload(&self, scope: &Scope, name: &str) -> Result<(), LambdaError> {
        let Some(entry) = self.store.get(&layer_key(scope, name)).await? else {
            if let Some(names) = self.scopes.write().get_mut(scope) {
                names.remove(name);
            }
            return Ok(());
        };
        let record: LayerRecord = self.codec.decode_at(&entry.key, &entry.value)?;
        let mut versions = BTreeMap::new();
        scan_all(&*self.store, &versions_key(scope, name), |entry| {
            let version: LayerVersionRecord = self.codec.decode_at(&entry.key, &entry.value)?;
            versions.insert(version.number, LayerVersion::new(version));
            Ok::<(), LambdaError>(())
        })
        .await?;
        self.show(scope, Layer { record, key_version: entry.version, versions });
        Ok(())
    }

    fn show(&self, scope: &Scope, layer: Layer) {
        let mut scopes = self.scopes.write();
        scopes.entry(scope.clone()).or_default().insert(layer.record.name.clone(), Arc::new(layer));
    }
}
