//! hearth-init: the first process of every sandbox. It starts the runtime process as the function's user, reaps what
//! ends, and says so to the server. It survives a reset, because the end of a pid namespace's first process is the end
//! of the namespace; and it ends with the server, because then its control socket closes.
//!
//! It is the spawner's child that went on without exec ([`crate::spawner`]). Open descriptors: 0 to 2 on `/dev/null`, the
//! control socket, the write ends of the function's output and log records, and what says that the slot is furnished.

mod c_library;
mod environ;
mod start;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use hearth_network::seqpacket;
use hearth_types::limits::EXTENSIONS_MAX;
use parking_lot::Mutex;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::{Pid, WaitOptions, WaitStatus, kill_process, test_kill_process, wait};

use crate::protocol::{EXTENSIONS, ExitStatus, ORDER_BYTES_MAX, Order, Process, Report};
use crate::seccomp;
use crate::sys;
pub(crate) use start::{OOM_SCORE, WORKING_DIRECTORY, lower_limits};

/// Where orders arrive. Memory that the program has from the start is not there before it is used: clearing a buffer of
/// this size would be a third of what this process needs to begin.
static ORDERS: Mutex<[u8; ORDER_BYTES_MAX]> = Mutex::new([0; ORDER_BYTES_MAX]);

/// What its processes get of it.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    /// Every process's stdout and stderr.
    pub(crate) output: BorrowedFd<'a>,
    /// For processes that [write log records](crate::protocol::Launch::writes_records).
    pub(crate) records: BorrowedFd<'a>,
    /// Readable once the slot is furnished.
    pub(crate) furnished: BorrowedFd<'a>,
}

pub(crate) struct Init<'a> {
    control: BorrowedFd<'a>,
    shared: Shared<'a>,
    filter: &'a seccomp::Filter,
    /// Those the server asked for; whatever they have started is not among them.
    processes: HashMap<Pid, Process>,
}

impl<'a> Init<'a> {
    pub(crate) fn new(control: BorrowedFd<'a>, shared: Shared<'a>, filter: &'a seccomp::Filter) -> Self {
        Self { control, shared, filter, processes: HashMap::new() }
    }

