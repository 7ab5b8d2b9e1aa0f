//! Sandboxes from which things are tried: one per way in which a process can come to be, each with a neighbour.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as AbstractAddress, UnixListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hearth_network::address::{HOST_ADDRESS, HOST_NAME};
use hearth_network::{Outgoing, Policy};
use hearth_ports::{CodeDigest, RuntimeId};
use hearth_sandbox::process::{PoolConfig, RuntimeImages};
use hearth_sandbox::runtimes::ImageRoot;
use hearth_sandbox::{Backend, Environment, EnvironmentSpec, Invocation, InvocationOutcome, LogRecord, OutputSink};
use hearth_types::Mebibytes;
use serde_json::{Value, json};

use crate::image;
use crate::support::{BOOTSTRAP, Machine, Setup, invocation, spec};

/// In a build for mutations: what is taken away.
pub(crate) const MUTATIONS: &str = "HEARTH_SANDBOX_WITHOUT";
/// One that is not the spawner's.
pub(crate) const NETWORK_POLICY: &str = "network-policy";
/// Where mutations run there is this one.
const ADDRESS_OF_THE_MUTATION_RUN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The runtime whose root is an image where there is one; the neighbour's is another.
const IN_AN_IMAGE: &str = "provided.al2";
const PYTHON: &str = "python3.11";
const APP: &str = include_str!("prison.py");
/// Of both, so that as many processes fit as may be.
pub(crate) const MEMORY: Mebibytes = Mebibytes(768);
/// More than there is memory.
const STORAGE: Mebibytes = Mebibytes(1_024);
/// All names that an environment of these functions may have. Source: Lambda developer guide, "Defined runtime environment
/// variables"; the last ones are what Lambda's Python runtime adds, and this test's own.
const VARIABLES: &[&str] = &[
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "LANG",
    "LD_LIBRARY_PATH",
    "PATH",
    "TZ",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
    "_LAMBDA_TELEMETRY_LOG_FD",
    "LC_CTYPE",
    "PWD",
    "PYTHONPATH",
    "SHLVL",
    "CALLS",
    "TMP_MIB",
];

/// How the process came to be that makes the attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In a slot made for it.
    Unpooled,
    /// In a slot that waited.
    PooledSlot,
    /// Started before it was known what for.
    PooledRuntime,
    /// Copied from such a process.
    Copied,
    /// An external extension, from a layer.
    Extension,
    /// In a slot whose root is an image.
    Image,
    /// Started in such a slot before it was known what for.
    PooledImage,
}

impl Origin {
    const fn is_pooled(self) -> bool {
        matches!(self, Self::PooledSlot | Self::PooledRuntime | Self::PooledImage)
    }
}

/// Counts what a function writes; a flood is not kept.
#[derive(Default)]
pub(crate) struct Counted(AtomicUsize);

impl Counted {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl OutputSink for Counted {
    fn output(&self, bytes: &[u8]) {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        // What goes wrong in a sandbox is said here; a flood is one letter over and over.
        if bytes.len() < 1_000 {
            eprint!("{}", String::from_utf8_lossy(bytes));
        }
    }

    fn record(&self, record: LogRecord<'_>) {
        self.output(record.bytes);
    }
}

/// Numbers of the calls the probes make directly.
fn calls() -> String {
    macro_rules! numbers {
        ($($name:ident)*) => { [$((&stringify!($name)[4..], libc::$name)),*].into_iter().collect::<BTreeMap<_, _>>() };
    }
    let numbers = numbers! {
        SYS_add_key SYS_adjtimex SYS_bpf SYS_chroot SYS_clock_settime SYS_clone SYS_clone3 SYS_delete_module SYS_fsopen
        SYS_init_module SYS_io_uring_setup SYS_ioctl SYS_kexec_load SYS_keyctl SYS_landlock_create_ruleset
        SYS_landlock_restrict_self SYS_mknodat SYS_mount SYS_mount_setattr SYS_move_mount SYS_name_to_handle_at
        SYS_open_by_handle_at SYS_open_tree SYS_perf_event_open SYS_personality SYS_pidfd_getfd SYS_pivot_root
        SYS_process_vm_readv SYS_ptrace SYS_quotactl SYS_reboot SYS_request_key SYS_setns SYS_settimeofday SYS_swapon
        SYS_syslog SYS_umount2 SYS_unshare SYS_userfaultfd
    };
    json!(numbers).to_string()
}

/// This process's own that every sandbox has others of. Not those for children, and not that of clocks.
fn namespaces() -> Vec<String> {
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    let link = |kind| std::fs::read_link(format!("/proc/self/ns/{kind}")).expect(kind).display().to_string();
    kinds.map(link).to_vec()
}

/// What of this machine a probe must not reach.
struct Host {
    port: TcpListener,
    /// An address of this machine that others may know.
    address: Ipv4Addr,
    socket_name: String,
    _socket: UnixListener,
}

impl Host {
    fn new(instance: &str) -> Self {
        let address = AbstractAddress::from_abstract_name(instance).expect("address");
        Self {
            port: TcpListener::bind("127.0.0.1:0").expect("listener"),
            address: own_address().unwrap_or(ADDRESS_OF_THE_MUTATION_RUN),
            socket_name: instance.to_owned(),
            _socket: UnixListener::bind_addr(&address).expect("abstract socket"),
        }
    }

