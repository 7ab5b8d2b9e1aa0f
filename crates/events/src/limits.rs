//! Every number of the pollers. Times are wall clock: the visibility of messages is.
//!
//! Source of the scaling numbers: Lambda developer guide, "Configuring scaling behavior for SQS event source mappings".

use std::time::Duration;

/// Messages a queue gives at once. Source: SQS API reference, ReceiveMessage.
pub(crate) const RECEIVE_MAX: u32 = 10;
/// How long a receive waits for a message. Source: as above.
pub(crate) const RECEIVE_WAIT_S: u32 = 20;

/// Batches of a mapping that run at once: at first, when nothing comes for a while, and at most.
pub(crate) const BATCHES_START: u32 = 5;
pub(crate) const BATCHES_QUIET: u32 = 2;
pub(crate) const BATCHES_MAX: u32 = 1_250;
/// How many more of them a minute while messages wait.
pub(crate) const BATCHES_PER_MINUTE: i64 = 300;
/// How long nothing must have come.
pub(crate) const QUIET_MS: i64 = 60_000;

/// What a message must be invisible for beyond the function's time-out.
pub(crate) const VISIBILITY_MARGIN_MS: i64 = 1_000;
/// The longest visibility time-out. Source: SQS developer guide, "Amazon SQS message quotas".
pub(crate) const VISIBILITY_S_MAX: u32 = 43_200;

/// Between attempts to run a function that is throttled: the first, and the longest.
pub(crate) const THROTTLE_WAIT: Duration = Duration::from_secs(1);
pub(crate) const THROTTLE_WAIT_MAX: Duration = Duration::from_secs(30);
/// After a queue could not be asked: the first pause, and the longest.
pub(crate) const QUEUE_PAUSE: Duration = Duration::from_secs(1);
pub(crate) const QUEUE_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Between two receives that find nothing, at least.
pub(crate) const EMPTY_PAUSE: Duration = Duration::from_secs(1);
/// Before looking again for a function that is not there, or is not ready.
pub(crate) const FUNCTION_PAUSE: Duration = Duration::from_secs(1);
/// Attempts to delete messages that are done with.
pub(crate) const DELETE_ATTEMPTS: u32 = 5;
/// How long what is known of a queue is believed.
pub(crate) const FACTS_AGE_MS: i64 = 30_000;
/// How long it is believed that Lambda may take a function's role.
pub(crate) const ROLE_AGE_MS: i64 = 300_000;
