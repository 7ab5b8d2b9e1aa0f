//! Slots begun ahead of need. Most of what a slot takes is the same whatever it will be for: a process in new namespaces,
//! a control group, a network, an empty `/tmp`. Some wait at that point, for any root and any image; what is left to do is
//! a message ([`Finish`]). The pool of the server holds finished ones; these are for who finds none there, and for it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use hearth_network::seqpacket;
use hearth_types::Mebibytes;
use hearth_types::limits::{EPHEMERAL_STORAGE_MIN, MEMORY_MIN, SANDBOX_PROCESSES_MAX};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, fchmod};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use super::slot::{self, Finish};
use super::storage::Storage;
use crate::cgroup::{Cgroup, CgroupLimits, CgroupRoot, Knob};
use crate::mutation::{self, Control};
use crate::protocol::PrepareSlot;
use crate::seccomp;
use crate::sys::Forked;

/// How many wait. Each is a process, a few pages of memory and a loop device.
const STOCK: usize = 16;
/// A function's output is for the server to read and for anybody who has it to write.
const OUTPUT_MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::WGRP).union(Mode::WOTH);

/// What the spawner begins slots with.
pub(super) struct Means<'a> {
    pub(super) cgroups: &'a CgroupRoot,
    pub(super) storage: Option<&'a Storage>,
    pub(super) has_network: bool,
    pub(super) filter: &'a seccomp::Filter,
}

/// A slot that waits to be told what it is for.
pub(super) struct Begun {
    pub(super) process: Forked,
    pub(super) cgroup: Cgroup,
    pub(super) furnished: OwnedFd,
    /// The numbers its process has for what the function's output and log records are written to.
    pub(super) output: RawFd,
    pub(super) records: RawFd,
    pub(super) prepared: Prepared,
    /// Takes a [`Finish`].
    order: OwnedFd,
}

/// What the server gets of a new slot.
pub(super) struct Prepared {
    pub(super) control: OwnedFd,
    pub(super) output: OwnedFd,
    pub(super) records: OwnedFd,
    pub(super) knobs: Vec<(Knob, OwnedFd)>,
}

impl Begun {
    /// Forks one; `group` is a number no other slot has. `wanted` is who waits for it, if anybody does.
    pub(super) fn new(means: &Means<'_>, group: u64, wanted: Option<&PrepareSlot>) -> io::Result<Self> {
        let (control, inside) = seqpacket::pair()?;
        let (order, taken) = seqpacket::pair()?;
        let (output, written) = pipe_with(PipeFlags::CLOEXEC)?;
        // The function is not its owner, yet may open it by `/dev/stdout` and `/dev/stderr`.
        fchmod(&written, OUTPUT_MODE)?;
        let (records, logged) = pipe_with(PipeFlags::CLOEXEC)?;
        let furnished = eventfd(0, EventfdFlags::CLOEXEC)?;
        let times = if mutation::is_off(Control::ProcessLimit) { 100 } else { 1 };
        let memory = wanted.and_then(|wanted| wanted.memory).unwrap_or(MEMORY_MIN);
        let limits = CgroupLimits { memory, processes_max: times * SANDBOX_PROCESSES_MAX };
        let cgroup = means.cgroups.create(group, &limits).map_err(io::Error::other)?;
        let parts = slot::Parts {
            storage: means.storage,
            ephemeral_storage: wanted.map_or(EPHEMERAL_STORAGE_MIN, |wanted| wanted.ephemeral_storage),
            is_ahead: wanted.is_none(),
            has_network: means.has_network,
            cgroup: &cgroup,
            filter: means.filter,
            order: taken.as_fd(),
            control: inside.as_fd(),
            output: written.as_fd(),
            records: logged.as_fd(),
            furnished: furnished.as_fd(),
        };
        let started = cgroup.knobs().map_err(io::Error::other).and_then(|knobs| Ok((knobs, slot::start(&parts)?)));
        match started {
            Ok((knobs, process)) => Ok(Self {
                process,
                furnished,
                output: written.as_raw_fd(),
                records: logged.as_raw_fd(),
                prepared: Prepared { control, output, records, knobs },
                cgroup,
                order,
            }),
            Err(error) => {
                cgroup.remove().map_err(io::Error::other)?;
                Err(error)
            }
        }
    }

    /// With the limits that go by a memory setting; where they cannot be set nothing is left of it.
    pub(super) fn limited(self, memory: Option<Mebibytes>) -> io::Result<Self> {
        let Some(memory) = memory else { return Ok(self) };
        let limited = self.cgroup.limit_memory(memory, Some(MEMORY_MIN)).and_then(|()| self.cgroup.weigh_cpu(memory));
        match limited {
            Ok(()) => Ok(self),
            Err(error) => {
                self.cgroup.remove().map_err(io::Error::other)?;
                Err(io::Error::other(error))
            }
        }
    }

    /// Tells it what it is for. It says on its control socket what becomes of that.
    pub(super) fn finish(&self, finish: &Finish, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        seqpacket::send(self.order.as_fd(), finish, descriptors)
    }
}

pub(super) struct Stock {
    waiting: VecDeque<Begun>,
    /// How many were taken and not made anew. One that ends by itself is not: it would end again.
    missing: usize,
}

impl Stock {
    /// `is_wanted`: else there never is one.
    pub(super) fn new(is_wanted: bool) -> Self {
        Self { waiting: VecDeque::new(), missing: if is_wanted { STOCK } else { 0 } }
    }

    pub(super) fn take(&mut self) -> Option<Begun> {
        let begun = self.waiting.pop_front()?;
        self.missing += 1;
        Some(begun)
    }

    pub(super) const fn wants_refill(&self) -> bool {
        self.missing > 0
    }

    /// Adds one, or nothing where it cannot be made: who needs it then is told why not.
    pub(super) fn refill(&mut self, begun: Option<Begun>) {
        self.missing -= 1;
        self.waiting.extend(begun);
    }

    /// Takes out the one whose process has ended.
    pub(super) fn ended(&mut self, process: Pid) -> Option<Begun> {
        let at = self.waiting.iter().position(|begun| begun.process.pid == process)?;
        self.waiting.remove(at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Begun> {
        self.waiting.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_made_is_tried_once_for_each_that_is_wanted() {
        assert!(!Stock::new(false).wants_refill());
        let mut stock = Stock::new(true);
        let mut tries = 0;
        while stock.wants_refill() {
            tries += 1;
            stock.refill(None);
        }
        assert_eq!(tries, STOCK);
        assert!(stock.take().is_none() && !stock.wants_refill(), "nothing was taken");
    }
}
