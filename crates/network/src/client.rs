//! The server's side: starts hearth-network, gives it sandboxes, and says when it is lost.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::net::Shutdown;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::SetOnce;
use tokio::time::{sleep, timeout};

use crate::limits::MESSAGE_BYTES_MAX;
use crate::process::PROGRAM_NAME;
use crate::protocol::{Boot, Reply, Request};
use crate::seqpacket::{self, Received};
use crate::tun::watched;

/// How long the process may take to say that it is ready.
const START_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long it may take to end.
const SHUTDOWN_WAIT_MAX: Duration = Duration::from_secs(5);
/// Pause between two looks whether it has ended.
const SHUTDOWN_LOOK: Duration = Duration::from_millis(2);

/// How hearth-network is started.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// A program that calls [`crate::network_main_if_requested`]; `None` for the running one.
    pub program: Option<PathBuf>,
    pub boot: Boot,
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("hearth-network cannot be started: {0}")]
    Start(io::Error),
    #[error("hearth-network does not start: {0}")]
    Boot(String),
    #[error("hearth-network does not answer: {0}")]
    Lost(io::Error),
}

/// The server's hold on hearth-network, which ends with the server or by [`NetworkClient::shutdown`].
pub struct NetworkClient {
    socket: AsyncFd<OwnedFd>,
    child: Mutex<Option<Child>>,
    is_shut_down: Mutex<bool>,
    /// The process ended and nobody had asked it to.
    lost: SetOnce<()>,
}

/// A sandbox's network. Ends when it is dropped.
#[derive(Debug)]
pub struct Attachment {
    /// Closing it is what ends the network.
    _life: OwnedFd,
}

/// A hearth-network that gets itself ready. Dropped, it ends.
pub struct NetworkProcess {
    child: Child,
    socket: OwnedFd,
}

impl NetworkProcess {
    /// Starts the process. As root, so that it can become another user than the server is; what comes after needs
    /// neither privileges nor this thread.
    ///
    /// # Errors
    /// [`NetworkError::Start`].
    pub fn start(config: NetworkConfig) -> Result<Self, NetworkError> {
        let (ours, theirs) = seqpacket::pair().map_err(NetworkError::Start)?;
        let child = Command::new(config.program.unwrap_or_else(|| PathBuf::from("/proc/self/exe")))
            .arg0(PROGRAM_NAME)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .map_err(NetworkError::Start)?;
        seqpacket::send(ours.as_fd(), &config.boot, &[]).map_err(NetworkError::Start)?;
        Ok(Self { child, socket: ours })
    }
}

impl NetworkClient {
    /// Starts the process and waits until it is ready.
    ///
    /// # Errors
    /// [`NetworkError`]: there is no process then.
    pub async fn start(config: NetworkConfig) -> Result<Arc<Self>, NetworkError> {
        Self::connect(NetworkProcess::start(config)?).await
    }

    /// Waits until a started process is ready.
    ///
    /// # Errors
    /// [`NetworkError`]: there is no process then.
    pub async fn connect(NetworkProcess { child, socket }: NetworkProcess) -> Result<Arc<Self>, NetworkError> {
        let socket = watched(socket, Interest::READABLE | Interest::WRITABLE).map_err(NetworkError::Start)?;
        let child = Mutex::new(Some(child));
        let client = Self { socket, child, is_shut_down: Mutex::new(false), lost: SetOnce::new() };
        match timeout(START_WAIT_MAX, client.receive()).await {
            Ok(Ok(Some(Received { message: Reply::Ready, .. }))) => {}
            Ok(Ok(Some(Received { message: Reply::BootFailed { message }, .. }))) => {
                return Err(NetworkError::Boot(message));
            }
            Ok(Ok(other)) => {
                return Err(NetworkError::Boot(format!("it ended or said something else than Ready: {other:?}")));
            }
            Ok(Err(error)) => return Err(NetworkError::Lost(error)),
            Err(_) => return Err(NetworkError::Boot(format!("it was not ready after {START_WAIT_MAX:?}"))),
        }
        let client = Arc::new(client);
        tokio::spawn(Arc::clone(&client).read());
        Ok(client)
    }

