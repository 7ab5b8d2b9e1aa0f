//! The process hearth-network: takes sandboxes over its socket and serves their networks until the socket closes. It has
//! no privileges and needs none: what it opens are ordinary sockets.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::retry_on_intr;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::dns::NameServer;
use crate::dns::resolvers::Resolvers;
use crate::gate::Gate;
use crate::limits::{
    BOOT_BYTES_MAX, DNS_QUERIES_TOTAL_MAX, FLOWS_TOTAL_MAX, MESSAGE_BYTES_MAX, REPORTS_WAITING_MAX, SANDBOXES_MAX,
};
use crate::privileges;
use crate::protocol::{ATTACH_DESCRIPTORS, Boot, Reply, Request};
use crate::sandbox::{SandboxNetwork, Shared};
use crate::seqpacket::{self, Received};
use crate::tun::{Tun, watched};

/// The name by which a program knows that it is to be hearth-network.
pub const PROGRAM_NAME: &str = "hearth-network";
/// Threads that carry packets.
const WORKERS_MAX: usize = 4;
/// Tasks that run before the sockets are looked at again: those of a flood must not keep the others' packets waiting.
const TASKS_PER_LOOK: u32 = 4;
/// Bytes of a message's text.
const TEXT_BYTES_MAX: usize = 800;
/// Flows, the sandboxes' own, DNS queries, the runtime's: twice the flows is enough for all.
const DESCRIPTORS_MAX: u64 = 2 * FLOWS_TOTAL_MAX as u64;
const _: () = assert!(FLOWS_TOTAL_MAX >= ATTACH_DESCRIPTORS * SANDBOXES_MAX + DNS_QUERIES_TOTAL_MAX);

/// Call this first in `main`, before any thread exists: if this process was started to be hearth-network, it becomes it
/// and never returns.
pub fn network_main_if_requested() {
    if std::env::args_os().next().as_deref() != Some(OsStr::new(PROGRAM_NAME)) {
        return;
    }
    let status = match run() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{PROGRAM_NAME}: {error}");
            1
        }
    };
    std::process::exit(status);
}

fn run() -> io::Result<()> {
    let server = io::stdin().as_fd().try_clone_to_owned()?;
    let received = seqpacket::receive::<Boot>(server.as_fd(), &mut vec![0; BOOT_BYTES_MAX])?;
    let Some(boot) = received.map(|received| received.message) else { return Ok(()) };
    let served = match start(&boot) {
        Ok(runtime) => {
            let served = runtime.block_on(serve(server, boot));
            // Not waiting for look-ups of names that nobody needs any more.
            runtime.shutdown_background();
            served
        }
        Err(error) => seqpacket::send(server.as_fd(), &Reply::BootFailed { message: text(&error) }, &[]),
    };
    seqpacket::unless_gone(served)
}

/// Gives up privileges, before there are threads.
fn start(boot: &Boot) -> io::Result<Runtime> {
    allow_descriptors()?;
    privileges::drop_all(boot.identity)?;
    rustix::thread::set_name(c"hearth-network")?;
    // The terminal's signals are for the server; the closed socket is for us.
    rustix::process::setsid()?;
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get().min(WORKERS_MAX));
    Builder::new_multi_thread()
        .event_interval(TASKS_PER_LOOK)
        .worker_threads(workers)
        .thread_name("hearth-network")
        .enable_all()
        .build()
}

/// As many as all sandboxes together can use where we may say so, else as many as we are given.
fn allow_descriptors() -> io::Result<()> {
    let given = getrlimit(Resource::Nofile).maximum;
    let wanted = given.map(|given| given.max(DESCRIPTORS_MAX));
    setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum: wanted })
        .or_else(|_| setrlimit(Resource::Nofile, Rlimit { current: given, maximum: given }))?;
    Ok(())
}

/// A flow has one descriptor. There are never more flows than the process may open, with room for all else.
fn flows_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    limit.map_or(FLOWS_TOTAL_MAX, |limit| FLOWS_TOTAL_MAX.min(limit / 2))
}

