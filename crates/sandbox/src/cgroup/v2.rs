//! The v2 dialect. Source: kernel documentation, admin-guide/cgroup-v2.

use std::path::Path;

use super::MemoryUse;
use super::files::{CgroupError, Fields, read, read_number, write};
use super::layout::Controller;

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

pub(super) fn set_cpu(dir: &Path, quota_us: Option<u64>, period_us: u64) -> Result<(), CgroupError> {
    let quota = quota_us.map_or_else(|| "max".to_owned(), |quota_us| quota_us.to_string());
    write(&dir.join("cpu.max"), &format!("{quota} {period_us}"))
}

pub(super) fn oom_kills(dir: &Path) -> Result<u64, CgroupError> {
    Fields::read(&dir.join("memory.events"))?.require("oom_kill")
}

pub(super) fn memory_limit(dir: &Path) -> Result<u64, CgroupError> {
    let path = dir.join("memory.max");
    match read(&path)?.trim() {
        "max" => Ok(u64::MAX),
        _ => read_number(&path),
    }
}

pub(super) fn memory_use(dir: &Path) -> Result<MemoryUse, CgroupError> {
    let stat = Fields::read(&dir.join("memory.stat"))?;
    let events = Fields::read(&dir.join("memory.events"))?;
    let shared = stat.require("shmem")?;
    // One sum since Linux 5.18.
    let kernel_parts =
        || ["kernel_stack", "pagetables", "percpu", "sock", "vmalloc", "slab"].map(|key| stat.get(key).unwrap_or(0));
    Ok(MemoryUse {
        anonymous: stat.require("anon")? + shared,
        file: stat.require("file")?.saturating_sub(shared),
        kernel: stat.get("kernel").unwrap_or_else(|| kernel_parts().iter().sum()),
        // Since Linux 5.19; before, samples are all there is.
        total_max: read_number(&dir.join("memory.peak")).unwrap_or(0),
        limit_hits: events.require("max")?,
    })
}

pub(super) fn freeze(dir: &Path, frozen: bool) -> Result<(), CgroupError> {
    write(&dir.join("cgroup.freeze"), if frozen { "1" } else { "0" })
}
