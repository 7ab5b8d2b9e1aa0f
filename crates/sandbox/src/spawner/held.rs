//! What the spawner holds of a slot for as long as it lives, and how it is ended.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use hearth_types::Mebibytes;
use rustix::process::{Pid, Signal, pidfd_send_signal};

use super::stock::Begun;
use super::write_limit::WriteLimit;
use crate::cgroup::{Cgroup, CgroupError};
use crate::protocol::PrepareSlot;

pub(super) struct Slot {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) cgroup: Cgroup,
    /// Set once the slot is furnished.
    pub(super) write_limit: Option<WriteLimit>,
    pub(super) prepared: PrepareSlot,
    /// The numbers that hearth-init has for what the function's output and log records are written to.
    pub(super) output: RawFd,
    pub(super) records: RawFd,
    pub(super) has_copy: bool,
    /// Counts once the slot is furnished: a process in it waits for that.
    pub(super) furnished: OwnedFd,
    pub(super) is_furnished: bool,
}

impl Slot {
    /// Sets what a function may do without for a moment.
    pub(super) fn limit(
        &mut self,
        memory: Mebibytes,
        tmp: BorrowedFd<'_>,
        write_bytes_per_second: Option<NonZeroU64>,
    ) -> io::Result<()> {
        let is_weighed = self.prepared.memory == Some(memory);
        let weighed = if is_weighed { Ok(()) } else { self.cgroup.weigh_cpu(memory).map_err(io::Error::other) };
        if let Some(write_bytes_per_second) = write_bytes_per_second {
            self.write_limit = WriteLimit::set(&self.cgroup, tmp, write_bytes_per_second)?;
        }
        weighed
    }

    /// Ends everything in it: the end of a pid namespace's first process is the end of all. Says what could not be undone.
    pub(super) fn end(&mut self) -> Result<(), CgroupError> {
        let lifted = self.write_limit.take().map_or(Ok(()), |limit| limit.lift(&self.cgroup));
        // A frozen process would not see the signal; fails only when there is nothing to thaw.
        let _ = self.cgroup.thaw();
        kill(&self.pidfd);
        // A thousand processes take some time to die; a small function's share of a processor would make it many seconds.
        // Fails only when the group is gone.
        let _ = self.cgroup.set_cpu_unlimited();
        lifted
    }
}

/// What is left of a slot whose first process has ended.
pub(super) struct Ended {
    /// `None`: it was nobody's.
    pub(super) slot: Option<u64>,
    cgroup: Cgroup,
    write_limit: Option<WriteLimit>,
}

impl Ended {
    pub(super) fn of(number: u64, slot: Slot) -> Self {
        Self { slot: Some(number), cgroup: slot.cgroup, write_limit: slot.write_limit }
    }

    pub(super) fn unused(begun: Begun) -> Self {
        Self { slot: None, cgroup: begun.cgroup, write_limit: None }
    }

    /// Removes it.
    pub(super) fn remove(self) -> Result<(), CgroupError> {
        let lifted = self.write_limit.map_or(Ok(()), |limit| limit.lift(&self.cgroup));
        self.cgroup.remove().and(lifted)
    }
}

pub(super) fn kill(process: &impl AsFd) {
    // Fails only when it has just ended.
    let _ = pidfd_send_signal(process, Signal::KILL);
}
