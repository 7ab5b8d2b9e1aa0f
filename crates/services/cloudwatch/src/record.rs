//! What the store keeps, and under which keys: metrics as records; data in rows of a compact form of their own (postcard
//! behind a version byte), for it is written by the thousand each minute.

use bytes::Bytes;
use hearth_ports::Dimensions;
use hearth_store::{Key, Record, Shard};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::error::CloudWatchError;
use crate::tier::Tier;

const VERSION: u8 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeriesRecord {
    pub(crate) id: u64,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: Dimensions,
    pub(crate) unit: String,
    pub(crate) is_high_resolution: bool,
    pub(crate) last_ms: i64,
}

impl Record for SeriesRecord {
    const KIND: &'static str = "cloudwatch.series";
    const VERSION: u32 = 1;
}

/// Up to where the journal has been packed and is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedRecord {
    pub(crate) sequence: u64,
    /// Ids of series are not used twice.
    pub(crate) last_id: u64,
}

impl Record for PackedRecord {
    const KIND: &'static str = "cloudwatch.packed";
    const VERSION: u32 = 1;
}

/// One point of a row of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) series: u64,
    pub(crate) second: i64,
    pub(crate) by_second: bool,
    pub(crate) aggregate: Aggregate,
}

/// The points of one series in one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Block {
    /// Rows of the journal up to this one are in it.
    pub(crate) applied: u64,
    /// By their place in the block.
    pub(crate) points: Vec<(u16, Aggregate)>,
}

impl Block {
    pub(crate) fn add(&mut self, place: u16, aggregate: &Aggregate) {
        match self.points.binary_search_by_key(&place, |point| point.0) {
            Ok(at) => self.points[at].1.merge(aggregate),
            Err(at) => self.points.insert(at, (place, aggregate.clone())),
        }
    }
}

/// # Errors
/// [`CloudWatchError::Internal`]: a defect.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Bytes, CloudWatchError> {
    let bytes = postcard::to_extend(value, vec![VERSION]);
    bytes.map(Bytes::from).map_err(|error| CloudWatchError::Internal(error.to_string()))
}

/// # Errors
/// [`CloudWatchError::Internal`]: the bytes are not what this version writes.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CloudWatchError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => {
            postcard::from_bytes(rest).map_err(|error| CloudWatchError::Internal(error.to_string()))
        }
        Some((version, _)) => {
            Err(CloudWatchError::Internal(format!("metrics of version {version}: use a newer Hearth")))
        }
        None => Err(CloudWatchError::Internal("a row without content".to_owned())),
    }
}

/// One for all metrics of an account and region.
pub(crate) fn shard(scope: &Scope) -> Shard {
    Shard::new(scope, "cloudwatch")
}

pub(crate) fn all_series(scope: &Scope) -> Key {
    Key::new(scope, SeriesRecord::KIND)
}

pub(crate) fn series_key(scope: &Scope, id: u64) -> Key {
    all_series(scope).part_u64(id)
}

pub(crate) fn packed_key(scope: &Scope) -> Key {
    Key::new(scope, PackedRecord::KIND).part("journal")
}

pub(crate) fn journal(scope: &Scope) -> Key {
    Key::new(scope, "cloudwatch.journal")
}

pub(crate) fn row_key(scope: &Scope, sequence: u64) -> Key {
    journal(scope).part_u64(sequence)
}

pub(crate) fn blocks(scope: &Scope, tier: &Tier) -> Key {
    Key::new(scope, "cloudwatch.block").part_u64(tier.id)
}

/// By time first: what expires is what comes first.
pub(crate) fn block_key(scope: &Scope, tier: &Tier, block_start_s: i64, series: u64) -> Key {
    blocks(scope, tier).part_u64(u64::try_from(block_start_s).unwrap_or(0)).part_u64(series)
}
