//! What the server holds of a group: files the spawner opened for it. So the server needs no privileges to limit the
//! processor, freeze, thaw and read the counters, and none of that goes through the spawner.
//!
//! What never lives here: paths, and anything that makes or ends a group.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_types::Mebibytes;
use serde::{Deserialize, Serialize};

use super::files::Fields;
use super::layout::Controller;
use super::{CPU_PERIOD_US, CgroupError, Dialect, MemoryUse, cpu_quota_us, v1, v2};

/// Bytes of the longest file read here, `memory.stat`; it has some 60 short lines.
const FILE_BYTES_MAX: usize = 8 * 1_024;
/// Bytes of a file that holds one number.
const NUMBER_BYTES_MAX: usize = 24;

/// A file of a group that the server gets open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Knob {
    /// `cpu.cfs_quota_us` or `cpu.max`.
    CpuQuota(Dialect),
    /// `freezer.state` or `cgroup.freeze`.
    Freeze(Dialect),
    /// `memory.stat`.
    MemoryStat(Dialect),
    /// `memory.oom_control` or `memory.events`.
    MemoryEvents(Dialect),
    /// `memory.max_usage_in_bytes` or `memory.peak`; not there in v2 before Linux 5.19.
    MemoryPeak,
    /// v1's `memory.limit_in_bytes`.
    MemoryLimit,
    /// v1's `memory.kmem.usage_in_bytes`, where kernel memory is accounted.
    KernelMemory,
}

/// Knobs of one group at most.
pub const KNOBS_MAX: usize = 8;

/// The open files of one group.
#[derive(Debug)]
pub struct CgroupHandle {
    cpu: Option<(Dialect, File)>,
    freezer: Option<(Dialect, File)>,
    stat: Option<(Dialect, File)>,
    events: Option<(Dialect, File)>,
    peak: Option<File>,
    limit: Option<File>,
    kernel: Option<File>,
    anonymous_max: AtomicU64,
}

impl CgroupHandle {
    /// From what [`super::Cgroup::knobs`] gave, in that order.
    #[must_use]
    pub fn new(knobs: impl IntoIterator<Item = (Knob, OwnedFd)>) -> Self {
        let mut handle = Self {
            cpu: None,
            freezer: None,
            stat: None,
            events: None,
            peak: None,
            limit: None,
            kernel: None,
            anonymous_max: AtomicU64::new(0),
        };
        for (knob, descriptor) in knobs {
            let file = File::from(descriptor);
            match knob {
                Knob::CpuQuota(dialect) => handle.cpu = Some((dialect, file)),
                Knob::Freeze(dialect) => handle.freezer = Some((dialect, file)),
                Knob::MemoryStat(dialect) => handle.stat = Some((dialect, file)),
                Knob::MemoryEvents(dialect) => handle.events = Some((dialect, file)),
                Knob::MemoryPeak => handle.peak = Some(file),
                Knob::MemoryLimit => handle.limit = Some(file),
                Knob::KernelMemory => handle.kernel = Some(file),
            }
        }
        handle
    }

