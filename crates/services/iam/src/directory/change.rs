//! Changes of an account: planned on what is in memory, committed at once, and then seen.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use hearth_store::{Codec, Entry, Epoch, Key, KeyVersion, Mutation, Precondition, Record as _, Shard, StoreError};
use hearth_types::Scope;

use super::account::{Account, Entity, Stored};
use super::{Directory, State, decode};
use crate::entity::AccessKeyRecord;
use crate::error::IamError;

/// Attempts to change what another node keeps changing.
const CHANGE_ATTEMPTS_MAX: usize = 5;

type Apply = Box<dyn FnOnce(&mut State, &Scope, KeyVersion) + Send + Sync>;
type Reload = fn(&mut State, &Codec, &Scope, &str, Option<&Entry>) -> Result<(), IamError>;

/// A row that a change depends on, and what becomes of it.
struct Touched {
    row: String,
    precondition: Precondition,
    mutation: Option<(Mutation, Apply)>,
    reload: Reload,
}

/// What a plan decides: every row it names must still be as it was seen.
pub(crate) struct Changes<'a> {
    codec: &'a Codec,
    scope: &'a Scope,
    account: &'a Account,
    touched: Vec<Touched>,
}

impl Changes<'_> {
    /// The account as the plan sees it.
    #[must_use]
    pub(crate) const fn account(&self) -> &Account {
        self.account
    }

    /// Adds what does not exist yet, in any case of its name.
    ///
    /// # Errors
    /// `EntityAlreadyExists`, or [`IamError::LimitExceeded`].
    pub(crate) fn create<E: Entity>(&mut self, record: E::Record) -> Result<Arc<E>, IamError> {
        let table = E::table(self.account);
        if table.stored(&E::row(&record)).is_some() {
            return Err(E::NOUN.exists(E::name(&record)));
        }
        if table.len() >= E::PER_ACCOUNT_MAX {
            return Err(IamError::quota(E::NOUN.quota(), E::PER_ACCOUNT_MAX));
        }
        self.put(record)
    }

    /// Writes a record, new or in the place of the one in its row. Writing what is there already does nothing.
    ///
    /// # Errors
    /// [`IamError::Record`].
    pub(crate) fn put<E: Entity>(&mut self, record: E::Record) -> Result<Arc<E>, IamError> {
        let row = E::row(&record);
        if let Some(stored) = E::table(self.account).stored(&row)
            && *stored.entity.record() == record
        {
            return Ok(stored.entity.clone());
        }
        let key = self.key::<E>(&row);
        let bytes: Bytes = self.codec.encode_at(&key, &record)?;
        let entity = Arc::new(E::of(self.scope, record)?);
        let apply: Apply = {
            let (row, entity) = (row.clone(), entity.clone());
            Box::new(move |state, scope, version| state.remember(scope, &row, Some(Stored { entity, version })))
        };
        self.touch::<E>(row, Some((Mutation::Put(key, bytes), apply)));
        Ok(entity)
    }

    /// Puts `new` in the place of `old`, whose name it need not have.
    ///
    /// # Errors
    /// `EntityAlreadyExists` when another one has that name.
    pub(crate) fn replace<E: Entity>(&mut self, old: &E::Record, new: E::Record) -> Result<Arc<E>, IamError> {
        let row = E::row(&new);
        if row != E::row(old) {
            if E::table(self.account).stored(&row).is_some() {
                return Err(E::NOUN.exists(E::name(&new)));
            }
            self.delete::<E>(old);
        }
        self.put(new)
    }

    pub(crate) fn delete<E: Entity>(&mut self, record: &E::Record) {
        let row = E::row(record);
        let key = self.key::<E>(&row);
        let apply: Apply = {
            let row = row.clone();
            Box::new(move |state, scope, _| state.remember::<E>(scope, &row, None))
        };
        self.touch::<E>(row, Some((Mutation::Delete(key), apply)));
    }

    /// The change holds only as long as this is not changed.
    pub(crate) fn rely_on<E: Entity>(&mut self, record: &E::Record) {
        self.touch::<E>(E::row(record), None);
    }

    fn key<E: Entity>(&self, row: &str) -> Key {
        Key::new(self.scope, E::Record::KIND).part(row)
    }

    fn touch<E: Entity>(&mut self, row: String, mutation: Option<(Mutation, Apply)>) {
        let key = self.key::<E>(&row);
        let precondition = match E::table(self.account).stored(&row) {
            Some(stored) => Precondition::Exact(key, stored.version),
            None => Precondition::Absent(key),
        };
        self.touched.push(Touched { row, precondition, mutation, reload: reload::<E> });
    }
}

