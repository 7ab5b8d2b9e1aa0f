//! Making one slot. The spawner forks; the child furnishes the slot from inside, step by step, without asking back, waits
//! in between until it is told what for, and then goes on as hearth-init. Where a step fails the child says which and ends; the spawner cleans up as after any
//! other end.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use hearth_network::address;
use hearth_network::seqpacket::{self, Received};

use hearth_types::Mebibytes;
use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::MountAttrFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, capability_is_in_bounding_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use serde::{Deserialize, Serialize};

use super::identity::OWNER;
use super::storage::Storage;
use super::{faces, mounts, roots};
use crate::cgroup::Cgroup;
use crate::init::{Init, Shared};
use crate::mutation::{self, Control};
use crate::protocol::{ENDPOINT_PORT, RUNTIME_API_PORT, Report, SANDBOX_ADDRESS, Step};
use crate::seccomp;
use crate::sys::{self, Forked};

/// The TUN driver's device, in the spawner's own root. Source: kernel documentation, networking/tuntap.
const TUN: &str = "/tun";
const TUN_DEVICE: (u32, u32) = (10, 200);
/// Namespaces a slot is born into. The mount and control group namespaces follow when there is something to copy, the
/// user namespace last: what exists before it belongs to the initial one, where a function can change nothing.
const NAMESPACES: i32 = libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// Parts of `/proc` that describe the host and not the sandbox; where the kernel has them, they read as empty.
const MASKED_FILES: &[&str] = &[
    "/proc/cmdline",
    "/proc/diskstats",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/modules",
    "/proc/partitions",
    "/proc/sched_debug",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
];
const MASKED_DIRECTORIES: &[&str] =
    &["/proc/acpi", "/proc/asound", "/proc/bus", "/proc/driver", "/proc/fs", "/proc/irq", "/proc/scsi", "/proc/tty"];

/// What hearth-init keeps: it starts processes as another user, ends them, empties their bounding set, and tells the
/// kernel of their environment.
const INIT_CAPABILITIES: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SYS_PTRACE);
/// Highest number a capability can have: the sets are 64 bits.
const CAPABILITY_BITS: u32 = 64;

/// What a slot is begun with. All borrowed from the spawner: the child has copies.
pub(super) struct Parts<'a> {
    pub(super) storage: Option<&'a Storage>,
    pub(super) ephemeral_storage: Mebibytes,
    /// Nobody waits for it yet.
    pub(super) is_ahead: bool,
    pub(super) has_network: bool,
    pub(super) cgroup: &'a Cgroup,
    pub(super) filter: &'a seccomp::Filter,
    /// Brings a [`Finish`].
    pub(super) order: BorrowedFd<'a>,
    pub(super) control: BorrowedFd<'a>,
    pub(super) output: BorrowedFd<'a>,
    pub(super) records: BorrowedFd<'a>,
    pub(super) furnished: BorrowedFd<'a>,
}

/// What a slot is for. Its descriptors: the mount namespace of the root, the user namespace, and a mount to take in place
/// of the root, if there is one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Finish {
    pub(super) memory: Option<Mebibytes>,
    pub(super) for_copy: bool,
}

/// Bytes of a [`Finish`].
const FINISH_BYTES_MAX: usize = 16;

/// Starts the slot's first process, which begins and then waits for a [`Finish`]. What becomes of it is said on the
/// control socket.
pub(super) fn start(parts: &Parts<'_>) -> io::Result<Forked> {
    let birthplace = parts.cgroup.birthplace().map_err(io::Error::other)?;
    sys::fork_into(mutation::namespaces(NAMESPACES), birthplace.as_ref().map(AsFd::as_fd), || {
        let furnished = begin(parts).and_then(|begun| finish(parts.order, begun)).and_then(|(listeners, for_copy)| {
            // Not before: what the steps had open has closed itself by now, and must not twice.
            let mut kept = vec![parts.control, parts.output, parts.records, parts.furnished];
            kept.extend(listeners.descriptors());
            keep_only(&kept).map(|()| (listeners, for_copy)).map_err(|error| (Step::Privileges, error))
        });
        match furnished {
            Ok((listeners, for_copy)) => live(parts, listeners, for_copy),
            Err((step, error)) => {
                let errno = error.raw_os_error().unwrap_or(0);
                let _ = seqpacket::send(parts.control, &Report::NotUp { step, errno }, &[]);
                sys::exit_now(1)
            }
        }
    })
}

/// What the server gets of the slot's network.
struct Listeners {
    runtime_api: TcpListener,
    endpoint: TcpListener,
    outside: Option<Outside>,
}

/// The way out: a device whose other end is hearth-network, and the name server's sockets.
struct Outside {
    tun: OwnedFd,
    dns_udp: UdpSocket,
    dns_tcp: TcpListener,
}

