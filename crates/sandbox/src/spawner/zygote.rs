//! The original of waiting Pythons. Starting an interpreter is most of what a sandbox for it takes; a copy of one that has
//! started already takes a third, and waits for nothing. So when more are wanted at once than wait in the pool, they are copies.
//!
//! The original is started by the spawner, runs nothing but Hearth's bootstrap, and stands still from then on, stopped in
//! the call in which it waits for its function. To make a copy the spawner has it fork twice, into the slot:
//!
//! ```text
//! original ── fork ──▶ middle ── fork ──▶ copy      joins the slot's namespaces, gives up everything, goes on waiting
//!    (the pid namespace is     └─ ends: the copy's parent
//!     its children's)             is hearth-init from now on
//! ```
//!
//! Until it is confined the copy runs no instruction of its own but the system calls it is made to do; what it may then do
//! is read from the kernel before it is let go. Copies are the function's processes like any other, but share their
//! address layout and the seed of Python's hashes with each other: what one function finds out about its own layout tells
//! it something about that of others. docs/security.md says so to users; the pool itself never fills up with copies.

mod script;
mod scripts;

use std::convert::Infallible;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use nix::sched::{CloneFlags, setns};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use rustix::fs::Mode;
use rustix::process::{set_parent_process_death_signal, umask};
use rustix::thread::{CapabilitySet, capability_is_in_bounding_set, set_no_new_privs, set_thread_groups};

use hearth_network::seqpacket;

use super::identity::OWNER;
use super::slot;
use crate::cgroup::Cgroup;
use crate::init::{OOM_SCORE, WORKING_DIRECTORY, lower_limits};
use crate::protocol::RECORDS_DESCRIPTOR;
use crate::runtimes::{Prestart, Program, RUNTIMES, Root};
use crate::seccomp;
use crate::sys;
use crate::tracee::{self, Registers, Tracee};
use crate::variables::{self, Host};
use script::{CALL_WORDS, CALLS_MAX, DATA_BYTES_MAX, Script};
use scripts::Scripts;

/// Where the original has its end of the spawner's socket, and a listener that takes what it says to the Runtime API.
const SOCKET: RawFd = 61;
const LISTENER: RawFd = 60;
/// The bootstrap's connection to the Runtime API: the first thing it opens.
const API: RawFd = 3;
/// The first descriptor the original gets from the spawner for a copy; below it are standard streams and [`API`].
const FIRST: RawFd = API + 1;
/// All the original has open.
const OPEN: [RawFd; 7] = [0, 1, 2, API, LISTENER, SOCKET, RECORDS_DESCRIPTOR];
/// Memory of the original for what it is made to do: the code that makes calls, then a table of them, then their data.
const TABLE_AT: u64 = 256;
const DATA_AT: u64 = TABLE_AT + (CALLS_MAX * CALL_WORDS * 8) as u64;
const AREA_BYTES: u64 = (DATA_AT + DATA_BYTES_MAX as u64).next_multiple_of(4_096);
/// See prctl(2) and the kernel's linux/prctl.h.
const PR_GET_TID_ADDRESS: u64 = 40;
/// `struct sigaction` of the kernel: what to do, no flags, nothing, an empty mask.
const DEFAULT_ACTION: [u8; 32] = [0; 32];
const IGNORE: [u8; 32] = {
    let mut action = DEFAULT_ACTION;
    action[0] = libc::SIG_IGN as u8;
    action
};
const SIGNAL_SET_BYTES: u64 = 8;

/// The original of one root.
pub(super) struct Zygote {
    process: sys::Forked,
    socket: OwnedFd,
    /// Once it stands still.
    original: Option<Original>,
}

struct Original {
    registers: Registers,
    area: u64,
    tid_address: u64,
    robust_list: u64,
    /// How many capabilities this kernel has.
    capabilities: u64,
}

/// The slot that a copy is for.
pub(super) struct Destination<'a> {
    pub(super) init: rustix::process::Pid,
    pub(super) pidfd: BorrowedFd<'a>,
    pub(super) cgroup: &'a Cgroup,
    /// hearth-init's numbers of the write ends of the function's output and records.
    pub(super) output: RawFd,
    pub(super) records: RawFd,
    pub(super) filter: &'a seccomp::Filter,
}