    fn port(&self) -> u16 {
        self.port.local_addr().expect("address").port()
    }

    /// What sandboxes may reach: the internet. The mutation that opens more is one of the configuration.
    fn policy(&self) -> Policy {
        let is_open = std::env::var(MUTATIONS).is_ok_and(|names| names.split(' ').any(|name| name == NETWORK_POLICY));
        let opened = [format!("{HOST_NAME}:{}", self.port()), format!("{}:{}", self.address, self.port())];
        Policy::parse(Outgoing::Internet, if is_open { &opened[..] } else { &[] }).expect("a policy")
    }
}

/// Where this machine would send from; nothing is sent to find that out.
fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // An address of documentation: RFC 5737.
    socket.connect("192.0.2.1:9").ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    }
}

/// A running environment with the helpers of `prison.py`.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) output: Arc<Counted>,
    /// Which of its processes tries.
    of: &'static str,
}

impl Cell {
    /// One that evaluates an expression.
    pub(crate) fn invocation(&self, expression: &str) -> Invocation {
        invocation(json!({"run": expression, "of": self.of}).to_string())
    }

    pub(crate) async fn invoke(&self, invocation: Invocation) -> InvocationOutcome {
        let outcome = self.environment.invoke(invocation).await;
        if matches!(outcome, InvocationOutcome::Response { .. }) {
            self.environment.settled().await.expect("extensions that live");
        }
        outcome
    }

    /// The value of an expression, or what came instead of one.
    pub(crate) async fn run(&self, expression: &str) -> Value {
        match self.invoke(self.invocation(expression)).await {
            InvocationOutcome::Response { body } => serde_json::from_slice(&body).expect("JSON"),
            other => json!(format!("{other:?}")),
        }
    }

    /// As after a time-out or a crash.
    pub(crate) async fn reset(&self) {
        self.environment.reset().await.expect("reset");
        self.environment.ready().await.expect("ready again");
    }
}

pub(crate) struct Prison {
    pub(crate) machine: Machine,
    pub(crate) origin: Origin,
    /// Names this prison's control groups.
    pub(crate) instance: String,
    pub(crate) cell: Cell,
    /// See [`Prison::neighbour`].
    neighbour: Result<Cell, String>,
    host: Host,
    spec: EnvironmentSpec,
}

impl Prison {
    /// `None`, loudly, where this machine cannot have such a process; an error where it could not be started.
    pub(crate) async fn start(origin: Origin, instance: &str) -> Option<Result<Self, String>> {
        let instance = format!("test-{instance}-{origin:?}-{}", std::process::id()).to_lowercase();
        let host = Host::new(&instance);
        let setup = Setup {
            instance: Some(instance.clone()),
            pool: match origin {
                Origin::PooledSlot | Origin::PooledRuntime | Origin::PooledImage => Some(PoolConfig::default()),
                Origin::Copied => Some(PoolConfig { depth_max: 0, ..PoolConfig::default() }),
                Origin::Unpooled | Origin::Extension | Origin::Image => None,
            },
            network: Some(host.policy()),
            images: match origin {
                Origin::Image => Some(|trees| machine_as_image(IN_AN_IMAGE, trees)),
                Origin::PooledImage => Some(|trees| machine_as_image(PYTHON, trees)),
                _ => None,
            },
            ..Setup::default()
        };
        let machine = Machine::start_with(setup).await?;
        let spec = prisoner(&machine, origin);
        if let Err(missing) = machine.backend.check(&spec.runtime, spec.architecture) {
            eprintln!("SKIPPED: {missing}");
            return None;
        }
        Some(Self::settle(machine, host, origin, instance, spec).await)
    }

    async fn settle(
        machine: Machine,
        host: Host,
        origin: Origin,
        instance: String,
        spec: EnvironmentSpec,
    ) -> Result<Self, String> {
        if origin.is_pooled() {
            machine.wait_for_pool().await;
        }
        if origin == Origin::Copied {
            machine.wait_for_copies(&spec).await;
        }
        let cell = create(&machine, origin, spec.clone()).await?;
        let neighbour = move_in(&machine).await;
        Ok(Self { machine, origin, instance, cell, neighbour, host, spec })
    }

