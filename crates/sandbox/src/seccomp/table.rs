//! Which system calls exist for a function, as data. A call in neither list does not exist for it (`ENOSYS`).
//!
//! The allowed ones are what CPython, Node, the JVM, Go and .NET make in normal work, kept as wide as is safe: a
//! function is a stranger's program. The refused ones reach beyond the sandbox, load code into the kernel, or
//! have a record of kernel flaws that outweighs their use in a function.

/// A system call of this architecture.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub name: &'static str,
    pub number: u32,
}

/// When a call of [`REFUSED`] is refused.
#[derive(Clone, Copy, Debug)]
pub enum When {
    Always,
    /// When all conditions of any of these alternatives hold. A condition is an argument's index and a comparison.
    Arguments(&'static [&'static [(u8, Compare)]]),
}

/// A comparison of the lower 32 bits of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Is(u32),
    IsNot(u32),
    Masked { mask: u32, value: u32 },
}

use Compare::{Is, IsNot, Masked};

/// `SYS_read` becomes `Call { name: "read", number }`.
macro_rules! calls {
    ($($(#[$cfg:meta])* $number:ident)*) => {
        &[$($(#[$cfg])* Call { name: stringify!($number).split_at(4).1, number: libc::$number as u32 }),*]
    };
}

macro_rules! refusals {
    ($($(#[$cfg:meta])* $number:ident: $when:expr;)*) => {
        &[$($(#[$cfg])* (Call { name: stringify!($number).split_at(4).1, number: libc::$number as u32 }, $when)),*]
    };
}

/// Calls that pass, unless [`REFUSED`] names their arguments.
pub const ALLOWED: &[&[Call]] = &[
    FILES,
    MEMORY,
    PROCESSES,
    SIGNALS,
    TIME,
    WAITING,
    SOCKETS,
    IPC,
    SYSTEM,
    #[cfg(target_arch = "x86_64")]
    X86_64_ONLY,
];

const FILES: &[Call] = calls! {
    SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_preadv SYS_pwritev SYS_preadv2 SYS_pwritev2
    SYS_openat SYS_openat2 SYS_close SYS_close_range SYS_lseek SYS_dup SYS_dup3 SYS_fcntl SYS_flock SYS_ioctl
    SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_faccessat SYS_faccessat2
    SYS_getcwd SYS_chdir SYS_fchdir SYS_getdents64 SYS_readlinkat
    SYS_mkdirat SYS_mknodat SYS_unlinkat SYS_linkat SYS_symlinkat SYS_renameat SYS_renameat2
    SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_umask SYS_utimensat
    SYS_truncate SYS_ftruncate SYS_fallocate SYS_fadvise64 SYS_readahead
    SYS_fsync SYS_fdatasync SYS_sync SYS_syncfs SYS_sync_file_range
    SYS_sendfile SYS_splice SYS_tee SYS_vmsplice SYS_copy_file_range SYS_pipe2
    SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_getxattr SYS_lgetxattr SYS_fgetxattr
    SYS_listxattr SYS_llistxattr SYS_flistxattr SYS_removexattr SYS_lremovexattr SYS_fremovexattr
    SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch
    SYS_io_setup SYS_io_destroy SYS_io_submit SYS_io_cancel SYS_io_getevents
};

const MEMORY: &[Call] = calls! {
    SYS_brk SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_msync SYS_mincore SYS_madvise SYS_remap_file_pages
    SYS_mlock SYS_mlock2 SYS_munlock SYS_mlockall SYS_munlockall SYS_membarrier SYS_memfd_create
    SYS_pkey_alloc SYS_pkey_mprotect SYS_pkey_free SYS_get_mempolicy SYS_set_mempolicy SYS_mbind
};

const PROCESSES: &[Call] = calls! {
    SYS_clone SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid
    SYS_getpid SYS_getppid SYS_gettid SYS_getpgid SYS_setpgid SYS_getsid SYS_setsid SYS_set_tid_address
    SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid SYS_getresgid SYS_getgroups
    SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setgroups
    SYS_setfsuid SYS_setfsgid SYS_capget SYS_capset
    SYS_prctl SYS_personality SYS_seccomp SYS_rseq
    SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self
    SYS_getrlimit SYS_setrlimit SYS_prlimit64 SYS_getrusage SYS_getpriority SYS_setpriority
    SYS_ioprio_get SYS_ioprio_set SYS_pidfd_open
    SYS_sched_yield SYS_sched_getaffinity SYS_sched_setaffinity SYS_sched_getattr SYS_sched_setattr
    SYS_sched_getparam SYS_sched_setparam SYS_sched_getscheduler SYS_sched_setscheduler
    SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_rr_get_interval
};

const SIGNALS: &[Call] = calls! {
    SYS_kill SYS_tkill SYS_tgkill SYS_pidfd_send_signal SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigpending
    SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait
    SYS_sigaltstack SYS_signalfd4 SYS_restart_syscall
};

const TIME: &[Call] = calls! {
    SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_nanosleep SYS_gettimeofday SYS_times
    SYS_getitimer SYS_setitimer SYS_timer_create SYS_timer_settime SYS_timer_gettime SYS_timer_getoverrun
    SYS_timer_delete SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime
};

const WAITING: &[Call] = calls! {
    SYS_futex SYS_futex_waitv SYS_set_robust_list SYS_get_robust_list SYS_ppoll SYS_pselect6
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2
};

const SOCKETS: &[Call] = calls! {
    SYS_socket SYS_socketpair SYS_bind SYS_connect SYS_listen SYS_accept SYS_accept4 SYS_shutdown
    SYS_getsockname SYS_getpeername SYS_getsockopt SYS_setsockopt
    SYS_sendto SYS_sendmsg SYS_sendmmsg SYS_recvfrom SYS_recvmsg SYS_recvmmsg
};

/// Confined by the sandbox's own IPC namespace.
const IPC: &[Call] = calls! {
    SYS_shmget SYS_shmat SYS_shmctl SYS_shmdt SYS_semget SYS_semop SYS_semctl SYS_semtimedop
    SYS_msgget SYS_msgsnd SYS_msgrcv SYS_msgctl
    SYS_mq_open SYS_mq_unlink SYS_mq_timedsend SYS_mq_timedreceive SYS_mq_notify SYS_mq_getsetattr
};

const SYSTEM: &[Call] = calls! { SYS_uname SYS_sysinfo SYS_getcpu SYS_getrandom };

/// All that unpacking an archive takes.
pub const UNPACKER: &[Call] = calls! {
    SYS_read SYS_write SYS_readv SYS_writev SYS_lseek SYS_openat SYS_close SYS_fstat SYS_newfstatat SYS_statx SYS_fcntl
    SYS_mkdirat SYS_symlinkat SYS_fchmod SYS_fchmodat SYS_fsync
    SYS_brk SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_madvise
    SYS_exit SYS_exit_group SYS_getpid SYS_gettid SYS_tgkill SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn
    SYS_sigaltstack SYS_clock_gettime SYS_futex SYS_getrandom SYS_sched_yield SYS_restart_syscall
    SYS_prctl SYS_seccomp
    #[cfg(target_arch = "x86_64")] SYS_open
    #[cfg(target_arch = "x86_64")] SYS_mkdir
    #[cfg(target_arch = "x86_64")] SYS_symlink
    #[cfg(target_arch = "x86_64")] SYS_chmod
};

/// What unpacking a layer needs besides [`UNPACKER`].
pub const LAYER_UNPACKER: &[Call] = calls! {
    SYS_readlinkat SYS_linkat SYS_unlinkat SYS_getdents64 SYS_utimensat
    #[cfg(target_arch = "x86_64")] SYS_lstat
    #[cfg(target_arch = "x86_64")] SYS_readlink
    #[cfg(target_arch = "x86_64")] SYS_link
    #[cfg(target_arch = "x86_64")] SYS_unlink
    #[cfg(target_arch = "x86_64")] SYS_rmdir
};

/// Older forms that newer architectures do not have.
#[cfg(target_arch = "x86_64")]
const X86_64_ONLY: &[Call] = calls! {
    SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_readlink SYS_getdents SYS_mkdir SYS_rmdir SYS_mknod
    SYS_link SYS_unlink SYS_symlink SYS_rename SYS_chmod SYS_chown SYS_lchown SYS_utime SYS_utimes SYS_futimesat
    SYS_dup2 SYS_pipe SYS_fork SYS_vfork SYS_getpgrp SYS_pause SYS_alarm SYS_time SYS_poll SYS_select
    SYS_epoll_create SYS_epoll_wait SYS_eventfd SYS_signalfd SYS_inotify_init SYS_arch_prctl
};

/// Calls that answer `EPERM`, always or for some arguments.
pub const REFUSED: &[(Call, When)] = refusals! {
    // Namespaces and what is mounted in them.
    SYS_unshare: When::Always;
    SYS_setns: When::Always;
    SYS_clone: When::Arguments(NEW_NAMESPACE);
    SYS_mount: When::Always;
    SYS_umount2: When::Always;
    SYS_pivot_root: When::Always;
    SYS_chroot: When::Always;
    SYS_open_tree: When::Always;
    SYS_move_mount: When::Always;
    SYS_fsopen: When::Always;
    SYS_fsconfig: When::Always;
    SYS_fsmount: When::Always;
    SYS_fspick: When::Always;
    SYS_mount_setattr: When::Always;
    SYS_mknodat: When::Arguments(&[&[(2, CHARACTER_DEVICE)], &[(2, BLOCK_DEVICE)]]);
    #[cfg(target_arch = "x86_64")]
    SYS_mknod: When::Arguments(&[&[(1, CHARACTER_DEVICE)], &[(1, BLOCK_DEVICE)]]);
    // A handle opens a file without passing the directories above it.
    SYS_open_by_handle_at: When::Always;
    SYS_name_to_handle_at: When::Always;
    SYS_fanotify_init: When::Always;
    SYS_fanotify_mark: When::Always;
    SYS_quotactl: When::Always;
    SYS_quotactl_fd: When::Always;
    // Other processes' memory and descriptors.
    SYS_ptrace: When::Always;
    SYS_process_vm_readv: When::Always;
    SYS_process_vm_writev: When::Always;
    SYS_process_madvise: When::Always;
    SYS_pidfd_getfd: When::Always;
    SYS_kcmp: When::Always;
    SYS_move_pages: When::Always;
    SYS_migrate_pages: When::Always;
    // Large kernel interfaces with a record of flaws; libraries that use io_uring fall back to epoll.
    SYS_bpf: When::Always;
    SYS_perf_event_open: When::Always;
    SYS_userfaultfd: When::Always;
    SYS_io_uring_setup: When::Always;
    SYS_io_uring_enter: When::Always;
    SYS_io_uring_register: When::Always;
    // Key rings are not namespaced.
    SYS_add_key: When::Always;
    SYS_request_key: When::Always;
    SYS_keyctl: When::Always;
    // The machine as a whole.
    SYS_init_module: When::Always;
    SYS_finit_module: When::Always;
    SYS_delete_module: When::Always;
    SYS_kexec_load: When::Always;
    SYS_kexec_file_load: When::Always;
    SYS_reboot: When::Always;
    SYS_swapon: When::Always;
    SYS_swapoff: When::Always;
    SYS_acct: When::Always;
    SYS_syslog: When::Always;
    SYS_vhangup: When::Always;
    SYS_sethostname: When::Always;
    SYS_setdomainname: When::Always;
    SYS_settimeofday: When::Always;
    SYS_clock_settime: When::Always;
    SYS_clock_adjtime: When::Always;
    SYS_adjtimex: When::Always;
    SYS_lookup_dcookie: When::Always;
    SYS_nfsservctl: When::Always;
    #[cfg(target_arch = "x86_64")]
    SYS_iopl: When::Always;
    #[cfg(target_arch = "x86_64")]
    SYS_ioperm: When::Always;
    #[cfg(target_arch = "x86_64")]
    SYS_modify_ldt: When::Always;
    #[cfg(target_arch = "x86_64")]
    SYS_uselib: When::Always;
    #[cfg(target_arch = "x86_64")]
    SYS_ustat: When::Always;
    #[cfg(target_arch = "x86_64")]
    SYS_sysfs: When::Always;
    #[cfg(target_arch = "x86_64")]
    SYS__sysctl: When::Always;
    // Linux (0) and the query are normal; other personalities switch protections off.
    SYS_personality: When::Arguments(&[&[(0, IsNot(0)), (0, IsNot(0xffff_ffff))]]);
    // Typing into a terminal, its selection buffer and its line discipline.
    SYS_ioctl: When::Arguments(&[&[(1, Is(TIOCSTI))], &[(1, Is(TIOCLINUX))], &[(1, Is(TIOCSETD))]]);
    SYS_socket: When::Arguments(SOCKET_KINDS);
    SYS_socketpair: When::Arguments(&[&[(0, IsNot(UNIX))]]);
};

/// Any flag that makes a namespace. `CLONE_NEWTIME` shares its bit with the exit signal here and exists for `unshare`
/// and `clone3` only.
const NEW_NAMESPACE: &[&[(u8, Compare)]] = &[
    &[(0, any(libc::CLONE_NEWNS))],
    &[(0, any(libc::CLONE_NEWCGROUP))],
    &[(0, any(libc::CLONE_NEWUTS))],
    &[(0, any(libc::CLONE_NEWIPC))],
    &[(0, any(libc::CLONE_NEWUSER))],
    &[(0, any(libc::CLONE_NEWPID))],
    &[(0, any(libc::CLONE_NEWNET))],
];

/// Only UNIX, INET, INET6 and the routing NETLINK (protocol 0, which name resolution uses) exist: other families, among
/// them AF_VSOCK and AF_ALG, are not namespaced or drag in kernel modules. Types are compared without their flags.
const SOCKET_KINDS: &[&[(u8, Compare)]] = &[
    &[(0, IsNot(UNIX)), (0, IsNot(INET)), (0, IsNot(INET6)), (0, IsNot(NETLINK))],
    &[(0, Is(NETLINK)), (2, IsNot(0))],
    // glibc opens its NETLINK sockets as raw.
    &[(0, IsNot(NETLINK)), (1, socket_type(libc::SOCK_RAW))],
    &[(1, socket_type(SOCK_PACKET))],
    // SCTP and DCCP.
    &[(0, IsNot(UNIX)), (1, socket_type(libc::SOCK_SEQPACKET))],
    &[(1, socket_type(libc::SOCK_DCCP))],
    &[
        (0, IsNot(NETLINK)),
        (2, IsNot(0)),
        (2, IsNot(libc::IPPROTO_ICMP as u32)),
        (2, IsNot(libc::IPPROTO_TCP as u32)),
        (2, IsNot(libc::IPPROTO_UDP as u32)),
        (2, IsNot(libc::IPPROTO_ICMPV6 as u32)),
        (2, IsNot(libc::IPPROTO_MPTCP as u32)),
    ],
];

const UNIX: u32 = libc::AF_UNIX as u32;
const INET: u32 = libc::AF_INET as u32;
const INET6: u32 = libc::AF_INET6 as u32;
const NETLINK: u32 = libc::AF_NETLINK as u32;
/// Obsolete, and marked so in libc; the kernel still takes it.
const SOCK_PACKET: i32 = 10;
const CHARACTER_DEVICE: Compare = Masked { mask: libc::S_IFMT, value: libc::S_IFCHR };
const BLOCK_DEVICE: Compare = Masked { mask: libc::S_IFMT, value: libc::S_IFBLK };
const TIOCSTI: u32 = libc::TIOCSTI as u32;
const TIOCSETD: u32 = 0x5423;
/// See ioctl_console(2).
const TIOCLINUX: u32 = 0x541c;

const fn any(flag: i32) -> Compare {
    Masked { mask: flag as u32, value: flag as u32 }
}

const fn socket_type(kind: i32) -> Compare {
    Masked { mask: 0xf, value: kind as u32 }
}