impl Zygote {
    /// Starts an original; it gets itself ready. `None` where no process of the root can wait for just any function.
    pub(super) fn start(root: Root, library_path: bool, namespace: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let runtime = RUNTIMES.iter().find(|runtime| runtime.root == root && runtime.prestart == Prestart::Always);
        let Some((runtime, Program::Interpreter { program, arguments })) =
            runtime.map(|runtime| (runtime, &runtime.program))
        else {
            return Ok(None);
        };
        let variables = variables::prepared(runtime, Host { needs_library_path: library_path, ..Host::default() });
        let environment = variables.iter().map(|(name, value)| CString::new(format!("{name}={value}")));
        let environment = environment.collect::<Result<Vec<_>, _>>()?;
        let arguments = std::iter::once(program).chain(arguments).map(|argument| CString::new(argument.as_str()));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        let (socket, inside) = seqpacket::pair()?;
        let namespaces = libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
        let process = sys::fork_into(namespaces, None, || -> Infallible {
            if settle(namespace, inside.as_fd()).is_ok() {
                let _ = nix::unistd::execve(&arguments[0], &arguments, &environment);
            }
            sys::exit_now(1)
        })?;
        let zygote = Self { process, socket, original: None };
        tracee::seize(zygote.pid(), Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_EXITKILL)?;
        Ok(Some(zygote))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.pid.as_raw_nonzero().get())
    }

    /// Whether it is this one that has ended.
    pub(super) fn is(&self, pid: rustix::process::Pid) -> bool {
        self.process.pid == pid
    }

    /// Makes a copy and says its number in the slot; `None` while the original is not ready yet.
    ///
    /// # Errors
    /// The original is of no use any more, nor is the slot.
    pub(super) fn copy(&mut self, destination: &Destination<'_>) -> io::Result<Option<i32>> {
        let process = self.pid();
        if self.original.is_none() {
            self.original = Original::of(process)?;
        }
        let Some(original) = &self.original else { return Ok(None) };
        let scripts = Scripts::new(original, self.process.pidfd.as_fd(), destination)?;
        scripts.send(self.socket.as_fd())?;
        original.copy(process, &scripts, destination.init).map(Some)
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        // Fails only when it has ended.
        let _ = rustix::process::pidfd_send_signal(&self.process.pidfd, rustix::process::Signal::KILL);
    }
}

/// Before the interpreter runs: what copies have in common with processes that hearth-init starts.
fn settle(namespace: BorrowedFd<'_>, socket: BorrowedFd<'_>) -> io::Result<()> {
    set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    fs::write("/proc/self/oom_score_adj", OOM_SCORE)?;
    slot::loopback()?;
    let listener = slot::runtime_api()?;
    setns(namespace, CloneFlags::CLONE_NEWNS)?;
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    // What it says nobody hears.
    let (_, written) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&written)?;
    nix::unistd::dup2_stderr(&written)?;
    // Also what the server was started with.
    sys::close_inherited(&[null.as_fd(), written.as_fd(), listener.as_fd(), socket])?;
    for (fd, number) in [(socket, SOCKET), (listener.as_fd(), LISTENER), (written.as_fd(), RECORDS_DESCRIPTOR)] {
        sys::inherit_as(fd, number)?;
    }
    umask(Mode::from_raw_mode(0o022));
    lower_limits()?;
    set_no_new_privs(true)?;
    set_thread_groups(&[])?;
    sys::reset_signals();
    SigSet::empty().thread_set_mask()?;
    Ok(rustix::process::chdir(WORKING_DIRECTORY)?)
}

impl Original {
    /// Stops the process for good, if it waits for its function.
    fn of(process: Pid) -> io::Result<Option<Self>> {
        let tracee = Tracee::stop(process)?;
        if tracee.registers.blocked_in() != Some((libc::SYS_recvfrom as u64, API as u64)) {
            tracee.registers.put_back(process)?;
            ptrace::cont(process, None::<Signal>)?;
            return Ok(None);
        }
        let open = fs::read_dir(format!("/proc/{process}/fd"))?.count();
        if open != OPEN.len() {
            return Err(io::Error::other(format!("the original has {open} descriptors")));
        }
        let protection = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u64;
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let area = tracee.call(libc::SYS_mmap, [0, AREA_BYTES, protection, flags, u64::MAX, 0])?;
        tracee.write(area, sys::call_all())?;
        let (first, second) = (area + DATA_AT, area + DATA_AT + 8);
        let word = || {
            let mut bytes = [0; 8];
            tracee.read(first, &mut bytes).map(|()| u64::from_ne_bytes(bytes))
        };
        tracee.call(libc::SYS_prctl, [PR_GET_TID_ADDRESS, first, 0, 0, 0, 0])?;
        let tid_address = word()?;
        tracee.call(libc::SYS_get_robust_list, [0, first, second, 0, 0, 0])?;
        let robust_list = word()?;
        // The kernel forgets its children, for which nobody waits. Not before: Python asks once what signals do.
        tracee.write(first, &IGNORE)?;
        tracee.call(libc::SYS_rt_sigaction, [libc::SIGCHLD as u64, first, 0, SIGNAL_SET_BYTES, 0, 0])?;
        let capabilities = (0..64)
            .take_while(|bit| capability_is_in_bounding_set(CapabilitySet::from_bits_retain(1 << bit)).is_ok())
            .count() as u64;
        Ok(Some(Self { registers: tracee.registers, area, tid_address, robust_list, capabilities }))
    }

