//! Trying something in a child process: it may change its namespaces and mounts as it likes, and ends at once.
#![allow(unsafe_code, reason = "raw system calls, in a child where they change anything")]

use std::ffi::CStr;
use std::fmt;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getgid, getuid, mkdir, write};

/// A child that has not ended after this is killed by its alarm.
const SECONDS_MAX: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    Worked,
    /// With this errno.
    Failed(i32),
    Stuck,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worked => f.write_str("works"),
            Self::Failed(errno) => write!(f, "refused: {}", io::Error::from_raw_os_error(*errno)),
            Self::Stuck => f.write_str("does not come to an end"),
        }
    }
}

/// A kind of namespace.
pub(super) struct Namespace {
    pub(super) name: &'static str,
    flag: CloneFlags,
}

pub(super) const NAMESPACES: [Namespace; 7] = [
    Namespace { name: "user namespace", flag: CloneFlags::CLONE_NEWUSER },
    Namespace { name: "mount namespace", flag: CloneFlags::CLONE_NEWNS },
    Namespace { name: "pid namespace", flag: CloneFlags::CLONE_NEWPID },
    Namespace { name: "network namespace", flag: CloneFlags::CLONE_NEWNET },
    Namespace { name: "ipc namespace", flag: CloneFlags::CLONE_NEWIPC },
    Namespace { name: "uts namespace", flag: CloneFlags::CLONE_NEWUTS },
    Namespace { name: "cgroup namespace", flag: CloneFlags::CLONE_NEWCGROUP },
];

impl Namespace {
    /// An ordinary user gets the others inside a user namespace of its own.
    pub(super) fn try_out(&self, root: bool) -> Trial {
        in_child(|| code(unshare(self.flag | base(root))))
    }
}

/// Mounts an overlay on memory, in a mount namespace of its own.
pub(super) fn overlay(root: bool) -> Trial {
    let identity = [format!("0 {} 1", getuid()), format!("0 {} 1", getgid())];
    in_child(|| code(mount_overlay(root, &identity)))
}

fn mount_overlay(root: bool, [user, group]: &[String; 2]) -> nix::Result<()> {
    const NOTHING: Option<&CStr> = None;
    let options = c"lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work";
    unshare(CloneFlags::CLONE_NEWNS | base(root))?;
    if !root {
        // Who has no name in its namespace can make no files in it. Source: user_namespaces(7).
        let maps = [(c"/proc/self/setgroups", "deny"), (c"/proc/self/uid_map", user), (c"/proc/self/gid_map", group)];
        for (path, text) in maps {
            write(open(path, OFlag::O_WRONLY, Mode::empty())?, text.as_bytes())?;
        }
    }
    mount(NOTHING, c"/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?;
    mount(Some(c"tmpfs"), c"/tmp", Some(c"tmpfs"), MsFlags::empty(), NOTHING)?;
    for dir in [c"/tmp/lower", c"/tmp/upper", c"/tmp/work", c"/tmp/merged"] {
        mkdir(dir, Mode::S_IRWXU)?;
    }
    mount(Some(c"overlay"), c"/tmp/merged", Some(c"overlay"), MsFlags::empty(), Some(options))
}

/// The version of landlock that the kernel offers. Source: landlock_create_ruleset(2).
pub(super) fn landlock_abi() -> Option<i64> {
    const VERSION: u32 = 1;
    // SAFETY: asking for the version takes no ruleset and makes no descriptor.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    (abi > 0).then_some(abi)
}

const fn base(root: bool) -> CloneFlags {
    if root { CloneFlags::empty() } else { CloneFlags::CLONE_NEWUSER }
}

fn code(result: nix::Result<()>) -> i32 {
    result.map_or_else(|errno| errno as i32, |()| 0)
}

/// Runs `work`, which returns an errno or 0, in a child process. It must not allocate: other threads of this process may
/// hold the allocator's lock at the fork.
pub(super) fn in_child(work: impl FnOnce() -> i32) -> Trial {
    // SAFETY: the child makes system calls only, as `work` promises, and leaves by _exit.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            // SAFETY: both only make a system call.
            unsafe {
                libc::alarm(SECONDS_MAX);
                libc::_exit(work());
            }
        }
        Ok(ForkResult::Parent { child }) => loop {
            return match waitpid(child, None) {
                Err(Errno::EINTR) => continue,
                Ok(WaitStatus::Exited(_, 0)) => Trial::Worked,
                Ok(WaitStatus::Exited(_, errno)) => Trial::Failed(errno),
                Ok(_) => Trial::Stuck,
                Err(errno) => Trial::Failed(errno as i32),
            };
        },
        Err(errno) => Trial::Failed(errno as i32),
    }
}
