//! Control groups: how much memory, processor time and how many processes an execution environment gets, and how it is
//! frozen and ended as a whole. What never lives here: starting processes, and anything that knows what runs inside.
//!
//! ```text
//! <our own cgroup>/hearth-<instance>/<slot>      in every hierarchy that has something we need
//! ```
//!
//! Three layouts exist in the field (cgroups(7)): **v1** has one tree per controller; **v2** has one for all; **hybrid**
//! keeps the controllers in v1 trees and adds a v2 tree without them, which still freezes and kills better than v1
//! does. So each controller is found by itself ([`layout`]) and speaks one of two dialects ([`v1`], [`v2`]).
//!
//! All calls block for as long as the kernel needs: microseconds, milliseconds where processes have to end.

mod files;
mod layout;
mod root;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hearth_types::Mebibytes;
use hearth_types::limits::MEMORY_PER_VCPU;

pub use files::CgroupError;
pub use layout::{Controller, Layout};
pub use root::{CgroupRoot, Swept, survey};

/// The CFS period: short, because a throttled function waits for the rest of it (93 ms of 100 at 128 MiB).
const CPU_PERIOD_US: u64 = 20_000;
/// The smallest quota the kernel takes.
const CPU_QUOTA_US_MIN: u64 = 1_000;
/// How long killed processes may take to end before that is an error.
const KILL_WAIT_MAX: Duration = Duration::from_secs(5);

/// What an execution environment may use at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgroupLimits {
    pub memory: Mebibytes,
    /// Processes and threads together.
    pub processes_max: u64,
}

/// How the files of a controller are called and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    V1,
    V2,
}

/// One controller's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tree {
    dialect: Dialect,
    dir: PathBuf,
}

/// What the kernel counts, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct MemoryUse {
    /// Anonymous and shared memory now.
    anonymous: u64,
    /// Page cache of files, without shared memory, now.
    file: u64,
    /// Kernel memory (stacks, page tables, sockets) now.
    kernel: u64,
    /// The highest sum of the three so far.
    total_max: u64,
    /// How often the limit was reached, and memory reclaimed.
    limit_hits: u64,
}

impl MemoryUse {
    /// The highest anonymous and shared memory that can be proved. The kernel keeps a peak of the total only. Without
    /// reclaim, page cache and kernel memory rarely shrink, so what they hold now was not anonymous at the peak; after
    /// the limit was hit the total says nothing, and the present value is all there is.
    fn anonymous_max(&self) -> u64 {
        let at_peak = match self.limit_hits {
            0 => self.total_max.saturating_sub(self.file).saturating_sub(self.kernel),
            _ => 0,
        };
        at_peak.max(self.anonymous)
    }
}

/// The control group of one slot. Dropping it leaves the group; [`Cgroup::remove`] ends it.
#[derive(Debug)]
pub struct Cgroup {
    slot: u64,
    memory: Tree,
    cpu: Tree,
    pids: Tree,
    freezer: Option<Tree>,
    /// The v2 directory when it has `cgroup.kill` (Linux 5.14).
    killer: Option<PathBuf>,
    /// Every directory of the group, each once.
    dirs: Vec<PathBuf>,
    anonymous_max: AtomicU64,
}

impl Cgroup {
    /// The group of a slot that another process created with an equal [`CgroupRoot`].
    ///
    /// # Errors
    /// [`CgroupError`] when there is no such group or this machine cannot enforce the limits.
    pub fn open(root: &CgroupRoot, slot: u64) -> Result<Self, CgroupError> {
        let group = root.group(slot)?;
        for dir in &group.dirs {
            files::read(&dir.join("cgroup.procs"))?;
        }
        Ok(group)
    }

    #[must_use]
    pub const fn slot(&self) -> u64 {
        self.slot
    }

    /// Moves a process into the group; 0 is the calling one. What it forks later is born inside.
    ///
    /// # Errors
    /// [`CgroupError`], for example when the process has ended.
    pub fn attach(&self, pid: u32) -> Result<(), CgroupError> {
        self.dirs.iter().try_for_each(|dir| files::write(&dir.join("cgroup.procs"), &pid.to_string()))
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
        match self.cpu.dialect {
            Dialect::V1 => v1::set_cpu(&self.cpu.dir, quota_us, CPU_PERIOD_US),
            Dialect::V2 => v2::set_cpu(&self.cpu.dir, quota_us, CPU_PERIOD_US),
        }
    }

