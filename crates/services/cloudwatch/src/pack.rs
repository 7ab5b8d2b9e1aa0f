//! From the journal into blocks, and what has expired out of the store.
//!
//! A pass goes through the metrics that have open data, commits their blocks of all tiers, some at a time, and forgets the
//! data in memory; behind it the journal up to where the pass began is deleted. A pass that is cut off is taken up by the
//! next life: each block knows up to which row it has what the journal said.

use std::collections::BTreeMap;

use hearth_store::{Epoch, Key, Mutation};
use hearth_types::Scope;

use crate::CloudWatch;
use crate::aggregate::Aggregate;
use crate::error::CloudWatchError;
use crate::journal::record_of;
use crate::limits::{DELETIONS, PACK_COMMIT_BYTES};
use crate::record::{
    Block, PackedRecord, SeriesRecord, block_key, blocks, decode, encode, journal, packed_key, row_key, series_key,
    shard,
};
use crate::series::Resolution;
use crate::tier::{self, FIVE_MINUTES, HOUR, MINUTE, SECOND, Tier};

/// What a series had in memory.
struct Opened {
    record: SeriesRecord,
    points: BTreeMap<(i64, Resolution), Aggregate>,
}

impl CloudWatch {
    /// Packs everything.
    ///
    /// # Errors
    /// The store's: what is not packed stays in the journal.
    pub(crate) async fn pack(&self) -> Result<(), CloudWatchError> {
        let scopes: Vec<Scope> = self.places.lock().keys().cloned().collect();
        for scope in scopes {
            self.pack_scope(&scope).await?;
        }
        Ok(())
    }

    async fn pack_scope(&self, scope: &Scope) -> Result<(), CloudWatchError> {
        let (through, mut left) = {
            let _alone = self.house.write().await;
            let mut places = self.places.lock();
            let Some(place) = places.get_mut(scope) else { return Ok(()) };
            place.journal_bytes = 0;
            let open = place.series.values().filter(|series| !series.open.is_empty());
            (place.sequence, open.map(|series| series.id).collect::<Vec<u64>>())
        };
        if left.is_empty() {
            return Ok(());
        }
        while !left.is_empty() {
            // One commit at a time: who writes waits for no more.
            let _alone = self.house.write().await;
            self.pack_some(scope, &mut left).await?;
        }
        self.drop_journal(scope, through).await
    }

    /// Takes as many series off the list as one commit holds.
    pub(crate) async fn pack_some(&self, scope: &Scope, left: &mut Vec<u64>) -> Result<(), CloudWatchError> {
        let (mut mutations, mut bytes, mut packed) = (Vec::new(), 0, Vec::new());
        while bytes < PACK_COMMIT_BYTES
            && let Some(id) = left.pop()
        {
            let opened = {
                let places = self.places.lock();
                let place = places.get(scope).filter(|place| place.series.contains_key(&id));
                place.map(|place| {
                    let opened = Opened { record: record_of(place, id), points: place.series[&id].open.clone() };
                    (opened, place.sequence)
                })
            };
            let Some((Opened { record, points }, applied)) = opened else { continue };
            for ((tier_id, start), changes) in by_block(&points) {
                let tier = tier::ALL[tier_id];
                let key = block_key(scope, tier, start, id);
                let mut block = match self.store.get(&key).await? {
                    Some(row) => decode::<Block>(&row.value)?,
                    None => Block::default(),
                };
                block.applied = applied;
                changes.iter().for_each(|(place, aggregate)| block.add(*place, aggregate));
                let row = encode(&block)?;
                bytes += row.len();
                mutations.push(Mutation::Put(key, row));
            }
            let record = self.codec.encode(&record)?;
            bytes += record.len();
            mutations.push(Mutation::Put(series_key(scope, id), record));
            packed.push(id);
        }
        self.store.commit(&shard(scope), Epoch(0), Vec::new(), mutations).await?;
        let mut places = self.places.lock();
        if let Some(place) = places.get_mut(scope) {
            for id in packed {
                if let Some(series) = place.series.get_mut(&id) {
                    series.open.clear();
                }
            }
        }
        Ok(())
    }

