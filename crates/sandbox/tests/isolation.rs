//! What a function in a process sandbox sees, and what it must not be able to do: the whole visible tree against a
//! manifest, and a table of attempts with the answer each must get. The attempts run twice: in a fresh environment, and
//! after a reset.

mod support;

use std::collections::BTreeMap;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::sync::Arc;

use hearth_sandbox::process::PoolConfig;
use hearth_sandbox::{Backend, Environment, InvocationOutcome};
use hearth_types::Mebibytes;
use serde_json::{Value, json};
use support::{BOOTSTRAP, Collected, Machine, Setup, invocation, spec};

/// Runs what the event says: `{"run": "python expression"}`, with helpers in scope. An OSError answers as its name.
const APP: &str = r#"
import ctypes, errno, json, os, resource, signal, socket, stat, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
CALLS = json.loads(os.environ["CALLS"])
def call(name, *arguments):
    ctypes.set_errno(0)
    if libc.syscall(CALLS[name], *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]) == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return "done"
def read(path, size=100):
    with open(path, "rb") as file: return file.read(size).decode("latin-1")
def write(path, text="x"):
    with open(path, "w") as file: file.write(text)
    return "done"
def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(2)
        s.connect(address)
    return "done"
def tree(manifest):
    exact, below = {e for e in manifest if not e.endswith("/")}, tuple(e for e in manifest if e.endswith("/"))
    total, strange = 0, []
    for top, directories, files in os.walk("/", followlinks=False):
        if top == "/proc": directories[:] = [d for d in directories if not d.isdigit()]
        for path in (os.path.join(top, name) for name in directories + files):
            total += 1
            if path not in exact and not path.startswith(below): strange.append(path)
    return [total, strange[:100]]
def descriptors():
    opened = []
    try:
        while True: opened.append(os.open("/dev/null", 0))
    except OSError as error: return [max(opened), errno.errorcode[error.errno]]
    finally:
        for fd in opened: os.close(fd)
def fill(path):
    written = 0
    try:
        with open(path, "wb", buffering=0) as file:
            while written < 4096 << 20: written += file.write(b"x" * (1 << 20))
    except OSError as error: return [1 <= (written >> 20) / int(os.environ['TMP_MIB']) < 1.06, errno.errorcode[error.errno]]
    finally: os.unlink(path)
def forks():
    children = []
    try:
        while len(children) < 3000:
            pid = os.fork()
            if pid == 0:
                signal.pause()
            children.append(pid)
    finally:
        for pid in children: os.kill(pid, 9)
        for pid in children: os.waitpid(pid, 0)
def handle(event):
    try:
        value = eval(event["run"], globals())
        return value if value is None or isinstance(value, (str, int, float, list, dict)) else str(value)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
def handler(event, context):
    return handle(event)
"#;

/// How the process came to be that makes the attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// In a slot made for it.
    Unpooled,
    /// In a slot that waited.
    PooledSlot,
    /// Started before it was known what for.
    PooledRuntime,
}

const ORIGINS: [Origin; 3] = [Origin::Unpooled, Origin::PooledSlot, Origin::PooledRuntime];

/// Numbers of the calls the probes make directly.
fn calls() -> String {
    macro_rules! numbers {
        ($($name:ident)*) => { [$((&stringify!($name)[4..], libc::$name)),*].into_iter().collect::<BTreeMap<_, _>>() };
    }
    let numbers = numbers! {
        SYS_add_key SYS_bpf SYS_chroot SYS_clock_settime SYS_clone SYS_clone3 SYS_delete_module SYS_fsopen SYS_init_module
        SYS_io_uring_setup SYS_kexec_load SYS_keyctl SYS_mount SYS_move_mount SYS_open_by_handle_at SYS_open_tree
        SYS_perf_event_open SYS_pivot_root SYS_process_vm_readv SYS_ptrace SYS_quotactl SYS_reboot SYS_request_key
        SYS_setns SYS_swapon SYS_syslog SYS_umount2 SYS_unshare SYS_userfaultfd
    };
    json!(numbers).to_string()
}

struct Prison {
    machine: Machine,
    environment: Arc<dyn Environment>,
}

