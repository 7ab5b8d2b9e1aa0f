//! The log writer: a thread that takes what is queued, has the groups and streams made that are new, writes, and tells
//! those who wait.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use hearth_types::{Clock, Scope};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::directory::Directory;
use crate::queue::{Append, Queue, Target};
use crate::segment::{Event, Record};
use crate::segments::Segments;
use crate::subscription::{ForwardQueue, Lines};

pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) segments: Segments,
    pub(crate) directory: Arc<Directory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: Handle,
    /// The newest sequence that is written.
    pub(crate) publish: watch::Sender<u64>,
    pub(crate) keeper: SyncSender<()>,
    /// Takes what functions wrote; what PutLogEvents brought is dealt with where it is answered.
    pub(crate) forward: ForwardQueue,
}

/// Where lines come from.
enum Origin {
    Function { trace: Option<Arc<str>> },
    Api,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        loop {
            let batch = self.queue.take(self.segments.sync_due(), || self.clock.now_ms());
            if batch.lost_elsewhere.records > 0 {
                let (records, bytes) = (batch.lost_elsewhere.records, batch.lost_elsewhere.bytes);
                tracing::error!(
                    records,
                    bytes,
                    "log records lost: the queue was full, and more streams lost some than are counted"
                );
            }
            let now_ms = self.clock.now_ms();
            if !batch.appends.is_empty() {
                self.write(batch.appends, now_ms);
            }
            if batch.closed || self.segments.sync_due().is_some_and(|due| due <= Instant::now()) {
                self.segments.sync();
            }
            if batch.closed {
                return;
            }
            if self.segments.rotate_if_due(now_ms) {
                // Full means that it will look around anyway.
                let _ = self.keeper.try_send(());
            }
        }
    }

    fn write(&mut self, mut appends: Vec<Append>, now_ms: i64) {
        let newest = appends.iter().map(|append| append.first_sequence + append.events.len() as u64 - 1).max();
        let waiting: Vec<_> = appends.iter_mut().filter_map(|append| append.stored.take()).collect();
        let records = self.resolve(appends, now_ms);
        let subscribed = self.subscribed(&records);
        let is_written = self.segments.write(records.into_iter().map(|(record, _)| record).collect());
        if is_written {
            subscribed.into_iter().for_each(|lines| self.forward.push(lines));
        }
        if !waiting.is_empty() && self.segments.sync() && is_written {
            for stored in waiting {
                // Who waited may have gone.
                let _ = stored.send(());
            }
        }
        if let Some(newest) = newest {
            self.publish.send_replace(newest);
        }
    }

    /// Of these records, copies of those that a subscription filter may want.
    fn subscribed(&self, records: &[(Record, Origin)]) -> Vec<Lines> {
        if !self.directory.is_anything_subscribed() {
            return Vec::new();
        }
        let lines = records.iter().filter_map(|(record, origin)| match origin {
            Origin::Function { trace } => {
                let filters = self.directory.subscribed(record.group)?;
                Some(Lines { record: record.clone(), filters, trace: trace.clone() })
            }
            Origin::Api => None,
        });
        lines.collect()
    }

    /// Gives each append the ids of its group and stream. What these cannot be made for is lost and logged.
    fn resolve(&self, appends: Vec<Append>, now_ms: i64) -> Vec<(Record, Origin)> {
        let named: Vec<(&Scope, &str, &str)> = appends
            .iter()
            .filter_map(|append| match &append.target {
                Target::Named { scope, group, stream } => Some((scope, group.as_str(), stream.as_str())),
                Target::Known { .. } => None,
            })
            .collect();
        let mut ids = match self.runtime.block_on(self.directory.ensure(&named, now_ms)) {
            Ok(ids) => ids.into_iter(),
            Err(error) => {
                let records: usize = appends.iter().map(|append| append.events.len()).sum();
                tracing::error!(%error, records, "log records lost: their groups and streams cannot be made");
                Vec::new().into_iter()
            }
        };
        let record = |append: Append| {
            let ((group, stream), origin) = match append.target {
                Target::Known { group, stream } => ((group, stream), Origin::Api),
                Target::Named { .. } => (ids.next()?, Origin::Function { trace: append.trace }),
            };
            let events = append.events.into_iter();
            let events = events.map(|event| Event { timestamp_ms: event.timestamp_ms, message: event.message });
            let first_sequence = append.first_sequence;
            Some((Record { first_sequence, group, stream, ingested_ms: now_ms, events: events.collect() }, origin))
        };
        appends.into_iter().filter_map(record).collect()
    }
}
