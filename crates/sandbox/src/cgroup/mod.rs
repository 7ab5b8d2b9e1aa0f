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

mod disk;
mod files;
mod handle;
mod layout;
mod machine;
mod root;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hearth_types::Mebibytes;
use hearth_types::limits::MEMORY_PER_VCPU;
use serde::{Deserialize, Serialize};

use crate::mutation::{self, Control};
pub use disk::Device;
use disk::Disks;
pub use files::CgroupError;
pub use handle::{CgroupHandle, KNOBS_MAX, Knob};
pub use layout::{Controller, Layout};
pub use machine::{available_memory, machine_memory};
pub use root::{CgroupRoot, Swept, survey};

/// The CFS period: short, because a throttled function waits for the rest of it (93 ms of 100 at 128 MiB).
const CPU_PERIOD_US: u64 = 20_000;
/// The smallest quota the kernel takes.
const CPU_QUOTA_US_MIN: u64 = 1_000;
/// What has less memory weighs as much as this: a quarter of a processor.
const WEIGHT_MEMORY_MIN: Mebibytes = Mebibytes(MEMORY_PER_VCPU.0 / 4);
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
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
    /// The limit was reached, and memory reclaimed or a process killed for it.
    was_at_limit: bool,
}

impl MemoryUse {
    /// The highest anonymous and shared memory that can be proved. The kernel keeps a peak of the total only. Without
    /// reclaim, page cache and kernel memory rarely shrink, so what they hold now was not anonymous at the peak; after
    /// the limit was hit the total says nothing, and the present value is all there is.
    fn anonymous_max(&self) -> u64 {
        let at_peak = match self.was_at_limit {
            false => self.total_max.saturating_sub(self.file).saturating_sub(self.kernel),
            true => 0,
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
    disks: Option<Disks>,
    /// Every directory of the group, each once.
    dirs: Vec<PathBuf>,
    /// The kernel accounts swap, so it can be forbidden.
    swap: bool,
}

impl Cgroup {
    #[must_use]
    pub const fn slot(&self) -> u64 {
        self.slot
    }

    /// Where it is, in each tree once.
    #[must_use]
    pub fn directories(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The group in the v2 tree, to fork a process into; `None` where there is no such tree.
    ///
    /// # Errors
    /// [`CgroupError`] when it cannot be opened.
    pub fn birthplace(&self) -> Result<Option<OwnedFd>, CgroupError> {
        let unified = self.dirs.iter().find(|dir| self.is_unified(dir));
        unified.map(|dir| files::open_dir(dir)).transpose()
    }

    /// Moves the calling process, which has one thread and was born in [`Cgroup::birthplace`], into the rest of the
    /// group. What it forks later is born inside.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn enter(&self) -> Result<(), CgroupError> {
        // Writing a process's number, or anything to `cgroup.procs`, makes the kernel wait until nobody forks or exits
        // on any processor: up to some ten milliseconds. A thread that moves itself needs none of that
        // (cgroup_procs_write_start in the kernel's kernel/cgroup/cgroup.c), as a fork into a group does not.
        self.dirs.iter().filter(|dir| !self.is_unified(dir)).try_for_each(|dir| files::write(&dir.join("tasks"), "0"))
    }

    /// What a process that was born in [`Cgroup::birthplace`], and has one thread, writes `0` to, for the same.
    ///
    /// # Errors
    /// [`CgroupError`] when one cannot be opened.
    pub fn doors(&self) -> Result<Vec<OwnedFd>, CgroupError> {
        let dirs = self.dirs.iter().filter(|dir| !self.is_unified(dir));
        dirs.map(|dir| {
            let path = dir.join("tasks");
            let opened = OpenOptions::new().write(true).open(&path);
            opened.map(OwnedFd::from).map_err(|source| CgroupError::Io { action: "open", path, source })
        })
        .collect()
    }

    fn is_unified(&self, dir: &Path) -> bool {
        let trees = [&self.memory, &self.cpu, &self.pids].into_iter().chain(&self.freezer);
        self.killer.as_deref() == Some(dir)
            || trees.into_iter().any(|tree| tree.dialect == Dialect::V2 && tree.dir == dir)
    }

    /// Limits memory, without swap; `before` is the limit it has, if it has one. A group that holds more than that already has some of it reclaimed, or is refused.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn limit_memory(&self, memory: Mebibytes, before: Option<Mebibytes>) -> Result<(), CgroupError> {
        if mutation::is_off(Control::MemoryLimit) {
            return Ok(());
        }
        match self.memory.dialect {
            Dialect::V1 => {
                v1::limit_memory(&self.memory.dir, memory.bytes(), before.map(|before| before.bytes()), self.swap)
            }
            Dialect::V2 => v2::limit_memory(&self.memory.dir, memory.bytes(), self.swap),
        }
    }

    /// Opens the files the server works with. Those this kernel lacks are not among them.
    ///
    /// # Errors
    /// [`CgroupError`] when one of those every kernel has cannot be opened.
    pub fn knobs(&self) -> Result<Vec<(Knob, OwnedFd)>, CgroupError> {
        let mut wanted: Vec<(Knob, &Path, &str)> = vec![(
            Knob::CpuQuota(self.cpu.dialect),
            &self.cpu.dir,
            by(self.cpu.dialect, "cpu.cfs_quota_us", "cpu.max"),
        )];
        if let Some(freezer) = &self.freezer {
            let name = by(freezer.dialect, "freezer.state", "cgroup.freeze");
            wanted.push((Knob::Freeze(freezer.dialect), &freezer.dir, name));
        }
        let mut knobs = memory_knobs(&self.memory)?;
        knobs.extend(open(&wanted)?);
        Ok(knobs)
    }

    /// What the server would hold of this group.
    ///
    /// # Errors
    /// As [`Cgroup::knobs`].
    pub fn handle(&self) -> Result<CgroupHandle, CgroupError> {
        Ok(CgroupHandle::new(self.knobs()?))
    }

    /// Where processors are scarce, this group gets its part of them beside the others: in proportion to memory, as the
    /// quota is; yet never so little that a small function does not get started beside large ones.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn weigh_cpu(&self, memory: Mebibytes) -> Result<(), CgroupError> {
        let share = |whole: u64| whole * u64::from(memory.max(WEIGHT_MEMORY_MIN).0) / u64::from(MEMORY_PER_VCPU.0);
        let (name, value) = match self.cpu.dialect {
            Dialect::V1 => ("cpu.shares", share(v1::CPU_SHARES)),
            Dialect::V2 => ("cpu.weight", share(v2::CPU_WEIGHT)),
        };
        files::write(&self.cpu.dir.join(name), &value.to_string())
    }

