//! The embedded engine: SQLite behind one commit thread.
//!
//! ```text
//! <dir>.lock       one process
//! <dir>/hearth.db  one table of rows, each with a checksum (rows, state, shards)
//! <dir>/witness    the last acknowledged revision, outside the engine
//!
//! commit, lease ─► committer ─► batch (pure decisions over rows)      checkpointer   (thread)
//! get, scan ─────► readers                                            scrub          (once, after opening)
//! watch ─────────► watchers ◄─ committer, once durable
//! copy ──────────► a store of its own, as of one moment
//! ```

mod batch;
mod checkpointer;
mod committer;
mod copy;
mod engine;
mod open;
mod readers;
mod rows;
mod scrub;
mod shards;
mod state;
mod witness;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use async_trait::async_trait;
use hearth_types::{Clock, Millis, OsRandom, Random, SystemClock};
use parking_lot::Mutex;

use self::checkpointer::{FRAME_HEADER_BYTES, Signal};
use self::committer::Committer;
use self::engine::{Access, Failure};
pub use self::open::OpenError;
use self::open::{Files, Opened};
use self::readers::Readers;
use self::rows::FIRST_RECORD_KEY;
use crate::health::{self, Health, OnFatal};
use crate::key::{Key, Shard};
use crate::limits::{KEY_BYTES_MAX, SCAN_ENTRIES_MAX, WAL_HARD_BYTES};
use crate::lock::DirLock;
use crate::request::{Intake, Work, at_most, size};
use crate::store::{Entry, Epoch, Mutation, Precondition, Revision, Store, StoreError};
use crate::watchers::Watchers;

/// What a test or a server may want otherwise.
#[derive(Clone)]
pub struct StoreOptions {
    /// The wall clock, for leases.
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// What happens when the disk fails under a commit; ends the process by default.
    pub on_fatal: OnFatal,
    /// The database may not grow beyond this, bytes; commits are then [`StoreError::Full`].
    pub database_bytes_max: Option<u64>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            on_fatal: Arc::new(health::end_process),
            database_bytes_max: None,
        }
    }
}

/// A store in one directory of this machine. Dropping it commits what was asked for, and lets go of the directory.
pub struct SqliteStore {
    /// `None` while closing: the commit thread ends with the last sender.
    requests: Option<Intake>,
    readers: Arc<Readers>,
    watchers: Arc<Watchers>,
    health: Arc<Health>,
    stop_scrub: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    // Declared last: released when all else is gone.
    _lock: DirLock,
}