    /// How many processes of this group the kernel killed because the memory limit was reached. Tells an
    /// out-of-memory kill from every other SIGKILL.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        match self.memory.dialect {
            Dialect::V1 => v1::oom_kills(&self.memory.dir),
            Dialect::V2 => v2::oom_kills(&self.memory.dir),
        }
    }

    /// The highest anonymous and shared memory seen so far, as "Max Memory Used" reports it; page cache does not count.
    /// Each call takes a sample and keeps the maximum, completed by what the kernel's own peak proves about the time
    /// between samples, and by the limit itself once a process was killed for reaching it.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn memory_used_max(&self) -> Result<Mebibytes, CgroupError> {
        let (used, limit) = match self.memory.dialect {
            Dialect::V1 => (v1::memory_use(&self.memory.dir)?, v1::memory_limit(&self.memory.dir)?),
            Dialect::V2 => (v2::memory_use(&self.memory.dir)?, v2::memory_limit(&self.memory.dir)?),
        };
        let seen = if self.oom_kills()? > 0 { limit } else { used.anonymous_max().min(limit) };
        let before = self.anonymous_max.fetch_max(seen, Ordering::Relaxed);
        Ok(Mebibytes::from_bytes_ceil(seen.max(before)))
    }

    /// The kernel's own peak of all memory, page cache included, as a file that can be read again and again. While it
    /// stands still, and below the limit, [`Cgroup::memory_used_max`] has hardly anything new to say. `None` where the
    /// kernel keeps no peak: v2 before Linux 5.19.
    #[must_use]
    pub fn memory_peak(&self) -> Option<std::fs::File> {
        let name = match self.memory.dialect {
            Dialect::V1 => "memory.max_usage_in_bytes",
            Dialect::V2 => "memory.peak",
        };
        std::fs::File::open(self.memory.dir.join(name)).ok()
    }

    /// Ends every process of the group, frozen or not, and waits until they are gone.
    ///
    /// # Errors
    /// [`CgroupError::StillRunning`] when the kernel does not let go of one.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        let started = Instant::now();
        loop {
            if let Some(dir) = &self.killer {
                files::write_if_there(&dir.join("cgroup.kill"), "1")?;
            }
            // Also with `cgroup.kill`: a process that was attached half-way is in some of the trees only.
            let pids = self.processes()?;
            if pids.is_empty() {
                return Ok(());
            }
            if self.killer.is_none() {
                files::signal_kill(&pids);
                // A task frozen by v1 takes its SIGKILL after the thaw only; in v2 thawing changes nothing.
                self.thaw()?;
            }
            files::wait_before_retry(started, KILL_WAIT_MAX)
                .map_err(|()| CgroupError::StillRunning { path: self.dirs[0].clone(), pids })?;
        }
    }

    /// Stops every process where it is. Returns when the kernel has taken the order; running tasks stop within
    /// microseconds.
    ///
    /// # Errors
    /// [`CgroupError::Unavailable`] where neither v2 nor the v1 freezer exists.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        let freezer = self.freezer.as_ref().ok_or(CgroupError::Unavailable { controller: Controller::Freezer })?;
        match freezer.dialect {
            Dialect::V1 => v1::freeze(&freezer.dir, true),
            Dialect::V2 => v2::freeze(&freezer.dir, true),
        }
    }

    /// Undoes [`Cgroup::freeze`]; fine on a group that is not frozen.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn thaw(&self) -> Result<(), CgroupError> {
        match &self.freezer {
            Some(Tree { dialect: Dialect::V1, dir }) => v1::freeze(dir, false),
            Some(Tree { dialect: Dialect::V2, dir }) => v2::freeze(dir, false),
            None => Ok(()),
        }
    }

    /// Ends every process and removes the group. Fine when it is gone already.
    ///
    /// # Errors
    /// [`CgroupError`]; what is left is found by [`CgroupRoot::sweep`].
    pub fn remove(self) -> Result<(), CgroupError> {
        self.kill_all()?;
        self.dirs.iter().try_for_each(|dir| files::remove_dir(dir, KILL_WAIT_MAX))
    }

    /// Who is in any of the group's directories, as this process's pid namespace numbers them; 0 is someone outside of it.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn processes(&self) -> Result<Vec<i32>, CgroupError> {
        let mut pids = Vec::new();
        for dir in &self.dirs {
            pids.extend(files::processes(dir)?);
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }
}

fn cpu_quota_us(memory: Mebibytes) -> u64 {
    (CPU_PERIOD_US * u64::from(memory.0) / u64::from(MEMORY_PER_VCPU.0)).max(CPU_QUOTA_US_MIN)
}
