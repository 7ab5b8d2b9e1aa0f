//! hearth-init: the first process of every sandbox. It starts the runtime process as the function's user, reaps what
//! ends, and says so to the server. It survives a reset, because the end of a pid namespace's first process is the end
//! of the namespace; and it ends with the server, because then its control socket closes.
//!
//! It is the spawner's child that went on without exec ([`crate::spawner`]). Open descriptors: 0 to 2 on `/dev/null`, the
//! control socket, the write end of the function's output, and what it waits with.

mod start;

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use crate::protocol::{ExitStatus, ORDER_BYTES_MAX, Order, Report};
use crate::seccomp;
use crate::{seqpacket, sys};

/// Follows orders until there is nobody left to give them.
pub(crate) fn run(control: BorrowedFd<'_>, output: BorrowedFd<'_>, filter: &seccomp::Filter) -> Infallible {
    let mut init = Init { control, output, filter, runtime: None };
    match init.serve() {
        Ok(()) => sys::exit_now(0),
        // The server reads the closed socket as the end of the environment.
        Err(_) => sys::exit_now(1),
    }
}

struct Init<'a> {
    control: BorrowedFd<'a>,
    output: BorrowedFd<'a>,
    filter: &'a seccomp::Filter,
    runtime: Option<Pid>,
}

impl Init<'_> {
    fn serve(&mut self) -> io::Result<()> {
        let signals = child_signals()?;
        let mut buffer = vec![0; ORDER_BYTES_MAX];
        loop {
            let mut ready = [PollFd::new(&self.control, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
            retry_on_intr(|| poll(&mut ready, None))?;
            let [orders, ended] = ready.map(|fd| !fd.revents().is_empty());
            if ended {
                while signals.read_signal()?.is_some() {}
                self.reap(WaitOptions::NOHANG)?;
            }
            if orders {
                let Some(received) = seqpacket::receive::<Order>(self.control, &mut buffer)? else { return Ok(()) };
                let report = match received.message {
                    Order::Start(launch) => match start::start(&launch, self.output, self.filter) {
                        Ok(pid) => {
                            self.runtime = Some(pid);
                            Report::Started
                        }
                        Err(failure) => Report::NotStarted(failure),
                    },
                    Order::KillAll => {
                        self.kill_all()?;
                        Report::Killed
                    }
                };
                self.report(&report)?;
            }
        }
    }

    fn report(&self, report: &Report) -> io::Result<()> {
        seqpacket::send(self.control, report, &[])
    }

    /// Takes note of everything that has ended. Without [`WaitOptions::NOHANG`], of everything there is.
    fn reap(&mut self, options: WaitOptions) -> io::Result<()> {
        loop {
            match retry_on_intr(|| wait(options)) {
                Ok(Some((pid, status))) if self.runtime == Some(pid) => {
                    self.runtime = None;
                    self.report(&Report::Exited(exit_status(status)))?;
                }
                Ok(Some(_)) => {}
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
