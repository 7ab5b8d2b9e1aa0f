//! The system call filter, call by call, in forked children that have it installed.
#![allow(unsafe_code, reason = "raw system calls are what is tested")]

use std::io::Read;
use std::os::fd::FromRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use hearth_sandbox::seccomp::{self, Filter};
use libc::{EBADF, EFAULT, EINVAL, ENOENT, ENOSYS, ENOTTY, EPERM};

/// A call with its arguments, made with invalid pointers so that it does nothing where it is let through.
struct Probe {
    name: &'static str,
    number: i64,
    arguments: [u64; 5],
    /// 0 is success.
    expected: i32,
}

macro_rules! probe {
    ($number:ident($($argument:expr),*) => $expected:expr) => {
        Probe {
            name: stringify!($number($($argument),*)),
            number: libc::$number,
            arguments: five(&[$($argument as u64),*]),
            expected: $expected,
        }
    };
}

fn five(given: &[u64]) -> [u64; 5] {
    std::array::from_fn(|index| given.get(index).copied().unwrap_or(0))
}

const ALL: u64 = u64::MAX;
const AF_VSOCK: i32 = libc::AF_VSOCK;
const RAW: i32 = libc::SOCK_RAW;
const STREAM: i32 = libc::SOCK_STREAM;
const NONBLOCK: i32 = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
/// Upper bits that the kernel ignores and a careless filter compares.
const HIGH: u64 = 1 << 32;