    /// The rows up to this one have all been packed.
    async fn drop_journal(&self, scope: &Scope, through: u64) -> Result<(), CloudWatchError> {
        let last_id = self.places.lock().get(scope).map_or(0, |place| place.next_id);
        let record = self.codec.encode(&PackedRecord { sequence: through, last_id })?;
        loop {
            let rows = self.store.scan(&journal(scope), None, DELETIONS).await?;
            let behind = row_key(scope, through);
            let gone: Vec<Key> = rows.into_iter().map(|row| row.key).filter(|key| *key <= behind).collect();
            let is_last = gone.len() < DELETIONS;
            let mut mutations = vec![Mutation::Put(packed_key(scope), record.clone())];
            mutations.extend(gone.into_iter().map(Mutation::Delete));
            self.store.commit(&shard(scope), Epoch(0), Vec::new(), mutations).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Removes what is older than its tier keeps, and metrics that have nothing left.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn expire(&self) -> Result<(), CloudWatchError> {
        let now_ms = self.clock.now_ms();
        let scopes: Vec<Scope> = self.places.lock().keys().cloned().collect();
        for scope in scopes {
            for tier in tier::ALL {
                self.expire_tier(&scope, tier, now_ms).await?;
            }
            let old: Vec<u64> = {
                let mut places = self.places.lock();
                let Some(place) = places.get_mut(&scope) else { continue };
                let is_old = |last_ms: i64| last_ms < now_ms - HOUR.kept_ms;
                let old = place.series.values().filter(|series| series.open.is_empty() && is_old(series.last_ms));
                // One that has no data yet is being written to.
                let old: Vec<u64> = old.filter(|series| series.last_ms > i64::MIN).map(|series| series.id).collect();
                old.iter().for_each(|id| place.remove(*id));
                old
            };
            for some in old.chunks(DELETIONS) {
                let mutations = some.iter().map(|id| Mutation::Delete(series_key(&scope, *id))).collect();
                self.store.commit(&shard(&scope), Epoch(0), Vec::new(), mutations).await?;
            }
        }
        Ok(())
    }

    async fn expire_tier(&self, scope: &Scope, tier: &Tier, now_ms: i64) -> Result<(), CloudWatchError> {
        let oldest_s = (now_ms - tier.kept_ms).div_euclid(1_000) - tier.block_s;
        let end = block_key(scope, tier, oldest_s, 0);
        loop {
            let rows = self.store.scan(&blocks(scope, tier), None, DELETIONS).await?;
            let gone: Vec<Mutation> =
                rows.into_iter().map(|row| row.key).filter(|key| *key < end).map(Mutation::Delete).collect();
            let is_last = gone.len() < DELETIONS;
            if !gone.is_empty() {
                self.store.commit(&shard(scope), Epoch(0), Vec::new(), gone).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

/// By tier and start of the block: what is to be added where.
type Changes = BTreeMap<(usize, i64), Vec<(u16, Aggregate)>>;

fn by_block(points: &BTreeMap<(i64, Resolution), Aggregate>) -> Changes {
    let mut changes = Changes::new();
    for ((second, resolution), aggregate) in points {
        let tiers: &[&Tier] = match resolution {
            Resolution::Second => &[&SECOND, &MINUTE, &FIVE_MINUTES, &HOUR],
            Resolution::Minute => &[&MINUTE, &FIVE_MINUTES, &HOUR],
        };
        for tier in tiers {
            let start = tier.block_start(*second);
            // A block has no more points than that.
            let place = u16::try_from((second - start) / tier.period_s).unwrap_or(u16::MAX);
            let index = usize::try_from(tier.id).unwrap_or(0);
            changes.entry((index, start)).or_default().push((place, aggregate.clone()));
        }
    }
    changes
}