impl Listeners {
    /// In the order [`Report::Up`] says.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all = vec![self.runtime_api.as_fd(), self.endpoint.as_fd()];
        if let Some(Outside { tun, dns_udp, dns_tcp }) = &self.outside {
            all.extend([tun.as_fd(), dns_udp.as_fd(), dns_tcp.as_fd()]);
        }
        all
    }
}

/// Says that the slot is up and becomes hearth-init.
fn live(parts: &Parts<'_>, listeners: Listeners, for_copy: bool) -> Infallible {
    let Parts { output, records, furnished, .. } = *parts;
    let init = Init::new(parts.control, Shared { output, records, furnished }, parts.filter);
    match init.up(&listeners.descriptors(), !for_copy) {
        Ok(init) => {
            drop(listeners);
            init.run()
        }
        Err(_) => sys::exit_now(1),
    }
}

/// A slot around the calling process, its first, before it is known what for.
struct Begun {
    listeners: Listeners,
    storage: OwnedFd,
    processes: OwnedFd,
}

fn at(step: Step) -> impl Fn(io::Error) -> (Step, io::Error) {
    move |error| (step, error)
}

fn begin(parts: &Parts<'_>) -> Result<Begun, (Step, io::Error)> {
    // Should the spawner be killed, its slots end with it.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| (Step::Privileges, error.into()))?;
    rustix::thread::set_name(c"hearth-slot").map_err(|error| (Step::Privileges, error.into()))?;
    // It may wait for long, and others must see the ends of theirs.
    let mut kept = vec![parts.order, parts.control, parts.output, parts.records, parts.furnished];
    kept.extend(parts.storage.into_iter().flat_map(Storage::descriptors));
    sys::close_inherited(&kept).map_err(at(Step::Privileges))?;
    parts.cgroup.enter().map_err(|error| (Step::ControlGroup, io::Error::other(error)))?;
    Ok(Begun {
        listeners: network(parts.has_network).map_err(at(Step::Network))?,
        storage: storage(parts.storage, parts.ephemeral_storage, parts.is_ahead).map_err(at(Step::Storage))?,
        processes: processes().map_err(at(Step::Processes))?,
    })
}

fn finish(order: BorrowedFd<'_>, begun: Begun) -> Result<(Listeners, bool), (Step, io::Error)> {
    let mut buffer = [0; FINISH_BYTES_MAX];
    let received = seqpacket::receive::<Finish>(order, &mut buffer).map_err(at(Step::Root))?;
    // The spawner has ended.
    let Some(Received { message: Finish { memory, for_copy }, descriptors }) = received else { sys::exit_now(0) };
    let (root_namespace, identity, image) = match &descriptors[..] {
        [root, identity] => (root, identity, None),
        [root, identity, image] => (root, identity, Some(image.as_fd())),
        _ => return Err((Step::Root, io::ErrorKind::InvalidData.into())),
    };
    let faces = memory.map_or(Ok(Vec::new()), faces::of).map_err(at(Step::Processes))?;
    root(root_namespace.as_fd(), image, &begun.storage).map_err(at(Step::Root))?;
    show_processes(&begun.processes, &faces).map_err(at(Step::Processes))?;
    become_init(identity.as_fd()).map_err(at(Step::Identity))?;
    give_up_privileges().map_err(at(Step::Privileges))?;
    Ok((begun.listeners, for_copy))
}

/// Makes [`TUN`], and sees that it works.
pub(super) fn tun_device() -> io::Result<()> {
    let (major, minor) = TUN_DEVICE;
    mknodat(CWD, TUN, FileType::CharacterDevice, Mode::RUSR | Mode::WUSR, makedev(major, minor))?;
    std::fs::File::open(TUN).map(drop)
}

pub(super) fn network_note(error: &io::Error) -> String {
    format!("functions have no network: this machine has no TUN device ({error}); `modprobe tun` may bring it")
}

/// A loopback interface with the platform's address, the sockets the server will serve on it, and the device that leads
/// to hearth-network, if there is one. Nothing else can be reached.
fn network(has_network: bool) -> io::Result<Listeners> {
    rustix::system::sethostname(super::HOST_NAME.as_bytes())?;
    let socket = loopback()?;
    let outside = if has_network { Some(outside(socket.as_fd())?) } else { None };
    Ok(Listeners {
        runtime_api: runtime_api()?,
        endpoint: TcpListener::bind((SANDBOX_ADDRESS, ENDPOINT_PORT))?,
        outside,
    })
}

/// Gives this network namespace the platform's address. A socket to configure more with.
pub(super) fn loopback() -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    sys::configure_loopback(socket.as_fd(), SANDBOX_ADDRESS)?;
    Ok(socket)
}

pub(super) fn runtime_api() -> io::Result<TcpListener> {
    TcpListener::bind((SANDBOX_ADDRESS, RUNTIME_API_PORT))
}

