//! The server's end of hearth-init's control socket: orders out, and the state of the runtime process as its reports
//! tell it. And of the socket to the process that waits in a new slot, which becomes the runtime's without a detour.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use hearth_runtime_api::{Dialer, RuntimeApi};
use parking_lot::Mutex;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};

use super::channel::Channel;
use crate::cgroup::CgroupHandle;
use crate::environment::{ExitCause, SandboxError};
use crate::protocol::{EXTENSIONS, ExitStatus, Launch, LaunchFailure, Order, Process, Report, SANDBOX_ADDRESS};
use hearth_network::seqpacket::Received;

/// Sockets that may be asked for at the same time: every extension's telemetry needs one.
const SOCKETS_WAITING_MAX: usize = 32;
/// Reports are small: enums, numbers, the name of a program.
const REPORT_BYTES_MAX: usize = 8 * 1_024;

/// The runtime process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Runtime {
    /// Ordered.
    Starting,
    Running,
    NotStarted(LaunchFailure),
    Exited(ExitCause),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) runtime: Runtime,
    /// How often everything was killed.
    pub(super) kills: u64,
    /// The answer to the last order to show an environment: an error number, 0 for none.
    pub(super) shown: Option<i32>,
    /// The programs in `/opt/extensions`, once asked for.
    pub(super) listed: Option<Vec<String>>,
    /// hearth-init is gone, and with it everything in the sandbox.
    pub(super) gone: bool,
}

impl State {
    /// Why there is no runtime process; `None` while there is one.
    pub(super) fn end(&self) -> Option<Runtime> {
        match &self.runtime {
            Runtime::Starting | Runtime::Running if self.gone => {
                Some(Runtime::Exited(ExitCause::Signaled(libc::SIGKILL)))
            }
            Runtime::Starting | Runtime::Running => None,
            ended => Some(ended.clone()),
        }
    }
}

pub(super) struct Control {
    socket: Channel,
    /// To the process that waits to become the runtime's. Nothing comes from it but its end, or before that why it could
    /// not run what it was told to.
    waiting: Mutex<Option<Arc<Channel>>>,
    state: watch::Sender<State>,
    cgroup: Arc<CgroupHandle>,
    api: RuntimeApi,
    /// Who asked for a socket, in order.
    sockets: Mutex<VecDeque<oneshot::Sender<Option<OwnedFd>>>>,
    /// Out-of-memory kills before the present runtime process.
    oom_kills_before: AtomicU64,
}

impl Control {
    pub(super) fn new(socket: OwnedFd, cgroup: Arc<CgroupHandle>, api: RuntimeApi) -> io::Result<Self> {
        let (state, _) =
            watch::channel(State { runtime: Runtime::Starting, kills: 0, shown: None, listed: None, gone: false });
        Ok(Self {
            socket: Channel::new(socket)?,
            waiting: Mutex::default(),
            state,
            cgroup,
            api,
            sockets: Mutex::default(),
            oom_kills_before: AtomicU64::new(0),
        })
    }

    /// The first report: the sockets the slot listens on.
    pub(super) async fn up(&self) -> Result<Vec<OwnedFd>, SandboxError> {
        let error = |error: io::Error| SandboxError::Create(error.to_string());
        match self.receive().await.map_err(error)? {
            Some(Received { message: Report::Up { waits }, descriptors }) => {
                let mut descriptors = descriptors.into_iter();
                if waits && let Some(socket) = descriptors.next() {
                    *self.waiting.lock() = Some(Arc::new(Channel::new(socket).map_err(error)?));
                }
                Ok(descriptors.collect())
            }
            Some(Received { message: Report::NotUp { step, errno }, .. }) => {
                Err(SandboxError::Create(format!("{step}: {}", io::Error::from_raw_os_error(errno))))
            }
            Some(_) | None => Err(SandboxError::Create("its first process ended at once".to_owned())),
        }
    }

    async fn receive(&self) -> io::Result<Option<Received<Report>>> {
        let mut buffer = [0; REPORT_BYTES_MAX];
        self.socket.receive(&mut buffer).await
    }

