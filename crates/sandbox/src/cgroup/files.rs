//! Reading and writing single files of a cgroup file system, with errors that say which file and what to do.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, Signal, kill_process};

use super::layout::Controller;

/// Pause between two looks at a group whose processes are ending.
const RETRY_PAUSE: Duration = Duration::from_micros(200);

#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error("{0:?} cannot name an instance: use 1 to 40 letters, digits, '-' or '_'")]
    Instance(String),
    #[error("cannot {action} {path}: {source}{}", remedy(source))]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} has no line {key:?}; Linux 4.19 or later is needed")]
    Format { path: PathBuf, key: &'static str },
    #[error("the {} cgroup controller is not available here; {}", .controller.name(), .controller.remedy())]
    Unavailable { controller: Controller },
    #[error("processes {pids:?} of {path} do not end; they wait inside the kernel, see /proc/<pid>/stack")]
    StillRunning { path: PathBuf, pids: Vec<i32> },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            "; run hearth as root, or with `systemd-run --user --scope -p Delegate=yes hearth …`"
        }
        Some(libc::EROFS) => "; the cgroup file system is read-only here: start the container with --privileged",
        Some(libc::EBUSY) => "; another process lives in that cgroup: start hearth in one of its own",
        Some(libc::ENOSPC | libc::EAGAIN) => "; the number of cgroups is limited: see cgroup.max.descendants above it",
        _ => "",
    }
}

pub(super) fn read(path: &Path) -> Result<String, CgroupError> {
    std::fs::read_to_string(path).map_err(|source| CgroupError::Io { action: "read", path: path.to_owned(), source })
}

pub(super) fn read_number(path: &Path) -> Result<u64, CgroupError> {
    number(&read(path)?, path, "a number")
}

fn number(text: &str, path: &Path, key: &'static str) -> Result<u64, CgroupError> {
    text.trim().parse().map_err(|_| CgroupError::Format { path: path.to_owned(), key })
}

pub(super) fn write(path: &Path, value: &str) -> Result<(), CgroupError> {
    std::fs::write(path, value).map_err(|source| CgroupError::Io { action: "write", path: path.to_owned(), source })
}

/// Writes to a group that may be gone already.
pub(super) fn write_if_there(path: &Path, value: &str) -> Result<(), CgroupError> {
    match write(path, value) {
        Err(CgroupError::Io { source, .. }) if !path.exists() || is_gone(&source) => Ok(()),
        written => written,
    }
}

/// A "key value" file such as `memory.stat`.
pub(super) struct Fields {
    path: PathBuf,
    text: String,
}

impl Fields {
    pub(super) fn new(path: PathBuf, text: String) -> Self {
        Self { path, text }
    }

    pub(super) fn get(&self, key: &'static str) -> Option<u64> {
        let line = self.text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    pub(super) fn require(&self, key: &'static str) -> Result<u64, CgroupError> {
        self.get(key).ok_or_else(|| CgroupError::Format { path: self.path.clone(), key })
    }
}

/// The processes of a group; none when it is gone. One outside our pid namespace reads as 0.
pub(super) fn processes(dir: &Path) -> Result<Vec<i32>, CgroupError> {
    let path = dir.join("cgroup.procs");
    match read(&path) {
        Ok(text) => Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect()),
        Err(CgroupError::Io { source, .. }) if is_gone(&source) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

pub(super) fn signal_kill(pids: &[i32]) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        // The only failures are that it has just ended, or belongs to someone else and so outlives the wait that
        // follows, where it is reported.
        let _ = kill_process(pid, Signal::KILL);
    }
}

pub(super) fn open_dir(path: &Path) -> Result<OwnedFd, CgroupError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).map_err(|error| CgroupError::Io {
        action: "open",
        path: path.to_owned(),
        source: error.into(),
    })
}

/// Makes a directory; says whether it is new.
pub(super) fn make_dir(path: &Path) -> Result<bool, CgroupError> {
    match std::fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(CgroupError::Io { action: "create", path: path.to_owned(), source }),
    }
}

/// Removes a group, waiting for processes that are just ending. Fine when it is gone already.
pub(super) fn remove_dir(path: &Path, wait_max: Duration) -> Result<(), CgroupError> {
    let started = Instant::now();
    loop {
        match std::fs::remove_dir(path) {
            Ok(()) => return Ok(()),
            Err(source) if is_gone(&source) => return Ok(()),
            Err(source) => {
                let busy = source.raw_os_error() == Some(libc::EBUSY);
                if !busy || wait_before_retry(started, wait_max).is_err() {
                    return Err(CgroupError::Io { action: "remove", path: path.to_owned(), source });
                }
            }
        }
    }
}

/// Sleeps a moment, unless `wait_max` has passed since `started`.
pub(super) fn wait_before_retry(started: Instant, wait_max: Duration) -> Result<(), ()> {
    if started.elapsed() > wait_max {
        return Err(());
    }
    std::thread::sleep(RETRY_PAUSE);
    Ok(())
}

/// A group's files answer ENODEV once it is removed while they are open.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}
