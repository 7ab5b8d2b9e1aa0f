//! The system calls that no library offers in a safe form. Every `unsafe` of spawner and hearth-init is here.
#![allow(unsafe_code)]

use std::convert::Infallible;
use std::ffi::CStr;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// See the kernel's linux/sched.h; libc's constant has lost its highest bit.
pub(crate) const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// Status of a child of [`fork_into`] that panicked. Seen in logs only.
const PANICKED: i32 = 70;

/// Ends this process at once: no destructors, no `atexit`. For forked children, whose memory is a copy.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions and does not return.
    unsafe { libc::_exit(status) }
}

/// A child process and a descriptor that means this process even when its number is used again.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
}

/// Forks into new namespaces (`CLONE_NEW*`) and, where given, into the control group of the v2 tree that a directory's
/// descriptor stands for (CLONE_INTO_CGROUP, clone3(2)), and runs `child` there, which never returns.
///
/// Only for single-threaded processes: the child continues with a copy of this memory, so a lock that another thread
/// holds would stay locked in it for ever.
pub(crate) fn fork_into(
    namespaces: i32,
    group: Option<BorrowedFd<'_>>,
    child: impl FnOnce() -> Infallible,
) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid `clone_args`: every field is an integer and zero means "not used".
    let mut arguments: libc::clone_args = unsafe { mem::zeroed() };
    arguments.flags = (libc::CLONE_PIDFD | namespaces) as u64;
    arguments.pidfd = std::ptr::from_mut(&mut pidfd) as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(group) = group {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = group.as_raw_fd() as u64;
    }
    // SAFETY: the structure is valid for the call and its size is given. Without CLONE_VM and a stack this is fork(2):
    // the child goes on with a copy of our memory. Callers are single-threaded.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, mem::size_of::<libc::clone_args>()) };
    match i32::try_from(pid).map_err(io::Error::other)? {
        0 => {
            // The child must never unwind into the frames it shares in copy with its parent.
            let _ = catch_unwind(AssertUnwindSafe(child));
            exit_now(PANICKED)
        }
        pid if pid > 0 => {
            // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Pid::from_raw(pid).map(|pid| Forked { pid, pidfd }).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// How long this thread, and what it starts later, may keep a processor that others wait for too, before it is somebody
/// else's turn; the kernel takes 0.1 to 100 ms. The share of the processor stays the same. A kernel that knows no slices (before
/// 6.12) takes no notice. Source: sched-eevdf in the kernel's documentation, sched_setattr(2).
pub(crate) fn set_time_slice(slice: std::time::Duration) -> io::Result<()> {
    let mut attributes =
        SchedulingAttributes { size: mem::size_of::<SchedulingAttributes>() as u32, ..Default::default() };
    let size = libc::c_long::from(attributes.size);
    // SAFETY: the kernel writes at most the given size into the structure, which lives as long as the call.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if got != 0 {
        return Err(io::Error::last_os_error());
    }
    attributes.flags = 0;
    attributes.runtime_ns = u64::try_from(slice.as_nanos()).map_err(io::Error::other)?;
    // SAFETY: the structure is valid for the call and says its own size; 0 is the calling thread.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct sched_attr` in its first form. Source: sched_setattr(2).
#[repr(C)]
#[derive(Default)]
struct SchedulingAttributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

/// Makes what the loader has written into this program and its libraries, and closed since (RELRO), files again: shared by
/// every child, faulted in where it is used. Else it is a megabyte and more of private memory, whose pages each fork has
/// to take over one by one and each exec and exit to give back, which are large parts of them.
///
/// Only while there is one thread.
pub(crate) fn share_relocated() -> io::Result<()> {
    for (start, end) in relocated(&std::fs::read_to_string("/proc/self/smaps")?) {
        let length = end - start;
        // SAFETY: the kernel has just said that this range is mapped and readable, and nothing writes to it any more.
        let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, length) };
        let file = rustix::fs::memfd_create(c"relocated", rustix::fs::MemfdFlags::CLOEXEC)?;
        std::os::unix::fs::FileExt::write_all_at(&std::fs::File::from(file.try_clone()?), bytes, 0)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
        // SAFETY: the same bytes at the same place, exchanged within one call of the only thread, and like those before
        // them not writable.
        let mapped = unsafe { libc::mmap(start as *mut _, length, libc::PROT_READ, flags, file.as_raw_fd(), 0) };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The read-only parts of mapped files of which the process has its own copies. Source: proc_pid_smaps(5).
fn relocated(smaps: &str) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let mut range = None;
    for line in smaps.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        match fields[..] {
            [addresses, "r--p", _, _, _, path, ..] if path.starts_with('/') => {
                range = addresses.split_once('-').and_then(|(start, end)| {
                    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
                });
            }
            ["Anonymous:", kib, _] if kib != "0" => ranges.extend(range.take()),
            [key, ..] if key.ends_with(':') => {}
            _ => range = None,
        }
    }
    ranges
}

