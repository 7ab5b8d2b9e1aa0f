//! The v1 dialect. Source: kernel documentation, admin-guide/cgroup-v1 (memory, freezer-subsystem) and
//! scheduler/sched-bwc.

use std::path::Path;

use super::MemoryUse;
use super::files::{CgroupError, Fields, read_number, write};

/// What a group weighs that nobody has said anything of.
pub(super) const CPU_SHARES: u64 = 1_024;
/// The kernel reserves memory for a group in batches, of 64 pages: that near to its limit a group has met it.
const CHARGE_BYTES_MAX: u64 = 256 << 10;

/// Before Linux 5.11 a group counts its children's memory only when told to.
pub(super) fn count_children(parent: &Path) -> Result<(), CgroupError> {
    let knob = parent.join("memory.use_hierarchy");
    match read_number(&knob) {
        Ok(0) => write(&knob, "1"),
        _ => Ok(()),
    }
}

/// `before`: the limit so far. `swap`: whether the kernel accounts swap, so that it can be forbidden.
pub(super) fn limit_memory(dir: &Path, bytes: u64, before: Option<u64>, swap: bool) -> Result<(), CgroupError> {
    let text = bytes.to_string();
    let (memory, with_swap) = (dir.join("memory.limit_in_bytes"), dir.join("memory.memsw.limit_in_bytes"));
    if !swap {
        write(&memory, &text)?;
        return write(&dir.join("memory.swappiness"), "0");
    }
    // The limit with swap may at no time be the lower one.
    let is_raised = before.is_some_and(|before| before < bytes);
    for path in if is_raised { [with_swap, memory] } else { [memory, with_swap] } {
        write(&path, &text)?;
    }
    Ok(())
}

pub(super) fn set_cpu_period(dir: &Path, period_us: u64) -> Result<(), CgroupError> {
    write(&dir.join("cpu.cfs_period_us"), &period_us.to_string())
}

pub(super) fn cpu_quota(quota_us: Option<u64>) -> String {
    quota_us.map_or_else(|| "-1".to_owned(), |quota_us| quota_us.to_string())
}

pub(super) fn memory_use(
    stat: &Fields,
    kernel: u64,
    total_max: u64,
    limit: Option<u64>,
) -> Result<MemoryUse, CgroupError> {
    let shared = stat.require("total_shmem")?;
    Ok(MemoryUse {
        anonymous: stat.require("total_rss")? + shared,
        file: stat.require("total_cache")?.saturating_sub(shared),
        // 0 when kernel memory is not accounted; then it is not in the total either.
        kernel,
        total_max,
        // Not by `memory.failcnt`, which newer kernels (6.18) leave at 0.
        was_at_limit: limit.is_some_and(|limit| total_max + CHARGE_BYTES_MAX >= limit),
    })
}

pub(super) const fn freezer_state(frozen: bool) -> &'static str {
    if frozen { "FROZEN" } else { "THAWED" }
}
