//! The Logs service: keeps the log events of functions in checksummed, append-only segment files and reads them back.
//!
//! ```text
//! append ──> queue (bounded) ──> writer thread ──> segment files        read, wait <── index <── writer thread
//! ```
//! - **Never blocks the caller.** What does not fit into the queue is counted, and a `LOGS_DROPPED` line in the stream
//!   says how many records are missing.
//! - **Durability**: a batch is written within some 20 ms and synced to disk within a second. Log events are not
//!   acknowledged, so a power cut may cost the last second.
//! - **Retention**: by total size ([`LogsConfig::total_bytes_max`], default 1 GiB); the oldest segment is deleted when
//!   the limit is passed.
//! - **Damage**: every frame has a checksum. A torn tail is cut off at start; other damage is stepped over and logged as
//!   an error with file, offset and length, see [`Logs::damage`].
//!
//! What never lives here: what a log line means. Nothing but the two ports of [`hearth_ports::logs`] is implemented.

mod index;
mod queue;
mod segment;
mod store;

use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use hearth_ports::{LogEvent, LogQuery, LogReader, LogSink, StoredLogEvent};
use hearth_types::{Clock, RequestContext};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::index::{Index, Piece, group_key};
use crate::queue::Queue;
use crate::segment::Item;
use crate::store::SegmentStore;

