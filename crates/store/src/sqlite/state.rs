//! The one row that says how far the store is and what all its rows add up to.

use rusqlite::{Connection, params};

use super::engine::{Failure, Step};
use super::rows::{checksum, from_sql, share, to_sql};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Random; ties the witness to this database.
    pub(super) store_id: [u8; 16],
    /// The last durable change.
    pub(super) revision: u64,
    /// How many rows there are, shards included.
    pub(super) rows: u64,
    /// The sum of their shares.
    pub(super) fingerprint: u64,
}

impl State {
    pub(super) const fn new(store_id: [u8; 16]) -> Self {
        Self { store_id, revision: 0, rows: 0, fingerprint: 0 }
    }

    pub(super) const fn add(&mut self, crc: u64) {
        self.rows += 1;
        self.fingerprint = self.fingerprint.wrapping_add(share(crc));
    }

    pub(super) const fn remove(&mut self, crc: u64) {
        self.rows = self.rows.wrapping_sub(1);
        self.fingerprint = self.fingerprint.wrapping_sub(share(crc));
    }

    pub(super) fn load(connection: &Connection) -> Step<Self> {
        let mut statement =
            connection.prepare_cached("SELECT store_id, revision, rows, fingerprint, crc FROM state WHERE one = 1")?;
        let (state, crc) = statement.query_row([], |row| {
            let number = |at| row.get::<_, i64>(at).map(from_sql);
            let state = Self { store_id: row.get(0)?, revision: number(1)?, rows: number(2)?, fingerprint: number(3)? };
            Ok((state, number(4)?))
        })?;
        if state.crc() == crc {
            Ok(state)
        } else {
            Err(Failure::Damaged("the state row's checksum does not match".to_owned()))
        }
    }

    pub(super) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO state (one, store_id, revision, rows, fingerprint, crc) VALUES (1, ?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (one) DO UPDATE
             SET revision = excluded.revision, rows = excluded.rows, fingerprint = excluded.fingerprint,
                 crc = excluded.crc",
        )?;
        let Self { store_id, revision, rows, fingerprint } = self;
        let numbers = [*revision, *rows, *fingerprint, self.crc()].map(to_sql);
        statement.execute(params![store_id, numbers[0], numbers[1], numbers[2], numbers[3]]).map(|_| ())
    }

    fn crc(&self) -> u64 {
        checksum(&self.store_id, self.rows, self.revision, &self.fingerprint.to_be_bytes())
    }
}
