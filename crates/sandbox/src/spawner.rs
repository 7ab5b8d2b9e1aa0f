//! The spawner: a small privileged program that makes and ends slots. The server starts it by executing itself under
//! another name, before anything else runs ([`crate::helper_main_if_requested`]). It has one thread, because it forks.
//!
//! ```text
//! server ── Request ──▶ spawner ── fork ──▶ slot (hearth-init) ── Report, listeners ──▶ server
//!        ◀── Reply ────         ◀─ SIGCHLD ─
//! ```
//!
//! It outlives the server: when its socket closes it ends every slot, removes what they leave, and only then ends
//! itself. What an earlier life left behind it ends when it starts. Tearing down waits while there is something to make.

mod class_archive;
mod configuration;
mod copies;
mod etc;
mod faces;
mod furnish;
mod held;
mod identity;
mod mounts;
mod roots;
mod slot;
mod stock;
mod storage;
mod turn;
mod views;
mod write_limit;
#[cfg_attr(not(target_arch = "x86_64"), path = "spawner/zygote/none.rs")]
mod zygote;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use hearth_network::seqpacket;
use hearth_types::limits::{EPHEMERAL_STORAGE_MIN, MEMORY_MIN};
use nix::sys::signal::SigSet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, WaitOptions, wait};

use crate::cgroup::{CgroupError, CgroupRoot, Knob};
use crate::init::child_signals;
use crate::mutation::{self, Control};
use crate::protocol::{BOOT_BYTES_MAX, Boot, FurnishSlot, PrepareSlot, Reply, Request, SPAWNER_MESSAGE_BYTES_MAX};
use crate::seccomp;
use crate::sys::{self, Forked};
use crate::time_slice::TimeSlice;
use copies::Copies;
use held::{Ended, Slot, kill};
pub(crate) use identity::FUNCTION_ID;
use identity::Identities;
use roots::Roots;
use slot::Finish;
use stock::{Begun, Means, Prepared, Stock};
use turn::take_turn;
use views::Views;
use zygote::Destination;

/// The name by which a program knows that it is to be the spawner.
pub const PROGRAM_NAME: &str = "hearth-spawner";
/// What a sandbox calls its machine.
const HOST_NAME: &str = "sandbox";
/// Ended slots whose control groups may wait for a quiet moment.
const ENDED_WAITING_MAX: usize = 64;
/// So long nobody must have wanted anything before a slot is begun ahead of need.
const STOCK_PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
/// So often it is looked what is kept that nobody needs any more: views of code that is gone, slots after a crowd.
const KEPT_PAUSE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };
/// Bytes of a message's text.
const TEXT_BYTES_MAX: usize = 800;

/// See [`crate::helper_main_if_requested`].
pub(crate) fn main_if_requested() {
    if std::env::args_os().next().as_deref() != Some(OsStr::new(PROGRAM_NAME)) {
        return;
    }
    let status = match run() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{PROGRAM_NAME}: {error}");
            1
        }
    };
    std::process::exit(status);
}

fn run() -> io::Result<()> {
    let server = sys::standard_input()?;
    let received = seqpacket::receive::<Boot>(server.as_fd(), &mut vec![0; BOOT_BYTES_MAX])?;
    let Some(boot) = received.map(|received| received.message) else { return Ok(()) };
    let served = match Spawner::start(&server, &boot) {
        Ok(mut spawner) => {
            let served = spawner.serve();
            spawner.end_all();
            served
        }
        Err(error) => seqpacket::send(server.as_fd(), &Reply::BootFailed { message: text(&error) }, &[]),
    };
    seqpacket::unless_gone(served)
}

