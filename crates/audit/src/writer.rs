//! The writing side: a bounded queue, and one thread that empties it into files.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hearth_ports::{AuditLog, AuditRecord};
use parking_lot::{Condvar, Mutex};

use crate::{Line, files};

/// Decisions that wait for the writer. At a hundred thousand a second it may fall half a second behind.
const QUEUE_RECORDS_MAX: usize = 65_536;
/// The writer is woken by the first decision and waits so long for more: a wake-up for each would cost more than the
/// decision. It does not wait while this many are there.
const GATHER_INTERVAL: Duration = Duration::from_millis(20);
const GATHER_RECORDS_MAX: usize = 8_192;
/// A file is full at this size.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// What was written is on disk after about this long.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Only the server's user reads who did what.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

#[derive(Debug, thiserror::Error)]
#[error("the audit log in {directory}: {error}")]
pub struct AuditError {
    directory: PathBuf,
    error: std::io::Error,
}

/// What waits for the writer.
#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    /// Something is there, much is there, or it is closed.
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    records: Vec<AuditRecord>,
    lost: u64,
    is_closed: bool,
}

impl Queue {
    fn push(&self, record: AuditRecord) {
        let mut state = self.state.lock();
        if state.records.len() >= QUEUE_RECORDS_MAX || state.is_closed {
            state.lost += 1;
            return;
        }
        state.records.push(record);
        let count = state.records.len();
        drop(state);
        if count == 1 || count == GATHER_RECORDS_MAX {
            self.changed.notify_one();
        }
    }

    /// Waits for something, then a little longer for more. Nothing when `wait` is over before.
    fn take(&self, wait: Option<Duration>) -> QueueState {
        let mut state = self.state.lock();
        while state.records.is_empty() && !state.is_closed {
            match wait {
                Some(wait) if self.changed.wait_for(&mut state, wait).timed_out() => break,
                Some(_) => {}
                None => self.changed.wait(&mut state),
            }
        }
        if !state.records.is_empty() && state.records.len() < GATHER_RECORDS_MAX && !state.is_closed {
            self.changed.wait_for(&mut state, GATHER_INTERVAL);
        }
        QueueState {
            records: std::mem::take(&mut state.records),
            lost: std::mem::take(&mut state.lost),
            is_closed: state.is_closed,
        }
    }
}

/// The audit log of one server.
pub struct Audit {
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// Appends to the log in `directory`, which is made if it is not there, and keeps about `keep_bytes` of it.
    ///
    /// # Errors
    /// [`AuditError`] when the directory cannot be used.
    pub fn open(directory: &Path, keep_bytes: u64) -> Result<Arc<Self>, AuditError> {
        let failed = |error| AuditError { directory: directory.to_owned(), error };
        std::fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory).map_err(failed)?;
        files::list(directory).map_err(failed)?;
        let queue = Arc::<Queue>::default();
        let writer = Writer { directory: directory.to_owned(), keep_bytes, open: None };
        let records = queue.clone();
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&records));
        Ok(Arc::new(Self { queue, writer: Mutex::new(Some(thread.map_err(failed)?)) }))
    }

    /// Writes what waits and ends the thread. Blocks until it is on disk; later decisions are not in the log.
    pub fn close(&self) {
        if let Some(writer) = self.writer.lock().take() {
            self.queue.state.lock().is_closed = true;
            self.queue.changed.notify_one();
            if writer.join().is_err() {
                tracing::error!("the audit log's writer panicked");
            }
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.close();
    }
}

impl AuditLog for Audit {
    fn record(&self, record: AuditRecord) {
        self.queue.push(record);
    }
}

struct Writer {
    directory: PathBuf,
    keep_bytes: u64,
    open: Option<Open>,
}

struct Open {
    file: BufWriter<File>,
    bytes: u64,
    is_dirty: bool,
}

impl Writer {
    fn run(mut self, queue: &Queue) {
        let mut last_ms = 0;
        let mut synced = Instant::now();
        loop {
            // Without anything unsynced it may sleep for good.
            let is_dirty = self.open.as_ref().is_some_and(|open| open.is_dirty);
            let QueueState { records, lost, is_closed } = queue.take(is_dirty.then_some(SYNC_INTERVAL));
            for record in records {
                last_ms = record.time_ms;
                self.write(last_ms, &Line::Decision(record));
            }
            if lost > 0 {
                tracing::warn!(lost, "decisions came faster than the audit log can be written");
                self.write(last_ms, &Line::Lost { time_ms: last_ms, lost });
            }
            self.flush();
            if is_closed || synced.elapsed() >= SYNC_INTERVAL {
                self.sync();
                synced = Instant::now();
            }
            if is_closed {
                return;
            }
        }
    }

    /// Lets readers see what is written.
    fn flush(&mut self) {
        if let Some(Err(error)) = self.open.as_mut().map(|open| open.file.flush()) {
            tracing::error!(%error, "the audit log cannot be written");
            self.open = None;
        }
    }

    fn write(&mut self, time_ms: i64, line: &Line) {
        if let Err(error) = self.try_write(time_ms, line) {
            tracing::error!(%error, "a decision is missing in the audit log");
            self.open = None;
        }
    }

    fn try_write(&mut self, time_ms: i64, line: &Line) -> std::io::Result<()> {
        if self.open.as_ref().is_none_or(|open| open.bytes >= FILE_BYTES_MAX) {
            self.sync();
            self.open = None;
            self.delete_oldest()?;
            let path = files::path(&self.directory, time_ms);
            let file = OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)?;
            let bytes = file.metadata()?.len();
            self.open = Some(Open { file: BufWriter::new(file), bytes, is_dirty: false });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        open.file.write_all(&text)?;
        open.bytes += text.len() as u64;
        open.is_dirty = true;
        Ok(())
    }

    fn sync(&mut self) {
        let Some(open) = self.open.as_mut().filter(|open| open.is_dirty) else { return };
        open.is_dirty = false;
        if let Err(error) = open.file.flush().and_then(|()| open.file.get_ref().sync_data()) {
            tracing::error!(%error, "the audit log cannot be written");
            self.open = None;
        }
    }

    /// Makes room for one more file.
    fn delete_oldest(&self) -> std::io::Result<()> {
        let mut total = FILE_BYTES_MAX;
        for file in files::list(&self.directory)?.into_iter().rev() {
            total += std::fs::metadata(&file.path)?.len();
            if total > self.keep_bytes {
                std::fs::remove_file(&file.path)?;
            }
        }
        Ok(())
    }
}
