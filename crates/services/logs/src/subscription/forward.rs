//! From lines to deliveries: a bounded queue beside the log writer, and a thread that matches and stages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use hearth_delivery::{Lane, LaneLimits, Outbox, Staged};
use hearth_store::StoreError;
use hearth_types::{Random, RequestId, Scope, random};
use tokio::runtime::Handle;

use super::Subscribed;
use super::batch::{Event, payloads};
use super::deliver::{Batch, LANE};
use crate::directory::Directory;
use crate::position::Position;
use crate::segment::Record;

/// Lines that wait for the forwarder.
const QUEUE_BYTES_MAX: usize = 16 << 20;
/// Bookkeeping of an event in the queue, bytes.
const EVENT_OVERHEAD_BYTES: usize = 48;
/// Appends whose deliveries are accepted together.
const TAKE_MAX: usize = 64;
/// Invocations on their way at the same time.
const ATTEMPTS_MAX: usize = 64;

/// What one append brought to a group that has filters.
pub(crate) struct Lines {
    pub(crate) record: Record,
    pub(crate) filters: Arc<Subscribed>,
    /// The trace header of what wrote them.
    pub(crate) trace: Option<Arc<str>>,
}

impl Lines {
    fn bytes(&self) -> usize {
        self.record.bytes() + self.record.events.len() * EVENT_OVERHEAD_BYTES
    }
}

#[derive(Default)]
struct Fill {
    bytes: AtomicUsize,
    /// Events that did not fit, and that nobody has told of.
    lost: AtomicU64,
}

/// The writer's end: never waits.
pub(crate) struct ForwardQueue {
    sender: Sender<Lines>,
    fill: Arc<Fill>,
}

/// The forwarder's end; it is told when the other one is gone.
pub(crate) struct Waiting {
    receiver: Receiver<Lines>,
    fill: Arc<Fill>,
}

pub(crate) fn queue() -> (ForwardQueue, Waiting) {
    let (sender, receiver) = channel();
    let fill = Arc::<Fill>::default();
    (ForwardQueue { sender, fill: Arc::clone(&fill) }, Waiting { receiver, fill })
}

impl ForwardQueue {
    pub(crate) fn push(&self, lines: Lines) {
        let bytes = lines.bytes();
        let events = lines.record.events.len() as u64;
        // There is one who adds.
        let fits = self.fill.bytes.load(Ordering::Acquire) + bytes <= QUEUE_BYTES_MAX;
        if fits {
            self.fill.bytes.fetch_add(bytes, Ordering::AcqRel);
        }
        if !fits || self.sender.send(lines).is_err() {
            self.fill.lost.fetch_add(events, Ordering::AcqRel);
        }
    }
}

impl Waiting {
    /// The next appends; `None` when no more will come.
    fn take(&self) -> Option<Vec<Lines>> {
        let first = self.receiver.recv().ok()?;
        let taken: Vec<Lines> = std::iter::once(first).chain(self.receiver.try_iter().take(TAKE_MAX - 1)).collect();
        self.fill.bytes.fetch_sub(taken.iter().map(Lines::bytes).sum(), Ordering::AcqRel);
        Some(taken)
    }

    fn tell_losses(&self) {
        let events = self.fill.lost.swap(0, Ordering::AcqRel);
        if events > 0 {
            tracing::error!(events, "log events did not reach subscription filters: their queue was full");
        }
    }
}

/// Makes deliveries of lines.
pub(crate) struct Forwarder {
    pub(crate) lane: Arc<Lane<Batch>>,
    outbox: Arc<Outbox>,
    directory: Arc<Directory>,
    random: Arc<dyn Random>,
}

impl Forwarder {
    pub(crate) fn new(outbox: Arc<Outbox>, directory: Arc<Directory>, random: Arc<dyn Random>) -> Arc<Self> {
        let lane = Lane::new(&outbox, LANE, LaneLimits { attempts: ATTEMPTS_MAX });
        Arc::new(Self { lane, outbox, directory, random })
    }

    /// Works until the writer is gone and nothing waits.
    pub(crate) fn run(&self, waiting: &Waiting, runtime: &Handle) {
        while let Some(taken) = waiting.take() {
            waiting.tell_losses();
            for scope in scopes(&taken) {
                let of_scope = taken.iter().filter(|lines| lines.filters.scope == scope);
                let staged: Vec<Staged> = of_scope.flat_map(|lines| self.stage(lines)).collect();
                if let Err(error) = runtime.block_on(self.outbox.accept(&scope, staged)) {
                    tracing::error!(%error, "log events did not reach subscription filters: the store does not take them");
                }
            }
        }
        waiting.tell_losses();
    }

    /// Takes responsibility: the deliveries that follow from these lines are in the store when this returns.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn accept(self: &Arc<Self>, lines: Lines) -> Result<(), StoreError> {
        let (this, scope) = (Arc::clone(self), lines.filters.scope.clone());
        let staging = tokio::task::spawn_blocking(move || this.stage(&lines));
        let staged = staging.await.map_err(|error| StoreError::Internal(error.to_string()))?;
        self.outbox.accept(&scope, staged).await
    }

    fn stage(&self, lines: &Lines) -> Vec<Staged> {
        let Lines { record, filters, trace } = lines;
        // It may have been deleted since, and its events with it.
        let Some(stream) = self.directory.stream_name(record.group, record.stream) else { return Vec::new() };
        let event = |(event, sequence): (&crate::segment::Event, u64)| Event {
            position: Position { timestamp_ms: event.timestamp_ms, sequence },
            message: String::from_utf8_lossy(&event.message).into_owned(),
        };
        let events: Vec<Event> = record.events.iter().zip(record.first_sequence..).map(event).collect();
        let mut all = Vec::new();
        for filter in &filters.filters {
            for payload in payloads(filters, filter, &stream, &events) {
                let body = payload.map(|payload| Batch {
                    group: record.group,
                    group_name: filters.group.clone(),
                    filter: filter.name.clone(),
                    payload,
                    trace: trace.as_deref().map(str::to_owned),
                });
                let id = || RequestId::from(random::uuid(&*self.random).as_str());
                let staged = body
                    .map_err(|error| error.to_string())
                    .and_then(|body| self.lane.stage(&filters.scope, id(), body).map_err(|error| error.to_string()));
                match staged {
                    Ok(staged) => all.push(staged),
                    Err(error) => {
                        let (group, filter) = (&filters.group, &filter.name);
                        tracing::error!(group, filter, error, "a log event cannot be sent to a subscriber");
                    }
                }
            }
        }
        all
    }
}

fn scopes(taken: &[Lines]) -> Vec<Scope> {
    let mut scopes: Vec<Scope> = Vec::new();
    for lines in taken {
        if !scopes.contains(&lines.filters.scope) {
            scopes.push(lines.filters.scope.clone());
        }
    }
    scopes
}
