//! The documented limits of SQS, in one table. Source: SQS developer guide, "Amazon SQS quotas", unless noted.

/// Messages of one request.
pub(crate) const BATCH_ENTRIES_MAX: usize = 10;
/// Bodies and attributes of one batch, bytes (recorded).
pub(crate) const BATCH_BYTES_MAX: usize = 1_048_576;
/// Attributes of one message.
pub(crate) const MESSAGE_ATTRIBUTES_MAX: usize = 10;
/// A message attribute's name, characters.
pub(crate) const ATTRIBUTE_NAME_MAX: usize = 256;
/// Messages in flight of one queue.
pub(crate) const IN_FLIGHT_MAX: usize = 120_000;
/// Seconds.
pub(crate) const DELAY_S_MAX: i64 = 900;
/// Seconds.
pub(crate) const VISIBILITY_S_MAX: i64 = 43_200;
/// Seconds.
pub(crate) const WAIT_S_MAX: i64 = 20;
/// Tags of one queue.
pub(crate) const TAGS_MAX: usize = 50;
/// Statements that AddPermission adds to a policy. Source: SQS API reference, AddPermission.
pub(crate) const POLICY_ACTIONS_MAX: usize = 7;
/// Statements of a queue's policy.
pub(crate) const POLICY_STATEMENTS_MAX: usize = 20;
/// Queues of one page of a list. Source: SQS API reference, ListQueues.
pub(crate) const LIST_PAGE_MAX: i64 = 1_000;
/// Wall clock, milliseconds. Source: SQS API reference, PurgeQueue.
pub(crate) const PURGE_INTERVAL_MS: i64 = 60_000;
/// Wall clock, milliseconds. Source: SQS API reference, ReceiveMessage.
pub(crate) const RECEIVE_ATTEMPT_MS: i64 = 5 * 60 * 1_000;
/// Attempt ids that one queue remembers.
pub(crate) const RECEIVE_ATTEMPTS_MAX: usize = 10_000;
/// Messages a second of a move task. Source: SQS API reference, StartMessageMoveTask.
pub(crate) const MOVE_RATE_MAX: i64 = 500;
/// Finished move tasks that are listed. Source: SQS API reference, ListMessageMoveTasks.
pub(crate) const MOVE_TASKS_LISTED_MAX: i64 = 10;

/// Pages that are kept in memory for the next receive, of all queues together, bytes. What does not fit is read back from
/// the store.
pub(crate) const PAGE_CACHE_BYTES_MAX: usize = 64 << 20;
/// What is read behind a page that is not in memory, together with it: bytes, taking the others to be as large, and rows.
pub(crate) const READ_AHEAD_BYTES: usize = 256 << 10;
pub(crate) const READ_AHEAD_ROWS_MAX: usize = 64;
/// Wall clock, milliseconds: receives become durable within this time, and what has expired leaves the store.
pub(crate) const KEEPER_INTERVAL_MS: u64 = 250;
/// Rows written or deleted by one commit of the keeper.
pub(crate) const KEEPER_ROWS_MAX: usize = 512;
