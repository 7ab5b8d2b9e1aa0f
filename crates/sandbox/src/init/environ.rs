//! What `/proc/self/environ` of a running process says. A runtime that was started ahead of need gets its function's
//! environment later, and the kernel goes on showing the one it was started with. It can be told of another place in the
//! process's memory, but only by the process itself (PR_SET_MM_MAP, prctl(2)); so the process is stopped for a moment and
//! made to say it. Where the runtime cannot do that itself, it is given the environment and its directory in the same stop.
//!
//! The process waits for its assignment meanwhile, blocked in a system call, which is taken up again afterwards.

use std::io;
use std::mem;
use std::time::Duration;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::c_library;
use crate::tracee::{self, Tracee};

/// See prctl(2) and the kernel's linux/prctl.h.
const PR_SET_MM: u64 = 35;
const PR_SET_MM_MAP: u64 = 14;

/// Bytes of a pointer.
pub(super) const WORD: u64 = 8;

/// How often a process is stopped until it is found waiting, and the pause in between: ten milliseconds, of which it
/// needs some hundredths.
const STOPS_MAX: usize = 100;
const STOP_PAUSE: Duration = Duration::from_micros(100);

/// `struct prctl_mm_map`.
#[repr(C)]
struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// Makes `environment` (`NAME=value`, each) what `/proc` shows for `process`, a child that is blocked in a system call.
/// With a `directory` it goes there, and its C library has the environment, too.
///
/// # Errors
/// When the kernel does not allow it, or has no PR_SET_MM_MAP (CONFIG_CHECKPOINT_RESTORE); when the C library's environment
/// is not found.
pub(super) fn show(process: Pid, environment: &[String], directory: Option<&str>) -> io::Result<()> {
    tracee::seize(process, Options::empty())?;
    let shown = blocked(process).and_then(|stopped| {
        let shown = tell(&stopped, environment, directory);
        // Whatever came of it.
        stopped.registers.put_back(process)?;
        shown
    });
    let detached = ptrace::detach(process, None::<Signal>);
    shown.and(detached.map_err(Into::into))
}

/// Stops the process where it waits. A copy may still be on its way there.
fn blocked(process: Pid) -> io::Result<Tracee> {
    for _ in 0..STOPS_MAX {
        let stopped = Tracee::stop(process)?;
        if stopped.registers.is_in_call(process)? {
            return Ok(stopped);
        }
        ptrace::cont(process, None::<Signal>)?;
        std::thread::sleep(STOP_PAUSE);
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// What is put into the process's memory, one after the other: the variables, what the kernel is told of them, the vector of
/// pointers to them, the directory.
fn tell(process: &Tracee, environment: &[String], directory: Option<&str>) -> io::Result<()> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut offsets = Vec::with_capacity(environment.len());
    for variable in environment {
        offsets.push(bytes.len() as u64);
        bytes.extend_from_slice(variable.as_bytes());
        bytes.push(0);
    }
    let length = bytes.len() as u64;
    let map_offset = length.next_multiple_of(WORD);
    let vector_offset = map_offset + mem::size_of::<MemoryMap>() as u64;
    let directory_offset = vector_offset + (offsets.len() as u64 + 1) * WORD;
    let size = directory_offset + directory.map_or(0, |directory| directory.len() as u64 + 1);
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    let at = process.call(libc::SYS_mmap, [0, size, protection, flags, u64::MAX, 0])?;
    let brk = process.call(libc::SYS_brk, [0; 6])?;
    let map = MemoryMap { brk, env_start: at, env_end: at + length, ..memory_map(process.process)? };
    bytes.resize(map_offset as usize, 0);
    bytes.extend_from_slice(&map.bytes());
    bytes.extend(offsets.iter().flat_map(|offset| (at + offset).to_ne_bytes()).chain([0; WORD as usize]));
    bytes.extend(directory.into_iter().flat_map(str::bytes).chain([0]).take((size - directory_offset) as usize));
    process.write(at, &bytes)?;
    if directory.is_some() {
        let environ = c_library::environ(process, map.start_stack)?;
        process.write(environ, &(at + vector_offset).to_ne_bytes())?;
        process.call(libc::SYS_chdir, [at + directory_offset, 0, 0, 0, 0, 0])?;
    }
    let map_at = at + map_offset;
    process.call(libc::SYS_prctl, [PR_SET_MM, PR_SET_MM_MAP, map_at, mem::size_of::<MemoryMap>() as u64, 0, 0])?;
    Ok(())
}

impl MemoryMap {
    fn bytes(&self) -> Vec<u8> {
        let numbers = [
            self.start_code,
            self.end_code,
            self.start_data,
            self.end_data,
            self.start_brk,
            self.brk,
            self.start_stack,
            self.arg_start,
            self.arg_end,
            self.env_start,
            self.env_end,
            self.auxv,
        ];
        let mut bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_ne_bytes).collect();
        bytes.extend_from_slice(&self.auxv_size.to_ne_bytes());
        bytes.extend_from_slice(&self.exe_fd.to_ne_bytes());
        bytes
    }
}

/// What the process has now, but for `brk`. Source: proc_pid_stat(5); fields are numbered from 1 there.
fn memory_map(process: Pid) -> io::Result<MemoryMap> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, the second field, may hold anything, also spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(") ").ok_or(io::ErrorKind::InvalidData)?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let field = |number: usize| -> io::Result<u64> {
        let text = fields.get(number - 3).ok_or(io::ErrorKind::InvalidData)?;
        text.parse().map_err(|_| io::ErrorKind::InvalidData.into())
    };
    Ok(MemoryMap {
        start_code: field(26)?,
        end_code: field(27)?,
        start_stack: field(28)?,
        start_data: field(45)?,
        end_data: field(46)?,
        start_brk: field(47)?,
        brk: 0,
        arg_start: field(48)?,
        arg_end: field(49)?,
        env_start: 0,
        env_end: 0,
        auxv: 0,
        auxv_size: 0,
        exe_fd: u32::MAX,
    })
}
