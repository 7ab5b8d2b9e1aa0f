//! Who owns a shard, and how far it is. Kept in rows beside the records, and all of it in memory.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::engine::{Failure, Step};
use super::rows::{SHARD_KEYS, StoredRow};
use crate::key::Shard;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardState {
    /// Stands for the shard in the rows of its records. Starts at 1.
    pub(super) id: u64,
    pub(super) epoch: u64,
    pub(super) owner: String,
    /// End of the lease, milliseconds since the epoch of the wall clock.
    pub(super) expires_at_ms: i64,
    /// Of the last commit.
    pub(super) revision: u64,
    /// Checksum of the row this was read from or written to.
    #[serde(skip)]
    pub(super) row_crc: Option<u64>,
}

impl ShardState {
    /// Gives the shard to `owner` and answers its epoch.
    pub(super) fn lease(&mut self, owner: &str, now_ms: i64, ttl_ms: u64) -> u64 {
        let ran_out = now_ms >= self.expires_at_ms;
        if self.epoch == 0 || self.owner != owner || ran_out {
            self.epoch += 1;
            owner.clone_into(&mut self.owner);
        }
        self.expires_at_ms = now_ms.saturating_add_unsigned(ttl_ms);
        self.epoch
    }
}

/// Shards are never forgotten: an epoch must not be used twice.
#[derive(Debug, Default)]
pub(super) struct Shards {
    known: HashMap<Shard, ShardState>,
    names: HashMap<u64, Shard>,
}

impl Shards {
    pub(super) fn get(&self, shard: &Shard) -> Option<&ShardState> {
        self.known.get(shard)
    }

    pub(super) fn name(&self, id: u64) -> Option<&Shard> {
        self.names.get(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn insert(&mut self, shard: Shard, state: ShardState) {
        self.names.insert(state.id, shard.clone());
        self.known.insert(shard, state);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Shard, &ShardState)> {
        self.known.iter()
    }
}

pub(super) fn row_key(shard: &Shard) -> Vec<u8> {
    [&[SHARD_KEYS][..], shard.as_bytes()].concat()
}

pub(super) fn decode(row: &StoredRow) -> Step<(Shard, ShardState)> {
    let damaged = |detail: String| Failure::Damaged(format!("a shard's row: {detail}"));
    let mut state: ShardState = serde_json::from_slice(&row.value).map_err(|error| damaged(error.to_string()))?;
    state.row_crc = Some(row.crc);
    match row.key.split_first() {
        Some((&SHARD_KEYS, name)) => Ok((Shard::from_bytes(name.to_vec()), state)),
        _ => Err(damaged("its key is not one of a shard".to_owned())),
    }
}

pub(super) fn encode(state: &ShardState) -> Step<Vec<u8>> {
    serde_json::to_vec(state).map_err(|error| Failure::Io(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_grows_when_the_owner_changes_or_the_lease_ran_out_and_only_then() {
        let mut shard = ShardState::default();
        // (owner, now, ttl) → epoch
        let steps = [
            (("a", 0, 100), 1),
            (("a", 99, 100), 1),
            (("a", 198, 100), 1),
            (("a", 298, 100), 2),
            (("b", 299, 100), 3),
            (("b", 300, 0), 3),
            (("b", 300, 100), 4),
            (("a", 301, u64::MAX), 5),
            (("a", i64::MAX - 1, 1), 5),
        ];
        for ((owner, now_ms, ttl_ms), epoch) in steps {
            assert_eq!(shard.lease(owner, now_ms, ttl_ms), epoch, "{owner} at {now_ms}");
        }
    }
}