    /// Keeps the state up to date until hearth-init is gone.
    pub(super) async fn follow(self: Arc<Self>) {
        loop {
            let received = tokio::select! {
                biased;
                received = self.receive() => received,
                failure = self.not_started() => {
                    self.state.send_modify(|state| state.runtime = Runtime::NotStarted(failure));
                    continue;
                }
            };
            let Received { message: report, descriptors } = match received {
                Ok(Some(received)) => received,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "hearth-init cannot be heard any more");
                    break;
                }
            };
            self.state.send_modify(|state| match report {
                Report::Started(Process::Runtime) => state.runtime = Runtime::Running,
                Report::NotStarted(Process::Runtime, failure) => state.runtime = Runtime::NotStarted(failure),
                // Why it could not run what it was told to says more than how it ended then.
                Report::Exited(Process::Runtime, _) if matches!(state.runtime, Runtime::NotStarted(_)) => {}
                Report::Exited(Process::Runtime, status) => {
                    let ended = || Runtime::Exited(self.cause(status));
                    state.runtime = self.last_word().map_or_else(ended, Runtime::NotStarted);
                }
                Report::Started(Process::Extension(_)) => {}
                Report::NotStarted(Process::Extension(name), failure) => self.extension_not_launched(&name, &failure),
                Report::Exited(Process::Extension(name), status) => {
                    self.api.extension_exited(&name, &self.cause(status).words());
                }
                Report::Extensions(names) => state.listed = Some(names),
                Report::Socket => {
                    if let Some(waiting) = self.sockets.lock().pop_front() {
                        // Who stopped waiting needs none.
                        let _ = waiting.send(descriptors.into_iter().next());
                    }
                }
                Report::EnvironmentShown { errno } => state.shown = Some(errno),
                Report::Killed => state.kills += 1,
                Report::Up { .. } | Report::NotUp { .. } => tracing::error!("hearth-init started twice"),
            });
        }
        self.state.send_modify(|state| {
            if state.end().is_none() {
                state.runtime = Runtime::Exited(self.cause(ExitStatus::Signaled(libc::SIGKILL)));
            }
            state.gone = true;
        });
    }

    /// Resolves if the process that waited cannot run what it was told to.
    async fn not_started(&self) -> LaunchFailure {
        let waiting = self.waiting.lock().clone();
        if let Some(waiting) = waiting {
            let mut buffer = [0; REPORT_BYTES_MAX];
            let said = waiting.receive::<LaunchFailure>(&mut buffer).await;
            self.forget_waiting();
            match said {
                Ok(Some(received)) => return received.message,
                // Its program runs; or it has ended, which hearth-init tells.
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "a process that waits cannot be heard any more"),
            }
        }
        std::future::pending().await
    }

    /// What a process that has ended had said before.
    fn last_word(&self) -> Option<LaunchFailure> {
        let waiting = self.waiting.lock().take()?;
        let mut buffer = [0; REPORT_BYTES_MAX];
        waiting.receive_now::<LaunchFailure>(&mut buffer).ok()?.map(|received| received.message)
    }

    fn forget_waiting(&self) {
        *self.waiting.lock() = None;
    }

    fn cause(&self, status: ExitStatus) -> ExitCause {
        match status {
            ExitStatus::Signaled(libc::SIGKILL) if self.oom_kills() > self.oom_kills_before.load(Ordering::Relaxed) => {
                if self.cgroup.limit_was_hit() {
                    ExitCause::OutOfMemory
                } else {
                    ExitCause::OutOfHostMemory
                }
            }
            ExitStatus::Signaled(signal) => ExitCause::Signaled(signal),
            ExitStatus::Exited(status) => ExitCause::Exited(status),
        }
    }

    /// Whether hearth-init has ended, or the process that waits or runs beside it.
    pub(super) fn has_ended(&self) -> bool {
        let state = self.state.borrow();
        state.gone || state.end().is_some()
    }

    /// 0 when the group is gone already: then nobody knows.
    fn oom_kills(&self) -> u64 {
        self.cgroup.oom_kills().unwrap_or_default()
    }

    pub(super) async fn start(&self, launch: Launch) -> Result<(), SandboxError> {
        self.oom_kills_before.store(self.oom_kills(), Ordering::Relaxed);
        self.state.send_modify(|state| state.runtime = Runtime::Starting);
        let waiting = self.waiting.lock().clone();
        if let Some(waiting) = waiting
            && waiting.send(&launch).await.is_ok()
        {
            return Ok(());
        }
        self.order(&Order::Start(Process::Runtime, launch)).await
    }

    /// Takes in a runtime process that the spawner has put there.
    pub(super) async fn adopt(&self, number: i32) -> Result<(), SandboxError> {
        self.oom_kills_before.store(self.oom_kills(), Ordering::Relaxed);
        self.order(&Order::Adopt(Process::Runtime, number)).await
    }

    fn extension_not_launched(&self, name: &str, failure: &LaunchFailure) {
        let error = match failure {
            LaunchFailure::NoProgram => io::ErrorKind::NotFound.into(),
            LaunchFailure::Exec { errno, .. }
            | LaunchFailure::WorkingDirectory { errno }
            | LaunchFailure::Confinement { errno } => io::Error::from_raw_os_error(*errno),
        };
        let text = error.raw_os_error().map_or_else(|| "no such file or directory".to_owned(), error_text);
        self.api.extension_not_launched(name, error.kind(), &format!("fork/exec {EXTENSIONS}/{name}: {text}"));
    }

    /// The programs that layers have brought as extensions, one more than may be at most.
    pub(super) async fn list_extensions(&self) -> Result<Vec<String>, SandboxError> {
        let mut state = self.state.subscribe();
        self.order(&Order::ListExtensions).await?;
        let state =
            state.wait_for(|state| state.listed.is_some() || state.gone).await.map_err(|_| SandboxError::Gone)?;
        state.listed.clone().ok_or(SandboxError::Gone)
    }

    pub(super) async fn start_extension(
        &self,
        name: String,
        working_directory: String,
        environment: Vec<String>,
    ) -> Result<(), SandboxError> {
        let launch = Launch {
            programs: vec![format!("{EXTENSIONS}/{name}")],
            arguments: Vec::new(),
            wrapper: None,
            working_directory,
            environment,
            when_furnished: true,
        };
        self.order(&Order::Start(Process::Extension(name), launch)).await
    }

    /// Asks the runtime process to end, or ends it.
    pub(super) async fn end_runtime(&self, kill: bool) -> Result<(), SandboxError> {
        self.order(&Order::EndRuntime { kill }).await
    }

    /// A TCP socket of the sandbox's own network.
    async fn socket(&self) -> io::Result<OwnedFd> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut sockets = self.sockets.lock();
            if sockets.len() >= SOCKETS_WAITING_MAX {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            sockets.push_back(sender);
        }
        self.order(&Order::Socket).await.map_err(io::Error::other)?;
        receiver.await.ok().flatten().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Makes `/proc` show this as the environment of the runtime process, see [`Order::ShowEnvironment`]. Once in the life
    /// of a slot.
    pub(super) async fn show_environment(&self, environment: Vec<String>, in_full: bool) -> Result<(), SandboxError> {
        let mut state = self.state.subscribe();
        self.order(&Order::ShowEnvironment { environment, in_full }).await?;
        let state =
            state.wait_for(|state| state.shown.is_some() || state.gone).await.map_err(|_| SandboxError::Gone)?;
        match state.shown {
            Some(0) => Ok(()),
            Some(errno) => Err(SandboxError::Create(io::Error::from_raw_os_error(errno).to_string())),
            None => Err(SandboxError::Gone),
        }
    }

    /// Ends every process of the function.
    pub(super) async fn kill_all(&self) -> Result<(), SandboxError> {
        let mut state = self.state.subscribe();
        let before = state.borrow_and_update().kills;
        self.forget_waiting();
        self.order(&Order::KillAll).await?;
        let state = state.wait_for(|state| state.kills > before || state.gone).await.map_err(|_| SandboxError::Gone)?;
        let gone = state.gone;
        drop(state);
        if gone {
            return Err(SandboxError::Gone);
        }
        // Of how the last runtime process ended nothing follows for the next.
        self.state.send_modify(|state| state.runtime = Runtime::Starting);
        Ok(())
    }

    async fn order(&self, order: &Order) -> Result<(), SandboxError> {
        self.socket.send(order).await.map_err(|error| {
            tracing::debug!(%error, "hearth-init takes no orders any more");
            SandboxError::Gone
        })
    }

    /// Resolves when there is no runtime process, with the reason.
    pub(super) async fn ended(&self) -> Runtime {
        let mut state = self.state.subscribe();
        match state.wait_for(|state| state.end().is_some()).await {
            Ok(state) => state.end(),
            Err(_) => None,
        }
        .unwrap_or(Runtime::Exited(ExitCause::Signaled(libc::SIGKILL)))
    }
}

/// Connects into the sandbox: telemetry is delivered so. It is made before the control socket that it needs.
#[derive(Default)]
pub(super) struct IntoSandbox(OnceLock<Weak<Control>>);

impl IntoSandbox {
    pub(super) fn by(&self, control: &Arc<Control>) {
        // Once in the life of a slot.
        let _ = self.0.set(Arc::downgrade(control));
    }
}

#[async_trait]
impl Dialer for IntoSandbox {
    async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let control = self.0.get().and_then(Weak::upgrade).ok_or(io::ErrorKind::NotConnected)?;
        let socket = std::net::TcpStream::from(control.socket().await?);
        TcpSocket::from_std_stream(socket).connect(SocketAddr::from((SANDBOX_ADDRESS, port))).await
    }
}

/// As Lambda's own front process, a Go program, words them: in lower case.
pub(super) fn error_text(errno: i32) -> String {
    nix::errno::Errno::from_raw(errno).desc().to_lowercase()
}