impl Prison {
    async fn start(origin: Origin) -> Option<Self> {
        let pool = (origin != Origin::Unpooled).then(PoolConfig::default);
        let machine = Machine::start_with(Setup { pool, ..Setup::default() }).await?;
        let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", APP)]);
        let layer = machine.package(&[("lib/thing.txt", "layer")]);
        let runtime = if origin == Origin::PooledRuntime { "python3.11" } else { "provided.al2023" };
        let mut spec = spec(runtime, code);
        if let Err(missing) = machine.backend.check(&spec.runtime, spec.architecture) {
            eprintln!("SKIPPED: {missing}");
            return None;
        }
        if origin != Origin::Unpooled {
            machine.wait_for_pool().await;
        }
        let before = machine.backend.pool_depth();
        spec.layers = vec![layer];
        // Enough for as many processes as may be, and about as much as fits into /tmp.
        spec.memory = Mebibytes(768);
        if origin == Origin::Unpooled {
            // More than there is memory.
            spec.ephemeral_storage = Mebibytes(1_024);
        }
        spec.variables.push(("CALLS".to_owned(), calls()));
        spec.variables.push(("TMP_MIB".to_owned(), spec.ephemeral_storage.to_string()));
        let sink = Arc::new(Collected::default());
        let environment = machine.backend.create(spec, sink.clone()).await.expect("created");
        assert!(origin == Origin::Unpooled || machine.backend.pool_depth() < before, "it came from the pool");
        environment.ready().await.unwrap_or_else(|error| panic!("{error:?} {}", sink.text()));
        Some(Self { machine, environment })
    }

    async fn run(&self, expression: &str) -> Value {
        let event = json!({ "run": expression }).to_string();
        match self.environment.invoke(invocation(event)).await {
            InvocationOutcome::Response { body } => serde_json::from_slice(&body).expect("JSON"),
            other => panic!("{expression}: {other:?}"),
        }
    }
}

/// The answer a probe must get.
enum Must {
    /// The call fails with one of these.
    Fail(&'static [&'static str]),
    /// The expression has this value.
    Be(&'static str),
}

use Must::{Be, Fail};

const REFUSED: Must = Fail(&["EPERM", "ENOSYS", "EACCES"]);

