//! Every bound of what is asked elsewhere.

use std::time::Duration;

/// A connection is there within this time.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);
/// An answer is there within this time, and what a long poll waits besides.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(15);
/// Of an answer: ten messages of a megabyte each, escaped.
pub(crate) const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Of an answer that refuses; nothing that is worth more is in one.
pub(crate) const REFUSAL_LETTERS_MAX: usize = 1_024;
/// Connections to one endpoint that are kept for the next request.
pub(crate) const IDLE_CONNECTIONS_MAX: usize = 32;
/// Source: SQS developer guide, "Amazon SQS quotas".
pub(crate) const BATCH_ENTRIES_MAX: usize = 10;
/// Seconds. Source: SQS API reference, ReceiveMessage.
pub(crate) const WAIT_S_MAX: u32 = 20;
