//! Processes that are stopped and made to do system calls, as a debugger does it: hearth-init has a waiting runtime tell
//! the kernel of its environment, the spawner has the original of all waiting Pythons copy itself. What they are made to
//! do lives with who wants it.

mod registers;

use std::io::{self, IoSlice, IoSliceMut};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

pub(crate) use registers::Registers;

/// Kernel results from here up to -1 are errors.
const ERRNO_MAX: u64 = 4_095;

/// A process that stands still at the system call it was blocked in.
pub(crate) struct Tracee {
    pub(crate) process: Pid,
    pub(crate) registers: Registers,
}

impl Tracee {
    /// Stops a process that the caller has [seized](seize).
    pub(crate) fn stop(process: Pid) -> io::Result<Self> {
        ptrace::interrupt(process)?;
        wait(process)?;
        Self::stopped(process)
    }

    /// A process that stands still already.
    pub(crate) fn stopped(process: Pid) -> io::Result<Self> {
        Ok(Self { process, registers: Registers::of(process)? })
    }

    /// Has the process make a system call.
    pub(crate) fn call(&self, number: libc::c_long, arguments: [u64; 6]) -> io::Result<u64> {
        self.registers.for_call(self.process, number, arguments)?.put(self.process)?;
        ptrace::step(self.process, None::<Signal>)?;
        wait(self.process)?;
        result(Registers::of(self.process)?.result())
    }

    /// Writes into its memory.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let remote = RemoteIoVec { base: at as usize, len: bytes.len() };
        let written = process_vm_writev(self.process, &[IoSlice::new(bytes)], &[remote])?;
        if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Reads from its memory.
    pub(crate) fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        let remote = RemoteIoVec { base: at as usize, len: bytes.len() };
        let wanted = bytes.len();
        let read = process_vm_readv(self.process, &mut [IoSliceMut::new(bytes)], &[remote])?;
        if read == wanted { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// What a system call answered.
pub(crate) fn result(raw: u64) -> io::Result<u64> {
    if raw > u64::MAX - ERRNO_MAX {
        return Err(io::Error::from_raw_os_error(raw.wrapping_neg() as i32));
    }
    Ok(raw)
}

/// Becomes the one who may stop the process, without stopping it.
pub(crate) fn seize(process: Pid, options: Options) -> io::Result<()> {
    Ok(ptrace::seize(process, options)?)
}

/// Waits for the next stop of a process.
pub(crate) fn wait(process: Pid) -> io::Result<WaitStatus> {
    match waitpid(process, Some(WaitPidFlag::__WALL))? {
        WaitStatus::Exited(..) | WaitStatus::Signaled(..) => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        status => Ok(status),
    }
}
