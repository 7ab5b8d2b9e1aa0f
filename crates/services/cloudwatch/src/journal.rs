//! How data gets into the store: a row of the journal for each request, in one commit with the metrics that are new; then
//! into memory.
//!
//! Whoever writes or reads holds the house lock shared; the packer holds it alone while it moves data from memory into
//! blocks. So nothing is seen twice or not at all.

use std::collections::{HashMap, HashSet};

use hearth_ports::Unit;
use hearth_store::{Entry as Row, Epoch, Mutation, scan_all, scopes};
use hearth_types::Scope;

use crate::CloudWatch;
use crate::aggregate::Aggregate;
use crate::error::CloudWatchError;
use crate::limits::ROW_BYTES_MAX;
use crate::record::{
    Block, Entry, PackedRecord, SeriesRecord, all_series, block_key, decode, encode, journal, packed_key, row_key,
    series_key, shard,
};
use crate::series::{MetricKey, Place, Resolution};
use crate::tier::MINUTE;

/// Values of one metric in one second or minute.
#[derive(Clone, Debug)]
pub(crate) struct Datum {
    pub(crate) key: MetricKey,
    pub(crate) unit: Unit,
    pub(crate) timestamp_ms: i64,
    pub(crate) resolution: Resolution,
    pub(crate) aggregate: Aggregate,
}

/// Bytes that a point takes in a row, about.
fn size(aggregate: &Aggregate) -> usize {
    64 + aggregate.distribution.as_ref().map_or(0, |spread| spread.values().count() * 13)
}

impl CloudWatch {
    /// Durable when it returns.
    ///
    /// # Errors
    /// [`CloudWatchError::TooManyMetrics`] or the store's.
    pub(crate) async fn write(&self, scope: &Scope, data: Vec<Datum>) -> Result<(), CloudWatchError> {
        let _shared = self.house.read().await;
        let mut rest = data.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |datum: &&Datum| {
                bytes += size(&datum.aggregate);
                bytes <= ROW_BYTES_MAX
            };
            let length = rest.iter().take_while(fits).count().max(1);
            let (row, left) = rest.split_at(length);
            self.write_row(scope, row).await?;
            rest = left;
        }
        Ok(())
    }

    async fn write_row(&self, scope: &Scope, data: &[Datum]) -> Result<(), CloudWatchError> {
        let (mut mutations, mut entries, mut made) = (Vec::new(), Vec::with_capacity(data.len()), Vec::new());
        let mut unrecorded = HashSet::new();
        let sequence = {
            let mut places = self.places.lock();
            let place = places.entry(scope.clone()).or_default();
            for datum in data {
                let found = place.find_or_make(&datum.key, datum.unit);
                let (id, is_new) = found.inspect_err(|_| made.iter().for_each(|id| place.remove(*id)))?;
                if is_new {
                    made.push(id);
                }
                // Also what another request makes that is not there yet: it may fail.
                if !place.series[&id].is_recorded && unrecorded.insert(id) {
                    let record = self.codec.encode(&series_record(place, id, datum.resolution))?;
                    mutations.push(Mutation::Put(series_key(scope, id), record));
                }
                let period_s = datum.resolution.period_s();
                entries.push(Entry {
                    series: id,
                    second: datum.timestamp_ms.div_euclid(1_000).div_euclid(period_s) * period_s,
                    by_second: datum.resolution == Resolution::Second,
                    aggregate: datum.aggregate.clone(),
                });
            }
            place.sequence += 1;
            place.sequence
        };
        let row = encode(&entries)?;
        let bytes = row.len();
        mutations.push(Mutation::Put(row_key(scope, sequence), row));
        let committed = self.store.commit(&shard(scope), Epoch(0), Vec::new(), mutations).await;
        committed?;
        let mut places = self.places.lock();
        let place = places.entry(scope.clone()).or_default();
        for id in unrecorded {
            if let Some(series) = place.series.get_mut(&id) {
                series.is_recorded = true;
            }
        }
        place.journal_bytes += bytes;
        apply(place, &entries);
        Ok(())
    }

    /// Reads what an earlier life left.
    ///
    /// # Errors
    /// The store's, or a record that this version does not know.
    pub(crate) async fn load(&self) -> Result<(), CloudWatchError> {
        for scope in scopes(&*self.store).await? {
            let mut place = Place::default();
            scan_all(&*self.store, &all_series(&scope), |row: Row| {
                let SeriesRecord { id, namespace, name, dimensions, unit, is_high_resolution, last_ms } =
                    self.codec.decode(&row.value)?;
                let unit = Unit::parse(&unit).unwrap_or_default();
                place.insert(id, MetricKey::new(namespace, name, dimensions), unit, last_ms, is_high_resolution);
                Ok::<_, CloudWatchError>(())
            })
            .await?;
            if let Some(row) = self.store.get(&packed_key(&scope)).await? {
                let PackedRecord { sequence, last_id } = self.codec.decode(&row.value)?;
                place.sequence = sequence;
                place.next_id = place.next_id.max(last_id);
            }
            let mut rows = Vec::new();
            scan_all(&*self.store, &journal(&scope), |row: Row| {
                rows.push(row);
                Ok::<_, CloudWatchError>(())
            })
            .await?;
            self.replay(&scope, &mut place, rows).await?;
            if place.sequence > 0 {
                self.places.lock().insert(scope, place);
            }
        }
        Ok(())
    }

    /// What was packed before the packer was cut off is in its block already.
    async fn replay(&self, scope: &Scope, place: &mut Place, rows: Vec<Row>) -> Result<(), CloudWatchError> {
        let mut applied = HashMap::new();
        for row in rows {
            let Some(hearth_store::Component::Number(sequence)) =
                row.key.components().and_then(|mut components| components.pop())
            else {
                return Err(CloudWatchError::Internal(format!("a row of the journal at {:?}", row.key)));
            };
            let mut entries: Vec<Entry> = decode(&row.value)?;
            let mut kept = Vec::with_capacity(entries.len());
            for entry in entries.drain(..) {
                let block = (entry.series, MINUTE.block_start(entry.second));
                let known = match applied.get(&block) {
                    Some(applied) => *applied,
                    None => {
                        let found = self.store.get(&block_key(scope, &MINUTE, block.1, block.0)).await?;
                        let found = found.map(|row| decode::<Block>(&row.value)).transpose()?;
                        *applied.entry(block).or_insert(found.map_or(0, |block| block.applied))
                    }
                };
                if sequence > known {
                    kept.push(entry);
                }
            }
            apply(place, &kept);
            place.sequence = place.sequence.max(sequence);
            place.journal_bytes += row.value.len();
        }
        Ok(())
    }
}

fn apply(place: &mut Place, entries: &[Entry]) {
    for entry in entries {
        let resolution = if entry.by_second { Resolution::Second } else { Resolution::Minute };
        place.apply(entry.series, entry.second, resolution, &entry.aggregate);
    }
}

/// The record of a series that is in memory.
fn series_record(place: &Place, id: u64, resolution: Resolution) -> SeriesRecord {
    let (key, unit) = &place.keys[&id];
    let series = &place.series[&id];
    SeriesRecord {
        id,
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        dimensions: key.dimensions.clone(),
        unit: unit.as_str().to_owned(),
        is_high_resolution: series.is_high_resolution || resolution == Resolution::Second,
        last_ms: series.last_ms,
    }
}

/// As it is packed.
pub(crate) fn record_of(place: &Place, id: u64) -> SeriesRecord {
    series_record(place, id, Resolution::Minute)
}