struct Spawner<'a> {
    server: &'a OwnedFd,
    /// Held until everything is ended: the next life waits for it.
    _turn: OwnedFd,
    /// Slots get a way out.
    has_network: bool,
    roots: Roots,
    views: Views,
    cgroups: CgroupRoot,
    identities: Identities,
    filter: seccomp::Filter,
    /// What a function may write to its disk, if there is a limit.
    write_bytes_per_second: Option<NonZeroU64>,
    copies: Copies,
    slots: HashMap<u64, Slot>,
    by_pid: HashMap<Pid, u64>,
    /// Slots that wait to be told what they are for.
    stock: Stock,
    /// Numbers given to control groups so far.
    groups: u64,
    /// What is to be removed.
    ended: VecDeque<Ended>,
}

impl<'a> Spawner<'a> {
    fn start(server: &'a OwnedFd, boot: &Boot) -> io::Result<Self> {
        // The terminal's and the session manager's signals are for the server; the closed socket is for us.
        SigSet::all().thread_set_mask()?;
        rustix::process::setsid()?;
        // What is made for functions they must be able to read, whatever the server's umask is.
        rustix::process::umask(Mode::from_raw_mode(0o022));
        rustix::thread::set_name(c"hearth-spawner")?;
        TimeSlice::Sandbox.take();
        // Where the kernel does not tell enough for it, forks take longer.
        let _ = sys::share_relocated();
        let (turn, is_alone) = take_turn(&boot.trees)?;
        let cgroups = CgroupRoot::detect(&boot.instance).map_err(io::Error::other)?;
        // First, so that what still ends does not wait for its disk.
        cgroups.sweep_disks(&boot.storage).map_err(io::Error::other)?;
        let swept = cgroups.sweep().map_err(io::Error::other)?;
        cgroups.limit_memory(boot.memory.bytes()).map_err(io::Error::other)?;
        let filter = seccomp::filter().map_err(io::Error::other)?;
        let mut roots = roots::build(boot)?;
        if let Some(Err(error)) = roots.storage.as_mut().map(|storage| storage.learn(EPHEMERAL_STORAGE_MIN)) {
            roots.notes.push(roots::storage_note(&error));
            roots.storage = None;
        }
        let wanted = NonZeroU64::new(boot.write_bytes_per_second).filter(|_| roots.storage.is_some());
        let write_bytes_per_second = wanted.filter(|_| cgroups.limits_writes());
        if wanted != write_bytes_per_second {
            roots.notes.push(write_limit::NOTE.to_owned());
        }
        if !is_alone {
            roots.notes.push("the spawner of an earlier life does not end; its sandboxes were ended".to_owned());
        }
        if swept.groups > 0 {
            roots.notes.push(format!("ended {} sandboxes that an earlier life left", swept.groups));
        }
        let library_path = boot.interpreters.iter().filter(|(_, interpreter)| interpreter.needs_library_path());
        let has_network =
            boot.network && slot::tun_device().map_err(|error| roots.notes.push(slot::network_note(&error))).is_ok();
        let spawner = Self {
            server,
            _turn: turn,
            has_network,
            roots,
            views: Views::default(),
            cgroups,
            identities: Identities::default(),
            filter,
            write_bytes_per_second,
            copies: Copies::new(library_path.map(|(root, _)| *root).collect()),
            slots: HashMap::new(),
            by_pid: HashMap::new(),
            stock: Stock::new(boot.stock_max, Instant::now()),
            groups: 0,
            ended: VecDeque::new(),
        };
        match spawner.announce() {
            Ok(()) => Ok(spawner),
            Err(error) => {
                spawner.end_all();
                Err(error)
            }
        }
    }

    /// The first word: what there is to make slots of, and what is not as it should be.
    fn announce(&self) -> io::Result<()> {
        let (knobs, files): (Vec<Knob>, Vec<OwnedFd>) =
            self.cgroups.knobs().map_err(io::Error::other)?.into_iter().unzip();
        let ready = Reply::Ready { roots: self.roots.namespaces.keys().copied().collect(), knobs };
        seqpacket::send(self.server.as_fd(), &ready, &files.iter().map(AsFd::as_fd).collect::<Vec<_>>())?;
        self.roots.notes.iter().try_for_each(|note| self.trouble(note))
    }