impl SqliteStore {
    /// Opens or makes the store in `dir`. Blocks: milliseconds, or up to about a second for a larger database, which
    /// is verified first.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(dir, StoreOptions::default())
    }

    /// As [`SqliteStore::open`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let Opened { lock, mut connection, witness, state, shards, verify_later } = open::open(dir, &*options.random)?;
        let io = |detail: String| OpenError::Io { path: dir.to_owned(), detail };
        let sql = |error: rusqlite::Error| io(error.to_string());
        let database = Files { dir: dir.to_owned() }.database();
        let health = Arc::new(Health::new(options.on_fatal));
        let watchers = Arc::new(Watchers::new(shards.iter().map(|(shard, state)| (shard.clone(), state.revision))));
        let readers = Arc::new(Readers::open(&database, health.clone()).map_err(sql)?);

        if let Some(bytes) = options.database_bytes_max {
            engine::limit_size(&connection, bytes).map_err(sql)?;
        }
        let frame_bytes = FRAME_HEADER_BYTES + engine::page_bytes(&connection).map_err(sql)?;
        let wal_bytes = Arc::new(AtomicU64::new(0));
        let counted = wal_bytes.clone();
        let count = move |_: &mut rusqlite::hooks::Wal, frames: std::ffi::c_int| {
            counted.store(frame_bytes * u64::from(frames.unsigned_abs()), Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(count)).map_err(sql)?;

        let mut threads = Vec::new();
        let mut spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
            thread.map(|handle| threads.push(handle)).map_err(|error| io(error.to_string()))
        };
        let (checkpointer, wake) = Signal::new();
        let checkpoints = engine::connect(&database, Access::Write).map_err(sql)?;
        spawn("store-checkpoint", {
            let (wal_bytes, health) = (wal_bytes.clone(), health.clone());
            Box::new(move || checkpointer::run(&checkpoints, &wake, &wal_bytes, &health))
        })?;
        let stop_scrub = Arc::new(AtomicBool::new(false));
        if verify_later {
            let scrubbed = engine::connect(&database, Access::Read).map_err(sql)?;
            let (stop, health) = (stop_scrub.clone(), health.clone());
            spawn("store-scrub", Box::new(move || verify_in_background(&scrubbed, &stop, &health)))?;
        }
        let (requests, queue) = Intake::new(health.clone());
        let committer = Committer {
            connection,
            state,
            shards,
            witness,
            watchers: watchers.clone(),
            health: health.clone(),
            clock: options.clock,
            checkpointer,
            wal_bytes,
            told_bytes: WAL_HARD_BYTES,
        };
        spawn("store-commit", Box::new(move || committer.run(queue)))?;

        Ok(Self {
            requests: Some(requests),
            readers,
            watchers,
            health,
            stop_scrub,
            threads: Mutex::new(threads),
            _lock: lock,
        })
    }

    /// Copies the store in `from`, in use or not, into the directory `to`, which must not exist: a store with a witness of
    /// its own, every row verified, that holds what was acknowledged before. Answers the revision it is at. Blocks.
    ///
    /// # Errors
    /// [`OpenError`]. `to` may then exist.
    pub fn copy(from: &Path, to: &Path) -> Result<Revision, OpenError> {
        copy::copy(from, to)
    }
}

fn verify_in_background(connection: &rusqlite::Connection, stop: &AtomicBool, health: &Health) {
    match scrub::verify(connection, stop) {
        Ok(()) => {}
        Err(Failure::Damaged(detail)) => health.damaged(detail),
        Err(failure) => tracing::error!(?failure, "the store could not be verified"),
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.requests.take();
        self.stop_scrub.store(true, Ordering::Relaxed);
        for thread in self.threads.get_mut().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
        self.health.close();
        self.readers.close();
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(
        &self,
        shard: &Shard,
        epoch: Epoch,
        preconditions: Vec<Precondition>,
        mutations: Vec<Mutation>,
    ) -> Result<Revision, StoreError> {
        let bytes = size(shard, &preconditions, &mutations)?;
        let work = Work::Commit { shard: shard.clone(), epoch, preconditions, mutations };
        self.requests.as_ref().ok_or(StoreError::Closed)?.submit(work, bytes).await.map(Revision)
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let key = key.clone();
        let row = self.readers.run(move |connection| rows::read(connection, key.as_bytes())).await?;
        Ok(row.map(rows::StoredRow::into_entry))
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        at_most("the limit of a scan", limit, SCAN_ENTRIES_MAX)?;
        let to = prefix.end();
        let first = prefix.as_bytes().max(&FIRST_RECORD_KEY).to_vec();
        let (from, inclusive) = match after.map(Key::as_bytes) {
            Some(after) if after >= first.as_slice() => (after.to_vec(), false),
            _ => (first, true),
        };
        let read =
            move |connection: &rusqlite::Connection| rows::range(connection, &from, inclusive, to.as_bytes(), limit);
        let found = self.readers.run(read).await?;
        Ok(found.into_iter().map(rows::StoredRow::into_entry).collect())
    }

    async fn watch(&self, shard: &Shard, since: Revision) -> Result<Revision, StoreError> {
        self.watchers.wait(shard, since).await
    }

    async fn lease(&self, shard: &Shard, owner: &str, ttl: Millis) -> Result<Epoch, StoreError> {
        at_most("the owner's name", owner.len(), KEY_BYTES_MAX)?;
        let bytes = size(shard, &[], &[])?;
        let work = Work::Lease { shard: shard.clone(), owner: owner.to_owned(), ttl };
        self.requests.as_ref().ok_or(StoreError::Closed)?.submit(work, bytes + owner.len()).await.map(Epoch)
    }
}
