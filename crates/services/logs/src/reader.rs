//! The [`LogReader`] port: a group's events in the order of their arrival, for `hearth logs` and Live Tail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_ports::{LogQuery, LogReader, StoredLogEvent};
use hearth_types::RequestContext;
use parking_lot::RwLock;

use crate::Logs;
use crate::directory::Directory;
use crate::index::Index;
use crate::scan::read_piece;

/// One answer of [`LogReader::read`] holds at most this many message bytes (or one event); the caller reads on.
pub(crate) const READ_BYTES_MAX: usize = 8 << 20;

/// Events of one group, as they arrived.
pub(crate) struct Arrivals {
    pub(crate) group: u64,
    /// Only events with a sequence greater than this.
    pub(crate) after_sequence: u64,
    pub(crate) limit: usize,
    pub(crate) now_ms: i64,
}

/// An event with the time it was taken in at.
pub(crate) struct Arrival {
    pub(crate) event: StoredLogEvent,
    pub(crate) ingested_ms: i64,
}

impl Arrivals {
    pub(crate) fn read(mut self, index: &RwLock<Index>, directory: &Directory) -> Vec<Arrival> {
        let mut events = Vec::new();
        let mut bytes = 0;
        loop {
            let after_sequence = self.after_sequence;
            let pieces = index.read().pieces(self.group, |block| block.last_sequence > after_sequence);
            if pieces.is_empty() {
                return events;
            }
            for piece in pieces {
                let records = match read_piece(index, self.group, &piece) {
                    Ok(Some(records)) => records,
                    // Packed meanwhile: look for it where it is now.
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(%error, "log events cannot be read");
                        Vec::new()
                    }
                };
                for record in records {
                    let Some(stream) = directory.stream_name(self.group, record.stream) else { continue };
                    let cutoff_ms = directory.keeps(self.group, record.stream, self.now_ms).unwrap_or(i64::MAX);
                    for (sequence, event) in (record.first_sequence..).zip(record.events) {
                        if sequence <= self.after_sequence || event.timestamp_ms < cutoff_ms {
                            continue;
                        }
                        let is_full = bytes + event.message.len() > READ_BYTES_MAX && !events.is_empty();
                        if events.len() >= self.limit || is_full {
                            return events;
                        }
                        bytes += event.message.len();
                        let event = StoredLogEvent {
                            sequence,
                            timestamp_ms: event.timestamp_ms,
                            stream: stream.to_string(),
                            message: event.message,
                        };
                        events.push(Arrival { event, ingested_ms: record.ingested_ms });
                    }
                }
                self.after_sequence = self.after_sequence.max(piece.block.last_sequence);
            }
        }
    }
}

impl Logs {
    /// Reads on a thread of its own.
    pub(crate) async fn arrivals(&self, arrivals: Arrivals) -> Vec<Arrival> {
        let (index, directory) = (Arc::clone(&self.index), Arc::clone(&self.directory));
        let read = tokio::task::spawn_blocking(move || arrivals.read(&index, &directory)).await;
        read.unwrap_or_else(|error| {
            tracing::error!(%error, "reading logs panicked");
            Vec::new()
        })
    }
}

#[async_trait]
impl LogReader for Logs {
    async fn read(&self, ctx: &RequestContext, query: &LogQuery) -> Vec<StoredLogEvent> {
        self.settle().await;
        let Some(group) = self.directory.find(&ctx.scope(), &query.group) else { return Vec::new() };
        let (after_sequence, limit, now_ms) = (query.after_sequence, query.limit, self.clock.now_ms());
        let arrivals = self.arrivals(Arrivals { group: group.id, after_sequence, limit, now_ms }).await;
        arrivals.into_iter().map(|arrival| arrival.event).collect()
    }

    async fn wait(&self, ctx: &RequestContext, group: &str, after_sequence: u64, wait_ms: u64) {
        let scope = ctx.scope();
        let has_news = || {
            let Some(group) = self.directory.find(&scope, group) else { return false };
            let cutoff_ms = group.cutoff_ms(self.clock.now_ms());
            let index = self.index.read();
            // What has expired or made room since is no news.
            index.group_last_sequence(group.id) > after_sequence
                && index.has_block(group.id, |block| block.last_sequence > after_sequence && block.max_ms >= cutoff_ms)
        };
        let mut written = self.written.clone();
        let arrived = async {
            while !has_news() {
                if written.changed().await.is_err() {
                    return;
                }
            }
        };
        // Nothing new is an answer too.
        let _ = tokio::time::timeout(Duration::from_millis(wait_ms), arrived).await;
    }
}