    /// Gives a sandbox its network: the TUN device, configured as [`crate::address`] says, and the two sockets of its name
    /// server, bound to [`crate::address::DNS_SOCKET`] inside. Does not wait for anything: packets that come before the
    /// process looks wait in the device.
    ///
    /// The device should be persistent (`TUNSETPERSIST`): it ends with its namespace then. One that is not ends with its
    /// last descriptor, and closing that blocks for 20 ms while the kernel takes the device down.
    ///
    /// # Errors
    /// [`NetworkError::Lost`].
    pub async fn attach(
        &self,
        environment: u64,
        tun: OwnedFd,
        dns_udp: UdpSocket,
        dns_tcp: TcpListener,
    ) -> Result<Attachment, NetworkError> {
        let (theirs, life) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| NetworkError::Lost(error.into()))?;
        let request = Request::Attach { environment };
        let descriptors = [tun.as_fd(), dns_udp.as_fd(), dns_tcp.as_fd(), theirs.as_fd()];
        self.socket
            .async_io(Interest::WRITABLE, |socket| seqpacket::send(socket.as_fd(), &request, &descriptors))
            .await
            .map_err(NetworkError::Lost)?;
        Ok(Attachment { _life: life })
    }

    /// Resolves when the process has ended and nobody had asked it to. Every sandbox is without a network then.
    pub async fn lost(&self) {
        self.lost.wait().await;
    }

    /// Lets the process end, and with it every connection of every sandbox, and waits for it.
    pub async fn shutdown(&self) {
        self.close();
        let Some(mut child) = self.child.lock().take() else { return };
        let ended = async {
            while let Ok(None) = child.try_wait() {
                sleep(SHUTDOWN_LOOK).await;
            }
        };
        if timeout(SHUTDOWN_WAIT_MAX, ended).await.is_err() {
            tracing::error!("hearth-network does not end within {SHUTDOWN_WAIT_MAX:?} and is killed");
            // Fails only when it has just ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.lock().as_ref().map(Child::id)
    }

    fn close(&self) {
        *self.is_shut_down.lock() = true;
        // Fails only when it is closed already.
        let _ = rustix::net::shutdown(self.socket.get_ref(), Shutdown::Both);
    }

    async fn receive(&self) -> io::Result<Option<Received<Reply>>> {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        self.socket.async_io(Interest::READABLE, |socket| seqpacket::receive(socket.as_fd(), &mut buffer)).await
    }

    /// Logs what the process says until it says nothing more.
    async fn read(self: Arc<Self>) {
        loop {
            match self.receive().await {
                Ok(Some(received)) => log(&received.message),
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::error!(%error, "hearth-network said something that cannot be understood");
                }
                Err(error) => {
                    tracing::error!(%error, "hearth-network cannot be heard any more");
                    break;
                }
            }
        }
        if !*self.is_shut_down.lock() {
            tracing::error!("hearth-network has ended; no function has a network");
            let _ = self.lost.set(());
        }
    }
}

fn log(reply: &Reply) {
    match reply {
        Reply::Denied { environment, destination, denial } if denial.can_be_allowed() => tracing::warn!(
            environment,
            "a function was kept from {destination}: {denial}; {} opens it",
            crate::policy::advice(*destination)
        ),
        Reply::Denied { environment, destination, denial } => {
            tracing::warn!(environment, "a function was kept from {destination}: {denial}");
        }
        Reply::Full { environment } => {
            tracing::warn!(environment, "a function has {} connections and gets no more", crate::limits::FLOWS_MAX);
        }
        Reply::NotAttached { environment, message } => {
            tracing::error!(environment, "an environment has no network: {message}");
        }
        Reply::Ready | Reply::BootFailed { .. } => {
            tracing::error!("hearth-network starts twice: {reply:?}");
        }
    }
}