    /// Says that the slot is up, with its listeners and, if wanted, with a process that waits to become the runtime's:
    /// the server talks to that without a detour.
    pub(crate) fn up(mut self, listeners: &[BorrowedFd<'_>], waits: bool) -> io::Result<Self> {
        // Without one a start takes longer, and tells why it fails, if it does.
        let waiting = if waits { start::prepare(self.shared, self.filter).ok() } else { None };
        let socket = waiting.as_ref().map(|waiting| waiting.socket.as_fd());
        let descriptors: Vec<_> = socket.into_iter().chain(listeners.iter().copied()).collect();
        seqpacket::send(self.control, &Report::Up { waits: waiting.is_some() }, &descriptors)?;
        self.processes.extend(waiting.map(|waiting| (waiting.pid, Process::Runtime)));
        Ok(self)
    }

    /// Follows orders until there is nobody left to give them.
    pub(crate) fn run(mut self) -> Infallible {
        match self.serve() {
            Ok(()) => sys::exit_now(0),
            // The server reads the closed socket as the end of the environment.
            Err(_) => sys::exit_now(1),
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        let signals = child_signals()?;
        let mut buffer = ORDERS.lock();
        loop {
            let mut ready = [PollFd::new(&self.control, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
            retry_on_intr(|| poll(&mut ready, None))?;
            let [orders, ended] = ready.map(|fd| !fd.revents().is_empty());
            if ended {
                while signals.read_signal()?.is_some() {}
                self.reap(WaitOptions::NOHANG)?;
            }
            if orders {
                let Some(received) = seqpacket::receive::<Order>(self.control, &mut *buffer)? else { return Ok(()) };
                self.follow(received.message)?;
            }
        }
    }

    fn follow(&mut self, order: Order) -> io::Result<()> {
        let report = match order {
            Order::Start(process, launch) => match start::start(&launch, self.shared, self.filter) {
                Ok(pid) => {
                    self.processes.insert(pid, process.clone());
                    Report::Started(process)
                }
                Err(failure) => Report::NotStarted(process, failure),
            },
            Order::Adopt(process, number) => self.adopt(process, number),
            Order::ListExtensions => Report::Extensions(extensions()),
            Order::EndRuntime { kill: for_good } => {
                if let Some(runtime) = self.runtime() {
                    // Fails only when it has just ended.
                    let _ = kill(runtime, if for_good { Signal::SIGKILL } else { Signal::SIGTERM });
                }
                return Ok(());
            }
            Order::Socket => return self.send_socket(),
            Order::ShowEnvironment { environment, in_full } => {
                Report::EnvironmentShown { errno: self.show(&environment, in_full) }
            }
            Order::KillAll => {
                self.kill_all()?;
                Report::Killed
            }
        };
        self.report(&report)
    }

    /// Takes in a child that somebody else has made, in the place of the one that waits to be the same. It may have ended,
    /// and been reaped, before it was known.
    fn adopt(&mut self, process: Process, number: i32) -> Report {
        self.processes.retain(|pid, other| {
            let stays = *other != process;
            if !stays {
                // Fails only when it has just ended. Nobody is told of its end.
                let _ = kill_process(*pid, rustix::process::Signal::KILL);
            }
            stays
        });
        let pid = Pid::from_raw(number).filter(|pid| test_kill_process(*pid).is_ok());
        match pid {
            Some(pid) => {
                self.processes.insert(pid, process.clone());
                Report::Started(process)
            }
            None => Report::Exited(process, ExitStatus::Signaled(libc::SIGKILL)),
        }
    }

    fn runtime(&self) -> Option<nix::unistd::Pid> {
        let (pid, _) = self.processes.iter().find(|(_, process)| **process == Process::Runtime)?;
        Some(nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get()))
    }

    fn send_socket(&self) -> io::Result<()> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match socket_with(AddressFamily::INET, SocketType::STREAM, flags, None) {
            Ok(socket) => seqpacket::send(self.control, &Report::Socket, &[socket.as_fd()]),
            Err(_) => self.report(&Report::Socket),
        }
    }

    /// 0 when it is shown. Takes note of a runtime process that has ended just now.
    fn show(&self, environment: &[String], in_full: bool) -> i32 {
        let runtime = self.runtime().ok_or_else(|| Errno::SRCH.into());
        let shown = runtime.and_then(|runtime| match in_full {
            true => {
                retry_on_intr(|| poll(&mut [PollFd::new(&self.shared.furnished, PollFlags::IN)], None))?;
                environ::show(runtime, environment, Some(WORKING_DIRECTORY))
            }
            false => environ::show(runtime, environment, None),
        });
        shown.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO))
    }

    fn report(&self, report: &Report) -> io::Result<()> {
        seqpacket::send(self.control, report, &[])
    }

    /// Takes note of everything that has ended. Without [`WaitOptions::NOHANG`], of everything there is.
    fn reap(&mut self, options: WaitOptions) -> io::Result<()> {
        loop {
            match retry_on_intr(|| wait(options)) {
                Ok(Some((pid, status))) => {
                    if let Some(process) = self.processes.remove(&pid) {
                        self.report(&Report::Exited(process, exit_status(status)))?;
                    }
                }
                Ok(None) | Err(Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends every other process of the sandbox; whatever has forked meanwhile was hit too, the kernel sees to that.
    fn kill_all(&mut self) -> io::Result<()> {
        match kill(nix::unistd::Pid::from_raw(-1), Signal::SIGKILL) {
            // There was none.
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
        self.reap(WaitOptions::empty())
    }
}

/// The programs in `/opt/extensions`, in the order of their names; one more than may be started at most.
fn extensions() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(EXTENSIONS) else { return Vec::new() };
    let program = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        // A link leads to a file, too.
        std::fs::metadata(entry.path()).ok()?.is_file().then(|| entry.file_name().into_string().ok())?
    };
    let mut names: Vec<String> = entries.filter_map(program).collect();
    names.sort_unstable();
    names.truncate(EXTENSIONS_MAX + 1);
    names
}

/// Readable when a child has ended.
pub(crate) fn child_signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

fn exit_status(status: WaitStatus) -> ExitStatus {
    match status.terminating_signal() {
        Some(signal) => ExitStatus::Signaled(signal),
        None => ExitStatus::Exited(status.exit_status().unwrap_or_default()),
    }
}