/// What must not get through. As root each of them would do something, or complain about its arguments.
fn refused() -> Vec<Probe> {
    vec![
        probe!(SYS_unshare(libc::CLONE_FILES) => EPERM),
        probe!(SYS_setns(ALL, 0) => EPERM),
        probe!(SYS_mount(0, 0, 0, 0, 0) => EPERM),
        probe!(SYS_umount2(0, 0) => EPERM),
        probe!(SYS_pivot_root(0, 0) => EPERM),
        probe!(SYS_chroot(0) => EPERM),
        probe!(SYS_open_tree(ALL, 0, 0) => EPERM),
        probe!(SYS_move_mount(ALL, 0, ALL, 0, 0) => EPERM),
        probe!(SYS_fsopen(0, 0) => EPERM),
        probe!(SYS_fsconfig(ALL, 0, 0, 0, 0) => EPERM),
        probe!(SYS_fsmount(ALL, 0, 0) => EPERM),
        probe!(SYS_fspick(ALL, 0, 0) => EPERM),
        probe!(SYS_mount_setattr(ALL, 0, 0, 0, 0) => EPERM),
        probe!(SYS_clone(libc::CLONE_NEWUSER | libc::SIGCHLD) => EPERM),
        probe!(SYS_clone(libc::CLONE_NEWNS | libc::SIGCHLD) => EPERM),
        probe!(SYS_clone(libc::CLONE_NEWPID | libc::SIGCHLD) => EPERM),
        probe!(SYS_clone(libc::CLONE_NEWNET | libc::SIGCHLD) => EPERM),
        probe!(SYS_clone(libc::CLONE_NEWIPC | libc::SIGCHLD) => EPERM),
        probe!(SYS_clone(libc::CLONE_NEWUTS | libc::SIGCHLD) => EPERM),
        probe!(SYS_clone(libc::CLONE_NEWCGROUP | libc::SIGCHLD) => EPERM),
        probe!(SYS_mknodat(ALL, 0, libc::S_IFCHR | 0o600, 0) => EPERM),
        probe!(SYS_mknodat(ALL, 0, libc::S_IFBLK | 0o600, 0) => EPERM),
        probe!(SYS_open_by_handle_at(ALL, 0, 0) => EPERM),
        probe!(SYS_name_to_handle_at(ALL, 0, 0, 0, ALL) => EPERM),
        probe!(SYS_fanotify_init(ALL, 0) => EPERM),
        probe!(SYS_fanotify_mark(ALL, 0, 0, ALL, 0) => EPERM),
        probe!(SYS_quotactl_fd(ALL, 0, 0, 0) => EPERM),
        probe!(SYS_quotactl(0, 0, 0, 0) => EPERM),
        probe!(SYS_ptrace(libc::PTRACE_SEIZE, ALL, 0, 0) => EPERM),
        probe!(SYS_process_vm_readv(1, 0, 0, 0, 0) => EPERM),
        probe!(SYS_process_vm_writev(1, 0, 0, 0, 0) => EPERM),
        probe!(SYS_pidfd_getfd(ALL, 0, 0) => EPERM),
        probe!(SYS_kcmp(0, 0, ALL, 0, 0) => EPERM),
        probe!(SYS_process_madvise(ALL, 0, 0, 0, 0) => EPERM),
        probe!(SYS_move_pages(0, 0, 0, 0, ALL) => EPERM),
        probe!(SYS_migrate_pages(ALL, 0, 0, 0) => EPERM),
        probe!(SYS_bpf(ALL, 0, 0) => EPERM),
        probe!(SYS_perf_event_open(0, 0, 0, 0, 0) => EPERM),
        probe!(SYS_userfaultfd(ALL) => EPERM),
        probe!(SYS_io_uring_setup(0, 0) => EPERM),
        probe!(SYS_io_uring_enter(ALL, 0, 0, 0, 0) => EPERM),
        probe!(SYS_io_uring_register(ALL, 0, 0, 0) => EPERM),
        probe!(SYS_add_key(0, 0, 0, 0, 0) => EPERM),
        probe!(SYS_request_key(0, 0, 0, 0) => EPERM),
        probe!(SYS_keyctl(ALL, 0, 0, 0, 0) => EPERM),
        probe!(SYS_init_module(0, 0, 0) => EPERM),
        probe!(SYS_finit_module(ALL, 0, 0) => EPERM),
        probe!(SYS_delete_module(0, 0) => EPERM),
        probe!(SYS_kexec_load(0, ALL, 0, ALL) => EPERM),
        probe!(SYS_kexec_file_load(ALL, ALL, 0, 0, ALL) => EPERM),
        probe!(SYS_reboot(0, 0, 0, 0) => EPERM),
        probe!(SYS_acct(ALL) => EPERM),
        probe!(SYS_vhangup() => EPERM),
        probe!(SYS_lookup_dcookie(ALL, 0, 0) => EPERM),
        probe!(SYS_nfsservctl(ALL, 0, 0) => EPERM),
        probe!(SYS_swapon(0, 0) => EPERM),
        probe!(SYS_swapoff(0) => EPERM),
        probe!(SYS_syslog(ALL, 0, 0) => EPERM),
        probe!(SYS_sethostname(0, ALL) => EPERM),
        probe!(SYS_setdomainname(0, ALL) => EPERM),
        probe!(SYS_settimeofday(8, 0) => EPERM),
        probe!(SYS_clock_settime(0, 0) => EPERM),
        probe!(SYS_clock_adjtime(0, 0) => EPERM),
        probe!(SYS_adjtimex(0) => EPERM),
        probe!(SYS_personality(libc::ADDR_NO_RANDOMIZE) => EPERM),
        probe!(SYS_personality(HIGH | libc::ADDR_NO_RANDOMIZE as u64) => EPERM),
        probe!(SYS_ioctl(ALL, libc::TIOCSTI, 0) => EPERM),
        probe!(SYS_ioctl(ALL, HIGH | libc::TIOCSTI, 0) => EPERM),
        probe!(SYS_ioctl(ALL, 0x541c, 0) => EPERM),
        probe!(SYS_socket(AF_VSOCK, STREAM, 0) => EPERM),
        probe!(SYS_socket(HIGH | AF_VSOCK as u64, STREAM, 0) => EPERM),
        probe!(SYS_socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0) => EPERM),
        probe!(SYS_socket(libc::AF_PACKET, RAW, 0) => EPERM),
        probe!(SYS_socket(libc::AF_BLUETOOTH, RAW, 0) => EPERM),
        probe!(SYS_socket(libc::AF_NETLINK, RAW, libc::NETLINK_AUDIT) => EPERM),
        probe!(SYS_socket(libc::AF_NETLINK, RAW, libc::NETLINK_KOBJECT_UEVENT) => EPERM),
        probe!(SYS_socket(libc::AF_INET, RAW, libc::IPPROTO_ICMP) => EPERM),
        probe!(SYS_socket(libc::AF_INET, RAW | NONBLOCK, libc::IPPROTO_TCP) => EPERM),
        probe!(SYS_socket(libc::AF_INET6, RAW, libc::IPPROTO_RAW) => EPERM),
        probe!(SYS_socket(libc::AF_INET, 10, 0) => EPERM),
        probe!(SYS_socket(libc::AF_INET, libc::SOCK_SEQPACKET, 0) => EPERM),
        probe!(SYS_socket(libc::AF_INET, STREAM, libc::IPPROTO_SCTP) => EPERM),
        probe!(SYS_socket(libc::AF_APPLETALK, STREAM, 0) => EPERM),
        probe!(SYS_socketpair(AF_VSOCK, STREAM, 0, 0) => EPERM),
        #[cfg(target_arch = "x86_64")]
        probe!(SYS_mknod(0, libc::S_IFCHR, 0) => EPERM),
        #[cfg(target_arch = "x86_64")]
        probe!(SYS_iopl(4) => EPERM),
        #[cfg(target_arch = "x86_64")]
        probe!(SYS_ioperm(ALL, ALL, 0) => EPERM),
        #[cfg(target_arch = "x86_64")]
        probe!(SYS_uselib(0) => EPERM),
        #[cfg(target_arch = "x86_64")]
        probe!(SYS_ustat(ALL, 0) => EPERM),
        #[cfg(target_arch = "x86_64")]
        probe!(SYS_sysfs(ALL, 0, 0) => EPERM),
        #[cfg(target_arch = "x86_64")]
        probe!(SYS__sysctl(0) => EPERM),
        #[cfg(target_arch = "x86_64")]
        probe!(SYS_modify_ldt(ALL, 0, 0) => EPERM),
        // Last: where it gets through, root's rights are gone.
        probe!(SYS_unshare(libc::CLONE_NEWUSER) => EPERM),
    ]
}

