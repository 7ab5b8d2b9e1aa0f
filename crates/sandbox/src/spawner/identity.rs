//! Who functions are for the kernel: user ids of their own, and the user namespaces that map them.
//!
//! Inside every sandbox two ids exist: 0 owns the files and is hearth-init, 1051 is the function. Outside, 0 is one id
//! that owns nothing on this machine, and 1051 is another one for each slot: what counts per user (processes, pending
//! signals, keys) counts per slot, and no two slots can touch each other's things.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, Signal, WaitOptions, pidfd_send_signal, set_parent_process_death_signal, waitpid};

use crate::mutation::{self, Control};
use crate::sys;

/// `sbx_user1051`, recorded from Lambda.
pub(crate) const FUNCTION_ID: u32 = 1_051;
pub(crate) const FUNCTION_USER: &str = "sbx_user1051";

/// What sandboxes see as 0. The range from here is assigned to nothing. Source: systemd, "Users, Groups, UIDs and GIDs
/// on systemd systems".
pub(super) const OWNER: u32 = 0x7000_0000;
const SLOT_IDS_FIRST: u32 = OWNER + 1;
const SLOT_IDS: u32 = 0x0100_0000;

/// Makes user namespaces, one ahead of the need: writing the maps takes a helper process and sometimes milliseconds.
#[derive(Debug, Default)]
pub(super) struct Identities {
    used: u32,
    prepared: Option<OwnedFd>,
    /// One was taken and none prepared since.
    wanted: bool,
}

impl Identities {
    /// A user namespace for the next slot.
    pub(super) fn take(&mut self) -> io::Result<OwnedFd> {
        self.wanted = true;
        match self.prepared.take() {
            Some(namespace) => Ok(namespace),
            None => self.make(),
        }
    }

    pub(super) const fn wants_refill(&self) -> bool {
        self.wanted
    }

    /// Tries once; where it fails, the next [`take`](Self::take) tries again and tells its slot why not.
    pub(super) fn refill(&mut self) -> io::Result<()> {
        self.wanted = false;
        self.prepared = Some(self.make()?);
        Ok(())
    }

    fn make(&mut self) -> io::Result<OwnedFd> {
        let used = if mutation::is_off(Control::UserPerSlot) { 0 } else { self.used };
        let id = SLOT_IDS_FIRST + used % SLOT_IDS;
        self.used = self.used.wrapping_add(1);
        user_namespace(&[(0, OWNER), (FUNCTION_ID, id)])
    }
}

/// A user namespace with these single ids, inside and outside, for users and groups alike.
pub(super) fn user_namespace(ids: &[(u32, u32)]) -> io::Result<OwnedFd> {
    let helper = sys::fork_into(libc::CLONE_NEWUSER, None, || {
        // The helper only has to exist until its namespace is open elsewhere.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        loop {
            nix::unistd::pause();
        }
    })?;
    let namespace = map_and_open(helper.pid, ids);
    end_helper(helper.pid, helper.pidfd.as_fd())?;
    namespace
}

fn map_and_open(pid: Pid, ids: &[(u32, u32)]) -> io::Result<OwnedFd> {
    let pid = pid.as_raw_nonzero();
    // The kernel takes a map in one write only.
    let map: String = ids.iter().map(|(inside, outside)| format!("{inside} {outside} 1\n")).collect();
    std::fs::write(format!("/proc/{pid}/uid_map"), &map)?;
    std::fs::write(format!("/proc/{pid}/gid_map"), &map)?;
    Ok(File::open(format!("/proc/{pid}/ns/user"))?.into())
}

fn end_helper(pid: Pid, pidfd: BorrowedFd<'_>) -> io::Result<()> {
    pidfd_send_signal(pidfd, Signal::KILL)?;
    rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
    Ok(())
}
