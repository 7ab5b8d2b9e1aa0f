//! Rows and their checksums.
//!
//! One table holds everything, shards too, in one tree: a scan in key order that finds every row intact, in order
//! and adding up to the recorded fingerprint proves that lookups find the right rows as well.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::engine::{Failure, Step};
use crate::key::Key;
use crate::store::{Entry, KeyVersion};

/// Without rowid: a separate index could be damaged on its own, and a row then be missed silently.
pub(super) const SCHEMA: &str = "
    CREATE TABLE entry (
        key     BLOB    NOT NULL PRIMARY KEY,
        shard   INTEGER NOT NULL,
        version INTEGER NOT NULL,
        value   BLOB    NOT NULL,
        crc     INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE state (
        one         INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        store_id    BLOB    NOT NULL,
        revision    INTEGER NOT NULL,
        rows        INTEGER NOT NULL,
        fingerprint INTEGER NOT NULL,
        crc         INTEGER NOT NULL
    ) STRICT;
";

/// Shards are rows too; no record's key starts with this byte.
pub(super) const SHARD_KEYS: u8 = 0x00;
pub(super) const FIRST_RECORD_KEY: [u8; 1] = [SHARD_KEYS + 1];

/// A row, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredRow {
    pub(super) key: Vec<u8>,
    pub(super) shard: u64,
    pub(super) version: u64,
    pub(super) value: Bytes,
    pub(super) crc: u64,
}

impl StoredRow {
    pub(super) fn into_entry(self) -> Entry {
        Entry { key: Key::from_bytes(self.key), value: self.value, version: KeyVersion(self.version) }
    }
}

/// CRC-64/NVME over all of a row.
pub(super) fn checksum(key: &[u8], shard: u64, version: u64, value: &[u8]) -> u64 {
    let mut head = Vec::with_capacity(key.len() + 24);
    head.extend((key.len() as u64).to_be_bytes());
    head.extend(key);
    head.extend(shard.to_be_bytes());
    head.extend(version.to_be_bytes());
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    digest.update(&head);
    digest.update(value);
    digest.finalize()
}

/// A row's share of the store's fingerprint, which is their sum. Mixed (SplitMix64's finaliser), since plain CRCs of
/// related rows could cancel each other out.
pub(super) const fn share(crc: u64) -> u64 {
    let z = (crc ^ (crc >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

pub(super) fn read(connection: &Connection, key: &[u8]) -> Step<Option<StoredRow>> {
    let mut statement =
        connection.prepare_cached("SELECT key, shard, version, value, crc FROM entry WHERE key = ?1")?;
    let row = statement.query_row(params![key], |row| Ok(verify(row))).optional()?.transpose()?;
    match row {
        Some(row) if row.key != key => Err(damaged(key, "another row was found in its place")),
        other => Ok(other),
    }
}

/// Rows with `key > from` (or `>=` when `inclusive`) and `key < to`, in order.
pub(super) fn range(
    connection: &Connection,
    from: &[u8],
    inclusive: bool,
    to: &[u8],
    limit: usize,
) -> Step<Vec<StoredRow>> {
    let mut found: Vec<StoredRow> = Vec::new();
    visit(connection, from, inclusive, to, limit, |row| {
        found.push(row);
        true
    })?;
    Ok(found)
}

/// Shows rows in order, each verified, until `take` answers `false`.
pub(super) fn visit(
    connection: &Connection,
    from: &[u8],
    inclusive: bool,
    to: &[u8],
    limit: usize,
    mut take: impl FnMut(StoredRow) -> bool,
) -> Step<()> {
    let sql = if inclusive {
        "SELECT key, shard, version, value, crc FROM entry WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3"
    } else {
        "SELECT key, shard, version, value, crc FROM entry WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT ?3"
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![from, to, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut last: Option<Vec<u8>> = None;
    while let Some(row) = rows.next()? {
        let row = verify(row)?;
        let after_last = last.as_ref().is_none_or(|last| *last < row.key);
        let in_range = *row.key >= *from && (inclusive || *row.key != *from) && *row.key < *to;
        if !after_last || !in_range {
            return Err(damaged(&row.key, "it is out of order"));
        }
        last = Some(row.key.clone());
        if !take(row) {
            break;
        }
    }
    Ok(())
}

/// Writes a row and answers its checksum.
pub(super) fn put(
    connection: &Connection,
    key: &[u8],
    shard: u64,
    version: u64,
    value: &[u8],
) -> rusqlite::Result<u64> {
    let crc = checksum(key, shard, version, value);
    let mut statement = connection.prepare_cached(
        "INSERT INTO entry (key, shard, version, value, crc) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (key) DO UPDATE
         SET shard = excluded.shard, version = excluded.version, value = excluded.value, crc = excluded.crc",
    )?;
    statement.execute(params![key, to_sql(shard), to_sql(version), value, to_sql(crc)])?;
    Ok(crc)
}

pub(super) fn delete(connection: &Connection, key: &[u8]) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM entry WHERE key = ?1")?.execute(params![key]).map(|_| ())
}

fn verify(row: &Row<'_>) -> Step<StoredRow> {
    let blob = |at| match row.get_ref(at) {
        Ok(ValueRef::Blob(bytes)) => Ok(bytes),
        Ok(_) => Err(Failure::Damaged("a row's column has another type".to_owned())),
        Err(error) => Err(Failure::of(&error)),
    };
    let number = |at| row.get::<_, i64>(at).map(from_sql);
    let (key, value) = (blob(0)?, blob(3)?);
    let (shard, version, crc) = (number(1)?, number(2)?, number(4)?);
    if checksum(key, shard, version, value) != crc {
        return Err(damaged(key, "its checksum does not match"));
    }
    Ok(StoredRow { key: key.to_vec(), shard, version, value: Bytes::copy_from_slice(value), crc })
}

fn damaged(key: &[u8], what: &str) -> Failure {
    Failure::Damaged(format!("the row {:?}: {what}", Key::from_bytes(key.to_vec())))
}

/// SQLite's integers are signed: the same 64 bits.
pub(super) const fn to_sql(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) const fn from_sql(number: i64) -> u64 {
    number.cast_unsigned()
}