    /// Gives the share of a processor that goes with `memory`. Source: Lambda developer guide, "Configure Lambda
    /// function memory": at 1,769 MB a function has the equivalent of one vCPU.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn set_cpu(&self, memory: Mebibytes) -> Result<(), CgroupError> {
        self.write_cpu(Some(cpu_quota_us(memory)))
    }

    /// Full speed, as in the init phase. New groups have it.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn set_cpu_unlimited(&self) -> Result<(), CgroupError> {
        self.write_cpu(None)
    }

    fn write_cpu(&self, quota_us: Option<u64>) -> Result<(), CgroupError> {
        let (dialect, file) = needed(self.cpu.as_ref(), Controller::Cpu)?;
        let text = match dialect {
            Dialect::V1 => v1::cpu_quota(quota_us),
            Dialect::V2 => v2::cpu_max(quota_us, CPU_PERIOD_US),
        };
        write(file, &text, "cpu quota")
    }

    /// Can this group be frozen in some microseconds? The v1 freezer takes a quarter of a millisecond.
    #[must_use]
    pub fn freezes_fast(&self) -> bool {
        matches!(self.freezer, Some((Dialect::V2, _)))
    }

    /// Stops every process where it is. Returns when the kernel has taken the order; running tasks stop within
    /// microseconds.
    ///
    /// # Errors
    /// [`CgroupError::Unavailable`] where neither v2 nor the v1 freezer exists.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        self.write_freezer(true)
    }

    /// Undoes [`CgroupHandle::freeze`]; fine on a group that is not frozen.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.write_freezer(false)
    }

    fn write_freezer(&self, frozen: bool) -> Result<(), CgroupError> {
        let (dialect, file) = needed(self.freezer.as_ref(), Controller::Freezer)?;
        let text = match dialect {
            Dialect::V1 => v1::freezer_state(frozen),
            Dialect::V2 => v2::freezer_state(frozen),
        };
        write(file, text, "freezer")
    }

    /// How many processes of this group the kernel killed because the memory limit was reached. Tells an
    /// out-of-memory kill from every other SIGKILL.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        let (_, file) = needed(self.events.as_ref(), Controller::Memory)?;
        fields(file, "memory events")?.require("oom_kill")
    }

    /// Whether the group ever reached its limit. If not, nothing in it was killed for that: a limit above was reached.
    #[must_use]
    pub fn limit_was_hit(&self) -> bool {
        self.memory_use().map_or(true, |memory| memory.was_at_limit)
    }

    /// What the group and those below it hold now, bytes: all but page cache, which the kernel takes back when it has to.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn memory_held(&self) -> Result<u64, CgroupError> {
        self.memory_use().map(|memory| memory.anonymous + memory.kernel)
    }

    /// The kernel's own peak of all memory, page cache included, bytes. While it stands still, and below the limit,
    /// [`CgroupHandle::memory_used_max`] has hardly anything new to say. `None` where the kernel keeps none.
    #[must_use]
    pub fn memory_peak(&self) -> Option<u64> {
        self.peak.as_ref().and_then(number)
    }

    /// The highest anonymous and shared memory seen so far, as "Max Memory Used" reports it; page cache does not count.
    /// Each call takes a sample and keeps the maximum, completed by what the kernel's own peak proves about the time
    /// between samples, and by the limit itself once a process was killed for reaching it.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn memory_used_max(&self, limit: Mebibytes) -> Result<Mebibytes, CgroupError> {
        let limit = limit.bytes();
        let memory = self.memory_use()?;
        let is_killed_for_it = self.oom_kills()? > 0 && memory.was_at_limit;
        let seen = if is_killed_for_it { limit } else { memory.anonymous_max().min(limit) };
        let before = self.anonymous_max.fetch_max(seen, Ordering::Relaxed);
        Ok(Mebibytes::from_bytes_ceil(seen.max(before)))
    }

    pub(super) fn memory_use(&self) -> Result<MemoryUse, CgroupError> {
        let (dialect, stat) = needed(self.stat.as_ref(), Controller::Memory)?;
        let stat = fields(stat, "memory.stat")?;
        let total_max = self.memory_peak().unwrap_or(0);
        match dialect {
            Dialect::V1 => {
                let kernel = self.kernel.as_ref().and_then(number).unwrap_or(0);
                v1::memory_use(&stat, kernel, total_max, self.limit.as_ref().and_then(number))
            }
            Dialect::V2 => {
                let (_, events) = needed(self.events.as_ref(), Controller::Memory)?;
                v2::memory_use(&stat, &fields(events, "memory.events")?, total_max)
            }
        }
    }
}

fn needed<T>(there: Option<&T>, controller: Controller) -> Result<&T, CgroupError> {
    there.ok_or(CgroupError::Unavailable { controller })
}

fn write(file: &File, text: &str, what: &'static str) -> Result<(), CgroupError> {
    // One write: the kernel takes a value as a whole. A position means nothing in these files.
    file.write_all_at(text.as_bytes(), 0).map_err(|source| CgroupError::Io {
        action: "write",
        path: what.into(),
        source,
    })
}

fn read<'a>(file: &File, buffer: &'a mut [u8]) -> io::Result<&'a str> {
    let mut length = 0;
    // The kernel gives long files in pieces.
    loop {
        let read = file.read_at(&mut buffer[length..], length as u64)?;
        length += read;
        if read == 0 || length == buffer.len() {
            return std::str::from_utf8(&buffer[..length]).map_err(io::Error::other);
        }
    }
}

fn fields(file: &File, what: &'static str) -> Result<Fields, CgroupError> {
    let mut buffer = [0; FILE_BYTES_MAX];
    let text =
        read(file, &mut buffer).map_err(|source| CgroupError::Io { action: "read", path: what.into(), source })?;
    Ok(Fields::new(what.into(), text.to_owned()))
}

fn number(file: &File) -> Option<u64> {
    let mut text = [0; NUMBER_BYTES_MAX];
    read(file, &mut text).ok()?.trim().parse().ok()
}
