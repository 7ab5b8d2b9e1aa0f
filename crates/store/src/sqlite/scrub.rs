//! Reads everything and compares it with what was written.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::engine::{Failure, Step};
use super::rows;
use super::state::State;

/// Checks every row's checksum and order, and that together they are the rows the state speaks of: none lost, none
/// old, none from elsewhere. One consistent view. Ends early, satisfied, when `stop` is set.
pub(super) fn verify(connection: &Connection, stop: &AtomicBool) -> Step<()> {
    // Dropped without a commit: it only reads.
    let view = connection.unchecked_transaction()?;
    let expected = State::load(&view)?;
    let mut found = State::new(expected.store_id);
    let mut stopped = false;
    rows::visit(&view, &[], true, &[u8::MAX], usize::MAX, |row| {
        found.add(row.crc);
        stopped = stop.load(Ordering::Relaxed);
        !stopped
    })?;
    if stopped || (found.rows, found.fingerprint) == (expected.rows, expected.fingerprint) {
        return Ok(());
    }
    Err(Failure::Damaged(format!(
        "{} rows were found where {} were written, or some are not the ones that were written",
        found.rows, expected.rows
    )))
}