/// What [`set_mount_attributes`] changes: `MOUNT_ATTR_*` flags to set, and whose ids the mount shows.
#[derive(Clone, Copy, Default)]
pub(crate) struct MountAttributes<'fd> {
    pub(crate) set: u64,
    /// A user namespace: the mount shows the owners on disk as this namespace maps them.
    pub(crate) ids_of: Option<BorrowedFd<'fd>>,
}

/// `mount_setattr(2)` on a mount that a descriptor refers to, with everything below it when `recursive`.
pub(crate) fn set_mount_attributes(
    mount: BorrowedFd<'_>,
    attributes: MountAttributes<'_>,
    recursive: bool,
) -> io::Result<()> {
    let arguments = libc::mount_attr {
        attr_set: attributes.set | attributes.ids_of.map_or(0, |_| libc::MOUNT_ATTR_IDMAP),
        attr_clr: 0,
        propagation: 0,
        userns_fd: attributes.ids_of.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a terminated string, the structure is valid for the call and its size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const arguments,
            mem::size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Brings `lo` up in this network namespace and gives it `address` as `lo:1` with a host's netmask. Source:
/// netdevice(7).
pub(crate) fn configure_loopback(socket: BorrowedFd<'_>, address: std::net::Ipv4Addr) -> io::Result<()> {
    let mut up = interface_request(b"lo");
    up.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    interface_ioctl(socket, libc::SIOCSIFFLAGS, &up)?;
    let mut alias = interface_request(b"lo:1");
    alias.ifr_ifru.ifru_addr = socket_address(address);
    interface_ioctl(socket, libc::SIOCSIFADDR, &alias)?;
    // Right behind: SIOCSIFADDR assumes the netmask of the address's historical class, here a /16.
    alias.ifr_ifru.ifru_netmask = socket_address(std::net::Ipv4Addr::BROADCAST);
    interface_ioctl(socket, libc::SIOCSIFNETMASK, &alias)
}

/// See the kernel's linux/if_tun.h.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETPERSIST: libc::c_ulong = 0x4004_54cb;

/// Makes `tun`, a fresh descriptor of the TUN driver, the device `name` of this network namespace, for as long as the
/// namespace exists.
pub(crate) fn make_tun(tun: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut request = interface_request(name.as_bytes());
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
    interface_ioctl(tun, TUNSETIFF, &request)?;
    // SAFETY: this ioctl takes a number for its argument.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETPERSIST as _, 1) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives a device its address, brings it up and makes it the way to everywhere. Source: netdevice(7).
pub(crate) fn configure_device(
    socket: BorrowedFd<'_>,
    name: &CStr,
    address: std::net::Ipv4Addr,
    netmask: std::net::Ipv4Addr,
    mtu: u16,
) -> io::Result<()> {
    let request = || interface_request(name.to_bytes());
    let mut size = request();
    size.ifr_ifru.ifru_mtu = i32::from(mtu);
    interface_ioctl(socket, libc::SIOCSIFMTU, &size)?;
    let mut own = request();
    own.ifr_ifru.ifru_addr = socket_address(address);
    interface_ioctl(socket, libc::SIOCSIFADDR, &own)?;
    own.ifr_ifru.ifru_netmask = socket_address(netmask);
    interface_ioctl(socket, libc::SIOCSIFNETMASK, &own)?;
    let mut up = request();
    up.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    interface_ioctl(socket, libc::SIOCSIFFLAGS, &up)?;
    // SAFETY: all-zero is a valid `rtentry`: integers, addresses of integers, and a null pointer.
    let mut route: libc::rtentry = unsafe { mem::zeroed() };
    route.rt_dst = socket_address(std::net::Ipv4Addr::UNSPECIFIED);
    route.rt_genmask = socket_address(std::net::Ipv4Addr::UNSPECIFIED);
    route.rt_flags = libc::RTF_UP;
    route.rt_dev = name.as_ptr().cast_mut();
    // SAFETY: the ioctl reads one `rtentry`, and the terminated name it points to; both are valid for the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCADDRT as _, &raw const route) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn interface_request(name: &[u8]) -> libc::ifreq {
    // SAFETY: all-zero is a valid `ifreq`: a name of zeros and a union of integers.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = *from as libc::c_char;
    }
    request
}

fn socket_address(address: std::net::Ipv4Addr) -> libc::sockaddr {
    let inet = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: both are 16 bytes of plain integers; the kernel tells them apart by the family.
    unsafe { mem::transmute::<libc::sockaddr_in, libc::sockaddr>(inet) }
}

fn interface_ioctl(socket: BorrowedFd<'_>, number: libc::c_ulong, request: &libc::ifreq) -> io::Result<()> {
    // SAFETY: each of the ioctls above reads one `ifreq`, which is valid for the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), number as _, std::ptr::from_ref(request)) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Closes every descriptor above 2 except `keep`. Only for a forked child that goes on for ever: owners of the closed
/// descriptors in the copied memory must never run their destructors.
pub(crate) fn close_inherited(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut keep: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(fd.as_raw_fd()).ok()).collect();
    keep.sort_unstable();
    let mut from = 3;
    for fd in keep {
        if fd > from {
            close_range(from, fd - 1)?;
        }
        from = from.max(fd + 1);
    }
    close_range(from, u32::MAX)
}

/// Leaves what is open so across exec: what must not be.
#[cfg(feature = "mutations")]
pub(crate) fn inherit_all() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number: RawFd = entry?.file_name().to_string_lossy().parse().map_err(io::Error::other)?;
        // SAFETY: this request changes a flag of the descriptor; one that is not open is an error.
        unsafe { libc::ioctl(number, libc::FIONCLEX as _) };
    }
    Ok(())
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: the caller gives up all descriptors in the range, see `close_inherited`.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Leaves a descriptor open across exec under this number, in place of what had it. Only between fork and exec.
pub(crate) fn inherit_as(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    if fd.as_raw_fd() == number {
        return Ok(rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?);
    }
    // SAFETY: the caller gives up what had the number: in this child, which is about to run another program, nobody
    // uses it any more.
    let result = unsafe { libc::dup2(fd.as_raw_fd(), number) };
    if result == number { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives every signal its default action. Ignored signals (Rust ignores SIGPIPE) would survive exec.
pub(crate) fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL is no function. Numbers that cannot be set (KILL, STOP, libc's own) give an error, as wanted.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// The descriptor a program was started with as its standard input.
pub(crate) fn standard_input() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}

/// Gives a descriptor to tokio, non-blocking from now on.
pub(crate) fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(&fd, true)?;
    // SAFETY: an `OwnedFd` is open, and stays the same descriptor for as long as it lives.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// See loop(4).
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4c82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4c0a;
const LOOP_SET_DIRECT_IO: libc::c_ulong = 0x4c08;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_config` with its `struct loop_info64`, of which only the flags are ours to set.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info_before: [u8; 52],
    flags: u32,
    info_after: [u8; 176],
    reserved: [u64; 8],
}

/// A loop device that nobody uses at this moment.
pub(crate) fn free_loop_device(control: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: this ioctl takes no argument.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) };
    u32::try_from(number).map_err(|_| io::Error::last_os_error())
}

/// Shows `image` as a block device until nobody has the device open any more. `EBUSY` when somebody else was faster.
pub(crate) fn configure_loop_device(device: BorrowedFd<'_>, image: BorrowedFd<'_>) -> io::Result<()> {
    let config = LoopConfig {
        fd: image.as_raw_fd() as u32,
        block_size: 0,
        info_before: [0; 52],
        flags: LO_FLAGS_AUTOCLEAR,
        info_after: [0; 176],
        reserved: [0; 8],
    };
    // SAFETY: the ioctl reads one `loop_config`, which is valid for the call and has the kernel's layout (loop.h).
    let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const config) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets a loop device read and write its image past the page cache, after what is in there has reached the disk: what a
/// function writes is kept once, by its own file system, and the disk's pace is the function's. `EINVAL` where the file
/// system of the image cannot.
pub(crate) fn bypass_page_cache(device: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: this ioctl takes a number for its argument.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_SET_DIRECT_IO as _, 1) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The version of landlock this kernel has; 0 or less where it has none. Source: landlock_create_ruleset(2).
pub(crate) fn landlock_version() -> i64 {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the call takes no attributes and makes no descriptor.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, VERSION) }
}

#[cfg(target_arch = "x86_64")]
mod call_all {
    // Calls of a table one after the other, until one fails: each is a number and six arguments, and the number's place
    // takes the result. Ends in a trap. Uses no stack, so that it can run in any process at any moment.
    //   rbx: the table   r12: how many calls
    std::arch::global_asm!(
        ".pushsection .rodata.hearth_call_all",
        ".globl hearth_call_all, hearth_call_all_end",
        ".hidden hearth_call_all, hearth_call_all_end",
        "hearth_call_all:",
        "2: mov rax, [rbx]",
        "mov rdi, [rbx + 8]",
        "mov rsi, [rbx + 16]",
        "mov rdx, [rbx + 24]",
        "mov r10, [rbx + 32]",
        "mov r8, [rbx + 40]",
        "mov r9, [rbx + 48]",
        "syscall",
        "mov [rbx], rax",
        "cmp rax, -4095",
        "jae 3f",
        "add rbx, 56",
        "dec r12",
        "jnz 2b",
        "3: int3",
        "hearth_call_all_end:",
        ".popsection",
    );

    // SAFETY: both are labels of the assembly above.
    unsafe extern "C" {
        pub(super) static hearth_call_all: u8;
        pub(super) static hearth_call_all_end: u8;
    }
}

/// Machine code for another process of this architecture, see [`crate::tracee`].
#[cfg(target_arch = "x86_64")]
pub(crate) fn call_all() -> &'static [u8] {
    let (start, end) = (&raw const call_all::hearth_call_all, &raw const call_all::hearth_call_all_end);
    // SAFETY: both are labels around the same piece of read-only data, which lives as long as the program.
    unsafe { std::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
}

#[cfg(test)]
mod tests {
    use rustix::process::{WaitOptions, waitpid};

    use super::*;

    const SMAPS: &str = "\
1000-2000 r--p 00000000 fe:00 7 /usr/bin/program
Rss:                   4 kB
Anonymous:             0 kB
2000-4000 r--p 00001000 fe:00 7 /usr/bin/program
Rss:                   8 kB
Anonymous:             8 kB
4000-5000 rw-p 00003000 fe:00 7 /usr/bin/program
Anonymous:             4 kB
6000-7000 r--p 00000000 00:00 0
Anonymous:             4 kB
7000-8000 r--p 00000000 00:00 0                                          [vvar]
Anonymous:             4 kB
VmFlags: rd mr pf io de dd sd
";

    #[test]
    fn relocated_is_what_is_closed_and_of_a_file_and_has_pages_of_its_own() {
        assert_eq!(relocated(SMAPS), [(0x2000, 0x4000)]);
    }

    #[test]
    fn a_program_runs_on_with_its_relocated_data_shared() {
        // In a process of its own, which has one thread.
        let child = fork_into(0, None, || {
            let own = || std::fs::read_to_string("/proc/self/smaps").map(|smaps| relocated(&smaps).len());
            let before = own();
            let shared = share_relocated();
            // What is formatted goes through tables that have just been exchanged.
            let said = format!("{before:?} {shared:?} {:?}", own());
            let is_fine = matches!((before, shared, own()), (Ok(1..), Ok(()), Ok(0))) && !said.is_empty();
            exit_now(i32::from(!is_fine))
        });
        let status = waitpid(Some(child.expect("forked").pid), WaitOptions::empty()).expect("waited").expect("ended");
        assert_eq!(status.1.exit_status(), Some(0));
    }
}