/// One answer of [`LogReader::read`] holds at most this many message bytes (or one event); the caller reads on.
pub const READ_BYTES_MAX: usize = 8 << 20;
/// Chunks that one step of a read scans.
const READ_CHUNKS: usize = 16;
/// How long a read waits for what is still queued.
const READ_WAIT: Duration = Duration::from_secs(2);

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogsConfig {
    /// All segments together; above it the oldest are deleted.
    pub total_bytes_max: u64,
    /// A segment that reached this size is sealed and another is started.
    pub segment_bytes_max: u64,
    /// Events waiting for the writer.
    pub queue_bytes_max: usize,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self { total_bytes_max: 1 << 30, segment_bytes_max: 32 << 20, queue_bytes_max: 16 << 20 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error("the log store cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("the log writer cannot be started: {0}")]
    Thread(io::Error),
}

/// Bytes of a segment that hold no intact frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub path: PathBuf,
    pub offset: u64,
    pub bytes: u64,
    /// The end of the newest segment, as a crash leaves it; it has been cut off.
    pub torn_tail: bool,
}

/// The log store of one data directory.
pub struct Logs {
    queue: Arc<Queue>,
    index: Arc<RwLock<Index>>,
    written: watch::Receiver<u64>,
    writer: Mutex<Option<JoinHandle<()>>>,
    damage: Vec<Damage>,
}

impl Logs {
    /// Opens the store in `directory` with the default sizes.
    ///
    /// # Errors
    /// [`LogsError`] when the directory or a segment cannot be opened.
    pub fn open(directory: &Path, clock: Arc<dyn Clock>) -> Result<Arc<Self>, LogsError> {
        Self::open_with(directory, clock, LogsConfig::default())
    }

    /// Opens the store with sizes of one's own.
    ///
    /// # Errors
    /// [`LogsError`] when the directory or a segment cannot be opened.
    pub fn open_with(directory: &Path, clock: Arc<dyn Clock>, config: LogsConfig) -> Result<Arc<Self>, LogsError> {
        let opened = SegmentStore::open(directory, config)?;
        let queue = Arc::new(Queue::new(opened.next_sequence, config.queue_bytes_max));
        let (publish, written) = watch::channel(opened.next_sequence - 1);
        let writer = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn({
                let queue = Arc::clone(&queue);
                move || write_until_closed(&queue, opened.store, &*clock, &publish)
            })
            .map_err(LogsError::Thread)?;
        Ok(Arc::new(Self {
            queue,
            index: opened.index,
            written,
            writer: Mutex::new(Some(writer)),
            damage: opened.damage,
        }))
    }

    /// What was found damaged when the store was opened.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Writes and syncs everything queued and ends the writer. Blocks; later appends are refused with a warning.
    pub fn close(&self) {
        self.queue.close();
        if let Some(writer) = self.writer.lock().take()
            && writer.join().is_err()
        {
            tracing::error!("the log writer panicked: log records may be lost");
        }
    }

    /// Resolves when everything appended before the call can be read.
    async fn settle(&self) {
        let newest = self.queue.hurry();
        let mut written = self.written.clone();
        // A writer that is gone or stuck must not hang its readers: they get what is there.
        let _ = tokio::time::timeout(READ_WAIT, written.wait_for(|sequence| *sequence >= newest)).await;
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.close();
    }
}

fn write_until_closed(queue: &Queue, mut store: SegmentStore, clock: &dyn Clock, publish: &watch::Sender<u64>) {
    loop {
        let batch = queue.take(store.sync_due(), || clock.now_ms());
        if batch.lost_elsewhere.records > 0 {
            let (records, bytes) = (batch.lost_elsewhere.records, batch.lost_elsewhere.bytes);
            tracing::error!(
                records,
                bytes,
                "log records lost: the queue was full, and more streams lost some than are counted"
            );
        }
        if let Some(last) = batch.appends.last() {
            let newest = last.first_sequence + last.events.len() as u64 - 1;
            store.write(batch.appends);
            publish.send_replace(newest);
        }
        if batch.closed || store.sync_due().is_some_and(|due| due <= std::time::Instant::now()) {
            store.sync();
        }
        if batch.closed {
            return;
        }
    }
}

impl LogSink for Logs {
    fn append(&self, ctx: &RequestContext, group: &str, stream: &str, events: Vec<LogEvent>) {
        self.queue.push(ctx.scope(), group, stream, events);
    }

    fn has_group(&self, ctx: &RequestContext, group: &str) -> bool {
        self.index.read().has_group(&group_key(&ctx.scope(), group))
    }
}

#[async_trait]
impl LogReader for Logs {
    async fn read(&self, ctx: &RequestContext, query: &LogQuery) -> Vec<StoredLogEvent> {
        self.settle().await;
        let index = Arc::clone(&self.index);
        let key = group_key(&ctx.scope(), &query.group);
        let (after_sequence, limit) = (query.after_sequence, query.limit);
        let read = tokio::task::spawn_blocking(move || read_group(&index, &key, after_sequence, limit)).await;
        read.unwrap_or_else(|error| {
            tracing::error!(%error, "reading logs panicked");
            Vec::new()
        })
    }

    async fn wait(&self, ctx: &RequestContext, group: &str, after_sequence: u64, wait_ms: u64) {
        let key = group_key(&ctx.scope(), group);
        let mut written = self.written.clone();
        let arrived = async {
            while self.index.read().group_last_sequence(&key) <= after_sequence {
                if written.changed().await.is_err() {
                    return;
                }
            }
        };
        // Nothing new is an answer too.
        let _ = tokio::time::timeout(Duration::from_millis(wait_ms), arrived).await;
    }
}

fn read_group(index: &RwLock<Index>, key: &str, mut after_sequence: u64, limit: usize) -> Vec<StoredLogEvent> {
    let mut events = Vec::new();
    let mut bytes = 0;
    loop {
        let pieces = index.read().pieces(key, after_sequence, READ_CHUNKS);
        if pieces.is_empty() {
            return events;
        }
        for piece in pieces {
            for event in read_piece(&piece, key, after_sequence) {
                if events.len() >= limit || (bytes + event.message.len() > READ_BYTES_MAX && !events.is_empty()) {
                    return events;
                }
                bytes += event.message.len();
                events.push(event);
            }
            after_sequence = after_sequence.max(piece.last_sequence);
        }
    }
}

fn read_piece(piece: &Piece, key: &str, after_sequence: u64) -> Vec<StoredLogEvent> {
    let mut buffer = vec![0; usize::try_from(piece.bytes).unwrap_or(0)];
    if let Err(error) = piece.file.read_exact_at(&mut buffer, piece.offset) {
        tracing::error!(%error, path = %piece.path.display(), offset = piece.offset, "log segment cannot be read");
        return Vec::new();
    }
    let mut events = Vec::new();
    for item in segment::walk(&buffer) {
        match item {
            Item::Frame { record, .. } if record.group == key => {
                let stored = (record.first_sequence..).zip(record.events).map(|(sequence, event)| StoredLogEvent {
                    sequence,
                    timestamp_ms: event.timestamp_ms,
                    stream: record.stream.clone(),
                    message: event.message,
                });
                events.extend(stored.filter(|event| event.sequence > after_sequence));
            }
            Item::Frame { .. } => {}
            Item::Damage { range } => {
                let offset = piece.offset + range.start as u64;
                tracing::error!(path = %piece.path.display(), offset, bytes = range.len(), "damaged log segment: these bytes are lost");
            }
        }
    }
    events
}

#[cfg(test)]
mod tests;