    /// Serves until the server is gone.
    fn serve(&mut self) -> io::Result<()> {
        let signals = child_signals()?;
        let mut buffer = [0; SPAWNER_MESSAGE_BYTES_MAX];
        loop {
            let wait = if !self.ended.is_empty() || self.identities.wants_refill() {
                Some(&Timespec { tv_sec: 0, tv_nsec: 0 })
            } else if self.stock.wants_refill() {
                Some(&STOCK_PAUSE)
            } else if !self.views.is_empty() || self.stock.may_shrink() {
                Some(&KEPT_PAUSE)
            } else {
                None
            };
            let mut ready = [PollFd::new(self.server, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
            retry_on_intr(|| poll(&mut ready, wait))?;
            let [requests, ends] = ready.map(|fd| !fd.revents().is_empty());
            if ends {
                while signals.read_signal()?.is_some() {}
                self.reap()?;
            }
            if requests {
                match seqpacket::receive::<Request>(self.server.as_fd(), &mut buffer) {
                    Ok(Some(received)) => self.handle(&received.message)?,
                    Ok(None) => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        self.trouble(&format!("refused a request: {error}"))?;
                    }
                    Err(error) => return Err(error),
                }
            }
            if !requests && !ends || self.ended.len() > ENDED_WAITING_MAX {
                self.tidy()?;
            }
        }
    }

    fn reply(&self, reply: &Reply) -> io::Result<()> {
        seqpacket::send(self.server.as_fd(), reply, &[])
    }

    fn trouble(&self, what: &impl std::fmt::Display) -> io::Result<()> {
        self.reply(&Reply::Trouble { message: text(what) })
    }

    fn handle(&mut self, request: &Request) -> io::Result<()> {
        match request {
            Request::Prepare(prepare) => {
                let slot = prepare.slot;
                match self.prepare(prepare) {
                    Ok(Prepared { control, output, records, knobs }) => {
                        let (knobs, files): (Vec<Knob>, Vec<OwnedFd>) = knobs.into_iter().unzip();
                        let descriptors: Vec<_> =
                            [&control, &output, &records].into_iter().chain(&files).map(AsFd::as_fd).collect();
                        seqpacket::send(self.server.as_fd(), &Reply::Prepared { slot, knobs }, &descriptors)
                    }
                    Err(error) => self.reply(&Reply::NotPrepared { slot, message: text(&error) }),
                }
            }
            Request::Furnish(furnish) => {
                let slot = furnish.slot;
                match self.furnish(furnish) {
                    Ok(tmp) => {
                        self.reply(&Reply::Furnished { slot })?;
                        self.limit(furnish, &tmp)
                    }
                    Err(error) => self.reply(&Reply::NotFurnished { slot, message: text(&error) }),
                }
            }
            Request::Copy { slot } => {
                let slot = *slot;
                match self.copy(slot) {
                    Ok(process) => self.reply(&Reply::Copied { slot, process }),
                    Err(error) => self.reply(&Reply::NotCopied { slot, message: text(&error) }),
                }
            }
            Request::AddRoot { language } => {
                let language = *language;
                match self.roots.add(language) {
                    Ok(interpreter) => self.reply(&Reply::RootAdded { language, interpreter }),
                    Err(error) => self.reply(&Reply::RootNotAdded { language, message: text(&error) }),
                }
            }
            Request::KeepClassArchive { slot } => {
                let slot = *slot;
                match self.keep_class_archive(slot) {
                    Ok(()) => self.reply(&Reply::ClassArchiveKept { slot }),
                    Err(error) => self.reply(&Reply::ClassArchiveNotKept { slot, message: text(&error) }),
                }
            }
            Request::Destroy { slot } => {
                self.slots.get_mut(slot).map_or(Ok(()), Slot::end).or_else(|error| self.trouble(&error))
            }
        }
    }

    /// Makes a slot; what becomes of it is said on its control socket.
    fn prepare(&mut self, request: &PrepareSlot) -> io::Result<Prepared> {
        request.check().map_err(io::Error::other)?;
        if self.slots.contains_key(&request.slot) && !mutation::is_off(Control::OneSlotPerId) {
            return Err(io::Error::other("the slot exists"));
        }
        if let Some(storage) = &mut self.roots.storage {
            storage.learn(request.ephemeral_storage)?;
        }
        request.memory.map_or(Ok(()), faces::learn)?;
        let image = request.image.map(|image| furnish::image(&self.roots, &image)).transpose()?;
        let identity = self.identities.take()?;
        if !self.roots.namespaces.contains_key(&request.root) {
            return Err(io::Error::other("there is no such root here"));
        }
        let begun = self.begun(request)?;
        let root = &self.roots.namespaces[&request.root];
        let descriptors: Vec<_> = [root, &identity].into_iter().chain(&image).map(AsFd::as_fd).collect();
        // Fails only when its process has ended, which the control socket says, too.
        let _ = begun.finish(&Finish { memory: request.memory, for_copy: request.for_copy }, &descriptors);
        let Begun { process: Forked { pid, pidfd }, cgroup, furnished, output, records, prepared, .. } = begun;
        self.by_pid.insert(pid, request.slot);
        let slot = Slot {
            pid,
            pidfd,
            cgroup,
            write_limit: None,
            prepared: request.clone(),
            output,
            records,
            has_copy: false,
            furnished,
            is_furnished: false,
        };
        self.slots.insert(request.slot, slot);
        Ok(prepared)
    }

    /// A slot that has been begun, now or before.
    fn begun(&mut self, request: &PrepareSlot) -> io::Result<Begun> {
        let is_usual = request.ephemeral_storage == EPHEMERAL_STORAGE_MIN;
        let Some(begun) = (if is_usual { self.stock.take(Instant::now()) } else { None }) else {
            return self.begin(Some(request));
        };
        begun.limited(request.memory)
    }

    fn begin(&mut self, wanted: Option<&PrepareSlot>) -> io::Result<Begun> {
        self.groups += 1;
        let means = Means {
            cgroups: &self.cgroups,
            storage: self.roots.storage.as_ref(),
            has_network: self.has_network,
            filter: &self.filter,
        };
        Begun::new(&means, self.groups, wanted)
    }

    /// Refers to the `/tmp` of what is a function's slot now.
    fn furnish(&mut self, request: &FurnishSlot) -> io::Result<OwnedFd> {
        request.check().map_err(io::Error::other)?;
        if let Some(storage) = &mut self.roots.storage {
            storage.learn(request.ephemeral_storage)?;
        }
        faces::learn(request.memory)?;
        let slot = self.slots.get_mut(&request.slot).ok_or_else(|| io::Error::other("there is no such slot"))?;
        // A slot serves one function version for its whole life.
        if std::mem::replace(&mut slot.is_furnished, true) && !mutation::is_off(Control::OneFunctionPerSlot) {
            return Err(io::Error::other("the slot is a function's already"));
        }
        let before = slot.prepared.memory.unwrap_or(MEMORY_MIN);
        if before != request.memory {
            slot.cgroup.limit_memory(request.memory, Some(before)).map_err(io::Error::other)?;
        }
        let tmp = furnish::furnish(&self.roots, &mut self.views, slot.pid, &slot.prepared, request)?;
        rustix::io::write(&slot.furnished, &1_u64.to_ne_bytes())?;
        Ok(tmp)
    }

    fn limit(&mut self, request: &FurnishSlot, tmp: &OwnedFd) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(&request.slot) else { return Ok(()) };
        slot.limit(request.memory, tmp.as_fd(), self.write_bytes_per_second).or_else(|error| self.trouble(&error))
    }

