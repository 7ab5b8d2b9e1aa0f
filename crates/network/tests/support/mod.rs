//! A small world of network namespaces: the host with hearth-network, the outside it is connected to, and sandboxes.
//!
//! ```text
//! sandbox ── TUN ── host (93.184.216.2) ── veth ── outside (93.184.216.34, 10.20.30.40)
//! ```
//!
//! The outside's first address is one the policy takes for public; nothing leaves this machine.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod services;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use hearth_network::address::{
    DEVICE_ADDRESS, DEVICE_MTU, DEVICE_NAME, DNS_SOCKET, NAMESPACE_SETTINGS, SERVICES_ADDRESS,
};
use hearth_network::protocol::Boot;
use hearth_network::{Attachment, NetworkClient, NetworkConfig, Outgoing, Policy};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 2);
/// Belongs to the outside too; the host has a route there.
pub(crate) const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 20, 30, 40);
/// In the outside's network, but nobody has it.
pub(crate) const NOBODY: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 99);
/// Whom hearth-network becomes.
pub(crate) const IDENTITY: u32 = 61_234;
/// Nothing on this machine takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace with a thread in it.
pub(crate) struct Namespace {
    jobs: mpsc::Sender<Job>,
    pub(crate) thread_id: i32,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        let (jobs, todo) = mpsc::channel::<Job>();
        let (sender, thread_id) = mpsc::channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            sender.send(nix::unistd::gettid().as_raw()).expect("the test waits");
            for job in todo {
                job();
            }
        });
        let thread_id = thread_id.recv().expect("the thread lives");
        let namespace = Self { jobs, thread_id };
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs it inside. Threads and processes it starts are inside, too.
    pub(crate) fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> R {
        self.start(job).recv().expect("it did not panic")
    }

    /// Lets it run inside.
    pub(crate) fn start<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> mpsc::Receiver<R> {
        let (sender, result) = mpsc::channel();
        let job = Box::new(move || {
            thread::spawn(move || sender.send(job()));
        });
        self.jobs.send(job).expect("the thread lives");
        result
    }

    pub(crate) fn ip(&self, arguments: &str) {
        let (done, output) = self.ip_output(arguments);
        assert!(done, "ip {arguments}: {output}");
    }

    pub(crate) fn ip_output(&self, arguments: &str) -> (bool, String) {
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        self.run(move || {
            let output = Command::new("ip").args(arguments).output().expect("ip runs");
            let text = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8_lossy(&text).into_owned())
        })
    }
}

/// Host and outside, and hearth-network on the host.
pub(crate) struct World {
    pub(crate) host: Namespace,
    pub(crate) outside: Namespace,
    pub(crate) client: Arc<NetworkClient>,
    pub(crate) resolv_conf: std::path::PathBuf,
    runtime: Arc<Runtime>,
    _directory: TempDir,
}

/// A sandbox that is attached.
pub(crate) struct Sandbox {
    pub(crate) inside: Namespace,
    pub(crate) attachment: Option<Attachment>,
}

/// Says loudly that nothing was tested.
pub(crate) fn is_root() -> bool {
    let is_root = nix::unistd::Uid::effective().is_root();
    if !is_root {
        eprintln!("skipped: network namespaces need root");
    }
    is_root
}

impl World {
    pub(crate) fn new(outgoing: Outgoing, allow: &[&str]) -> Self {
        Self::with_hosts(outgoing, allow, "127.0.0.1 localhost\n")
    }