    /// Another sandbox of the same spawner, full of things to be found.
    pub(crate) fn neighbour(&self) -> Result<&Cell, String> {
        self.neighbour.as_ref().map_err(|error| format!("it has no neighbour: {error}"))
    }

    /// One more environment of the same kind and function.
    pub(crate) async fn another(&self) -> Result<Cell, String> {
        if self.origin.is_pooled() {
            self.machine.wait_for_pool().await;
        }
        create(&self.machine, self.origin, self.spec.clone()).await
    }

    /// What words in capitals stand for in an expression.
    pub(crate) fn fill_in(&self, expression: &str) -> String {
        let words = [
            ("HOST_PID", std::process::id().to_string()),
            ("HOST_PORT", self.host.port().to_string()),
            ("HOST_ADDRESS", self.host.address.to_string()),
            ("HOST_BY_THE_NETWORK", HOST_ADDRESS.to_string()),
            ("HOST_SOCKET", self.host.socket_name.clone()),
            ("HOST_FILE", std::env::current_exe().expect("this test").display().to_string()),
            ("HOST_DIR", std::env::temp_dir().display().to_string() + "/"),
            ("HOST_NAMESPACES", json!(namespaces()).to_string()),
            ("VARIABLES", json!(VARIABLES).to_string()),
        ];
        words.iter().fold(expression.to_owned(), |text, (word, value)| text.replace(word, value))
    }

    pub(crate) async fn run(&self, expression: &str) -> Value {
        self.cell.run(&self.fill_in(expression)).await
    }

    pub(crate) async fn end(self) {
        self.machine.backend.shutdown().await;
    }
}

/// The function whose process, or whose extension's, tries everything.
fn prisoner(machine: &Machine, origin: Origin) -> EnvironmentSpec {
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", APP)]);
    let runtime = match origin {
        Origin::PooledRuntime | Origin::PooledImage | Origin::Copied => PYTHON,
        Origin::Image => IN_AN_IMAGE,
        Origin::Unpooled | Origin::PooledSlot | Origin::Extension => "provided.al2023",
    };
    let mut spec = spec(runtime, code);
    let program = format!("#!/usr/bin/python3\n{APP}");
    let extension = ("extensions/prisoner.sh", program.as_str());
    let files = [("lib/thing.txt", "layer"), extension];
    spec.layers = vec![machine.package(if origin == Origin::Extension { &files } else { &files[..1] })];
    spec.memory = MEMORY;
    if origin == Origin::Unpooled {
        spec.ephemeral_storage = STORAGE;
    }
    let size = spec.ephemeral_storage.to_string();
    spec.variables.extend([("CALLS".to_owned(), calls()), ("TMP_MIB".to_owned(), size)]);
    spec
}

/// The programs and libraries of this machine as an image that is the root of a runtime, and something of its own.
fn machine_as_image(runtime: &str, trees: &Path) -> RuntimeImages {
    let digest = CodeDigest([0xee; 32]);
    let tree = trees.join(digest.hex());
    image::write(&tree);
    let root = ImageRoot::inspect(&RuntimeId(runtime.into()), digest, &[], &tree);
    // Where the machine has another Python there is no such image; its root is this machine's then, or missing.
    RuntimeImages::ready(root.ok().map(|root| (runtime.to_owned(), root)))
}

async fn move_in(machine: &Machine) -> Result<Cell, String> {
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", APP)]);
    let mut spec = spec("provided.al2023", code);
    spec.variables.extend([("CALLS".to_owned(), calls()), ("TMP_MIB".to_owned(), "512".to_owned())]);
    let neighbour = create(machine, Origin::Unpooled, spec).await?;
    match neighbour.run("neighbour()").await {
        done if done == "done" => Ok(neighbour),
        other => Err(other.to_string()),
    }
}

async fn create(machine: &Machine, origin: Origin, spec: EnvironmentSpec) -> Result<Cell, String> {
    let (taken, copies) = (machine.backend.pool_taken(), machine.backend.copies());
    let output = Arc::new(Counted::default());
    let environment = machine.backend.create(spec, output.clone()).await.map_err(|error| error.to_string())?;
    assert!(!origin.is_pooled() || machine.backend.pool_taken() > taken, "it came from the pool");
    assert!(origin != Origin::Copied || machine.backend.copies() > copies, "it is a copy");
    environment.ready().await.map_err(|error| format!("{error:?}"))?;
    assert_eq!(environment.has_extensions(), origin == Origin::Extension);
    let of = if origin == Origin::Extension { "extension" } else { "function" };
    Ok(Cell { environment, output, of })
}