    fn copy(&mut self, number: u64) -> io::Result<Option<i32>> {
        let slot = self.slots.get_mut(&number).ok_or_else(|| io::Error::other("there is no such slot"))?;
        if slot.is_furnished || slot.has_copy {
            return Err(io::Error::other("the slot has a process already"));
        }
        let root = slot.prepared.root;
        let namespace = self.roots.namespaces.get(&root).ok_or_else(|| io::Error::other("there is no such root"))?;
        let destination = Destination {
            init: slot.pid,
            pidfd: slot.pidfd.as_fd(),
            cgroup: &slot.cgroup,
            output: slot.output,
            records: slot.records,
            filter: &self.filter,
        };
        let copied = self.copies.put(root, namespace.as_fd(), &destination);
        slot.has_copy = matches!(copied, Ok(Some(_)));
        self.copies.note().map_or(Ok(()), |message| self.trouble(&message))?;
        copied
    }

    fn keep_class_archive(&mut self, number: u64) -> io::Result<()> {
        let slot = self.slots.get(&number).ok_or_else(|| io::Error::other("there is no such slot"))?;
        let is_nobodys = !slot.is_furnished && slot.prepared.image.is_none();
        if !is_nobodys && !mutation::is_off(Control::ClassArchiveOfNobody) {
            return Err(io::Error::other("what a function may have written is for no other function"));
        }
        self.roots.awaiting.keep(slot.prepared.root, slot.pid)
    }