/// What must work, and what must look like an older kernel.
fn passed() -> Vec<Probe> {
    vec![
        probe!(SYS_clone3(0, 0) => ENOSYS),
        Probe { name: "a call of a kernel to come", number: 9_999, arguments: [0; 5], expected: ENOSYS },
        #[cfg(target_arch = "x86_64")]
        Probe {
            name: "getpid by the x32 numbers",
            number: 0x4000_0000 | libc::SYS_getpid,
            arguments: [0; 5],
            expected: ENOSYS,
        },
        probe!(SYS_personality(0xffff_ffff_u32) => 0),
        probe!(SYS_personality(0) => 0),
        probe!(SYS_socket(libc::AF_UNIX, STREAM | NONBLOCK, 0) => 0),
        probe!(SYS_socket(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0) => 0),
        probe!(SYS_socket(libc::AF_INET, STREAM | NONBLOCK, libc::IPPROTO_TCP) => 0),
        probe!(SYS_socket(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDP) => 0),
        probe!(SYS_socket(libc::AF_NETLINK, RAW | NONBLOCK, libc::NETLINK_ROUTE) => 0),
        probe!(SYS_ioctl(ALL, libc::FIONREAD, 0) => EBADF),
        probe!(SYS_ioctl(0, libc::TIOCGWINSZ, 0) => ENOTTY),
        probe!(SYS_mknodat(ALL, 0, libc::S_IFIFO | 0o600, 0) => EFAULT),
        probe!(SYS_pkey_alloc(ALL, 0) => EINVAL),
        probe!(SYS_membarrier(0, 0) => 0),
        probe!(SYS_memfd_create(0, 0) => EFAULT),
        probe!(SYS_rseq(0, 0, ALL) => EINVAL),
        probe!(SYS_getrandom(0, 0, 0) => 0),
        probe!(SYS_execve(0, 0, 0) => EFAULT),
        probe!(SYS_prctl(libc::PR_GET_DUMPABLE) => 0),
    ]
}

/// Makes each call in a child of its own kind of process and returns what the kernel answered.
fn answers(probes: &[Probe], filter: Option<&Filter>) -> Vec<i32> {
    let mut ends = [0; 2];
    // SAFETY: the array has room for both ends.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: until _exit the child only makes system calls and reads what the parent has prepared; it allocates
    // nothing.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        // SAFETY: calls with pointers the kernel checks; the descriptors are this process's own. Nothing of the parent
        // can be reached through them.
        unsafe {
            // Away from the terminal of whoever tests: some calls are about it.
            libc::setsid();
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
            libc::dup2(null, 0);
            if filter.is_some_and(|filter| seccomp::install(filter).is_err()) {
                libc::_exit(1);
            }
            for probe in probes {
                let [a, b, c, d, e] = probe.arguments;
                *libc::__errno_location() = 0;
                let result = libc::syscall(probe.number, a, b, c, d, e);
                if result == 0 && probe.number == libc::SYS_clone {
                    libc::_exit(0);
                }
                let errno = if result < 0 { *libc::__errno_location() } else { 0 };
                libc::write(ends[1], (&raw const errno).cast(), 4);
            }
            libc::_exit(0);
        }
    }
    // SAFETY: both ends are open and owned by nobody else; the pid is our own child's.
    let mut output = unsafe {
        libc::close(ends[1]);
        std::fs::File::from_raw_fd(ends[0])
    };
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes).expect("a pipe");
    // SAFETY: waiting for our own child without asking for its status.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    let answers: Vec<i32> =
        bytes.chunks_exact(4).map(|chunk| i32::from_ne_bytes(chunk.try_into().expect("four"))).collect();
    assert_eq!(answers.len(), probes.len(), "the child made every call");
    answers
}

