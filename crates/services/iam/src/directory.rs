//! The roles of every account: durable in the store, read from memory.
//!
//! ```text
//! read   ──────────────► memory
//! change ─► writer lock ─► store.commit (exact version) ─► memory
//! ```
//! A change is visible to others only after it is durable. It runs as a task of its own: a client that goes away in
//! the middle must not leave memory behind the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hearth_store::{
    Codec, Entry, Epoch, Key, KeyVersion, Mutation, Precondition, Record as _, Shard, Store, StoreError,
};
use hearth_types::Scope;
use parking_lot::RwLock;

use crate::error::IamError;
use crate::role::RoleRecord;

/// Roles of one account. Source: "IAM and AWS STS quotas".
pub(crate) const ROLES_PER_ACCOUNT_MAX: usize = 1_000;
/// Attempts to change a role that another node keeps changing.
const CHANGE_ATTEMPTS_MAX: usize = 5;

/// A role and the version of its key.
#[derive(Clone)]
struct Stored {
    role: Arc<RoleRecord>,
    version: KeyVersion,
}

/// Role names are unique regardless of case: the map's key is the lower-case name.
type Account = BTreeMap<String, Stored>;

pub(crate) struct Directory {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    accounts: RwLock<HashMap<Scope, Account>>,
    /// Changes go one after the other, so that memory never takes an older state after a newer one.
    writer: tokio::sync::Mutex<()>,
}

impl Directory {
    /// Reads every role of every account into memory.
    ///
    /// # Errors
    /// [`IamError::Store`] and [`IamError::Record`] when the store cannot be read.
    pub(crate) async fn load(store: Arc<dyn Store>, codec: Arc<Codec>) -> Result<Self, IamError> {
        let mut accounts = HashMap::new();
        for scope in hearth_store::scopes(&*store).await? {
            let mut account = Account::new();
            hearth_store::scan_all(&*store, &Key::new(&scope, RoleRecord::KIND), |entry| {
                let stored = decode(&codec, entry)?;
                account.insert(stored.role.name.to_lowercase(), stored);
                Ok::<_, IamError>(())
            })
            .await?;
            if !account.is_empty() {
                accounts.insert(scope, account);
            }
        }
        Ok(Self { store, codec, accounts: RwLock::new(accounts), writer: tokio::sync::Mutex::new(()) })
    }

    /// The role of exactly that name.
    #[must_use]
    pub(crate) fn find(&self, scope: &Scope, name: &str) -> Option<Arc<RoleRecord>> {
        self.stored(scope, name).map(|stored| stored.role)
    }

