//! The users, groups, roles, policies, keys and instance profiles of every account: durable in the store, read from
//! memory.
//!
//! ```text
//! read   ──────────────► memory
//! change ─► writer lock ─► store.commit (exact versions) ─► memory
//! ```
//! A change is visible to others only after it is durable, and may touch several records of one account: all or none.
//! It runs as a task of its own: a client that goes away in the middle must not leave memory behind the store.

mod account;
mod change;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_store::{Codec, Entry, Key, Record as _, Store};
use hearth_types::{Random, Scope};
use parking_lot::RwLock;

use crate::entity::{AccessKeyEntry, CustomerPolicy, Group, InstanceProfile, Role, User};
use crate::error::IamError;
use crate::managed;
use crate::tokens::Tokens;

pub(crate) use account::{Account, Entity, Table, Usage};
pub(crate) use change::Changes;

/// Everything in memory.
#[derive(Default)]
struct State {
    accounts: HashMap<Scope, Account>,
    /// Access keys are found without knowing their account.
    access_keys: HashMap<String, Arc<AccessKeyEntry>>,
}

impl State {
    /// Puts what is stored now in the place of what was, in the account and in the index of keys.
    fn remember<E: Entity>(&mut self, scope: &Scope, row: &str, stored: Option<account::Stored<E>>) {
        E::index(&mut self.access_keys, row, stored.as_ref().map(|stored| &stored.entity));
        match stored {
            Some(stored) => {
                E::table_mut(self.accounts.entry(scope.clone()).or_default()).put(row, stored);
            }
            None => {
                if let Some(account) = self.accounts.get_mut(scope) {
                    E::table_mut(account).remove(row);
                }
            }
        }
    }
}

/// The users, groups, roles, policies and keys of this server.
pub struct Directory {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    state: RwLock<State>,
    /// Counts the changes: what was derived at one revision holds until the next.
    revision: AtomicU64,
    tokens: Tokens,
    /// Changes go one after the other, so that memory never takes an older state after a newer one.
    writer: tokio::sync::Mutex<()>,
}

impl Directory {
    /// Reads every account into memory. `random` makes the key for session tokens, the first time.
    ///
    /// # Errors
    /// [`IamError::Store`], [`IamError::Record`] and [`IamError::TokenKey`] when the store cannot be read.
    pub async fn load(store: Arc<dyn Store>, codec: Arc<Codec>, random: &dyn Random) -> Result<Self, IamError> {
        let tokens = Tokens::load(&*store, &codec, random).await?;
        let this = Self {
            store,
            codec,
            state: RwLock::default(),
            revision: AtomicU64::new(0),
            tokens,
            writer: tokio::sync::Mutex::new(()),
        };
        for scope in hearth_store::scopes(&*this.store).await? {
            this.load_table::<Role>(&scope).await?;
            this.load_table::<User>(&scope).await?;
            this.load_table::<Group>(&scope).await?;
            this.load_table::<CustomerPolicy>(&scope).await?;
            this.load_table::<InstanceProfile>(&scope).await?;
            this.load_table::<AccessKeyEntry>(&scope).await?;
        }
        Ok(this)
    }

    async fn load_table<E: Entity>(&self, scope: &Scope) -> Result<(), IamError> {
        hearth_store::scan_all(&*self.store, &Key::new(scope, E::Record::KIND), |entry| {
            let stored = decode::<E>(&self.codec, scope, &entry)?;
            self.state.write().remember(scope, &E::row(stored.entity.record()), Some(stored));
            Ok(())
        })
        .await
    }

    /// Grows with each change of anything.
    #[must_use]
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// What seals session tokens and marks key ids.
    #[must_use]
    pub(crate) const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// One consistent look at an account. `look` must not ask the directory again: a change that waits would stop both.
    pub(crate) fn read<T>(&self, scope: &Scope, look: impl FnOnce(&Account) -> T) -> T {
        let state = self.state.read();
        match state.accounts.get(scope) {
            Some(account) => look(account),
            None => look(&Account::default()),
        }
    }

    /// The entity of exactly that name.
    #[must_use]
    pub(crate) fn find<E: Entity>(&self, scope: &Scope, name: &str) -> Option<Arc<E>> {
        E::table(self.state.read().accounts.get(scope)?).get(name).cloned()
    }

    #[must_use]
    pub(crate) fn role(&self, scope: &Scope, name: &str) -> Option<Arc<Role>> {
        self.find(scope, name)
    }

    #[must_use]
    pub(crate) fn user(&self, scope: &Scope, name: &str) -> Option<Arc<User>> {
        self.find(scope, name)
    }

    #[must_use]
    pub(crate) fn group(&self, scope: &Scope, name: &str) -> Option<Arc<Group>> {
        self.find(scope, name)
    }

    /// The groups a user is in, in the order of their names.
    #[must_use]
    pub(crate) fn groups_of(&self, scope: &Scope, user: &User) -> Vec<Arc<Group>> {
        self.read(scope, |account| account.groups_of(user).cloned().collect())
    }

    /// A customer's managed policy: by `policy/PATH/NAME`, the last part of its ARN, or by its name alone.
    #[must_use]
    pub(crate) fn policy(&self, scope: &Scope, resource_or_name: &str) -> Option<Arc<CustomerPolicy>> {
        match managed::path_and_name(resource_or_name) {
            Some((path, name)) => self.find::<CustomerPolicy>(scope, name).filter(|policy| policy.path == path),
            None => self.find(scope, resource_or_name),
        }
    }

    /// A long-term access key, of whatever account.
    #[must_use]
    pub(crate) fn access_key(&self, id: &str) -> Option<Arc<AccessKeyEntry>> {
        self.state.read().access_keys.get(id).cloned()
    }

    /// Up to `limit` entities in the order of their names, from behind the one called `after`, that `wanted` picks.
    #[must_use]
    pub(crate) fn list<E: Entity>(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&E) -> bool,
    ) -> Vec<Arc<E>> {
        self.read(scope, |account| {
            E::table(account).behind(after).filter(|entity| wanted(entity)).take(limit).cloned().collect()
        })
    }
}

fn decode<E: Entity>(codec: &Codec, scope: &Scope, entry: &Entry) -> Result<account::Stored<E>, IamError> {
    let record = codec.decode_at::<E::Record>(&entry.key, &entry.value)?;
    Ok(account::Stored { entity: Arc::new(E::of(scope, record)?), version: entry.version })
}
