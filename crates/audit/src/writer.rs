//! The writing side: a bounded queue, and one thread that empties it into files.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hearth_ports::{AuditLog, AuditRecord};
use parking_lot::Mutex;

use crate::{Line, files};

/// Decisions that wait for the writer. At a hundred thousand a second it may fall half a second behind.
const QUEUE_RECORDS_MAX: usize = 65_536;
/// A file is full at this size.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// A quiet log shows its last lines after this long.
const FLUSH_INTERVAL: Duration = Duration::from_millis(50);
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

enum Message {
    Record(Box<AuditRecord>),
    Close,
}

/// The audit log of one server.
pub struct Audit {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
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
        let (queue, records) = sync_channel(QUEUE_RECORDS_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { directory: directory.to_owned(), keep_bytes, lost: lost.clone(), open: None };
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&records));
        Ok(Arc::new(Self { queue, lost, writer: Mutex::new(Some(thread.map_err(failed)?)) }))
    }

    /// Writes what waits and ends the thread. Blocks until it is on disk.
    pub fn close(&self) {
        if let Some(writer) = self.writer.lock().take() {
            // A writer that has ended already needs no message.
            let _ = self.queue.send(Message::Close);
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
        if self.queue.try_send(Message::Record(Box::new(record))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Writer {
    directory: PathBuf,
    keep_bytes: u64,
    lost: Arc<AtomicU64>,
    open: Option<Open>,
}

struct Open {
    file: BufWriter<File>,
    bytes: u64,
    is_dirty: bool,
}

impl Writer {
    fn run(mut self, records: &Receiver<Message>) {
        let mut last_ms = 0;
        let mut synced = Instant::now();
        loop {
            match records.recv_timeout(FLUSH_INTERVAL) {
                Ok(Message::Record(record)) => {
                    last_ms = record.time_ms;
                    self.write(last_ms, &Line::Decision(*record));
                }
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => break,
            }
            self.say_what_is_lost(last_ms);
            if synced.elapsed() >= SYNC_INTERVAL {
                self.sync();
                synced = Instant::now();
            }
        }
        self.say_what_is_lost(last_ms);
        self.sync();
    }

    /// Lets readers see what is written.
    fn flush(&mut self) {
        if let Some(Err(error)) = self.open.as_mut().map(|open| open.file.flush()) {
            tracing::error!(%error, "the audit log cannot be written");
            self.open = None;
        }
    }

    fn say_what_is_lost(&mut self, time_ms: i64) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "decisions came faster than the audit log can be written");
            self.write(time_ms, &Line::Lost { time_ms, lost });
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
