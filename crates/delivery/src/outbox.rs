//! What all lanes share: the store, and how deliveries come into it.

use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hearth_store::limits::COMMIT_BYTES_MAX;
use hearth_store::{Codec, Epoch, Mutation, Precondition, Revision, Store, StoreError};
use hearth_types::{Clock, Scope};

pub use crate::record::shard;

/// Deliveries that are accepted together go into the store in commits of about this size, bytes.
const COMMIT_BYTES: usize = COMMIT_BYTES_MAX / 4;

pub struct Outbox {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) codec: Arc<Codec>,
    /// Retries and ages go by it: the service clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Who waits for a delivery to be accepted.
    callers: AtomicUsize,
}

/// A delivery that is to be accepted in a commit: by [`Outbox::accept`], or with the verdict it follows from.
#[must_use = "it is not accepted yet"]
pub struct Staged {
    pub(crate) mutations: Vec<Mutation>,
    /// Tells its lane that it is in the store.
    pub(crate) offer: Box<dyn FnOnce() + Send>,
}

impl Outbox {
    pub fn new(store: Arc<dyn Store>, codec: Arc<Codec>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { store, codec, clock, callers: AtomicUsize::new(0) })
    }

    pub(crate) fn callers(&self) -> usize {
        self.callers.load(Ordering::Relaxed)
    }

    /// Counts a caller.
    pub(crate) fn caller(&self) -> Caller<'_> {
        self.callers.fetch_add(1, Ordering::Relaxed);
        Caller(&self.callers)
    }

    /// Service clock.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Takes responsibility for deliveries: they are in the store when this returns. Very many go in several commits;
    /// after an error some of them may have been accepted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accept(&self, scope: &Scope, staged: Vec<Staged>) -> Result<(), StoreError> {
        let _caller = self.caller();
        let mut rest = staged.into_iter().peekable();
        while let Some(Staged { mutations, offer }) = next_commit(&mut rest) {
            self.store.commit(&shard(scope), Epoch(0), Vec::new(), mutations).await?;
            offer();
        }
        Ok(())
    }

    /// The same, for who has nobody to refuse: tries until the store takes them. An error of the store says that a commit
    /// is not there.
    pub(crate) async fn accept_at_last(&self, scope: &Scope, staged: Vec<Staged>, pause: Duration) {
        let mut rest = staged.into_iter().peekable();
        while let Some(Staged { mutations, offer }) = next_commit(&mut rest) {
            while let Err(error) = self.store.commit(&shard(scope), Epoch(0), Vec::new(), mutations.clone()).await {
                tracing::error!(%error, "deliveries cannot be written to the store; it is tried again");
                tokio::time::sleep(pause).await;
            }
            offer();
        }
    }

    /// A service's own changes, and the deliveries that follow from them: all of it in one commit, or nothing. The keys are
    /// [`shard`]'s.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn commit(
        &self,
        scope: &Scope,
        preconditions: Vec<Precondition>,
        mut mutations: Vec<Mutation>,
        staged: Vec<Staged>,
    ) -> Result<Revision, StoreError> {
        let mut offers = Vec::new();
        for next in staged {
            mutations.extend(next.mutations);
            offers.push(next.offer);
        }
        let revision = self.store.commit(&shard(scope), Epoch(0), preconditions, mutations).await?;
        offers.into_iter().for_each(|offer| offer());
        Ok(revision)
    }
}

/// As many of them as go into one commit, as one.
fn next_commit(rest: &mut Peekable<std::vec::IntoIter<Staged>>) -> Option<Staged> {
    rest.peek()?;
    let (mut all, mut bytes) = (Vec::new(), 0);
    while let Some(next) = rest.next_if(|next| bytes == 0 || bytes + next.bytes() <= COMMIT_BYTES) {
        bytes += next.bytes();
        all.push(next);
    }
    Some(Staged::together(all))
}

/// Counted as long as it lives.
pub(crate) struct Caller<'a>(&'a AtomicUsize);

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Staged {
    /// What a service keeps of its own in the commit that accepts what it is staged with: in the commit of the last ones,
    /// when it stands behind them. The keys are [`shard`]'s.
    pub fn beside(mutations: Vec<Mutation>) -> Self {
        Self { mutations, offer: Box::new(|| {}) }
    }

    /// What goes into one commit, whatever else does.
    pub(crate) fn together(all: Vec<Self>) -> Self {
        let (mut mutations, mut offers) = (Vec::new(), Vec::with_capacity(all.len()));
        for staged in all {
            mutations.extend(staged.mutations);
            offers.push(staged.offer);
        }
        Self { mutations, offer: Box::new(move || offers.into_iter().for_each(|offer| offer())) }
    }

    fn bytes(&self) -> usize {
        let size = |mutation: &Mutation| match mutation {
            Mutation::Put(_, value) => value.len(),
            Mutation::Delete(_) => 0,
        };
        self.mutations.iter().map(size).sum()
    }
}