/// Numbers are those of the list of probes every backend must pass.
const PROBES: &[(&str, &str, Must)] = &[
    ("1 kill a process of the host", "os.kill(HOST_PID, 0)", Fail(&["ESRCH"])),
    ("1 kill hearth-init", "os.kill(1, 9)", Fail(&["EPERM"])),
    (
        "2 see other processes",
        "sorted(p for p in os.listdir('/proc') if p.isdigit()) == [str(os.getpid())]",
        Be("true"),
    ),
    ("2 look into hearth-init", "read('/proc/1/environ')", Fail(&["ENOENT", "EACCES"])),
    ("3 read the host's accounts", "read('/etc/shadow')", Fail(&["ENOENT"])),
    ("3 look into home directories", "os.listdir('/home')", Fail(&["ENOENT"])),
    ("3 look into root's home", "os.listdir('/root')", Fail(&["ENOENT"])),
    ("3 read the host's files", "read('HOST_FILE')", Fail(&["ENOENT"])),
    ("3 leave the root by dots", "os.listdir('/../../../root')", Fail(&["ENOENT"])),
    ("4 write the root", "write('/x')", Fail(&["EROFS"])),
    ("4 write the system", "write('/usr/bin/x')", Fail(&["EROFS", "EACCES"])),
    ("4 write /etc", "write('/etc/passwd')", Fail(&["EROFS", "EACCES"])),
    ("4 write the runtime", "write('/var/runtime/x')", Fail(&["EROFS", "EACCES"])),
    ("4 write a layer", "write('/opt/x')", Fail(&["EROFS", "EACCES"])),
    ("5 write the code", "write('/var/task/x')", Fail(&["EROFS"])),
    ("5 change the code", "os.chmod('/var/task/app.py', 0o777)", Fail(&["EROFS", "EPERM"])),
    ("6 sysrq", "write('/proc/sysrq-trigger', 'h')", Fail(&["EACCES", "ENOENT", "EROFS"])),
    ("7 core_pattern", "write('/proc/sys/kernel/core_pattern', '|/tmp/x')", Fail(&["EACCES", "EROFS", "ENOENT"])),
    ("8 sysctl", "write('/proc/sys/kernel/hostname', 'x')", Fail(&["EACCES", "EROFS"])),
    ("9 mount", "call('mount', b'x', b'/tmp', b'tmpfs', 0, 0)", REFUSED),
    ("9 unmount", "call('umount2', b'/var/task', 2)", REFUSED),
    ("9 the new mount calls", "call('open_tree', -100, b'/', 1)", REFUSED),
    ("9 a new file system", "call('fsopen', b'tmpfs', 0)", REFUSED),
    ("9 pivot_root", "call('pivot_root', b'/tmp', b'/tmp')", REFUSED),
    ("9 setns", "call('setns', os.open('/proc/self/ns/net', 0), 0)", REFUSED),
    ("9 unshare mounts", "call('unshare', 0x20000)", REFUSED),
    ("9 unshare users", "call('unshare', 0x10000000)", REFUSED),
    ("10 clone into a user namespace", "call('clone', 0x10000000 | 17, 0, 0, 0, 0)", REFUSED),
    ("10 clone3", "call('clone3', 0, 0)", Fail(&["ENOSYS"])),
    ("11 AF_VSOCK", "socket.socket(40, socket.SOCK_STREAM)", REFUSED_SOCKET),
    ("11 AF_PACKET", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", REFUSED_SOCKET),
    ("11 a netlink protocol besides routing", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)", REFUSED_SOCKET),
    ("12 ptrace", "call('ptrace', 16, os.getppid(), 0, 0)", REFUSED),
    ("13 bpf", "call('bpf', 0, 0, 0)", REFUSED),
    ("14 keyctl", "call('keyctl', 0, -3, 1)", REFUSED),
    ("14 add_key", "call('add_key', b'user', b'x', b'y', 1, -3)", REFUSED),
    ("15 io_uring", "call('io_uring_setup', 4, 0)", REFUSED),
    ("16 userfaultfd", "call('userfaultfd', 0)", REFUSED),
    ("17 perf_event_open", "call('perf_event_open', 0, 0, -1, -1, 0)", REFUSED),
    ("18 open_by_handle_at", "call('open_by_handle_at', -100, 0, 0)", REFUSED),
    ("19 load a module", "call('init_module', 0, 0, b'')", REFUSED),
    ("19 kexec", "call('kexec_load', 0, 0, 0, 0)", REFUSED),
    ("19 reboot", "call('reboot', 0xfee1dead, 672274793, 0x01234567, 0)", REFUSED),
    ("20 set the clock", "call('clock_settime', 0, ctypes.byref((ctypes.c_long * 2)(0, 0)))", REFUSED),
    ("20 read another process's memory", "call('process_vm_readv', 1, 0, 0, 0, 0, 0)", REFUSED),
    ("21 make a device", "os.mknod('/tmp/d', 0o600 | stat.S_IFBLK, os.makedev(8, 0))", REFUSED),
    ("21 chroot", "call('chroot', b'/tmp')", REFUSED),
    ("21 become root", "os.setuid(0)", Fail(&["EPERM", "EINVAL"])),
    ("21 become another group", "os.setgid(0)", Fail(&["EPERM", "EINVAL"])),
    ("21 raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", REFUSED_SOCKET),
    ("22 AF_ALG", "socket.socket(38, socket.SOCK_SEQPACKET)", REFUSED_SOCKET),
    ("23 the metadata address", "connect(socket.AF_INET, ('169.254.169.254', 80))", Fail(&["ENETUNREACH"])),
    ("23 the host's loopback", "connect(socket.AF_INET, ('127.0.0.1', HOST_PORT))", Fail(&["ECONNREFUSED"])),
    ("23 the world", "connect(socket.AF_INET, ('1.1.1.1', 53))", Fail(&["ENETUNREACH"])),
    ("24 an abstract socket of the host", "connect(socket.AF_UNIX, '\\0HOST_SOCKET')", Fail(&["ECONNREFUSED"])),
    (
        "25 devices",
        "sorted(os.listdir('/dev'))",
        Be(r#"["fd","full","null","random","stderr","stdin","stdout","tty","urandom","zero"]"#),
    ),
    (
        "25 what devices may be used for",
        "[sorted({oct(os.stat('/dev/' + d).st_mode) for d in ('null', 'zero', 'full', 'random', 'urandom', 'tty')}), write('/dev/null')]",
        Be(r#"[["0o20666"],"done"]"#),
    ),
    ("25 standard output by name", "[write('/dev/stdout', ''), write('/dev/stderr', '')]", Be(r#"["done","done"]"#)),
    ("25 standard output is not for reading", "read('/dev/stdout')", Fail(&["EACCES"])),
    ("25 /sys", "os.listdir('/sys')", Be("[]")),
    ("26 descriptors", "descriptors()", Be(r#"[1023,"EMFILE"]"#)),
    ("27 fork bomb", "forks()", Fail(&["EAGAIN"])),
    ("29 fill /tmp", "fill('/tmp/full')", Be(r#"[true,"ENOSPC"]"#)),
    (
        "30 control groups",
        "[l.strip().split(':')[2] for l in open('/proc/self/cgroup')].count('/') == len(open('/proc/self/cgroup').readlines())",
        Be("true"),
    ),
    (
        "31 mounts",
        "[line for line in open('/proc/self/mountinfo') if 'HOST_DIR' in line or '/dev/' in line.split(' - ')[1]]",
        Be("[]"),
    ),
    (
        "32 memory and processors are the function's",
        "[read('/proc/meminfo', 30).split()[1], min(3, len([l for l in open('/proc/cpuinfo') if l.startswith('processor')])), os.cpu_count() <= 2]",
        Be(r#"["786432",2,true]"#),
    ),
    ("38 descriptors at start", "sorted(os.listdir('/proc/self/fd'))[:3]", Be(r#"["0","1","2"]"#)),
    ("who am I", "[os.getuid(), os.getgid(), os.getgroups()]", Be("[1051,1051,[]]")),
    ("capabilities", "[l.split()[1] for l in open('/proc/self/status') if l.startswith('Cap')]", Be(NO_CAPABILITIES)),
    (
        "no_new_privs and seccomp",
        "[l.split()[1] for l in open('/proc/self/status') if l.startswith(('NoNewPrivs', 'Seccomp:'))]",
        Be(r#"["1","2"]"#),
    ),
    (
        "owner of the code",
        "[os.stat('/var/task/app.py').st_uid, os.stat('/opt').st_uid, os.stat('/usr/bin/env').st_uid, os.stat('/').st_uid]",
        Be("[0,0,0,0]"),
    ),
    ("layers", "read('/opt/lib/thing.txt')", Be("\"layer\"")),
    (
        "/tmp",
        "[oct(os.stat('/tmp').st_mode), write('/tmp/mine'), os.getcwd()]",
        Be(r#"["0o41777","done","/var/task"]"#),
    ),
    (
        "limits",
        "[resource.getrlimit(r) for r in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK)]",
        Be("[[1024,1024],[742,742],[0,0],[65536,65536]]"),
    ),
    ("user name", "__import__('pwd').getpwuid(os.getuid()).pw_name", Be("\"sbx_user1051\"")),
    ("host name", "socket.gethostname()", Be("\"sandbox\"")),
    (
        "a set-user-id program",
        "subprocess.run(['/usr/bin/su', '-c', 'id'], capture_output=True).returncode == 0",
        Be("false"),
    ),
];

const REFUSED_SOCKET: Must = Fail(&["EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT"]);
const NO_CAPABILITIES: &str =
    r#"["0000000000000000","0000000000000000","0000000000000000","0000000000000000","0000000000000000"]"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_leads_out_of_the_sandbox_works() {
    let host_port = std::net::TcpListener::bind("127.0.0.1:0").expect("listener");
    let socket_name = format!("hearth-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&socket_name).expect("address");
    let _host_socket = std::os::unix::net::UnixListener::bind_addr(&address).expect("abstract socket");
    let host_file = std::env::current_exe().expect("this test");
    let known = [
        ("HOST_PID", std::process::id().to_string()),
        ("HOST_PORT", host_port.local_addr().expect("address").port().to_string()),
        ("HOST_SOCKET", socket_name),
        ("HOST_FILE", host_file.display().to_string()),
        ("HOST_DIR", std::env::temp_dir().display().to_string() + "/"),
    ];
    for origin in ORIGINS {
        let Some(prison) = Prison::start(origin).await else { return };
        attempt_everything(&prison, origin, &known).await;
        prison.machine.backend.shutdown().await;
    }
}

async fn attempt_everything(prison: &Prison, origin: Origin, known: &[(&str, String)]) {
    for round in ["fresh", "after a thaw", "after a reset"] {
        match round {
            "after a thaw" => {
                assert!(prison.environment.freeze() && prison.environment.thaw());
            }
            "after a reset" => {
                prison.environment.reset().await.expect("reset");
                prison.environment.ready().await.expect("ready");
            }
            _ => {}
        }
        let mut wrong = Vec::new();
        for (name, expression, must) in PROBES {
            let expression =
                known.iter().fold((*expression).to_owned(), |text, (word, value)| text.replace(word, value));
            let answer = prison.run(&expression).await;
            let fine = match must {
                Fail(errors) => errors.iter().any(|error| answer == *error),
                Be(value) => serde_json::from_str::<Value>(value).expect("JSON") == answer,
            };
            if !fine {
                wrong.push(format!("{name}: {answer}"));
            }
        }
        assert!(wrong.is_empty(), "{origin:?}, {round}:\n{}", wrong.join("\n"));
    }
}

/// All that may be visible, by prefix. A line without a slash at its end is that path alone.
const MANIFEST: &[&str] = &[
    "/bin",
    "/bin/",
    "/lib",
    "/lib/",
    "/lib32",
    "/lib32/",
    "/lib64",
    "/lib64/",
    "/libx32",
    "/libx32/",
    "/usr",
    "/usr/bin",
    "/usr/bin/",
    "/usr/lib",
    "/usr/lib/",
    "/usr/lib32",
    "/usr/lib32/",
    "/usr/lib64",
    "/usr/lib64/",
    "/usr/libx32",
    "/usr/libx32/",
    "/usr/share",
    "/usr/share/misc",
    "/usr/share/misc/",
    "/usr/share/nodejs",
    "/usr/share/nodejs/",
    "/usr/share/perl",
    "/usr/share/perl/",
    "/usr/share/perl5",
    "/usr/share/perl5/",
    "/usr/share/terminfo",
    "/usr/share/terminfo/",
    "/usr/share/zoneinfo",
    "/usr/share/zoneinfo/",
    "/etc",
    "/etc/alternatives",
    "/etc/alternatives/",
    "/etc/group",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/pki/tls",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/resolv.conf",
    "/etc/ssl",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/certs/",
    "/dev",
    "/dev/fd",
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/stderr",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
    "/proc",
    "/proc/",
    "/sys",
    "/tmp",
    "/opt",
    "/opt/lib",
    "/opt/lib/thing.txt",
    "/var",
    "/var/lang",
    "/var/runtime",
    "/var/task",
    "/var/task/app.py",
    "/var/task/bootstrap",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_visible_tree_is_the_manifests_and_nothing_else() {
    let Some(prison) = Prison::start(Origin::Unpooled).await else { return };
    let answer = prison.run(&format!("tree({})", json!(MANIFEST))).await;
    let total = answer[0].as_u64().unwrap_or_else(|| panic!("{answer}"));
    assert!(total > 1_000, "the system's libraries are there: {total}");
    assert_eq!(answer[1], json!([]));
    prison.machine.backend.shutdown().await;
}

/// Inside `/proc`, whose files the kernel makes up, what describes the host is hidden.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_proc_tells_about_the_host_is_masked() {
    let Some(prison) = Prison::start(Origin::Unpooled).await else { return };
    for file in
        ["cmdline", "diskstats", "interrupts", "kallsyms", "kcore", "keys", "modules", "partitions", "timer_list"]
    {
        let answer = prison.run(&format!("read('/proc/{file}')")).await;
        assert!(["", "ENOENT", "EACCES"].contains(&answer.as_str().unwrap_or("?")), "{file}: {answer}");
    }
    for directory in ["acpi", "bus", "driver", "fs", "irq", "scsi"] {
        let answer = prison.run(&format!("os.listdir('/proc/{directory}')")).await;
        assert!(answer == json!([]) || answer == "ENOENT", "{directory}: {answer}");
    }
    // The environment of the server, and of whoever tests, stays outside.
    let environment = prison.run("sorted(os.environ)").await;
    let names: Vec<&str> = environment.as_array().expect("list").iter().filter_map(Value::as_str).collect();
    for name in ["HOME", "CARGO_MANIFEST_DIR", "USER"] {
        assert!(!names.contains(&name), "{name}");
    }
    prison.machine.backend.shutdown().await;
}
