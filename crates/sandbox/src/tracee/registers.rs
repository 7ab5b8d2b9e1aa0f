//! The registers of a stopped process, as much as making it do a system call needs. One part per architecture.

use std::io;

use nix::sys::ptrace;
use nix::unistd::Pid;

/// A process stopped in a system call.
#[derive(Clone, Copy)]
pub(crate) struct Registers(libc::user_regs_struct);

/// Results by which the kernel says that the call is to be made again. Source: the kernel's linux/errno.h.
#[cfg(target_arch = "x86_64")]
mod again {
    pub(super) const ERESTARTSYS: i64 = -512;
    pub(super) const ERESTARTNOINTR: i64 = -513;
    pub(super) const ERESTARTNOHAND: i64 = -514;
    pub(super) const ERESTART_RESTARTBLOCK: i64 = -516;
}

#[cfg(target_arch = "x86_64")]
impl Registers {
    pub(crate) fn of(process: Pid) -> io::Result<Self> {
        Ok(Self(ptrace::getregs(process)?))
    }

    pub(crate) fn put(&self, process: Pid) -> io::Result<()> {
        Ok(ptrace::setregs(process, self.0)?)
    }

    /// What the process must have to make this call next: it stands right behind a `syscall` instruction.
    pub(crate) fn for_call(&self, _: Pid, number: libc::c_long, arguments: [u64; 6]) -> io::Result<Self> {
        let [rdi, rsi, rdx, r10, r8, r9] = arguments;
        let (rip, rax) = (self.0.rip - SYSCALL_BYTES, number as u64);
        // Not in a call: nothing is to be restarted.
        let orig_rax = u64::MAX;
        Ok(Self(libc::user_regs_struct { rip, rax, orig_rax, rdi, rsi, rdx, r10, r8, r9, ..self.0 }))
    }

    pub(crate) fn result(&self) -> u64 {
        self.0.rax
    }

    /// Whether the process was found in a system call, and so right behind the instruction for it.
    pub(crate) fn is_in_call(&self, _: Pid) -> io::Result<bool> {
        Ok(self.0.orig_rax as i64 >= 0)
    }

    /// Lets the process go on with the call it was in. The kernel would restart it only at the stop it came from.
    pub(crate) fn put_back(&self, process: Pid) -> io::Result<()> {
        let mut registers = self.0;
        let again = match registers.rax as i64 {
            again::ERESTARTSYS | again::ERESTARTNOINTR | again::ERESTARTNOHAND => Some(registers.orig_rax),
            again::ERESTART_RESTARTBLOCK => Some(libc::SYS_restart_syscall as u64),
            _ => None,
        };
        if let Some(number) = again {
            registers.rip -= SYSCALL_BYTES;
            registers.rax = number;
        }
        registers.orig_rax = u64::MAX;
        Self(registers).put(process)
    }
}

/// What the spawner's copies need besides, see [`crate::spawner`].
#[cfg(target_arch = "x86_64")]
impl Registers {
    /// The system call the process is blocked in, and its first argument.
    pub(crate) fn blocked_in(&self) -> Option<(u64, u64)> {
        (self.0.rax as i64 == again::ERESTARTSYS).then_some((self.0.orig_rax, self.0.rdi))
    }

    /// What the process must have to do [`crate::sys::call_all`] at `code` with `calls` calls at `table` next.
    pub(crate) fn for_calls(&self, code: u64, table: u64, calls: u64) -> Self {
        // Not in a call: nothing is to be restarted.
        let orig_rax = u64::MAX;
        Self(libc::user_regs_struct { rip: code, rbx: table, r12: calls, orig_rax, ..self.0 })
    }
}

/// `0f 05`
#[cfg(target_arch = "x86_64")]
const SYSCALL_BYTES: u64 = 2;

#[cfg(target_arch = "aarch64")]
impl Registers {
    pub(crate) fn of(process: Pid) -> io::Result<Self> {
        Ok(Self(ptrace::getregs(process)?))
    }

    pub(crate) fn put(&self, process: Pid) -> io::Result<()> {
        Ok(ptrace::setregs(process, self.0)?)
    }

    /// What the process must have to make this call next. Where the call it was in is to be made again, the kernel has
    /// moved it back to its `svc` instruction already; else it stands right behind it.
    pub(crate) fn for_call(&self, process: Pid, number: libc::c_long, arguments: [u64; 6]) -> io::Result<Self> {
        let mut registers = self.0;
        registers.regs[..6].copy_from_slice(&arguments);
        registers.regs[8] = number as u64;
        let at_call = ptrace::read(process, registers.pc as ptrace::AddressType)? as u32 == SVC;
        registers.pc -= if at_call { 0 } else { 4 };
        Ok(Self(registers))
    }

    pub(crate) fn result(&self) -> u64 {
        self.0.regs[0]
    }

    /// As on x86-64; one that is about to make its call is as good.
    pub(crate) fn is_in_call(&self, process: Pid) -> io::Result<bool> {
        Ok(ptrace::read(process, self.0.pc as ptrace::AddressType)? as u32 == SVC)
    }

    pub(crate) fn put_back(&self, process: Pid) -> io::Result<()> {
        self.put(process)
    }
}

/// `svc #0`
#[cfg(target_arch = "aarch64")]
const SVC: u32 = 0xd400_0001;
