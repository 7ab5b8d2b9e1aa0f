//! Topics, as what publishes to them sees them. SNS owns the other side of this door.

use async_trait::async_trait;
use hearth_types::{Arn, RequestContext};

use crate::queue::MessageAttributes;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    pub message: String,
    pub subject: Option<String>,
    pub attributes: MessageAttributes,
    /// FIFO topics only.
    pub group_id: Option<String>,
    pub deduplication_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("Topic does not exist")]
    NotFound,
    #[error("{message}")]
    AccessDenied { message: String },
    /// What is asked for cannot be done with that topic, now or later.
    #[error("{message}")]
    Invalid { message: String },
    #[error("the disk is full")]
    DiskFull,
    /// Worth trying again. Detail for the log.
    #[error("{detail}")]
    Unavailable { detail: String },
}

impl TopicError {
    /// Whether waiting may mend it.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::DiskFull | Self::Unavailable { .. } => true,
            Self::NotFound | Self::AccessDenied { .. } | Self::Invalid { .. } => false,
        }
    }
}

#[async_trait]
pub trait TopicPublisher: Send + Sync + 'static {
    /// Resolves with the message's id when the notification is durable for each subscription it goes to. Who calls is
    /// asked about like a client of the API: `sns:Publish`, with the topic's own policy.
    ///
    /// # Errors
    /// [`TopicError`]: nobody is told.
    async fn publish(
        &self,
        ctx: &RequestContext,
        topic: &Arn,
        notification: Notification,
    ) -> Result<String, TopicError>;
}
