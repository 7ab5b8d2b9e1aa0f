//! How much a runtime may make the server hold or wait. One environment's function is untrusted, so each of these
//! bounds what it can cost everybody else.

use std::time::Duration;

/// Open connections of one environment. A runtime needs one or two, extensions one each.
pub(crate) const CONNECTIONS_MAX: usize = 64;
/// Connections not accepted yet that a reset drops: as many as the kernel queues (`net.core.somaxconn`).
pub(crate) const BACKLOG_MAX: usize = 4_096;
/// Request line and headers. AWS's clients put up to 1 MiB into `Lambda-Runtime-Function-XRay-Error-Cause`.
pub(crate) const HEAD_BYTES_MAX: usize = 1_048_576 + 16_384;
/// A head larger than this needs one of the environment's [`LARGE_HEADS_MAX`] permits.
pub(crate) const SMALL_HEAD_BYTES_MAX: usize = 65_536;
/// Large heads that may be in the making at the same time, over all connections of an environment.
pub(crate) const LARGE_HEADS_MAX: usize = 4;
pub(crate) const HEADERS_MAX: usize = 100;
/// Read buffer of a new connection.
pub(crate) const READ_BUFFER_BYTES: usize = 8_192;
/// Read buffer of a response that is passed on as it comes, and so the largest piece of it.
pub(crate) const STREAM_BUFFER_BYTES: usize = 65_536;
/// Bodies up to this size are copied out of the read buffer, so that the buffer can be used again.
pub(crate) const COPIED_BODY_BYTES_MAX: usize = 4_096;
/// What is read and thrown away of a body that was refused or is too large, before the connection is closed instead.
pub(crate) const DISCARDED_BODY_BYTES_MAX: u64 = 64 * 1_048_576;
/// A chunk-size line with its extensions.
pub(crate) const CHUNK_LINE_BYTES_MAX: usize = 1_024;
/// All trailers together: `Lambda-Runtime-Function-Error-Body` holds a whole error in base64.
pub(crate) const TRAILER_BYTES_MAX: usize = HEAD_BYTES_MAX;
/// The same for a body that is thrown away.
pub(crate) const DISCARDED_TRAILER_BYTES_MAX: usize = SMALL_HEAD_BYTES_MAX;
/// Ids of given-up invocations that are remembered to tell "too late" from "never heard of".
pub(crate) const LATE_IDS_MAX: usize = 64;
/// After a fatal reply: how long, and how many bytes, the client's remaining bytes are read before closing, so that a
/// reset does not overtake the reply.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
pub(crate) const LINGER_BYTES_MAX: usize = 1_048_576;
/// Pause after a failed accept (for example: no descriptors left).
pub(crate) const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// `Lambda-Extension-Name`: as long as a file name may be.
pub(crate) const EXTENSION_NAME_BYTES_MAX: usize = 255;
/// Body of a call of the Extensions, Telemetry or Logs API.
pub(crate) const EXTENSION_BODY_BYTES_MAX: usize = 65_536;
/// What is kept of an error type that an extension reports.
pub(crate) const ERROR_TYPE_BYTES_MAX: usize = 256;

/// A subscription's `maxItems`. This and the next two sources: "Lambda Telemetry API reference".
pub(crate) const TELEMETRY_ITEMS_MIN: u64 = 1_000;
pub(crate) const TELEMETRY_ITEMS_MAX: u64 = 10_000;
pub(crate) const TELEMETRY_ITEMS_DEFAULT: u64 = 10_000;
/// A subscription's `maxBytes`.
pub(crate) const TELEMETRY_BYTES_MIN: u64 = 262_144;
pub(crate) const TELEMETRY_BYTES_MAX: u64 = 1_048_576;
pub(crate) const TELEMETRY_BYTES_DEFAULT: u64 = 262_144;
/// A subscription's `timeoutMs`.
pub(crate) const TELEMETRY_TIMEOUT_MS_MIN: u64 = 25;
pub(crate) const TELEMETRY_TIMEOUT_MS_MAX: u64 = 30_000;
pub(crate) const TELEMETRY_TIMEOUT_MS_DEFAULT: u64 = 1_000;
/// Path and query of a subscription's URI.
pub(crate) const DESTINATION_PATH_BYTES_MAX: usize = 1_024;
/// Events kept during init for those who subscribe later in it. What comes beyond is counted as dropped.
pub(crate) const HISTORY_EVENTS_MAX: usize = 1_000;
pub(crate) const HISTORY_BYTES_MAX: usize = 262_144;
/// Attempts to deliver a batch before it is dropped, and the pause after the first one; it doubles each time.
pub(crate) const DELIVERY_ATTEMPTS_MAX: u32 = 5;
pub(crate) const DELIVERY_BACKOFF: Duration = Duration::from_millis(100);
/// How long one attempt may take while the environment runs.
pub(crate) const DELIVERY_WAIT: Duration = Duration::from_secs(2);
/// Head and body of a subscriber's reply. What it says beyond its status is of no interest.
pub(crate) const DELIVERY_REPLY_BYTES_MAX: usize = 65_536;
/// How long shutting down waits for telemetry to be delivered before extensions are told to end.
pub(crate) const SHUTDOWN_FLUSH_WAIT: Duration = Duration::from_millis(200);
/// Ports of the environment that telemetry cannot go to: the platform's own. Source: "Lambda Logs API".
pub(crate) const RESERVED_PORTS: &[u16] = &[9001];
