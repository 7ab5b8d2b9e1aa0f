//! Where another process's C library keeps its environment. It has a variable, `environ`, that points to a vector of
//! pointers; at first to the one that the kernel has put on the stack. Whoever replaces the pointer replaces the environment,
//! for `getenv` and for what the process starts.
//!
//! The variable is found without the library's symbols: it is the one word of the library's memory that points to the
//! kernel's vector. A process that has moved its environment has no such word, and is left alone.

use std::fs;
use std::io;
use std::ops::Range;

use nix::unistd::Pid;

use super::environ::WORD;
use crate::tracee::Tracee;

/// How the files of C libraries are called: glibc's, older and newer, and musl's.
const NAMES: &[&str] = &["libc.so.", "libc-2.", "ld-musl-"];
/// More is not read of one; glibc has some sixty thousand.
const MEMORY_BYTES_MAX: u64 = 1_024 * 1_024;

/// The address of `environ`. `stack` is where the kernel has put the process's arguments.
///
/// # Errors
/// When there is not exactly one word that can be it.
pub(super) fn environ(process: &Tracee, stack: u64) -> io::Result<u64> {
    let mut count = [0; WORD as usize];
    process.read(stack, &mut count)?;
    // The number of arguments, pointers to them, a null. Source: System V ABI, "Process initialization", of either
    // architecture.
    let vector = stack + (u64::from_ne_bytes(count) + 2) * WORD;
    let mut found = Vec::new();
    for range in memory(process.process)? {
        let mut bytes = vec![0; (range.end - range.start).min(MEMORY_BYTES_MAX) as usize];
        process.read(range.start, &mut bytes)?;
        let words = bytes.chunks_exact(WORD as usize).zip((range.start..).step_by(WORD as usize));
        found.extend(words.filter(|(word, _)| *word == vector.to_ne_bytes()).map(|(_, at)| at));
    }
    match found[..] {
        [at] => Ok(at),
        _ => Err(io::Error::from_raw_os_error(libc::ENODATA)),
    }
}

/// What the library may write to: parts of its file, and what follows these without a gap.
fn memory(process: Pid) -> io::Result<Vec<Range<u64>>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for line in maps.lines() {
        // Source: proc_pid_maps(5).
        let mut fields = line.split_ascii_whitespace();
        let (Some(addresses), Some(permissions)) = (fields.next(), fields.next()) else { continue };
        let Some((start, end)) = addresses.split_once('-') else { continue };
        let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16)) else { continue };
        let is_the_library_s = match fields.nth(3) {
            Some(path) => path.rsplit('/').next().is_some_and(|file| NAMES.iter().any(|name| file.starts_with(name))),
            None => ranges.last().is_some_and(|last| last.end == start),
        };
        if is_the_library_s && permissions.starts_with("rw") {
            ranges.push(start..end);
        }
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use nix::sys::ptrace::{self, Options};

    use super::*;
    use crate::tracee;

    #[test]
    fn the_environment_of_a_process_is_found_where_the_kernel_has_put_it() {
        let program =
            Command::new("/bin/cat").env_clear().env("A", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = program.expect("cat");
        // It answers once it runs.
        child.stdin.as_mut().expect("stdin").write_all(b"x").expect("written");
        child.stdout.as_mut().expect("stdout").read_exact(&mut [0]).expect("answer");
        let pid = Pid::from_raw(child.id().cast_signed());
        tracee::seize(pid, Options::empty()).expect("seized");
        let stopped = Tracee::stop(pid).expect("stopped");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
        let field = |number: usize| -> u64 {
            stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(number - 3)?.parse().ok()).expect("number")
        };
        let at = environ(&stopped, field(28)).expect("found");
        let mut pointer = [0; 8];
        stopped.read(at, &mut pointer).expect("environ");
        stopped.read(u64::from_ne_bytes(pointer), &mut pointer).expect("its first");
        assert_eq!(u64::from_ne_bytes(pointer), field(50), "the first variable, where the kernel says it begins");
        stopped.registers.put_back(pid).expect("as before");
        ptrace::detach(pid, None).expect("let go");
        child.kill().expect("ended");
        child.wait().expect("ended");
    }
}
