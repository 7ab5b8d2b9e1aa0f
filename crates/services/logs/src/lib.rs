//! CloudWatch Logs: log groups, streams and events; one file per operation in `op/`.
//!
//! ```text
//! functions ─LogSink─┐                                   ┌─▶ GetLogEvents, FilterLogEvents, StartLiveTail (scan)
//!                    ├▶ queue (bounded) ─▶ writer thread ─▶ segment files ◀─ log keeper (packs, removes)
//! PutLogEvents ──────┘                                   └─▶ LogReader: `hearth logs`
//! ```
//! - **One store.** What functions write and what the API writes is in the same groups and streams, and is read back by
//!   the same code.
//! - **A sink never blocks its caller.** What does not fit into the queue is counted, and a `LOGS_DROPPED` line in the
//!   stream says how many records are missing. A batch is written within some 20 ms and synced to disk within a second.
//! - **PutLogEvents is answered when its events are on disk**; when they do not fit into the queue it is refused.
//! - **Groups and streams** are records in the store: made, changed and deleted durably. Events carry the ids of their
//!   group and stream, which are others for each life of a name: what is deleted never comes back.
//! - **Segments are packed** when they are sealed: their events come together by group, compressed.
//! - **Retention** by each group's days, and by total size ([`LogsConfig::total_bytes_max`], default 1 GiB): the oldest
//!   segment is deleted when the limit is passed.
//! - **Damage**: every frame has a checksum. A torn tail is cut off at start; other damage is stepped over and logged as
//!   an error with file, offset and length, see [`Logs::damage`].
//! - **Subscription filters** send new events to functions (`subscription/`); groups without one cost nothing by it.
//! - **Metrics**: events in the embedded metric format are told to CloudWatch (`embedded.rs`).
//!
//! What never lives here: what makes a function's log line, and whether its role may write it.

mod api;
mod arn;
mod directory;
mod embedded;
mod error;
mod index;
mod keeper;
mod live_tail;
mod op;
mod pack;
pub mod pattern;
mod position;
mod queue;
mod reader;
mod scan;
mod segment;
mod segments;
mod subscription;
mod tags;
mod token;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::Duration;

use hearth_delivery::Outbox;
use hearth_ports::{LogEvent, LogSink, MetricSink};
use hearth_store::{Codec, Store};
use hearth_types::{Clock, Random, RequestContext};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::directory::Directory;
use crate::index::Index;
use crate::keeper::Keeper;
use crate::queue::{Queue, Target};
use crate::scan::{Page, Scan};
use crate::segments::Segments;
use crate::subscription::Forwarder;

pub use api::{Api, service};
pub use error::LogsError;
pub use segment::whole_bytes;
pub use subscription::Deliveries;

/// How long a read waits for what is still queued.
const READ_WAIT: Duration = Duration::from_secs(2);

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogsConfig {
    /// All segments together; above it the oldest are deleted.
    pub total_bytes_max: u64,
    /// A segment that reached this size is sealed and another is started. Packing one takes some three times as much
    /// memory.
    pub segment_bytes_max: u64,
    /// Events waiting for the writer.
    pub queue_bytes_max: usize,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self { total_bytes_max: 1 << 30, segment_bytes_max: 16 << 20, queue_bytes_max: 16 << 20 }
    }
}

/// What the service is made of.
pub struct LogsParts {
    pub store: Arc<dyn Store>,
    pub codec: Arc<Codec>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// Takes what events in the embedded metric format say.
    pub metrics: Arc<dyn MetricSink>,
    /// Of what subscription filters send.
    pub outbox: Arc<Outbox>,
    pub config: LogsConfig,
}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the log store cannot open {}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("the log store cannot read its groups: {0}")]
    Groups(#[from] LogsError),
    #[error("a thread of the log store cannot be started: {0}")]
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
    directory: Arc<Directory>,
    queue: Arc<Queue>,
    index: Arc<RwLock<Index>>,
    /// The newest sequence that is written.
    written: watch::Receiver<u64>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    metrics: Arc<dyn MetricSink>,
    forwarder: Arc<Forwarder>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    keeper: Mutex<Option<std::sync::mpsc::SyncSender<()>>>,
    live_tails: Arc<AtomicUsize>,
    /// Live Tail sessions are to end.
    ending: watch::Sender<bool>,
    damage: Vec<Damage>,
}