fn reload<E: Entity>(
    state: &mut State,
    codec: &Codec,
    scope: &Scope,
    row: &str,
    entry: Option<&Entry>,
) -> Result<(), IamError> {
    let stored = entry.map(|entry| decode::<E>(codec, scope, entry)).transpose()?;
    state.remember(scope, row, stored);
    Ok(())
}

impl Directory {
    /// Commits what `plan` decides, all or none; a plan that decides nothing writes nothing. `plan` runs again when
    /// another node changed a row meanwhile.
    ///
    /// # Errors
    /// What `plan` refuses, [`IamError::ConcurrentModification`], or the store's.
    pub(crate) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        scope: Scope,
        plan: impl Fn(&mut Changes<'_>) -> Result<T, IamError> + Send + Sync + 'static,
    ) -> Result<T, IamError> {
        let this = self.clone();
        let work = async move { this.carry_out(&scope, plan).await };
        tokio::spawn(work).await.unwrap_or_else(|error| Err(StoreError::Internal(error.to_string()).into()))
    }

    /// Makes what does not exist yet.
    ///
    /// # Errors
    /// As [`Changes::create`] and [`Directory::change`].
    pub(crate) async fn create<E: Entity>(
        self: &Arc<Self>,
        scope: Scope,
        record: E::Record,
    ) -> Result<Arc<E>, IamError> {
        self.change(scope, move |changes| changes.create::<E>(record.clone())).await
    }

    /// Applies `edit` to the record of that name.
    ///
    /// # Errors
    /// `NoSuchEntity`, what `edit` refuses, and as [`Directory::change`].
    pub(crate) async fn edit<E: Entity>(
        self: &Arc<Self>,
        scope: Scope,
        name: String,
        edit: impl Fn(&mut E::Record) -> Result<(), IamError> + Send + Sync + 'static,
    ) -> Result<Arc<E>, IamError> {
        self.change(scope, move |changes| {
            let mut record = changes.account().get::<E>(&name)?.record().clone();
            edit(&mut record)?;
            changes.put::<E>(record)
        })
        .await
    }

    /// Stores a key that was made. Whether its owner may have another one is the caller's question.
    ///
    /// # Errors
    /// As [`Directory::create`].
    pub(crate) async fn create_access_key(
        self: &Arc<Self>,
        scope: Scope,
        record: AccessKeyRecord,
    ) -> Result<Arc<crate::entity::AccessKeyEntry>, IamError> {
        self.create(scope, record).await
    }

    async fn carry_out<T>(
        &self,
        scope: &Scope,
        plan: impl Fn(&mut Changes<'_>) -> Result<T, IamError>,
    ) -> Result<T, IamError> {
        let _writer = self.writer.lock().await;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let (outcome, touched) = self.read(scope, |account| {
                let mut changes = Changes { codec: &self.codec, scope, account, touched: Vec::new() };
                plan(&mut changes).map(|outcome| (outcome, changes.touched))
            })?;
            if touched.iter().all(|touched| touched.mutation.is_none()) {
                return Ok(outcome);
            }
            match self.commit(scope, touched).await {
                Err(IamError::Store(StoreError::PreconditionFailed)) => {}
                other => return other.map(|()| outcome),
            }
        }
        Err(IamError::ConcurrentModification)
    }

    /// Writes to the store, then to memory. The caller holds the writer lock.
    async fn commit(&self, scope: &Scope, touched: Vec<Touched>) -> Result<(), IamError> {
        let preconditions = touched.iter().map(|touched| touched.precondition.clone()).collect();
        let mutations = touched.iter().filter_map(|touched| Some(touched.mutation.as_ref()?.0.clone())).collect();
        let shard = Shard::new(scope, "iam");
        let committed = self.store.commit(&shard, Epoch::default(), preconditions, mutations).await;
        match committed {
            Ok(revision) => {
                let mut state = self.state.write();
                for (_, apply) in touched.into_iter().filter_map(|touched| touched.mutation) {
                    apply(&mut state, scope, KeyVersion(revision.0));
                }
                self.revision.fetch_add(1, Ordering::AcqRel);
                Ok(())
            }
            Err(error) => {
                // Either another node was first, or the outcome is unknown: what is stored now is what is true.
                for touched in &touched {
                    let entry = self.store.get(touched.precondition.key()).await?;
                    let mut state = self.state.write();
                    (touched.reload)(&mut state, &self.codec, scope, &touched.row, entry.as_ref())?;
                    self.revision.fetch_add(1, Ordering::AcqRel);
                }
                Err(error.into())
            }
        }
    }
}