async fn serve(server: OwnedFd, boot: Boot) -> io::Result<()> {
    let server = watched(server, Interest::READABLE | Interest::WRITABLE)?;
    let (reports, mut waiting) = mpsc::channel(REPORTS_WAITING_MAX);
    let gate = Gate::new(boot.policy);
    let mut sandboxes = Sandboxes {
        shared: Shared { gate: Arc::clone(&gate), flows: Arc::new(Semaphore::new(flows_max())), reports },
        names: NameServer { gate: Arc::clone(&gate), resolvers: Arc::new(Resolvers::new(boot.resolv_conf)) },
        tasks: JoinSet::new(),
        attached: HashMap::new(),
        end: watch::Sender::new(false),
    };
    let mut background = JoinSet::new();
    background.spawn(gate.refresh());
    send(&server, &Reply::Ready).await?;
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    loop {
        tokio::select! {
            received = receive(&server, &mut buffer) => match received {
                Ok(Some(Received { message: Request::Attach { environment }, descriptors })) => {
                    if let Err(error) = sandboxes.attach(environment, descriptors) {
                        send(&server, &Reply::NotAttached { environment, message: text(&error) }).await?;
                    }
                }
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => eprintln!("{PROGRAM_NAME}: {error}"),
                Err(error) => return Err(error),
            },
            Some(report) = waiting.recv() => send(&server, &report).await?,
            Some(ended) = sandboxes.tasks.join_next() => {
                if let Ok(environment) = ended {
                    sandboxes.attached.remove(&environment);
                }
            }
        }
    }
    sandboxes.end_all().await;
    Ok(())
}

async fn receive(server: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> io::Result<Option<Received<Request>>> {
    server.async_io(Interest::READABLE, |socket| seqpacket::receive(socket.as_fd(), buffer)).await
}

async fn send(server: &AsyncFd<OwnedFd>, reply: &Reply) -> io::Result<()> {
    server.async_io(Interest::WRITABLE, |socket| seqpacket::send(socket.as_fd(), reply, &[])).await
}

struct Sandboxes {
    shared: Shared,
    names: NameServer,
    tasks: JoinSet<u64>,
    attached: HashMap<u64, AbortHandle>,
    /// Becomes true.
    end: watch::Sender<bool>,
}

impl Sandboxes {
    fn attach(&mut self, environment: u64, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        let [tun, udp, tcp, life]: [OwnedFd; ATTACH_DESCRIPTORS] = seqpacket::exactly(descriptors)?;
        if self.attached.len() >= SANDBOXES_MAX {
            return Err(io::Error::other("there are too many sandboxes"));
        }
        let udp = std::net::UdpSocket::from(udp);
        udp.set_nonblocking(true)?;
        let udp = UdpSocket::from_std(udp)?;
        let tcp = std::net::TcpListener::from(tcp);
        tcp.set_nonblocking(true)?;
        let tcp = TcpListener::from_std(tcp)?;
        let life = watched(life, Interest::READABLE)?;
        let mut end = self.end.subscribe();
        let mut network = SandboxNetwork::new(environment, Tun::new(tun)?, self.shared.clone());
        let names = self.names.clone();
        let task = self.tasks.spawn(async move {
            tokio::select! {
                () = closed(&life) => {}
                _ = end.wait_for(|end| *end) => {}
                // The namespace is gone, which the server may not know yet.
                _ = async { tokio::join!(network.serve(), names.serve(udp, tcp)) } => {}
            }
            network.end().await;
            environment
        });
        // A number that is used twice is the server's error; the newer one is right.
        if let Some(older) = self.attached.insert(environment, task) {
            older.abort();
        }
        Ok(())
    }

    async fn end_all(mut self) {
        self.end.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Resolves when the write end of the pipe is closed; nobody writes.
async fn closed(pipe: &AsyncFd<OwnedFd>) {
    let read = |pipe: &OwnedFd| Ok(retry_on_intr(|| rustix::io::read(pipe, &mut [0_u8; 1][..]))?);
    while pipe.async_io(Interest::READABLE, read).await.is_ok_and(|count| count > 0) {}
}

fn text(error: &io::Error) -> String {
    error.to_string().chars().take(TEXT_BYTES_MAX / 4).collect()
}
