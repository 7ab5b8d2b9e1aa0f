//! Log lines of functions. The Logs service owns the other side of this door.

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::RequestContext;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    pub timestamp_ms: i64,
    /// As its reader gets it: a function's line with its line feed.
    pub message: Bytes,
}

/// Takes log events; never blocks the caller. What cannot be kept is counted and reported, never dropped silently.
pub trait LogSink: Send + Sync + 'static {
    fn append(&self, ctx: &RequestContext, group: &str, stream: &str, events: Vec<LogEvent>);

    /// Whether the group is there already: who writes to it first makes it.
    fn has_group(&self, ctx: &RequestContext, group: &str) -> bool;
}

#[derive(Clone, Debug)]
pub struct LogQuery {
    pub group: String,
    /// Only events with a sequence greater than this.
    pub after_sequence: u64,
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLogEvent {
    pub sequence: u64,
    pub timestamp_ms: i64,
    pub stream: String,
    pub message: Bytes,
}

/// Reads what a sink has kept, in order of arrival.
#[async_trait]
pub trait LogReader: Send + Sync + 'static {
    async fn read(&self, ctx: &RequestContext, query: &LogQuery) -> Vec<StoredLogEvent>;

    /// Resolves when something new has arrived in the group, or after `wait_ms`.
    async fn wait(&self, ctx: &RequestContext, group: &str, after_sequence: u64, wait_ms: u64);
}
