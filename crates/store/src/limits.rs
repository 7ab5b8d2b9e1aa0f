//! Every bound of the store, in one table.

use hearth_types::Millis;

/// An encoded key, bytes.
pub const KEY_BYTES_MAX: usize = 2_048;
/// All keys and values of one commit, bytes. Bodies larger than this are blobs, not records.
pub const COMMIT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Entries of one page of a scan.
pub const SCAN_ENTRIES_MAX: usize = 4_096;
/// One blob, bytes.
pub const BLOB_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Requests that one durable transaction carries. More only adds latency (measured).
pub(crate) const BATCH_REQUESTS_MAX: usize = 1_000;
/// Bytes that one durable transaction carries; a single larger request goes alone.
pub(crate) const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Requests that wait for the commit thread. When it is full, callers wait.
pub(crate) const COMMIT_QUEUE_REQUESTS_MAX: usize = 4_096;
/// Bytes that wait for the commit thread. When it is full, callers wait.
pub(crate) const COMMIT_QUEUE_BYTES_MAX: usize = 2 * COMMIT_BYTES_MAX;

/// Connections that read, and so reads at the same time. When all are busy, callers wait.
pub(crate) const READERS: usize = 4;
/// Blob operations at the same time, each on a thread of its own. When all are busy, callers wait.
pub(crate) const BLOB_OPERATIONS_MAX: usize = 8;
/// Operations on large files at the same time, each on a thread of its own. When all are busy, callers wait.
pub(crate) const FILE_OPERATIONS_MAX: usize = 16;
/// Of a large file in memory for whoever writes or reads it: four blocks.
pub(crate) const FILE_BUFFER_BYTES: usize = 4 * crate::files::BLOCK_BYTES;

/// The write-ahead log is checkpointed in the background once it is this large, bytes.
pub(crate) const WAL_SOFT_BYTES: u64 = 4 * 1024 * 1024;
/// A write-ahead log this large is checkpointed by the commit thread itself, bytes: writers wait rather than let it
/// grow without end.
pub(crate) const WAL_HARD_BYTES: u64 = 64 * 1024 * 1024;
/// How long the log is is told of when it is this many times as long as when it was told of last.
pub(crate) const WAL_REPORT_FACTOR: u64 = 4;
/// A checkpoint is tried again after this long when a reader or a full disk was in its way.
pub(crate) const CHECKPOINT_RETRY: Millis = Millis(500);

/// A database up to this size is verified row by row before the store opens; a larger one in the background.
pub(crate) const VERIFY_AT_OPEN_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long a connection waits for a lock of another one of ours.
pub(crate) const ENGINE_LOCK_WAIT: Millis = Millis::from_secs(10);

/// A database must answer a new connection within this long.
pub(crate) const CONNECT_WAIT: Millis = Millis::from_secs(5);
/// A statement that takes longer is ended by the database.
pub(crate) const STATEMENT_WAIT: Millis = Millis::from_secs(10);
/// A connection on which no answer comes for so long is given up: longer than [`STATEMENT_WAIT`], so that the database
/// has the first word.
pub(crate) const ANSWER_WAIT: Millis = Millis::from_secs(15);
/// Requests wait so long for a database that is gone, unless the store is told otherwise.
pub(crate) const OUTAGE_PATIENCE: Millis = Millis::from_secs(5);
/// Between two attempts to reach a database that is gone: at first, doubled each time, and at most.
pub(crate) const RECONNECT_WAIT: Millis = Millis(50);
pub(crate) const RECONNECT_WAIT_MAX: Millis = Millis::from_secs(1);
/// How long a server that starts waits for the connection of one that has ended to be noticed by the database.
pub(crate) const OWNER_WAIT: Millis = Millis::from_secs(10);
/// All of that together, from connecting to the first commit.
pub(crate) const SESSION_WAIT: Millis = Millis::from_secs(30);
/// How often a batch is tried again that the database undid for reasons of its own (a deadlock, a race for a new key).
pub(crate) const BATCH_ATTEMPTS_MAX: usize = 5;
/// Between two looks at the shards that somebody watches, where other servers write too.
pub(crate) const WATCH_POLL: Millis = Millis(50);
/// Connections that read, and so reads of one server at the same time. When all are busy, callers wait.
pub(crate) const POSTGRES_READERS: usize = 8;
