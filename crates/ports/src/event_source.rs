//! Event source mappings: what the control plane asks of those who poll.

use async_trait::async_trait;
use hearth_types::{Arn, Millis, Qualifier, Scope};

/// A queue whose messages go to a function, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueMapping {
    /// A UUID.
    pub id: String,
    /// Of the mapping and its function.
    pub scope: Scope,
    /// Of the same region; maybe of another account.
    pub queue: Arn,
    pub function_name: String,
    /// As the mapping names the function.
    pub qualifier: Option<Qualifier>,
    /// Messages of a batch at most.
    pub batch_size: u32,
    /// How long to gather messages before the function runs.
    pub window: Millis,
    /// Event patterns, checked before; a message that none of them matches is deleted. Without any, all match.
    pub filters: Vec<String>,
    /// Whether the function names the messages that failed (`ReportBatchItemFailures`).
    pub reports_failures: bool,
    /// `MaximumConcurrency`.
    pub concurrency_max: Option<u32>,
    /// `MetricsConfig` names `EventCount`.
    pub counts_events: bool,
}

/// Implemented by the pollers.
#[async_trait]
pub trait EventPollers: Send + Sync + 'static {
    /// From now on the mapping is polled like this. Batches that are on their way end as they began.
    fn poll(&self, mapping: QueueMapping);

    /// Why the mapping takes no messages at present, although it tries to.
    fn problem(&self, id: &str) -> Option<String>;

    /// No more messages are taken; resolves when all batches in flight have ended. Nothing to do for an unknown id.
    async fn stop(&self, id: &str);
}
