//! One durable transaction: requests in the order they came, each all or nothing.
//!
//! A request is checked whole before its first change, against the database and what earlier requests of the same
//! transaction changed. So a refused request leaves nothing behind and fails alone. What changes in memory stays
//! here until the transaction is durable; a failed one is dropped.

use std::collections::HashMap;

use bytes::Bytes;
use rusqlite::Connection;

use super::engine::Step;
use super::rows;
use super::shards::{self, ShardState, Shards};
use super::state::State;
use crate::key::{Key, Shard};
use crate::request::{Outcome, Work};
use crate::store::{Epoch, Mutation, Precondition, StoreError};

pub(super) struct Batch<'a> {
    connection: &'a Connection,
    shards: &'a Shards,
    now_ms: i64,
    state: State,
    touched: HashMap<Shard, ShardState>,
}

/// What a transaction changed in memory, to be taken over once it is durable.
pub(super) struct Changes {
    pub(super) state: State,
    pub(super) touched: HashMap<Shard, ShardState>,
}

/// The row of a key as this request sees it.
#[derive(Clone, Copy)]
struct Found {
    version: u64,
    crc: u64,
}

impl<'a> Batch<'a> {
    pub(super) fn new(connection: &'a Connection, state: &State, shards: &'a Shards, now_ms: i64) -> Self {
        Self { connection, shards, now_ms, state: state.clone(), touched: HashMap::new() }
    }

    /// Does one request's work inside the open transaction.
    ///
    /// The outer error is the engine's and spoils the whole transaction; the inner one is the request's own.
    pub(super) fn apply(&mut self, work: &Work) -> Step<Outcome> {
        match work {
            Work::Commit { shard, epoch, preconditions, mutations } => {
                self.commit(shard, *epoch, preconditions, mutations)
            }
            Work::Lease { shard, owner, ttl } => {
                let mut state = self.shard(shard);
                let epoch = state.lease(owner, self.now_ms, ttl.0);
                // Counted, so that the witness notices when a grown epoch is lost.
                self.state.revision += 1;
                self.touched.insert(shard.clone(), state);
                Ok(Ok(epoch))
            }
        }
    }

    /// Whether there is anything to make durable.
    pub(super) fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }

    /// Writes the shards and the state, as the last of the transaction.
    pub(super) fn finish(mut self) -> Step<Changes> {
        for (shard, state) in &mut self.touched {
            if let Some(crc) = state.row_crc {
                self.state.remove(crc);
            }
            let (key, value) = (shards::row_key(shard), shards::encode(state)?);
            let crc = rows::put(self.connection, &key, state.id, self.state.revision, &value)?;
            self.state.add(crc);
            state.row_crc = Some(crc);
        }
        self.state.save(self.connection)?;
        Ok(Changes { state: self.state, touched: self.touched })
    }

    fn commit(
        &mut self,
        shard: &Shard,
        epoch: Epoch,
        preconditions: &[Precondition],
        mutations: &[Mutation],
    ) -> Step<Outcome> {
        let mut owner = self.shard(shard);
        if owner.epoch != epoch.0 {
            return Ok(Err(StoreError::Fenced));
        }
        let keys = preconditions.iter().map(Precondition::key).chain(mutations.iter().map(Mutation::key));
        let mut found: HashMap<&Key, Option<Found>> = HashMap::new();
        for key in keys {
            let row = match rows::read(self.connection, key.as_bytes()) {
                Ok(row) => row,
                // One damaged row must not stop everyone else's work.
                Err(super::engine::Failure::Damaged(detail)) => return Ok(Err(StoreError::Damaged(detail))),
                Err(failure) => return Err(failure),
            };
            if let Some(row) = &row
                && row.shard != owner.id
            {
                return Ok(Err(self.wrong_shard(key, row.shard, shard)));
            }
            found.insert(key, row.map(|row| Found { version: row.version, crc: row.crc }));
        }
        let holds = |precondition: &Precondition| {
            let version = found.get(precondition.key()).and_then(|row| row.map(|row| row.version));
            match precondition {
                Precondition::Absent(_) => version.is_none(),
                Precondition::Exact(_, expected) => version == Some(expected.0),
            }
        };
        if !preconditions.iter().all(holds) {
            return Ok(Err(StoreError::PreconditionFailed));
        }
        if mutations.is_empty() {
            return Ok(Ok(owner.revision));
        }
        self.state.revision += 1;
        owner.revision = self.state.revision;
        for mutation in mutations {
            let before = found.get(mutation.key()).copied().flatten();
            let after = match mutation {
                Mutation::Put(key, value) => Some(self.put(key, &owner, value, before)?),
                Mutation::Delete(key) => self.delete(key, before)?,
            };
            found.insert(mutation.key(), after);
        }
        self.touched.insert(shard.clone(), owner);
        Ok(Ok(self.state.revision))
    }

    fn put(&mut self, key: &Key, owner: &ShardState, value: &Bytes, before: Option<Found>) -> Step<Found> {
        let version = owner.revision;
        let crc = rows::put(self.connection, key.as_bytes(), owner.id, version, value)?;
        if let Some(before) = before {
            self.state.remove(before.crc);
        }
        self.state.add(crc);
        Ok(Found { version, crc })
    }

    fn delete(&mut self, key: &Key, before: Option<Found>) -> Step<Option<Found>> {
        if let Some(before) = before {
            rows::delete(self.connection, key.as_bytes())?;
            self.state.remove(before.crc);
        }
        Ok(None)
    }

    /// The shard as earlier requests of this transaction left it; a fresh one gets the next id.
    fn shard(&self, shard: &Shard) -> ShardState {
        let known = self.touched.get(shard).or_else(|| self.shards.get(shard));
        known.cloned().unwrap_or_else(|| {
            let fresh = self.touched.keys().filter(|touched| self.shards.get(touched).is_none()).count();
            ShardState { id: (self.shards.len() + fresh + 1) as u64, ..ShardState::default() }
        })
    }

    fn wrong_shard(&self, key: &Key, owner_id: u64, shard: &Shard) -> StoreError {
        let in_batch = || self.touched.iter().find(|(_, state)| state.id == owner_id).map(|(shard, _)| shard);
        let owner = self.shards.name(owner_id).or_else(in_batch);
        StoreError::WrongShard {
            key: format!("{key:?}"),
            owner: owner.map_or_else(|| format!("#{owner_id}"), |owner| format!("{owner:?}")),
            shard: format!("{shard:?}"),
        }
    }
}
