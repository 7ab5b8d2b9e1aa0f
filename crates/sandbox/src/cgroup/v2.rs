//! The v2 dialect. Source: kernel documentation, admin-guide/cgroup-v2.

use std::path::Path;

use super::MemoryUse;
use super::files::{CgroupError, Fields, write};
use super::layout::Controller;

/// What a group weighs that nobody has said anything of.
pub(super) const CPU_WEIGHT: u64 = 100;

/// Hands controllers to the children of `dir`.
pub(super) fn enable(dir: &Path, controllers: &[Controller]) -> Result<(), CgroupError> {
    let wanted: Vec<String> = controllers.iter().map(|controller| format!("+{}", controller.name())).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    write(&dir.join("cgroup.subtree_control"), &wanted.join(" "))
}

/// `swap`: whether the kernel has swap, so that it can be forbidden.
pub(super) fn limit_memory(dir: &Path, bytes: u64, swap: bool) -> Result<(), CgroupError> {
    write(&dir.join("memory.max"), &bytes.to_string())?;
    if swap {
        write(&dir.join("memory.swap.max"), "0")?;
    }
    Ok(())
}

pub(super) fn cpu_max(quota_us: Option<u64>, period_us: u64) -> String {
    let quota = quota_us.map_or_else(|| "max".to_owned(), |quota_us| quota_us.to_string());
    format!("{quota} {period_us}")
}

/// `total_max`: 0 before Linux 5.19, where samples are all there is.
pub(super) fn memory_use(stat: &Fields, events: &Fields, total_max: u64) -> Result<MemoryUse, CgroupError> {
    let shared = stat.require("shmem")?;
    // One sum since Linux 5.18.
    let kernel_parts =
        || ["kernel_stack", "pagetables", "percpu", "sock", "vmalloc", "slab"].map(|key| stat.get(key).unwrap_or(0));
    Ok(MemoryUse {
        anonymous: stat.require("anon")? + shared,
        file: stat.require("file")?.saturating_sub(shared),
        kernel: stat.get("kernel").unwrap_or_else(|| kernel_parts().iter().sum()),
        total_max,
        was_at_limit: events.require("max")? > 0,
    })
}

pub(super) const fn freezer_state(frozen: bool) -> &'static str {
    if frozen { "1" } else { "0" }
}