fn outside(socket: BorrowedFd<'_>) -> io::Result<Outside> {
    let tun: OwnedFd = fs::OpenOptions::new().read(true).write(true).open(TUN)?.into();
    sys::make_tun(tun.as_fd(), address::DEVICE_NAME)?;
    for (setting, value) in address::NAMESPACE_SETTINGS {
        match fs::write(Path::new("/proc/sys/net").join(setting), value) {
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            written => written?,
        }
    }
    let name = CString::new(address::DEVICE_NAME)?;
    sys::configure_device(socket, &name, address::DEVICE_ADDRESS, address::DEVICE_NETMASK, address::DEVICE_MTU)?;
    Ok(Outside {
        tun,
        dns_udp: UdpSocket::bind(address::DNS_SOCKET)?,
        dns_tcp: TcpListener::bind(address::DNS_SOCKET)?,
    })
}

/// `/tmp`: a disk of its own; where there is none to be had, memory.
pub(super) fn storage(storage: Option<&Storage>, size: Mebibytes, is_ahead: bool) -> io::Result<OwnedFd> {
    if let Some(storage) = storage {
        return storage.mount(size, is_ahead);
    }
    let owner = OWNER.to_string();
    let options =
        [("source", "tmp"), ("size", &size.bytes().to_string()), ("mode", "1777"), ("uid", &owner), ("gid", &owner)];
    mounts::new("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV)
}

/// A `/proc` of this pid namespace, in which a user sees only its own processes.
fn processes() -> io::Result<OwnedFd> {
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let hide = if mutation::is_off(Control::HiddenProcesses) { "0" } else { "2" };
    mounts::new("proc", &[("source", "proc"), ("hidepid", hide)], attributes)
}

/// Moves to a copy of the prepared root and mounts there what is this slot's own.
fn root(prepared: BorrowedFd<'_>, image: Option<BorrowedFd<'_>>, storage: &OwnedFd) -> io::Result<()> {
    setns(prepared, CloneFlags::CLONE_NEWNS)?;
    let own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWCGROUP;
    unshare(CloneFlags::from_bits_retain(mutation::namespaces(own.bits())))?;
    if let Some(image) = image {
        let devices = mounts::clone_of(rustix::fs::CWD, "/dev")?;
        // Somewhere to stand while the root is changed.
        mounts::attach(image, "/var/task")?;
        roots::enter(image)?;
        mounts::attach(devices.as_fd(), "/dev")?;
    }
    mounts::attach(storage.as_fd(), "/tmp")
}

fn show_processes(processes: &OwnedFd, faces: &[(&str, OwnedFd)]) -> io::Result<()> {
    mounts::attach(processes.as_fd(), "/proc")?;
    for (covered, face) in faces {
        mounts::attach(face.as_fd(), covered)?;
    }
    // `/sys` is a directory with nothing in it.
    let masks = [(MASKED_FILES, "/dev/null"), (MASKED_DIRECTORIES, "/sys")];
    for (paths, mask) in masks.into_iter().filter(|_| !mutation::is_off(Control::MaskedProc)) {
        for path in paths {
            match fs::symlink_metadata(path) {
                Ok(_) => mounts::attach(mounts::clone_of(rustix::fs::CWD, mask)?.as_fd(), path)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Enters the slot's user namespace as its root: an id that owns nothing outside.
fn become_init(identity: BorrowedFd<'_>) -> io::Result<()> {
    set_thread_groups(&[])?;
    let is_apart = !mutation::is_off(Control::UserNamespace);
    if is_apart {
        setns(identity, CloneFlags::CLONE_NEWUSER)?;
    }
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    // Besides the filter on clone and unshare: no user namespaces below this one.
    if is_apart && !mutation::is_off(Control::UserNamespaceLimit) {
        fs::write("/proc/sys/user/max_user_namespaces", "0")?;
    }
    // Taken away by the change of user.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

fn give_up_privileges() -> io::Result<()> {
    if !mutation::is_off(Control::NoNewPrivs) {
        set_no_new_privs(true)?;
    }
    if !mutation::is_off(Control::InitCapabilities) {
        give_up_capabilities()?;
    }
    // `/proc/1` and ptrace show nothing of it.
    let is_bare = mutation::is_off(Control::InitNotDumpable);
    set_dumpable_behavior(if is_bare { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable })?;
    rustix::thread::set_name(c"hearth-init")?;
    Ok(())
}

fn give_up_capabilities() -> io::Result<()> {
    for bit in 0..CAPABILITY_BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        // The kernel knows fewer capabilities than there are bits.
        let Ok(held) = capability_is_in_bounding_set(capability) else { break };
        if held && !INIT_CAPABILITIES.contains(capability) {
            remove_capability_from_bounding_set(capability)?;
        }
    }
    let (effective, permitted) = (INIT_CAPABILITIES, INIT_CAPABILITIES);
    Ok(set_capabilities(None, CapabilitySets { effective, permitted, inheritable: CapabilitySet::empty() })?)
}

/// Closes what the spawner had open and takes `/dev/null` for the standard streams.
fn keep_only(descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    drop(null);
    if mutation::is_off(Control::ClosedDescriptors) {
        return mutation::leave_open();
    }
    sys::close_inherited(descriptors)
}
