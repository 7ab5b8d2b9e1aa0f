//! Moves the write-ahead log into the database, on a thread of its own: commits do not wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};

use rusqlite::Connection;

use super::engine::{Failure, Step};
use crate::health::Health;
use crate::limits::{CHECKPOINT_RETRY, WAL_SOFT_BYTES};

/// What a page in the log has before it. Source: SQLite's "Database File Format", 4.1.
pub(super) const FRAME_HEADER_BYTES: u64 = 24;

/// Wakes the thread; one that works already is not disturbed. The thread ends when this is dropped.
pub(super) struct Signal(SyncSender<()>);

impl Signal {
    pub(super) fn new() -> (Self, Receiver<()>) {
        let (sender, receiver) = mpsc::sync_channel(1);
        (Self(sender), receiver)
    }

    pub(super) fn notify(&self, wal_bytes: u64) {
        if wal_bytes > WAL_SOFT_BYTES {
            // A full channel means that it is awake.
            let _ = self.0.try_send(());
        }
    }
}

pub(super) fn run(connection: &Connection, wake: &Receiver<()>, wal_bytes: &Arc<AtomicU64>, health: &Health) {
    while wake.recv().is_ok() {
        if health.check().is_err() {
            continue;
        }
        match checkpoint(connection, wal_bytes) {
            Ok(()) => {}
            Err(Failure::Damaged(detail)) => health.damaged(detail),
            Err(Failure::Io(detail)) => health.fatal(&detail),
            // The log keeps everything meanwhile.
            Err(Failure::Full | Failure::Busy(_)) => std::thread::sleep(CHECKPOINT_RETRY.duration()),
        }
    }
}

/// Moves what no reader still needs in its old place.
pub(super) fn checkpoint(connection: &Connection, wal_bytes: &AtomicU64) -> Step<()> {
    let (busy, frames, moved) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    // When all is moved, the next commit writes the log from its beginning.
    if !busy && frames == moved {
        wal_bytes.store(0, Ordering::Relaxed);
    }
    Ok(())
}
