//! Rows and their seals.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use tokio_postgres::Row;

use super::failure::{Failure, Step};
use crate::key::Key;
use crate::store::{Entry, KeyVersion};

/// The columns that [`entry`] takes, in this order.
pub(super) const COLUMNS: &str = "key, shard, version, seal, value";

/// CRC-64/NVME over key and value. The database lays shard and version over it (`hearth.seal`): it alone knows them.
pub(super) fn checksum(key: &[u8], value: &[u8]) -> i64 {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    digest.update(&(key.len() as u64).to_be_bytes());
    digest.update(key);
    digest.update(value);
    digest.finalize().cast_signed()
}

/// A row, verified.
pub(super) fn entry(row: &Row) -> Step<Entry> {
    let key: &[u8] = row.try_get(0)?;
    let (shard, version, seal): (i64, i64, i64) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    let value: &[u8] = row.try_get(4)?;
    let key_of = |bytes: &[u8]| Key::from_bytes(bytes.to_vec());
    if checksum(key, value) ^ version ^ (shard << 32) != seal {
        return Err(Failure::Damaged(format!("the row {:?}: its checksum does not match", key_of(key))));
    }
    Ok(Entry { key: key_of(key), value: Bytes::copy_from_slice(value), version: KeyVersion(version.cast_unsigned()) })
}
