//! What `/proc` says about the machine inside a sandbox: as much memory, and as many processors, as the function's memory
//! setting stands for. Runtimes size their heaps and thread pools by it. The kernel knows the host's figures only, so
//! these are files laid over its own.
//!
//! They are written when a size is first met and shared by all sandboxes of that size. What they say does not change
//! while a function runs: `MemAvailable` is what there is at the start.

use std::fmt::Write;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hearth_types::Mebibytes;
use hearth_types::limits::MEMORY_PER_VCPU;
use rustix::mount::MountAttrFlags;

use super::mounts;
use crate::mutation::{self, Control};

/// In the spawner's own root.
const DIRECTORY: &str = "/faces";
/// Processors that even the smallest function sees. Observed on Lambda.
const PROCESSORS_MIN: u32 = 2;
/// The kernel's part of a machine's memory, which a function of that size does not see as available.
const KERNEL_PART: Mebibytes = Mebibytes(16);

const ATTRIBUTES: MountAttrFlags = mounts::SEALED.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// How many processors a function of this size has, where the machine has that many. Source: Lambda developer guide,
/// "Configure Lambda function memory" (1,769 MB are one vCPU, 10,240 MB six).
pub(crate) fn processors(memory: Mebibytes, host: u32) -> u32 {
    memory.0.div_ceil(MEMORY_PER_VCPU.0).max(PROCESSORS_MIN).min(host).max(1)
}

/// What a file says for a memory size.
type Content = fn(Mebibytes) -> io::Result<String>;

/// Which files are covered, and how their content comes about.
const FACES: &[(&str, Content)] = &[("/proc/meminfo", meminfo), ("/proc/cpuinfo", cpuinfo), ("/proc/stat", stat)];

/// Writes the files of a size, unless they are there. By the spawner only: its children run side by side.
pub(super) fn learn(memory: Mebibytes) -> io::Result<()> {
    let directory = directory(memory);
    if directory.exists() { Ok(()) } else { write(&directory, memory) }
}

/// Detached mounts for a sandbox of a [learnt](learn) size, each with the file it covers.
pub(super) fn of(memory: Mebibytes) -> io::Result<Vec<(&'static str, OwnedFd)>> {
    let directory = directory(memory);
    FACES
        .iter()
        .filter(|_| !mutation::is_off(Control::Faces))
        .map(|(covered, _)| {
            let file = fs::File::open(directory.join(name(covered)))?;
            let mount = mounts::clone_of(file.as_fd(), "")?;
            mounts::seal(mount.as_fd(), ATTRIBUTES)?;
            Ok((*covered, mount))
        })
        .collect()
}

fn directory(memory: Mebibytes) -> PathBuf {
    PathBuf::from(DIRECTORY).join(memory.to_string())
}

fn name(covered: &str) -> &str {
    covered.rsplit('/').next().unwrap_or(covered)
}

fn write(directory: &Path, memory: Mebibytes) -> io::Result<()> {
    // Under another name first: what is there is complete.
    let unfinished = directory.with_extension("new");
    fs::create_dir_all(&unfinished)?;
    for (covered, content) in FACES {
        fs::write(unfinished.join(name(covered)), content(memory)?)?;
    }
    fs::rename(unfinished, directory)
}

/// Source of the lines: proc_meminfo(5); those that other programs calculate with.
fn meminfo(memory: Mebibytes) -> io::Result<String> {
    let total = memory.bytes() / 1_024;
    let free = total.saturating_sub(KERNEL_PART.bytes() / 1_024);
    let mut text = String::new();
    let lines = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("Active", 0),
        ("Inactive", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", 0),
        ("Mapped", 0),
        ("Shmem", 0),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("SUnreclaim", 0),
        ("CommitLimit", total),
        ("Committed_AS", 0),
    ];
    for (name, kib) in lines {
        writeln!(text, "{:<16}{kib:>8} kB", format!("{name}:")).map_err(io::Error::other)?;
    }
    Ok(text)
}

/// The host's own, as far as it goes.
fn cpuinfo(memory: Mebibytes) -> io::Result<String> {
    let host = fs::read_to_string("/proc/cpuinfo")?;
    let count = processors(memory, host_processors()?) as usize;
    let mut text = String::new();
    for block in host.split("\n\n").filter(|block| block.starts_with("processor")).take(count) {
        text.push_str(block);
        text.push_str("\n\n");
    }
    Ok(text)
}

/// Nothing but what a count of processors and a boot time are read from.
fn stat(memory: Mebibytes) -> io::Result<String> {
    let host = fs::read_to_string("/proc/stat")?;
    let boot = host.lines().find(|line| line.starts_with("btime ")).unwrap_or("btime 0");
    let mut text = String::from("cpu  0 0 0 0 0 0 0 0 0 0\n");
    for number in 0..processors(memory, host_processors()?) {
        writeln!(text, "cpu{number} 0 0 0 0 0 0 0 0 0 0").map_err(io::Error::other)?;
    }
    writeln!(text, "intr 0\nctxt 0\n{boot}\nprocesses 1\nprocs_running 1\nprocs_blocked 0")
        .map_err(io::Error::other)?;
    Ok(text)
}

fn host_processors() -> io::Result<u32> {
    std::thread::available_parallelism().map(|count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_follow_memory_as_on_lambda() {
        for (memory, count) in [(128, 2), (1_769, 2), (3_538, 2), (3_539, 3), (5_307, 3), (7_077, 5), (10_240, 6)] {
            assert_eq!(processors(Mebibytes(memory), 64), count, "{memory}");
        }
        assert_eq!(processors(Mebibytes(10_240), 4), 4, "no more than the machine has");
        assert_eq!(processors(Mebibytes(128), 1), 1);
    }

    #[test]
    fn meminfo_is_as_the_kernel_writes_it() {
        let text = meminfo(Mebibytes(128)).expect("written");
        assert!(text.starts_with("MemTotal:         131072 kB\nMemFree:          114688 kB\n"), "{text}");
    }
}
