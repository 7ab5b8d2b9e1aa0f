//! Queues: what sends to them (dead letters, destinations, topics) and what takes from them (event source mappings).
//! SQS owns the other side of these doors; so may a client of a queue elsewhere that speaks the same API.
//!
//! Whoever calls is asked about like a client of the API: `sqs:SendMessage`, `sqs:ReceiveMessage`, `sqs:DeleteMessage`,
//! with the queue's own policy.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::{Arn, RequestContext};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// `String`, `Number` and their labelled kinds.
    Text(String),
    Binary(Bytes),
}

/// A message attribute as SQS and SNS know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, with an optional label (`Number.int`).
    pub data_type: String,
    pub value: AttributeValue,
}

/// By name, in the order their digest is made of.
pub type MessageAttributes = BTreeMap<String, MessageAttribute>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutgoingMessage {
    pub body: String,
    pub attributes: MessageAttributes,
    /// The system attribute `AWSTraceHeader`.
    pub trace_header: Option<String>,
    /// `None` for standard queues without fair queues.
    pub group_id: Option<String>,
    /// `None`: by the body, where the queue says so.
    pub deduplication_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    #[error("The specified queue does not exist.")]
    NotFound,
    #[error("{message}")]
    AccessDenied { message: String },
    /// What is asked for cannot be done with that queue, now or later.
    #[error("{message}")]
    Invalid { message: String },
    #[error("the disk is full")]
    DiskFull,
    /// Worth trying again. Detail for the log.
    #[error("{detail}")]
    Unavailable { detail: String },
    /// The queue is elsewhere, and its endpoint does not answer, or refuses this server. Worth trying again: whoever runs
    /// one of the two may mend it. The text is for whoever set it up.
    #[error("{message}")]
    Elsewhere { message: String },
}

impl QueueError {
    /// Whether waiting may mend it.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::DiskFull | Self::Unavailable { .. } | Self::Elsewhere { .. } => true,
            Self::NotFound | Self::AccessDenied { .. } | Self::Invalid { .. } => false,
        }
    }
}

/// Sends messages.
#[async_trait]
pub trait QueueSender: Send + Sync + 'static {
    /// Resolves with the message's id when the message is durable.
    ///
    /// # Errors
    /// [`QueueError`]: the queue has not got the message.
    async fn send(&self, ctx: &RequestContext, queue: &Arn, message: OutgoingMessage) -> Result<String, QueueError>;
}

/// What a consumer must know of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFacts {
    /// Seconds.
    pub visibility_timeout_s: u32,
    pub is_fifo: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveTerms {
    /// 1 to 10.
    pub messages_max: u32,
    /// How long to wait for the first message, 0 to 20 s.
    pub wait_s: u32,
}

/// A message that is invisible to others until its visibility time-out, with all its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMessage {
    pub message_id: String,
    pub receipt_handle: String,
    pub body: String,
    /// Hexadecimal.
    pub body_md5: String,
    /// `SentTimestamp`, `ApproximateReceiveCount`, `SenderId`, `MessageGroupId` and so on, by name.
    pub system_attributes: BTreeMap<String, String>,
    pub attributes: MessageAttributes,
    /// Hexadecimal; `None` without attributes.
    pub attributes_md5: Option<String>,
}

impl ReceivedMessage {
    /// The group of a FIFO queue's message.
    #[must_use]
    pub fn group_id(&self) -> Option<&str> {
        self.system_attributes.get("MessageGroupId").map(String::as_str)
    }
}

/// Takes messages and says what became of them.
#[async_trait]
pub trait QueueConsumer: Send + Sync + 'static {
    /// # Errors
    /// [`QueueError`], `NotFound` before all.
    async fn facts(&self, ctx: &RequestContext, queue: &Arn) -> Result<QueueFacts, QueueError>;

    /// May the caller do this (`sqs:ReceiveMessage`) with the queue? Takes nothing.
    ///
    /// # Errors
    /// [`QueueError`], `NotFound` before all.
    async fn allows(&self, ctx: &RequestContext, queue: &Arn, action: &'static str) -> Result<(), QueueError>;

    /// Up to ten messages; nothing when none came in time. What is on its way to somebody who stops waiting is given back.
    ///
    /// # Errors
    /// [`QueueError`]: nothing was taken.
    async fn receive(
        &self,
        ctx: &RequestContext,
        queue: &Arn,
        terms: ReceiveTerms,
    ) -> Result<Vec<ReceivedMessage>, QueueError>;

    /// Any number of messages are gone for good when this returns. Handles that are void are passed over.
    ///
    /// # Errors
    /// [`QueueError`]: some may still be there.
    async fn delete(&self, ctx: &RequestContext, queue: &Arn, receipt_handles: &[String]) -> Result<(), QueueError>;

    /// Any number of messages are visible again after `visibility_timeout_s`. Handles that are void are passed over.
    ///
    /// # Errors
    /// [`QueueError`]: some may come back at another time.
    async fn change_visibility(
        &self,
        ctx: &RequestContext,
        queue: &Arn,
        receipt_handles: &[String],
        visibility_timeout_s: u32,
    ) -> Result<(), QueueError>;
}