    /// Limits what is written to a disk of the group's. Nothing where this machine cannot ([`CgroupRoot::limits_writes`]).
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn limit_writes(&self, disk: Device, bytes_per_second: u64) -> Result<(), CgroupError> {
        self.disks.as_ref().map_or(Ok(()), |disks| disks.limit(disk, bytes_per_second))
    }

    /// Takes that limit away, while the disk is still the group's: the next one with its number is somebody else's.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn unlimit_writes(&self, disk: Device) -> Result<(), CgroupError> {
        self.disks.as_ref().map_or(Ok(()), |disks| disks.unlimit(disk))
    }

    /// Lets processes use all the processor there is: a thousand of them take some time to die.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn set_cpu_unlimited(&self) -> Result<(), CgroupError> {
        let (name, value) = match self.cpu.dialect {
            Dialect::V1 => ("cpu.cfs_quota_us", v1::cpu_quota(None)),
            Dialect::V2 => ("cpu.max", v2::cpu_max(None, CPU_PERIOD_US)),
        };
        files::write(&self.cpu.dir.join(name), &value)
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

    /// Lets frozen processes go on; fine on a group that is not frozen.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn thaw(&self) -> Result<(), CgroupError> {
        let Some(Tree { dialect, dir }) = &self.freezer else { return Ok(()) };
        match dialect {
            Dialect::V1 => files::write(&dir.join("freezer.state"), v1::freezer_state(false)),
            Dialect::V2 => files::write(&dir.join("cgroup.freeze"), v2::freezer_state(false)),
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

/// Opens the counters of a group's memory.
fn memory_knobs(Tree { dialect, dir }: &Tree) -> Result<Vec<(Knob, OwnedFd)>, CgroupError> {
    let mut wanted: Vec<(Knob, &Path, &str)> = vec![
        (Knob::MemoryStat(*dialect), dir, "memory.stat"),
        (Knob::MemoryEvents(*dialect), dir, by(*dialect, "memory.oom_control", "memory.events")),
        (Knob::MemoryPeak, dir, by(*dialect, "memory.max_usage_in_bytes", "memory.peak")),
    ];
    if *dialect == Dialect::V1 {
        wanted.push((Knob::MemoryLimit, dir, "memory.limit_in_bytes"));
        wanted.push((Knob::KernelMemory, dir, "memory.kmem.usage_in_bytes"));
    }
    open(&wanted)
}

fn open(wanted: &[(Knob, &Path, &str)]) -> Result<Vec<(Knob, OwnedFd)>, CgroupError> {
    let mut knobs = Vec::with_capacity(wanted.len());
    for (knob, dir, name) in wanted {
        let path = dir.join(name);
        let writable = matches!(knob, Knob::CpuQuota(_) | Knob::Freeze(_));
        match OpenOptions::new().read(!writable).write(writable).open(&path) {
            Ok(file) => knobs.push((*knob, file.into())),
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && matches!(knob, Knob::MemoryPeak | Knob::KernelMemory) => {
            }
            Err(source) => return Err(CgroupError::Io { action: "open", path, source }),
        }
    }
    Ok(knobs)
}

const fn by(dialect: Dialect, v1: &'static str, v2: &'static str) -> &'static str {
    match dialect {
        Dialect::V1 => v1,
        Dialect::V2 => v2,
    }
}

fn cpu_quota_us(memory: Mebibytes) -> u64 {
    (CPU_PERIOD_US * u64::from(memory.0) / u64::from(MEMORY_PER_VCPU.0)).max(CPU_QUOTA_US_MIN)
}
