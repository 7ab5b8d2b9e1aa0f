//! Event buses, as what puts events on them sees them. EventBridge owns the other side of this door.

use async_trait::async_trait;
use hearth_types::{Arn, RequestContext};

/// An event that a service tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceEvent {
    /// Who tells, for example `aws.s3` or `lambda`.
    pub source: String,
    pub detail_type: String,
    /// ARNs of what it is about.
    pub resources: Vec<String>,
    /// A JSON object.
    pub detail: String,
    /// Epoch milliseconds; `None`: now.
    pub time_ms: Option<i64>,
    /// Handed on to whoever gets the event.
    pub trace: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventBusError {
    #[error("Event bus does not exist.")]
    NotFound,
    #[error("{message}")]
    AccessDenied { message: String },
    /// What is asked for cannot be done, now or later.
    #[error("{message}")]
    Invalid { message: String },
    #[error("the disk is full")]
    DiskFull,
    /// Worth trying again. Detail for the log.
    #[error("{detail}")]
    Unavailable { detail: String },
}

impl EventBusError {
    /// Whether waiting may mend it.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::DiskFull | Self::Unavailable { .. } => true,
            Self::NotFound | Self::AccessDenied { .. } | Self::Invalid { .. } => false,
        }
    }
}

/// Puts events on buses. Resolves with the events' ids when all that follows from them is durable: a delivery for each
/// target of each rule that they match, and their place in archives.
#[async_trait]
pub trait EventSink: Send + Sync + 'static {
    /// A service's own events, on the default bus of the context's account and region. Nobody is asked whether it may.
    /// All of them go in one commit.
    ///
    /// # Errors
    /// [`EventBusError`]: an event cannot be, or nothing is on the bus.
    async fn emit(&self, ctx: &RequestContext, events: Vec<ServiceEvent>) -> Result<Vec<String>, EventBusError>;

    /// The same, on a bus, for the context's caller: he is asked about like a client of the API (`events:PutEvents`, with
    /// the bus's own policy).
    ///
    /// # Errors
    /// [`EventBusError`]: nothing is on the bus.
    async fn put(
        &self,
        ctx: &RequestContext,
        bus: &Arn,
        events: Vec<ServiceEvent>,
    ) -> Result<Vec<String>, EventBusError>;
}
