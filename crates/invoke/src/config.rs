//! What can be set about the data plane.

use hearth_types::limits::{ACCOUNT_CONCURRENCY, INIT_TIMEOUT};
use hearth_types::{Mebibytes, Millis};

use crate::pool::RoomLimits;
use crate::response_stream::StreamLimits;

/// When an idle environment is frozen, so that nothing of it runs between invocations. Source: Lambda developer guide,
/// "Understanding the Lambda execution environment lifecycle".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freezing {
    /// At once where that takes microseconds (cgroup v2), else after [`FREEZE_GRACE`].
    #[default]
    Auto,
    /// At once, whatever it takes.
    Strict,
}

/// How long an environment stays unfrozen where freezing is slow.
pub const FREEZE_GRACE: Millis = Millis::from_secs(1);

/// One part of so many of the machine's memory is left to the machine.
const HOST_PART: u32 = 16;

/// Twice what the smallest `/tmp` holds.
const DISK_RESERVE: Mebibytes = Mebibytes(1_024);

/// Settings of the data plane, with the values of the real service as defaults where it has them.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    /// Concurrent invocations per account and region.
    pub account_concurrency: u32,
    /// How long an idle environment is kept. AWS publishes no figure; 5 to 15 minutes are commonly seen.
    pub idle_timeout: Millis,
    /// An environment older than this serves no further invocation; its credentials outlive it.
    pub environment_age_max: Millis,
    /// Init phase of an on-demand environment; then the init is repeated inside the first invocation.
    pub init_timeout: Millis,
    /// What environments may hold together. Slots that wait in the backend's pool are among them.
    pub environment_memory: Mebibytes,
    /// What is to stay available on the machine for everything else.
    pub memory_reserve: Mebibytes,
    /// Free space of the disk of `/tmp` below which no environment is added. The store is on that disk, too.
    pub disk_reserve: Mebibytes,
    /// A function's memory setting counts one part of so many, where nobody has seen yet what it needs. Above 1 more is
    /// promised than there is: environments end in the middle of invocations when all want their due.
    pub memory_overcommit: f64,
    /// Environments at the same time.
    pub environments_max: usize,
    pub freezing: Freezing,
    /// Attempts at asynchronous invocations at the same time.
    pub event_concurrency: usize,
    pub stream: StreamLimits,
}

impl EngineConfig {
    /// Defaults for a machine with that much memory.
    #[must_use]
    pub fn for_host(host_memory: Mebibytes) -> Self {
        Self {
            account_concurrency: ACCOUNT_CONCURRENCY,
            idle_timeout: Millis::from_secs(600),
            environment_age_max: Millis::from_secs(12 * 3_600),
            init_timeout: INIT_TIMEOUT,
            environment_memory: Mebibytes(host_memory.0 - host_memory.0 / HOST_PART),
            memory_reserve: Mebibytes(host_memory.0 / HOST_PART),
            disk_reserve: DISK_RESERVE,
            memory_overcommit: 1.0,
            environments_max: 1_000,
            freezing: Freezing::default(),
            event_concurrency: 100,
            stream: StreamLimits::default(),
        }
    }

    pub(crate) fn room_limits(&self) -> RoomLimits {
        RoomLimits {
            environments_mib: self.environment_memory.0.into(),
            reserve_mib: self.memory_reserve.0.into(),
            disk_reserve_mib: self.disk_reserve.0.into(),
            overcommit: self.memory_overcommit,
        }
    }
}
