//! The table of probes: what is tried from inside a sandbox and what must come of it. Numbers are those of the list of
//! probes every backend must pass, which has 41; what goes beyond the list has none.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

use crate::prison::Prison;
use crate::scenarios::{self, Verdict};

/// A [scenario](crate::scenarios) of one prison.
type Scenario = for<'a> fn(&'a Prison) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

pub(crate) enum Attempt {
    /// The expression fails with one of these errors.
    Fails(&'static str, &'static [&'static str]),
    /// The expression has this value, in JSON.
    Is(&'static str, &'static str),
    Scenario(Scenario),
    /// Not about a process: tried once.
    Unpacking,
}

pub(crate) struct Probe {
    pub(crate) number: Option<u8>,
    pub(crate) name: &'static str,
    pub(crate) attempt: Attempt,
}

impl Probe {
    /// Tries it once.
    pub(crate) async fn attempt(&self, prison: &Prison) -> Verdict {
        let answer = match self.attempt {
            Attempt::Fails(expression, _) | Attempt::Is(expression, _) => prison.run(expression).await,
            Attempt::Scenario(scenario) => return scenario(prison).await,
            Attempt::Unpacking => return scenarios::archives_write_nothing_but_their_tree().await,
        };
        let fine = match self.attempt {
            Attempt::Fails(_, errors) => errors.iter().any(|error| answer == *error),
            Attempt::Is(_, value) => serde_json::from_str::<Value>(value).expect(self.name) == answer,
            Attempt::Scenario(_) | Attempt::Unpacking => true,
        };
        if fine { Ok(()) } else { Err(answer.to_string()) }
    }
}

const fn probe(number: u8, name: &'static str, attempt: Attempt) -> Probe {
    Probe { number: if number == 0 { None } else { Some(number) }, name, attempt }
}

const fn fails(number: u8, name: &'static str, expression: &'static str, errors: &'static [&'static str]) -> Probe {
    probe(number, name, Attempt::Fails(expression, errors))
}

const fn is(number: u8, name: &'static str, expression: &'static str, value: &'static str) -> Probe {
    probe(number, name, Attempt::Is(expression, value))
}

const fn scenario(number: u8, name: &'static str, scenario: Scenario) -> Probe {
    probe(number, name, Attempt::Scenario(scenario))
}

/// A number the list does not have.
const BEYOND: u8 = 0;

const NOT_THERE: &[&str] = &["ENOENT"];
const READ_ONLY: &[&str] = &["EROFS"];
/// Whichever wall comes first.
const UNWRITABLE: &[&str] = &["EROFS", "EACCES", "ENOENT"];
const REFUSED: &[&str] = &["EPERM", "ENOSYS", "EACCES"];
/// By the filter of system calls: the arguments are such that the kernel itself would complain about them first.
const FILTERED: &[&str] = &["EPERM"];
const NO_SOCKET: &[&str] = &["EPERM"];
const CLOSED: &[&str] = &["ECONNREFUSED"];
const NO_WAY: &[&str] = &["ENETUNREACH"];

const DEVICES: &str = r#"["fd","full","null","random","stderr","stdin","stdout","tty","urandom","zero"]"#;
const MASKED: &str = "masked(['cmdline', 'diskstats', 'interrupts', 'kallsyms', 'kcore', 'keys', 'modules', \
                      'partitions', 'sched_debug', 'sysrq-trigger', 'timer_list'], \
                      ['acpi', 'asound', 'bus', 'driver', 'fs', 'irq', 'scsi', 'tty'])";
const LIMITS: &str = "[resource.getrlimit(r) for r in \
                      (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK)]";
const FACES: &str = "[read('/proc/meminfo', 30).split()[1], os.cpu_count() <= 2, \
                     min(3, len([l for l in open('/proc/cpuinfo') if l.startswith('processor')])), \
                     len([l for l in open('/proc/stat')]) <= 9]";
const NO_CAPABILITIES: &str =
    r#"["0000000000000000","0000000000000000","0000000000000000","0000000000000000","0000000000000000"]"#;

#[rustfmt::skip]
pub(crate) const PROBES: &[Probe] = &[
    fails(1, "kill a process of the host", "os.kill(HOST_PID, 0)", &["ESRCH"]),
    fails(1, "kill hearth-init", "os.kill(1, 9)", &["EPERM"]),
    is(2, "see other processes", "[own(), len(pids())]", "[true,1]"),
    fails(2, "look into hearth-init", "read('/proc/1/environ')", &["ENOENT", "EACCES"]),
    fails(3, "read the host's accounts", "read('/etc/shadow')", NOT_THERE),
    fails(3, "look into home directories", "os.listdir('/home')", NOT_THERE),
    fails(3, "look into root's home", "os.listdir('/root')", NOT_THERE),
    fails(3, "read the host's files", "read('HOST_FILE')", NOT_THERE),
    fails(3, "leave the root by dots", "os.listdir('/../../../root')", NOT_THERE),
    fails(4, "write the root", "write('/x')", READ_ONLY),
    fails(4, "write the system", "write('/usr/bin/x')", UNWRITABLE),
    fails(4, "write /etc", "write('/etc/passwd')", UNWRITABLE),
    fails(4, "write the runtime", "write('/var/runtime/x')", UNWRITABLE),
    fails(4, "write a layer", "write('/opt/x')", UNWRITABLE),
    is(4, "mounts that may be written", "sorted(at for at, how, what in mounts() if 'rw' in how)", r#"["/proc","/tmp"]"#),
    fails(5, "write the code", "write('/var/task/x')", READ_ONLY),
    fails(5, "change the code", "os.chmod('/var/task/app.py', 0o777)", &["EROFS", "EPERM"]),
    fails(6, "sysrq", "write('/proc/sysrq-trigger', 'h')", UNWRITABLE),
    fails(7, "core_pattern", "write('/proc/sys/kernel/core_pattern', '|/tmp/x')", UNWRITABLE),
    fails(8, "sysctl", "write('/proc/sys/kernel/hostname', 'x')", &["EACCES", "EROFS"]),
    fails(9, "mount", "call('mount', b'x', b'/tmp', b'tmpfs', 0, 0)", REFUSED),
    fails(9, "mount, for the filter", "call('mount', 1, 1, 1, 0, 1)", FILTERED),
    fails(9, "unmount", "call('umount2', b'/var/task', 2)", REFUSED),
    fails(9, "unmount, for the filter", "call('umount2', b'/tmp', 0x7fff)", FILTERED),
    fails(9, "the new mount calls", "call('open_tree', -100, b'/', 1)", REFUSED),
    fails(9, "the new mount calls, for the filter", "call('mount_setattr', -100, b'/', 0x7fff, 0, 0)", FILTERED),
    fails(9, "a new file system", "call('fsopen', b'tmpfs', 0)", REFUSED),
    fails(9, "pivot_root", "call('pivot_root', b'/tmp', b'/tmp')", REFUSED),
    fails(9, "setns", "call('setns', open('/proc/self/ns/net').fileno(), 0)", REFUSED),
    fails(9, "setns, for the filter", "call('setns', -1, 0)", FILTERED),
    fails(9, "unshare mounts", "call('unshare', 0x20000)", REFUSED),
    fails(9, "unshare users", "call('unshare', 0x10000000)", REFUSED),
    fails(10, "clone into a user namespace", "call('clone', 0x10000000 | 17, 0, 0, 0, 0)", REFUSED),
    fails(10, "clone3", "call('clone3', 0, 0)", &["ENOSYS"]),
    is(10, "user namespaces there may be", "read('/proc/sys/user/max_user_namespaces')", r#""0\n""#),
    fails(11, "AF_VSOCK", "socket.socket(40, socket.SOCK_STREAM)", NO_SOCKET),
    fails(11, "AF_PACKET", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", NO_SOCKET),
    fails(11, "a family that nobody knows yet", "socket.socket(99, socket.SOCK_STREAM)", NO_SOCKET),
    fails(11, "a netlink protocol besides routing", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)", NO_SOCKET),
    fails(12, "ptrace", "call('ptrace', 16, os.getppid(), 0, 0)", REFUSED),
    fails(12, "ptrace, for the filter", "call('ptrace', 2, 0, 0, 0)", FILTERED),
    fails(13, "bpf", "call('bpf', 0, 0, 0)", REFUSED),
    fails(13, "bpf, for the filter", "call('bpf', 999, 1, 16)", FILTERED),
    fails(14, "keyctl", "call('keyctl', 0, -3, 1)", REFUSED),
    fails(14, "add_key", "call('add_key', b'user', b'x', b'y', 1, -3)", REFUSED),
    fails(15, "io_uring", "call('io_uring_setup', 4, 0)", REFUSED),
    fails(16, "userfaultfd", "call('userfaultfd', 1)", REFUSED),
    fails(17, "perf_event_open", "call('perf_event_open', 0, 0, -1, -1, 0)", REFUSED),
    fails(18, "open_by_handle_at", "call('open_by_handle_at', -100, 0, 0)", REFUSED),
    fails(18, "name_to_handle_at, for the filter", "call('name_to_handle_at', -1, 0, 0, 0, 0x7fff)", FILTERED),
    fails(19, "load a module", "call('init_module', 0, 0, b'')", REFUSED),
    fails(19, "kexec", "call('kexec_load', 0, 0, 0, 0)", REFUSED),
    fails(19, "reboot", "call('reboot', 0xfee1dead, 672274793, 0x01234567, 0)", REFUSED),
    fails(20, "set the clock", "call('clock_settime', 0, ctypes.byref((ctypes.c_long * 2)(0, 0)))", REFUSED),
    fails(20, "set the clock, for the filter", "call('settimeofday', 1, 0)", FILTERED),
    fails(20, "adjust the clock, for the filter", "call('adjtimex', 1)", FILTERED),
    fails(20, "read another process's memory", "call('process_vm_readv', 1, 0, 0, 0, 0, 0)", REFUSED),
    fails(20, "take another process's descriptor", "call('pidfd_getfd', -1, 0, 0)", FILTERED),
    fails(21, "make a device", "os.mknod('/tmp/d', 0o600 | stat.S_IFBLK, os.makedev(8, 0))", REFUSED),
    fails(21, "make a device, for the filter", "call('mknodat', -1, 0, 0o20600, 0)", FILTERED),
    fails(21, "chroot", "call('chroot', b'/tmp')", REFUSED),
    fails(21, "chroot, for the filter", "call('chroot', 0)", FILTERED),
    fails(21, "become root", "os.setuid(0)", &["EPERM", "EINVAL"]),
    fails(21, "become another group", "os.setgid(0)", &["EPERM", "EINVAL"]),
    fails(21, "raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", NO_SOCKET),
    fails(21, "raw socket of a kind that is not there", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 999)", NO_SOCKET),
    fails(22, "AF_ALG", "socket.socket(38, socket.SOCK_SEQPACKET)", NO_SOCKET),
    fails(23, "the metadata address", "connect(socket.AF_INET, ('169.254.169.254', 80))", NO_WAY),
    fails(23, "the host's loopback", "connect(socket.AF_INET, ('127.0.0.1', HOST_PORT))", CLOSED),
    fails(23, "the host's loopback by the network", "connect(socket.AF_INET, ('HOST_BY_THE_NETWORK', HOST_PORT))", NO_WAY),
    fails(23, "the host's address", "connect(socket.AF_INET, ('HOST_ADDRESS', HOST_PORT))", NO_WAY),
    fails(23, "a private network", "connect(socket.AF_INET, ('10.0.0.1', 80))", NO_WAY),
    fails(24, "an abstract socket of the host", "connect(socket.AF_UNIX, '\\0HOST_SOCKET')", CLOSED),
    is(25, "devices", "sorted(os.listdir('/dev'))", DEVICES),
    is(25, "what devices may be used for", "[sorted({oct(os.stat('/dev/' + d).st_mode) for d in ('null', 'zero', 'full', 'random', 'urandom', 'tty')}), write('/dev/null')]", r#"[["0o20666"],"done"]"#),
    is(25, "where devices could be", "sorted(at for at, how, what in mounts() if 'nodev' not in how and not os.path.samefile(at, '/dev/null'))", r#"["/dev"]"#),
    is(25, "standard output by name", "[write('/dev/stdout', ''), write('/dev/stderr', '')]", r#"["done","done"]"#),
    fails(25, "standard output is not for reading", "read('/dev/stdout')", &["EACCES"]),
    is(25, "/sys", "os.listdir('/sys')", "[]"),
    is(26, "descriptors", "descriptors()", r#"[1023,"EMFILE"]"#),
    fails(27, "fork bomb", "forks()", &["EAGAIN"]),
    scenario(27, "processes in the control group", |prison| Box::pin(scenarios::processes_are_limited_by_the_control_group(prison))),
    is(29, "fill /tmp", "fill('/tmp/full')", r#"[true,"ENOSPC"]"#),
    scenario(29, "the pace of /tmp", |prison| Box::pin(scenarios::a_disk_is_written_at_a_limited_pace(prison))),
    is(30, "control groups", "{l.strip().split(':')[2] for l in open('/proc/self/cgroup')} == {'/'}", "true"),
    is(31, "mounts", "[line for line in open('/proc/self/mountinfo') if 'HOST_DIR' in line or '/dev/' in line.split(' - ')[1]]", "[]"),
    is(32, "memory and processors are the function's", FACES, r#"["786432",true,2,true]"#),
    probe(33, "hostile archives (their unpacker is the same whatever process runs later)", Attempt::Unpacking),
    fails(34, "another sandbox's files", "read('/tmp/neighbour')", NOT_THERE),
    fails(34, "another sandbox's ports", "connect(socket.AF_INET, ('127.0.0.1', NEIGHBOUR_PORT))", CLOSED),
    fails(34, "another sandbox's ports by the platform's address", "connect(socket.AF_INET, ('169.254.100.1', NEIGHBOUR_PORT))", CLOSED),
    fails(34, "another sandbox's ports by its device's address", "connect(socket.AF_INET, ('169.254.100.6', NEIGHBOUR_PORT))", CLOSED),
    fails(34, "another sandbox's abstract sockets", "connect(socket.AF_UNIX, '\\0neighbour')", CLOSED),
    fails(34, "another sandbox's shared memory", "shared(4711, False)", NOT_THERE),
    scenario(34, "another sandbox's Runtime API", |prison| Box::pin(scenarios::a_neighbours_invocation_cannot_be_answered(prison))),
    scenario(34, "another sandbox's user", |prison| Box::pin(scenarios::a_neighbour_is_another_user(prison))),
    scenario(35, "forged and late answers", |prison| Box::pin(scenarios::answers_are_for_their_own_invocation(prison))),
    scenario(36, "a response over 6 MB", |prison| Box::pin(scenarios::a_response_over_6_mb_is_refused(prison))),
    scenario(37, "a flood of output", |prison| Box::pin(scenarios::a_flood_of_output_is_bounded(prison))),
    is(38, "descriptors at start", "AT_START", "[]"),
    is(38, "descriptors now", "[n for n in inherited() if 'socket:' not in n[1]]", "[]"),
    is(39, "variables", "sorted(set(os.environ) - set(VARIABLES))", "[]"),
    is(39, "variables by the kernel's view", "sorted({v.split('=')[0] for v in read('/proc/self/environ', 1 << 20).split('\\0') if v} - set(VARIABLES))", "[]"),
    scenario(40, "leftovers of another function", |prison| Box::pin(scenarios::nothing_of_another_function_is_left(prison))),
    // These end the process.
    scenario(41, "a background process after a time-out", |prison| Box::pin(scenarios::a_background_process_ends_with_a_time_out(prison))),
    scenario(28, "a memory hog", |prison| Box::pin(scenarios::a_memory_hog_is_killed(prison))),

    is(BEYOND, "who am I", "[os.getuid(), os.getgid(), os.getgroups()]", "[1051,1051,[]]"),
    is(BEYOND, "a user of one's own outside", "[int(outside()) > 0x70000000, outside() == outside('/proc/self/gid_map')]", "[true,true]"),
    is(BEYOND, "capabilities", "[l.split()[1] for l in open('/proc/self/status') if l.startswith('Cap')]", NO_CAPABILITIES),
    is(BEYOND, "no_new_privs", "[l.split()[1] for l in open('/proc/self/status') if l.startswith('NoNewPrivs')]", r#"["1"]"#),
    is(BEYOND, "the filter of system calls", "[l.split()[1] for l in open('/proc/self/status') if l.startswith('Seccomp:')]", r#"["2"]"#),
    is(BEYOND, "landlock", "fences() in (15, None)", "true"),
    is(BEYOND, "namespaces of the host", "[n for n in HOST_NAMESPACES if n in [os.readlink('/proc/self/ns/' + k) for k in os.listdir('/proc/self/ns')]]", "[]"),
    scenario(BEYOND, "what hearth-init has", |prison| Box::pin(scenarios::hearth_init_has_little(prison))),
    is(BEYOND, "masked parts of /proc", MASKED, "[]"),
    is(BEYOND, "mounts that heed set-user-id bits", "sorted(at for at, how, what in mounts() if 'nosuid' not in how)", "[]"),
    fails(BEYOND, "an older personality of Linux", "call('personality', 0x0040000)", FILTERED),
    fails(BEYOND, "typing into a terminal", "call('ioctl', -1, 0x5412, 0)", FILTERED),
    is(BEYOND, "owner of the code", "[os.stat(f).st_uid for f in ('/var/task/app.py', '/opt', '/usr/bin/env', '/')]", "[0,0,0,0]"),
    is(BEYOND, "layers", "read('/opt/lib/thing.txt')", r#""layer""#),
    is(BEYOND, "/tmp", "[oct(os.stat('/tmp').st_mode), write('/tmp/mine'), os.getcwd()]", r#"["0o41777","done","/var/task"]"#),
    is(BEYOND, "limits", LIMITS, "[[1024,1024],[742,742],[0,0],[65536,65536]]"),
    is(BEYOND, "user name", "__import__('pwd').getpwuid(os.getuid()).pw_name", r#""sbx_user1051""#),
    is(BEYOND, "host name", "socket.gethostname()", r#""sandbox""#),
    is(BEYOND, "a set-user-id program", "subprocess.run(['/usr/bin/su', '-c', 'id'], capture_output=True).returncode == 0", "false"),
];

/// How many there are in the list.
pub(crate) const NUMBERS: u8 = 41;
