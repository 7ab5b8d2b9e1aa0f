//! The one way to change a function: decide on what the catalogue shows, commit, then show it.
//!
//! ```text
//! operation ── decide(Function) ──> Change ──> commit (exact version of the function's record) ──> catalogue
//!                   ^                                    │ somebody was faster
//!                   └────────── again, or 409 ───────────┘
//! ```
//!
//! Commits of one function are shown in the order they happened.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use hearth_ports::EnvironmentKeeper;
use hearth_store::{Codec, Epoch, KeyVersion, Mutation, Precondition, Shard, Store, StoreError};
use hearth_types::Scope;
use tokio::sync::Mutex;

use crate::catalog::{Catalog, Function};
use crate::error::LambdaError;
use crate::provisioned;
use crate::record::{FunctionRecord, VersionRecord, function_key, version_key};

/// Functions whose commits may be under way at the same time. Two that share a slot only wait for each other.
const COMMIT_SLOTS: usize = 256;

/// What shall become of a function.
pub(crate) enum Change {
    Put { record: Box<FunctionRecord>, versions: Vec<VersionRecord>, deleted_versions: Vec<u64> },
    Delete,
}

impl Change {
    pub(crate) fn record(record: FunctionRecord) -> Self {
        Self::with_versions(record, Vec::new())
    }

    pub(crate) fn with_versions(record: FunctionRecord, versions: Vec<VersionRecord>) -> Self {
        Self::Put { record: Box::new(record), versions, deleted_versions: Vec::new() }
    }

    pub(crate) fn without_version(record: FunctionRecord, number: u64) -> Self {
        Self::Put { record: Box::new(record), versions: Vec::new(), deleted_versions: vec![number] }
    }
}

/// Why a change did not happen.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// The function is not what the change was decided on.
    Conflict,
    Failed(LambdaError),
}

/// The functions of the store and the catalogue that shows them.
pub(crate) struct Functions {
    catalog: Arc<Catalog>,
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    keeper: Arc<dyn EnvironmentKeeper>,
    slots: Vec<Mutex<()>>,
}

impl Functions {
    pub(crate) fn new(
        catalog: Arc<Catalog>,
        store: Arc<dyn Store>,
        codec: Arc<Codec>,
        keeper: Arc<dyn EnvironmentKeeper>,
    ) -> Self {
        let slots = (0..COMMIT_SLOTS).map(|_| Mutex::new(())).collect();
        Self { catalog, store, codec, keeper, slots }
    }

    /// Tells the data plane what is to be kept ready when that is not what it was at `base`.
    pub(crate) fn provision(&self, base: Option<&Function>, now: Option<&Function>) {
        let Some(uid) = now.or(base).map(Function::uid) else { return };
        let facts = |function: Option<&Function>| function.map(provisioned::facts).unwrap_or_default();
        if facts(base) != facts(now) {
            self.keeper.provision(uid, now.map(Function::provisions).unwrap_or_default());
        }
    }

    pub(crate) fn get(&self, scope: &Scope, name: &str) -> Option<Arc<Function>> {
        self.catalog.get(scope, name)
    }

    pub(crate) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Commits a change that was decided on `base` (`None`: there is no such function) and shows it. Must not be
    /// cancelled half-way: operations that change something run to their end (`op::to_the_end`).
    pub(crate) async fn commit(
        &self,
        scope: &Scope,
        name: &str,
        base: Option<&Function>,
        change: Change,
    ) -> Result<(), CommitError> {
        let key = function_key(scope, name);
        let precondition = match base {
            Some(base) => Precondition::Exact(key.clone(), base.key_version),
            None => Precondition::Absent(key.clone()),
        };
        let mutations = self.mutations(scope, name, base, &change).map_err(CommitError::Failed)?;
        let shard = Shard::new(scope, "lambda");

        let _in_order = self.slot(scope, name).lock().await;
        // One process owns an embedded store, so no shard was ever leased: all are at epoch 0.
        let committed = self.store.commit(&shard, Epoch::default(), vec![precondition], mutations).await;
        match committed {
            Ok(revision) => {
                self.show(scope, name, base, change, KeyVersion(revision.0));
                self.provision(base, self.get(scope, name).as_deref());
            }
            Err(StoreError::PreconditionFailed) => return Err(CommitError::Conflict),
            Err(error @ (StoreError::Internal(_) | StoreError::Closed)) => {
                // Whether it happened is unknown: show what the store says now.
                if let Err(error) = self.catalog.reload(&*self.store, &self.codec, scope, name).await {
                    tracing::error!(%error, function = name, "a function cannot be read after a failed commit");
                }
                self.provision(base, self.get(scope, name).as_deref());
                return Err(CommitError::Failed(error.into()));
            }
            Err(error) => return Err(CommitError::Failed(error.into())),
        }
        Ok(())
    }

    fn mutations(
        &self,
        scope: &Scope,
        name: &str,
        base: Option<&Function>,
        change: &Change,
    ) -> Result<Vec<Mutation>, LambdaError> {
        let key = function_key(scope, name);
        match change {
            Change::Put { record, versions, deleted_versions } => {
                let mut mutations = vec![Mutation::Put(key.clone(), self.codec.encode_at(&key, &**record)?)];
                for version in versions {
                    let key = version_key(scope, &record.uid, version.number);
                    let value = self.codec.encode_at(&key, version)?;
                    mutations.push(Mutation::Put(key, value));
                }
                let deleted = deleted_versions.iter().map(|number| version_key(scope, &record.uid, *number));
                mutations.extend(deleted.map(Mutation::Delete));
                Ok(mutations)
            }
            Change::Delete => {
                let versions = base
                    .into_iter()
                    .flat_map(|base| base.published.keys().map(|number| version_key(scope, base.uid(), *number)));
                Ok(std::iter::once(key).chain(versions).map(Mutation::Delete).collect())
            }
        }
    }

    fn show(&self, scope: &Scope, name: &str, base: Option<&Function>, change: Change, key_version: KeyVersion) {
        match change {
            Change::Put { record, versions, deleted_versions } => {
                let function = match base {
                    Some(base) => base.replaced(scope, *record, key_version, versions, &deleted_versions),
                    None => Function::new(scope, *record, key_version, versions),
                };
                self.catalog.put(scope, function);
            }
            Change::Delete => self.catalog.remove(scope, name),
        }
    }

    fn slot(&self, scope: &Scope, name: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        (scope, name).hash(&mut hasher);
        let at = hasher.finish() % self.slots.len() as u64;
        &self.slots[at as usize]
    }
}