    /// Takes note of slots whose first process has ended.
    fn reap(&mut self) -> io::Result<()> {
        loop {
            match retry_on_intr(|| wait(WaitOptions::NOHANG)) {
                Ok(Some((pid, _))) => {
                    self.copies.ended(pid);
                    let slot = self.by_pid.remove(&pid);
                    if let Some((number, slot)) = slot.and_then(|number| Some((number, self.slots.remove(&number)?))) {
                        self.ended.push_back(Ended::of(number, slot));
                    } else if let Some(begun) = self.stock.ended(pid) {
                        self.ended.push_back(Ended::unused(begun));
                    }
                }
                Ok(None) | Err(Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One piece of the work that can wait.
    fn tidy(&mut self) -> io::Result<()> {
        if let Some(ended) = self.ended.pop_front() {
            let slot = ended.slot;
            ended.remove().or_else(|error| self.trouble(&error))?;
            return slot.map_or(Ok(()), |slot| self.reply(&Reply::Ended { slot }));
        }
        // Not only when nothing else is to be done: on a server that always has something to do that would be never.
        self.stock.shrink(Instant::now()).for_each(|begun| kill(&begun.process.pidfd));
        let refilled = if self.identities.wants_refill() {
            self.identities.refill()
        } else if self.stock.wants_refill() {
            let begun = self.begin(None);
            let (begun, made) = begun.map_or_else(|error| (None, Err(error)), |begun| (Some(begun), Ok(())));
            self.stock.refill(begun);
            made
        } else {
            self.views.forget_deleted();
            Ok(())
        };
        refilled.or_else(|error| self.trouble(&error))
    }

    /// Ends every slot and removes what is left of them.
    fn end_all(mut self) {
        for slot in self.slots.values_mut() {
            report(slot.end());
        }
        self.stock.iter().for_each(|begun| kill(&begun.process.pidfd));
        // Errors here have nobody to go to but the log; the next start sweeps again.
        while !self.slots.is_empty() || !self.stock.is_empty() {
            match retry_on_intr(|| wait(WaitOptions::empty())) {
                Ok(Some((pid, _))) => {
                    self.stock.ended(pid);
                    if let Some(slot) = self.by_pid.remove(&pid) {
                        self.slots.remove(&slot);
                    }
                }
                _ => break,
            }
        }
        self.ended.drain(..).for_each(|ended| report(ended.remove()));
        report(self.cgroups.remove());
    }
}

fn report(ended: Result<(), CgroupError>) {
    if let Err(error) = ended {
        eprintln!("{PROGRAM_NAME}: {error}");
    }
}

/// A text of bounded length for a message.
fn text(from: &impl std::fmt::Display) -> String {
    let mut text = from.to_string();
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