    /// Runs the scripts, and lets the copy go when it is confined.
    fn copy(&self, process: Pid, scripts: &Scripts, init: rustix::process::Pid) -> io::Result<i32> {
        let middle = self.fork(process, &scripts.original)?;
        ptrace::cont(process, None::<Signal>)?;
        let through = self.through(process, &scripts.original);
        let copy = through.and_then(|_| self.fork(middle, &scripts.middle));
        let copy = match copy {
            Ok(copy) => copy,
            Err(error) => {
                // It has every privilege: let go, it would run on in the middle of nowhere.
                let _ = kill(middle, Signal::SIGKILL);
                let _ = tracee::wait(middle);
                return Err(error);
            }
        };
        // What is left of its script is to end.
        ptrace::detach(middle, None::<Signal>)?;
        let settled = self.settle(copy, &scripts.copy).and_then(|number| check_confined(copy, init).map(|()| number));
        match settled {
            Ok(number) => ptrace::detach(copy, None::<Signal>).map(|()| number).map_err(Into::into),
            Err(error) => {
                // Whatever it is by now, nobody gets it.
                let _ = kill(copy, Signal::SIGKILL);
                let _ = tracee::wait(copy);
                Err(error)
            }
        }
    }

    fn start(&self, process: Pid, script: &Script) -> io::Result<()> {
        let tracee = Tracee { process, registers: self.registers };
        tracee.write(self.area + DATA_AT, script.data())?;
        tracee.write(self.area + TABLE_AT, &script.table())?;
        self.registers.for_calls(self.area, self.area + TABLE_AT, script.calls()).put(process)?;
        Ok(ptrace::cont(process, None::<Signal>)?)
    }

    /// Has a process begin a script in which it forks; says who was born, which stands still.
    fn fork(&self, process: Pid, script: &Script) -> io::Result<Pid> {
        self.start(process, script)?;
        loop {
            match tracee::wait(process)? {
                WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_FORK) => {
                    let child = Pid::from_raw(ptrace::getevent(process)? as libc::pid_t);
                    tracee::wait(child)?;
                    return Ok(child);
                }
                WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                    self.results(process, script)?;
                    return Err(io::Error::other("it has not forked"));
                }
                // It hears of nothing meanwhile.
                _ => ptrace::cont(process, None::<Signal>)?,
            }
        }
    }

    /// Waits until a process is through with its script.
    fn through(&self, process: Pid, script: &Script) -> io::Result<Vec<u64>> {
        loop {
            match tracee::wait(process)? {
                WaitStatus::Stopped(_, Signal::SIGTRAP) => return self.results(process, script),
                _ => ptrace::cont(process, None::<Signal>)?,
            }
        }
    }

    fn results(&self, process: Pid, script: &Script) -> io::Result<Vec<u64>> {
        let mut table = script.table();
        Tracee { process, registers: self.registers }.read(self.area + TABLE_AT, &mut table)?;
        script.results(&table)
    }

    /// Has the copy join its slot and give up everything, then makes it what it was: a process that waits.
    fn settle(&self, copy: Pid, script: &Script) -> io::Result<i32> {
        self.start(copy, script)?;
        let results = self.through(copy, script)?;
        let tracee = Tracee { process: copy, registers: self.registers };
        tracee.call(libc::SYS_munmap, [self.area, AREA_BYTES, 0, 0, 0, 0])?;
        self.registers.put_back(copy)?;
        let number = results.first().copied().unwrap_or_default();
        i32::try_from(number).map_err(io::Error::other)
    }
}

/// What the kernel says of a process that is to be let go: nothing that it did can have had another outcome.
fn check_confined(process: Pid, init: rustix::process::Pid) -> io::Result<()> {
    for namespace in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let of = |process: String| fs::read_link(format!("/proc/{process}/ns/{namespace}"));
        if of(process.to_string())? != of(init.as_raw_nonzero().to_string())? {
            return Err(io::Error::other(format!("the copy is not confined: it has another {namespace} namespace")));
        }
    }
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let none = "0000000000000000";
    let wanted = [("CapInh", none), ("CapPrm", none), ("CapEff", none), ("CapBnd", none), ("CapAmb", none)]
        .into_iter()
        .chain([("NoNewPrivs", "1"), ("Seccomp", "2"), ("Groups", "")]);
    for (name, value) in wanted {
        let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        if found.map(str::trim) != Some(value) {
            return Err(io::Error::other(format!("the copy is not confined: {name} is {found:?}")));
        }
    }
    let ids = |name: &str| -> Vec<&str> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(|ids| ids.split_ascii_whitespace().collect()).unwrap_or_default()
    };
    let owner = OWNER.to_string();
    for ids in [ids("Uid:"), ids("Gid:")] {
        let is_fine = ids.len() == 4 && ids.iter().all(|id| *id == ids[0] && *id != "0" && *id != owner);
        if !is_fine {
            return Err(io::Error::other(format!("the copy is not confined: it is {ids:?}")));
        }
    }
    Ok(())
}