impl Logs {
    /// Opens the store in the directory at `path`. Called within the runtime, whose threads it needs later.
    ///
    /// # Errors
    /// [`OpenError`] when the directory, a segment or the store's records cannot be read.
    pub async fn open(path: &Path, parts: LogsParts) -> Result<Arc<Self>, OpenError> {
        let LogsParts { store, codec, clock, random, metrics, outbox, config } = parts;
        let directory = Arc::new(Directory::load(store, codec, random.clone()).await?);
        let opened = {
            let path = path.to_owned();
            let opening = tokio::task::spawn_blocking(move || Segments::open(&path, config));
            opening.await.map_err(|error| OpenError::Thread(io::Error::other(error)))??
        };
        let queue = Arc::new(Queue::new(opened.next_sequence, config.queue_bytes_max));
        let (publish, written) = watch::channel(opened.next_sequence - 1);
        let (wake, woken) = std::sync::mpsc::sync_channel(1);
        let runtime = tokio::runtime::Handle::current();
        let (forward, waiting) = subscription::queue();
        let forwarder = Forwarder::new(outbox, directory.clone(), random.clone());
        let writer = writer::Writer {
            queue: queue.clone(),
            segments: opened.segments,
            directory: directory.clone(),
            clock: clock.clone(),
            runtime: runtime.clone(),
            publish,
            keeper: wake.clone(),
            forward,
        };
        let keeper = Keeper {
            path: path.to_owned(),
            total_bytes_max: config.total_bytes_max,
            index: opened.index.clone(),
            directory: directory.clone(),
            queue: queue.clone(),
            clock: clock.clone(),
            runtime: runtime.clone(),
            packed_ms: std::collections::HashMap::new(),
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let forwarding = forwarder.clone();
        // The forwarder ends after the writer, whose end of the queue it waits for.
        let threads = vec![
            thread("log-writer").spawn(move || writer.run()).map_err(OpenError::Thread)?,
            thread("log-keeper").spawn(move || keeper.run(&woken)).map_err(OpenError::Thread)?,
            thread("log-forwarder").spawn(move || forwarding.run(&waiting, &runtime)).map_err(OpenError::Thread)?,
        ];
        // What an earlier life did not get to pack.
        let _ = wake.try_send(());
        Ok(Arc::new(Self {
            directory,
            queue,
            index: opened.index,
            written,
            clock,
            random,
            metrics,
            forwarder,
            threads: Mutex::new(threads),
            keeper: Mutex::new(Some(wake)),
            live_tails: Arc::default(),
            ending: watch::Sender::new(false),
            damage: opened.damage,
        }))
    }

    /// What was found damaged when the store was opened.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Ends the Live Tail sessions, now and from now on: their clients are not to hold up the server's end.
    pub fn end_live_tails(&self) {
        self.ending.send_replace(true);
    }

    /// Writes and syncs everything queued and ends the threads. Blocks; later appends are refused with a warning.
    pub fn close(&self) {
        self.queue.close();
        self.keeper.lock().take();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.join().is_err() {
                tracing::error!("a thread of the log store panicked: log records may be lost");
            }
        }
    }

    /// Has the keeper look around: something was deleted, or expires now.
    pub fn tidy(&self) {
        if let Some(keeper) = &*self.keeper.lock() {
            // Full means that it will look around anyway.
            let _ = keeper.try_send(());
        }
    }

    /// The index need not know any longer what has been deleted; what it left in segments goes with the next look around.
    fn forget(&self, group: Option<u64>, streams: Vec<u64>) {
        let mut index = self.index.write();
        group.into_iter().for_each(|group| index.forget_group(group));
        streams.into_iter().for_each(|stream| index.forget_stream(stream));
        drop(index);
        self.tidy();
    }

    /// Looks for events on a thread of its own.
    async fn scan(
        &self,
        scan: Scan,
        wants_stream: impl Fn(u64) -> bool + Send + 'static,
        wants: impl Fn(&[u8]) -> bool + Send + 'static,
    ) -> Result<Page, LogsError> {
        let index = Arc::clone(&self.index);
        let task = tokio::task::spawn_blocking(move || scan.run(&index, wants_stream, wants));
        let page = task.await.map_err(|error| LogsError::Internal(error.to_string()))?;
        page.map_err(|error| LogsError::Internal(error.to_string()))
    }

    /// What these events say in the embedded metric format.
    fn tell_metrics(&self, ctx: &RequestContext, events: &[LogEvent]) {
        let now_ms = self.clock.now_ms();
        let told: Vec<_> = events.iter().flat_map(|event| embedded::metrics(&event.message, now_ms)).collect();
        if !told.is_empty() {
            self.metrics.put(ctx, told);
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

impl LogSink for Logs {
    fn append(&self, ctx: &RequestContext, group: &str, stream: &str, events: Vec<LogEvent>) {
        self.tell_metrics(ctx, &events);
        let target = Target::Named { scope: ctx.scope(), group: group.to_owned(), stream: stream.to_owned() };
        self.queue.push(target, events, ctx.trace.clone());
    }

    fn has_group(&self, ctx: &RequestContext, group: &str) -> bool {
        self.directory.find(&ctx.scope(), group).is_some()
    }
}

#[cfg(test)]
mod tests;
