//! How much memory this machine has, as far as this process may have it: a container has less than its host.

use std::fs;
use std::path::Path;

use hearth_types::Mebibytes;

use super::CgroupError;
use super::files::{read, read_number};
use super::layout::{Controller, Survey};

/// Memory of the machine, or the limit of the groups this process is in, whichever is less.
///
/// # Errors
/// [`CgroupError`] when the proc file system cannot be read.
pub fn machine_memory() -> Result<Mebibytes, CgroupError> {
    let proc = Path::new("/proc");
    let survey = Survey::read(proc)?;
    let v1 = survey.v1.get(&Controller::Memory).map(|own| (own.as_path(), "memory.limit_in_bytes"));
    let group = v1.or_else(|| survey.v2.as_ref().map(|v2| (v2.own.as_path(), "memory.max")));
    let machine = field(proc, "MemTotal:")?;
    let limit_bytes = group.and_then(|(own, name)| lowest(own, name));
    // No limit is a number beyond all machines, and beyond what is counted in MiB.
    Ok(Mebibytes::from_bytes_ceil(limit_bytes.map_or(machine.bytes(), |limit| limit.min(machine.bytes()))))
}

/// What the machine can give without harm.
///
/// # Errors
/// [`CgroupError`] when the proc file system cannot be read.
pub fn available_memory() -> Result<Mebibytes, CgroupError> {
    field(Path::new("/proc"), "MemAvailable:")
}

/// Source: proc_meminfo(5); all values are in KiB.
fn field(proc: &Path, name: &'static str) -> Result<Mebibytes, CgroupError> {
    let path = proc.join("meminfo");
    let text = read(&path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
    let kib = value.ok_or(CgroupError::Format { path, key: name })?;
    Ok(Mebibytes::from_bytes_ceil(kib << 10))
}

/// The lowest limit of a group and those above it. One without a limit says `max`, or nothing.
fn lowest(own: &Path, name: &str) -> Option<u64> {
    own.ancestors()
        .map(|group| group.join(name))
        .take_while(|file| fs::exists(file).unwrap_or(false))
        .filter_map(|file| read_number(&file).ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_above_a_group_counts() {
        let root = tempfile::tempdir().expect("directory");
        let own = root.path().join("a/b");
        fs::create_dir_all(&own).expect("made");
        for (group, limit) in [("a/b", "max\n"), ("a", "1048576\n"), ("", "9223372036854771712\n")] {
            fs::write(root.path().join(group).join("memory.max"), limit).expect("written");
        }
        assert_eq!(lowest(&own, "memory.max"), Some(1 << 20));
        assert_eq!(lowest(&own, "memory.limit_in_bytes"), None);
    }

    #[test]
    fn meminfo_is_read_in_kib() {
        let proc = tempfile::tempdir().expect("directory");
        fs::write(proc.path().join("meminfo"), "MemTotal:       16384000 kB\nMemAvailable:    2048000 kB\n")
            .expect("written");
        assert_eq!(field(proc.path(), "MemTotal:").expect("there"), Mebibytes(16_000));
        assert_eq!(field(proc.path(), "MemAvailable:").expect("there"), Mebibytes(2_000));
        assert!(field(proc.path(), "SwapTotal:").is_err());
    }
}
