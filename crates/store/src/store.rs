//! The store's contract: small, so that an embedded engine and a cluster's database can both keep it.

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::{Millis, Scope};

use crate::key::{Key, Shard};
use crate::limits::SCAN_ENTRIES_MAX;

/// Counts the owners of a shard. A shard that was never leased is at epoch 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// The number of a commit. Revisions grow; they are not dense within a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// The revision of the commit that wrote a key: never used twice, so a key deleted and written again has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyVersion(pub u64);

/// What must hold for a commit to happen: about single keys, never about ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    Absent(Key),
    Exact(Key, KeyVersion),
}

impl Precondition {
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Absent(key) | Self::Exact(key, _) => key,
        }
    }
}

/// A change of one key. Deleting what is absent is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    Put(Key, Bytes),
    Delete(Key),
}

impl Mutation {
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Put(key, _) | Self::Delete(key) => key,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Key,
    pub value: Bytes,
    pub version: KeyVersion,
}

/// Why the store did not do it. Nothing was changed, except after [`StoreError::Closed`] and
/// [`StoreError::Internal`] of a commit: its outcome is then unknown until the shard is read again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Read again, decide again, try again.
    #[error("a precondition does not hold")]
    PreconditionFailed,
    /// Another owner has taken the shard: stop acting for it.
    #[error("the shard has another owner now")]
    Fenced,
    /// The key belongs to another shard. A mistake of the caller.
    #[error("key {key} belongs to shard {owner}, not to {shard}")]
    WrongShard { key: String, owner: String, shard: String },
    /// A prefix, not the key of a record. A mistake of the caller.
    #[error("{key} is not the key of a record: it needs a scope and a table")]
    InvalidKey { key: String },
    /// Over one of [`crate::limits`]. A mistake of the caller.
    #[error("{what} is {size}, more than the limit of {max}")]
    TooLarge { what: &'static str, size: usize, max: usize },
    /// Reads still work; so do commits once there is room again.
    #[error("the disk is full")]
    Full,
    /// What was read is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    #[error("the store is closed")]
    Closed,
    /// Detail for the log.
    #[error("the store failed: {0}")]
    Internal(String),
}

/// Records under keys, in shards.
///
/// Nothing is visible to anyone before it is durable, and reads see everything that was acknowledged before they
/// started.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Changes keys of one shard, all or none; durable when it returns. Preconditions are checked before any
    /// mutation; mutations apply in order. Without mutations it only checks, and answers the shard's revision.
    ///
    /// Dropping the future does not take the commit back.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] unless `epoch` is the shard's current one; [`StoreError::PreconditionFailed`];
    /// [`StoreError::WrongShard`]; [`StoreError::TooLarge`]; [`StoreError::Full`] and the others.
    async fn commit(
        &self,
        shard: &Shard,
        epoch: Epoch,
        preconditions: Vec<Precondition>,
        mutations: Vec<Mutation>,
    ) -> Result<Revision, StoreError>;

    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Closed`], [`StoreError::Internal`].
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError>;

    /// The first `limit` entries in key order whose key starts with the components of `prefix` and lies behind
    /// `after`. Fewer than `limit` are the last ones. One call is one consistent view; several calls are not.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for a `limit` over [`SCAN_ENTRIES_MAX`] (use [`scan_all`]), and as [`Store::get`].
    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// Resolves with the shard's revision as soon as that is greater than `since`.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when the store closes meanwhile.
    async fn watch(&self, shard: &Shard, since: Revision) -> Result<Revision, StoreError>;

    /// Makes `owner` the owner of the shard for `ttl` and answers its epoch. The epoch grows when the owner changes
    /// or the last lease ran out, and from then on commits with an older one are [`StoreError::Fenced`]; asking
    /// again in time keeps the epoch. Who may ask is decided by placement, not here.
    ///
    /// # Errors
    /// As [`Store::commit`].
    async fn lease(&self, shard: &Shard, owner: &str, ttl: Millis) -> Result<Epoch, StoreError>;
}

/// Reads everything under a prefix, page by page, in key order.
///
/// # Errors
/// Those of [`Store::scan`], and what `take` answers.
pub async fn scan_all<E: From<StoreError>>(
    store: &dyn Store,
    prefix: &Key,
    mut take: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    const PAGE: usize = SCAN_ENTRIES_MAX / 16;
    let mut after: Option<Key> = None;
    loop {
        let page = store.scan(prefix, after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|entry| entry.key.clone());
        page.into_iter().try_for_each(&mut take)?;
        if is_last {
            return Ok(());
        }
    }
}

/// Every partition, account and region that holds at least one record: one short read for each, however many
/// records there are.
///
/// # Errors
/// Those of [`Store::scan`].
pub async fn scopes(store: &dyn Store) -> Result<Vec<Scope>, StoreError> {
    let mut scopes = Vec::new();
    let mut after: Option<Key> = None;
    while let Some(entry) = store.scan(&Key::root(), after.as_ref(), 1).await?.pop() {
        let Some(scope) = entry.key.scope() else {
            return Err(StoreError::Damaged(format!("the key {:?} has no scope", entry.key)));
        };
        after = Some(Key::scope_prefix(&scope).end());
        scopes.push(scope);
    }
    Ok(scopes)
}