fn check(probes: &[Probe]) {
    let filter = seccomp::filter().expect("built");
    let answers = answers(probes, Some(&filter));
    let wrong: Vec<String> = probes
        .iter()
        .zip(answers)
        .filter(|(probe, answer)| probe.expected != *answer)
        .map(|(probe, answer)| format!("{}: expected {}, got {answer}", probe.name, probe.expected))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_reaches_beyond_the_sandbox_is_refused() {
    check(&refused());
}

#[test]
fn what_programs_need_passes() {
    check(&passed());
}

#[test]
fn without_the_filter_the_same_calls_get_through() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: an ordinary user is refused by the kernel itself");
        return;
    }
    let probes = refused();
    let answers = answers(&probes, None);
    let through = answers.iter().filter(|answer| **answer != EPERM).count();
    // Some kernels are built without some of them or lock them down.
    assert!(through * 10 > probes.len() * 8, "only {through} of {} tell the filter from the kernel", probes.len());
}

/// Each refusal by itself is taken away, in a build made for that: the probes above must notice. Calls that this kernel
/// does not have answer that then, which is not a refusal either.
#[cfg(feature = "mutations")]
#[test]
#[ignore = "make mutate-sandbox"]
fn every_refusal_that_is_taken_away_is_noticed() {
    use hearth_sandbox::mutation::VARIABLE;
    use hearth_sandbox::seccomp::table::REFUSED;

    let notices = |without: &str| {
        let mut helper = Command::new(std::env::current_exe().expect("this test"));
        helper.args(["--exact", "what_reaches_beyond_the_sandbox_is_refused"]).env(VARIABLE, without);
        !helper.output().expect("helper").status.success()
    };
    assert!(!notices(""), "the probes fail anyway");
    let survived: Vec<&str> =
        REFUSED.iter().map(|(call, _)| call.name).filter(|name| !notices(&format!("call:{name}"))).collect();
    assert!(survived.is_empty(), "{survived:?} may be made and no probe notices");
    println!("  each of {} refused system calls: caught by crates/sandbox/tests/seccomp.rs", REFUSED.len());
}

fn output_under_filter(program: &str, arguments: &[&str]) -> Option<String> {
    let filter = seccomp::filter().expect("built");
    let mut command = Command::new(program);
    command.args(arguments);
    // SAFETY: installing makes system calls only.
    unsafe { command.pre_exec(move || seccomp::install(&filter).map_err(std::io::Error::other)) };
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.raw_os_error() == Some(ENOENT) => {
            eprintln!("skipped: {program} is not on this machine");
            return None;
        }
        Err(error) => panic!("{program}: {error}"),
    };
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn python_runs_threads_processes_sockets_and_files() {
    let script = r"
import asyncio, concurrent.futures, multiprocessing, socket, sqlite3, ssl, subprocess, tempfile, threading
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert list(pool.map(abs, [-1, -2])) == [1, 2]
assert subprocess.run(['/bin/sh', '-c', 'exit 7']).returncode == 7
process = multiprocessing.Process(target=print, args=('child',)); process.start(); process.join(); assert process.exitcode == 0
async def main():
    async def serve(reader, writer):
        writer.write(await reader.read(4)); await writer.drain(); writer.close()
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b'ping'); assert await reader.read(4) == b'ping'; writer.close(); server.close()
asyncio.run(main())
socket.getaddrinfo('localhost', 80)
with tempfile.NamedTemporaryFile() as file:
    sqlite3.connect(file.name).execute('create table t (x)')
try:
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
except PermissionError:
    print('fine')
";
    if let Some(output) = output_under_filter("python3", &["-c", script]) {
        assert_eq!(output.lines().last(), Some("fine"));
    }
}

#[test]
fn node_runs_workers_children_and_sockets() {
    let script = r"
const { Worker } = require('worker_threads'); const net = require('net'); const fs = require('fs');
const { execFileSync } = require('child_process'); const crypto = require('crypto');
execFileSync('/bin/true'); fs.readdirSync('/'); crypto.pbkdf2Sync('a', 'b', 10, 32, 'sha256');
new Worker('require(`worker_threads`).parentPort.postMessage(1)', { eval: true }).on('message', () => {
  const server = net.createServer(socket => socket.end('pong')).listen(0, '127.0.0.1', () =>
    net.connect(server.address().port, '127.0.0.1').on('data', data => { console.log(String(data)); server.close(); }));
});
";
    if let Some(output) = output_under_filter("node", &["-e", script]) {
        assert_eq!(output, "pong");
    }
}

#[test]
fn children_inherit_the_filter_and_cannot_widen_it() {
    let script = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.unshare(0x10000000), ctypes.get_errno())";
    if let Some(output) = output_under_filter("/bin/sh", &["-c", &format!("python3 -c '{script}'")]) {
        assert_eq!(output, format!("-1 {EPERM}"));
    }
}