    /// With the host's `/etc/hosts`.
    pub(crate) fn with_hosts(outgoing: Outgoing, allow: &[&str], hosts: &str) -> Self {
        let (host, outside) = (Namespace::new(), Namespace::new());
        host.ip(&format!("link add name wire0 type veth peer name wire0 netns {}", outside.thread_id));
        host.ip(&format!("addr add {HOST}/24 dev wire0"));
        host.ip("link set wire0 up");
        outside.ip(&format!("addr add {OUTSIDE}/24 dev wire0"));
        outside.ip("link set wire0 up");
        outside.ip(&format!("addr add {PRIVATE}/32 dev lo"));
        host.ip(&format!("route add {PRIVATE}/32 via {OUTSIDE}"));

        let directory = tempfile::tempdir().expect("directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let resolv_conf = directory.path().join("resolv.conf");
        fs::write(&resolv_conf, format!("nameserver {OUTSIDE}\n")).expect("resolv.conf");
        let own_hosts = directory.path().join("hosts");
        fs::write(&own_hosts, hosts).expect("hosts");
        let boot = Boot {
            policy: Policy::parse(outgoing, allow).expect("policy"),
            identity: IDENTITY,
            resolv_conf: resolv_conf.clone(),
        };
        let config = NetworkConfig { program: Some(env!("CARGO_BIN_EXE_hearth-network").into()), boot };
        let (runtime, client) = host.run(move || {
            unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).expect("a mount namespace");
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private");
            mount(Some(&own_hosts), "/etc/hosts", none, MsFlags::MS_BIND, none).expect("/etc/hosts");
            let runtime = Runtime::new().expect("runtime");
            let client = runtime.block_on(NetworkClient::start(config)).expect("hearth-network");
            (Arc::new(runtime), client)
        });
        Self { host, outside, client, resolv_conf, runtime, _directory: directory }
    }

    pub(crate) fn internet() -> Self {
        Self::new(Outgoing::Internet, &[])
    }

    pub(crate) fn sandbox(&self, environment: u64) -> Sandbox {
        let inside = Namespace::new();
        inside.ip(&format!("addr add {SERVICES_ADDRESS}/32 dev lo"));
        let tun = inside.run(|| {
            let device = tun_rs::DeviceBuilder::new().name(DEVICE_NAME).build_sync().expect("TUN device");
            device.persist().expect("persistent");
            device.as_fd().try_clone_to_owned().expect("descriptor")
        });
        inside.run(|| {
            for (name, value) in NAMESPACE_SETTINGS {
                // A kernel without IPv6 has nothing to turn off.
                let path = format!("/proc/sys/net/{name}");
                assert!(fs::write(&path, value).is_ok() || path.contains("ipv6"), "{path}");
            }
        });
        inside.ip(&format!("link set {DEVICE_NAME} mtu {DEVICE_MTU}"));
        inside.ip(&format!("addr add {DEVICE_ADDRESS}/32 dev {DEVICE_NAME}"));
        inside.ip(&format!("link set {DEVICE_NAME} up"));
        inside.ip(&format!("route add default dev {DEVICE_NAME}"));
        let (udp, tcp) = inside.run(|| {
            let udp = UdpSocket::bind(DNS_SOCKET).expect("name server");
            (udp, TcpListener::bind(DNS_SOCKET).expect("name server"))
        });
        let attachment = self.attach(environment, tun, udp, tcp);
        Sandbox { inside, attachment: Some(attachment) }
    }

    /// Makes a device of the host that ends when the sandbox's namespace does.
    pub(crate) fn tie(&self, sandbox: &Sandbox, name: &str) {
        let thread_id = sandbox.inside.thread_id;
        self.host.ip(&format!("link add name {name} type veth peer name {name} netns {thread_id}"));
    }

    pub(crate) fn is_tied(&self, name: &str) -> bool {
        self.host.ip_output(&format!("link show {name}")).0
    }

    fn attach(&self, environment: u64, tun: OwnedFd, udp: UdpSocket, tcp: TcpListener) -> Attachment {
        self.runtime.block_on(self.client.attach(environment, tun, udp, tcp)).expect("attached")
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.client.pid().expect("hearth-network runs")
    }

    /// A line of the process's status, as a number.
    pub(crate) fn status(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("status");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("field");
        line.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number")
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.runtime.block_on(self.client.shutdown());
    }
}

impl Sandbox {
    /// A TCP connection of the sandbox; its reads and writes have an end.
    pub(crate) fn connect(&self, to: SocketAddrV4) -> std::io::Result<TcpStream> {
        let stream = self.inside.run(move || TcpStream::connect_timeout(&to.into(), PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// An UDP socket of the sandbox.
    pub(crate) fn socket(&self) -> UdpSocket {
        let socket = self.inside.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("socket"));
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        socket
    }
}

/// Waits until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Says something and hears it back.
pub(crate) fn echoes(stream: &mut TcpStream, text: &[u8]) {
    stream.write_all(text).expect("written");
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard).expect("read");
    assert_eq!(heard, text);
}

/// Bytes without a pattern.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).expect("random bytes");
    bytes
}
