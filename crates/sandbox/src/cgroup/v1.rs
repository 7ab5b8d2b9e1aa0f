//! The v1 dialect. Source: kernel documentation, admin-guide/cgroup-v1 (memory, freezer-subsystem) and
//! scheduler/sched-bwc.

use std::path::Path;

use super::MemoryUse;
use super::files::{CgroupError, Fields, read_number, write};

/// Before Linux 5.11 a group counts its children's memory only when told to.
pub(super) fn count_children(parent: &Path) -> Result<(), CgroupError> {
    let knob = parent.join("memory.use_hierarchy");
    match read_number(&knob) {
        Ok(0) => write(&knob, "1"),
        _ => Ok(()),
    }
}

/// `swap`: whether the kernel accounts swap, so that it can be forbidden.
pub(super) fn limit_memory(dir: &Path, bytes: u64, swap: bool) -> Result<(), CgroupError> {
    write(&dir.join("memory.limit_in_bytes"), &bytes.to_string())?;
    if swap {
        return write(&dir.join("memory.memsw.limit_in_bytes"), &bytes.to_string());
    }
    write(&dir.join("memory.swappiness"), "0")
}

pub(super) fn set_cpu(dir: &Path, quota_us: Option<u64>, period_us: u64) -> Result<(), CgroupError> {
    let quota = quota_us.map_or_else(|| "-1".to_owned(), |quota_us| quota_us.to_string());
    write(&dir.join("cpu.cfs_period_us"), &period_us.to_string())?;
    write(&dir.join("cpu.cfs_quota_us"), &quota)
}

pub(super) fn oom_kills(dir: &Path) -> Result<u64, CgroupError> {
    Fields::read(&dir.join("memory.oom_control"))?.require("oom_kill")
}

pub(super) fn memory_limit(dir: &Path) -> Result<u64, CgroupError> {
    read_number(&dir.join("memory.limit_in_bytes"))
}

pub(super) fn memory_use(dir: &Path) -> Result<MemoryUse, CgroupError> {
    let stat = Fields::read(&dir.join("memory.stat"))?;
    let shared = stat.require("total_shmem")?;
    Ok(MemoryUse {
        anonymous: stat.require("total_rss")? + shared,
        file: stat.require("total_cache")?.saturating_sub(shared),
        // Absent when kernel memory is not accounted; then it is not in the total either.
        kernel: read_number(&dir.join("memory.kmem.usage_in_bytes")).unwrap_or(0),
        total_max: read_number(&dir.join("memory.max_usage_in_bytes"))?,
        limit_hits: read_number(&dir.join("memory.failcnt"))?,
    })
}

pub(super) fn freeze(dir: &Path, frozen: bool) -> Result<(), CgroupError> {
    write(&dir.join("freezer.state"), if frozen { "FROZEN" } else { "THAWED" })
}