    /// Up to `limit` roles in the order of their names, from behind the role called `after`, that `wanted` picks.
    #[must_use]
    pub(crate) fn list(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&RoleRecord) -> bool,
    ) -> Vec<Arc<RoleRecord>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, |name| Excluded(name.to_lowercase()));
        let accounts = self.accounts.read();
        let roles = accounts.get(scope).into_iter().flat_map(|account| account.range((from.clone(), Unbounded)));
        roles.map(|(_, stored)| &stored.role).filter(|role| wanted(role)).take(limit).cloned().collect()
    }

    /// Makes a role that does not exist yet, in any case of its name.
    ///
    /// # Errors
    /// [`IamError::RoleExists`], [`IamError::LimitExceeded`], or the store's.
    pub(crate) async fn create(self: &Arc<Self>, scope: Scope, role: RoleRecord) -> Result<Arc<RoleRecord>, IamError> {
        let this = self.clone();
        detached(async move { this.insert(&scope, role).await }).await
    }

    async fn insert(&self, scope: &Scope, role: RoleRecord) -> Result<Arc<RoleRecord>, IamError> {
        let _writer = self.writer.lock().await;
        let lower = role.name.to_lowercase();
        let (exists, count) =
            self.accounts.read().get(scope).map_or((false, 0), |account| (account.contains_key(&lower), account.len()));
        if exists {
            return Err(IamError::RoleExists { name: role.name });
        }
        if count >= ROLES_PER_ACCOUNT_MAX {
            return Err(IamError::LimitExceeded(format!(
                "Cannot exceed quota for RolesPerAccount: {ROLES_PER_ACCOUNT_MAX}"
            )));
        }
        let role = Arc::new(role);
        match self.write(scope, &lower, None, Some(&role)).await {
            Err(IamError::Store(StoreError::PreconditionFailed)) => {
                Err(IamError::RoleExists { name: role.name.clone() })
            }
            Err(error) => Err(error),
            Ok(()) => Ok(role),
        }
    }

    /// Applies `change` to a role and stores the result; a change that changes nothing writes nothing.
    ///
    /// # Errors
    /// [`IamError::NoSuchRole`], what `change` refuses, or the store's.
    pub(crate) async fn change(
        self: &Arc<Self>,
        scope: Scope,
        name: String,
        change: impl Fn(&mut RoleRecord) -> Result<(), IamError> + Send + Sync + 'static,
    ) -> Result<(), IamError> {
        let this = self.clone();
        let next = move |role: &RoleRecord| {
            let mut after = role.clone();
            change(&mut after)?;
            Ok(Some(after))
        };
        detached(async move { this.replace(&scope, &name, next).await }).await
    }

    /// Deletes a role that `check` lets go.
    ///
    /// # Errors
    /// [`IamError::NoSuchRole`], what `check` refuses, or the store's.
    pub(crate) async fn delete(
        self: &Arc<Self>,
        scope: Scope,
        name: String,
        check: impl Fn(&RoleRecord) -> Result<(), IamError> + Send + Sync + 'static,
    ) -> Result<(), IamError> {
        let this = self.clone();
        let next = move |role: &RoleRecord| check(role).map(|()| None);
        detached(async move { this.replace(&scope, &name, next).await }).await
    }

    /// Puts what `next` makes of a role in its place, nothing if it makes nothing of it; again if another node
    /// changed the role meanwhile.
    async fn replace(
        &self,
        scope: &Scope,
        name: &str,
        next: impl Fn(&RoleRecord) -> Result<Option<RoleRecord>, IamError>,
    ) -> Result<(), IamError> {
        let _writer = self.writer.lock().await;
        let lower = name.to_lowercase();
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let before = self.stored(scope, name).ok_or_else(|| IamError::NoSuchRole { name: name.to_owned() })?;
            let after = next(&before.role)?.map(Arc::new);
            if after.as_ref() == Some(&before.role) {
                return Ok(());
            }
            match self.write(scope, &lower, Some(before.version), after.as_ref()).await {
                Err(IamError::Store(StoreError::PreconditionFailed)) => {}
                outcome => return outcome,
            }
        }
        Err(IamError::ConcurrentModification)
    }

    fn stored(&self, scope: &Scope, name: &str) -> Option<Stored> {
        let accounts = self.accounts.read();
        accounts.get(scope)?.get(&name.to_lowercase()).filter(|stored| stored.role.name == name).cloned()
    }

    /// Writes or deletes a role, to the store and then to memory. The caller holds the writer lock.
    async fn write(
        &self,
        scope: &Scope,
        lower_name: &str,
        expected: Option<KeyVersion>,
        role: Option<&Arc<RoleRecord>>,
    ) -> Result<(), IamError> {
        let key = Key::new(scope, RoleRecord::KIND).part(lower_name);
        let precondition = match expected {
            Some(version) => Precondition::Exact(key.clone(), version),
            None => Precondition::Absent(key.clone()),
        };
        let mutation = match role {
            Some(role) => Mutation::Put(key.clone(), self.codec.encode(&**role)?),
            None => Mutation::Delete(key.clone()),
        };
        let shard = Shard::new(scope, "iam");
        match self.store.commit(&shard, Epoch::default(), vec![precondition], vec![mutation]).await {
            Ok(revision) => {
                let stored = role.map(|role| Stored { role: role.clone(), version: KeyVersion(revision.0) });
                self.remember(scope, lower_name, stored);
                Ok(())
            }
            Err(error) => {
                // Either another node was first, or the outcome is unknown: what is stored now is what is true.
                let entry = self.store.get(&key).await?;
                let stored = entry.map(|entry| decode(&self.codec, entry)).transpose()?;
                self.remember(scope, lower_name, stored);
                Err(error.into())
            }
        }
    }

    fn remember(&self, scope: &Scope, lower_name: &str, stored: Option<Stored>) {
        let mut accounts = self.accounts.write();
        match stored {
            Some(stored) => {
                accounts.entry(scope.clone()).or_default().insert(lower_name.to_owned(), stored);
            }
            None => {
                if let Some(account) = accounts.get_mut(scope) {
                    account.remove(lower_name);
                }
            }
        }
    }
}

/// Runs `work` to its end, whether or not anyone still waits for it.
async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, IamError>> + Send + 'static,
) -> Result<T, IamError> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(StoreError::Internal(error.to_string()).into()))
}

fn decode(codec: &Codec, entry: Entry) -> Result<Stored, IamError> {
    Ok(Stored { role: Arc::new(codec.decode(&entry.value)?), version: entry.version })
}
