//! Slots begun ahead of need. Most of what a slot takes is the same whatever it will be for: a process in new namespaces,
//! a control group, a network, an empty `/tmp`. Some wait at that point, for any root and any image; what is left to do is
//! a message ([`Finish`]). The pool of the server holds finished ones; these are for who finds none there, and for it.
//!
//! How many wait follows what is asked for: who finds none doubles the number, and a minute in which everybody found one
//! halves it again.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

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

/// How many wait, at least. Each is a process, a megabyte of the machine's memory and a loop device.
const STOCK_MIN: usize = 16;
/// How long as many wait as nobody needed. Crowds come in series.
const STOCK_HALF_LIFE: Duration = Duration::from_secs(60);
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
    /// Too many, and told to end.
    leaving: VecDeque<Begun>,
    /// How many should wait, and may at least and at most; 0 switches it off.
    wanted: usize,
    min: usize,
    max: usize,
    /// How many of these are still to be made. One that ends by itself is not: it would end again.
    missing: usize,
    /// When somebody found none, or the number was halved.
    changed: Instant,
}

impl Stock {
    pub(super) fn new(max: usize, now: Instant) -> Self {
        let min = STOCK_MIN.min(max);
        Self { waiting: VecDeque::new(), leaving: VecDeque::new(), wanted: min, min, max, missing: min, changed: now }
    }

    pub(super) fn take(&mut self, now: Instant) -> Option<Begun> {
        match self.waiting.pop_front() {
            Some(begun) => {
                self.missing += 1;
                Some(begun)
            }
            None => {
                self.changed = now;
                let more = self.wanted.min(self.max - self.wanted);
                self.wanted += more;
                self.missing += more;
                None
            }
        }
    }

    pub(super) const fn wants_refill(&self) -> bool {
        self.missing > 0
    }

    /// Adds one, or nothing where it cannot be made: who needs it then is told why not.
    pub(super) fn refill(&mut self, begun: Option<Begun>) {
        self.missing -= 1;
        self.waiting.extend(begun);
    }

    /// Whether more wait than should when nobody asks.
    pub(super) const fn may_shrink(&self) -> bool {
        self.wanted > self.min
    }

    /// Those that are too many by now; their processes are to be ended.
    pub(super) fn shrink(&mut self, now: Instant) -> impl Iterator<Item = &Begun> {
        while self.may_shrink() && now.saturating_duration_since(self.changed) >= STOCK_HALF_LIFE {
            self.wanted = (self.wanted / 2).max(self.min);
            self.changed += STOCK_HALF_LIFE;
        }
        self.leaving.extend(self.waiting.split_off(self.waiting.len().min(self.wanted)));
        self.missing = self.missing.min(self.wanted - self.waiting.len());
        self.leaving.iter()
    }

    /// Takes out the one whose process has ended.
    pub(super) fn ended(&mut self, process: Pid) -> Option<Begun> {
        [&mut self.waiting, &mut self.leaving].into_iter().find_map(|slots| {
            let at = slots.iter().position(|begun| begun.process.pid == process)?;
            slots.remove(at)
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.leaving.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Begun> {
        self.waiting.iter().chain(&self.leaving)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_made_is_tried_once_for_each_that_is_wanted() {
        let now = Instant::now();
        assert_eq!(tries(&mut Stock::new(256, now)), STOCK_MIN);
        assert_eq!(tries(&mut Stock::new(4, now)), 4);
    }

    #[test]
    fn who_finds_none_doubles_the_number_and_a_quiet_minute_halves_it() {
        let start = Instant::now();
        let mut stock = Stock::new(256, start);
        tries(&mut stock);
        for added in [16, 32, 64, 128, 0] {
            assert!(stock.take(start).is_none());
            assert_eq!(tries(&mut stock), added);
        }
        assert_eq!(stock.wanted, 256);
        for (minutes, wanted) in [(0, 256), (1, 128), (3, 32), (10, STOCK_MIN)] {
            let _ = stock.shrink(start + STOCK_HALF_LIFE * minutes).count();
            assert_eq!(stock.wanted, wanted, "after {minutes} minutes");
        }
        assert!(!stock.may_shrink());
    }

    #[test]
    fn a_stock_that_is_switched_off_stays_so() {
        let now = Instant::now();
        let mut stock = Stock::new(0, now);
        assert!(stock.take(now).is_none() && !stock.wants_refill());
    }

    /// How many slots are asked for until none is missing; none can be made.
    fn tries(stock: &mut Stock) -> usize {
        let mut tries = 0;
        while stock.wants_refill() {
            tries += 1;
            stock.refill(None);
        }
        tries
    }
}
