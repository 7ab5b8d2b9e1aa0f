//! The server's end of hearth-init's control socket: orders out, and the state of the runtime process as its reports
//! tell it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::cgroup::CgroupHandle;
use crate::environment::{ExitCause, SandboxError};
use crate::protocol::{ExitStatus, Launch, LaunchFailure, Order, Process, Report};
use crate::seqpacket::{self, Received};
use crate::sys;

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

/// How an extension process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExtensionEnd {
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
    /// Extensions that are not there any more, or never were.
    pub(super) extensions: Vec<(String, ExtensionEnd)>,
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
    socket: AsyncFd<OwnedFd>,
    state: watch::Sender<State>,
    cgroup: Arc<CgroupHandle>,
    /// Out-of-memory kills before the present runtime process.
    oom_kills_before: AtomicU64,
}

impl Control {
    pub(super) fn new(socket: OwnedFd, cgroup: Arc<CgroupHandle>) -> io::Result<Self> {
        let (state, _) = watch::channel(State {
            runtime: Runtime::Starting,
            kills: 0,
            shown: None,
            listed: None,
            extensions: Vec::new(),
            gone: false,
        });
        Ok(Self {
            socket: sys::watched(socket, Interest::READABLE | Interest::WRITABLE)?,
            state,
            cgroup,
            oom_kills_before: AtomicU64::new(0),
        })
    }

    /// The first report: the sockets the slot listens on.
    pub(super) async fn up(&self) -> Result<Vec<OwnedFd>, SandboxError> {
        let error = |error: io::Error| SandboxError::Create(error.to_string());
        match self.receive().await.map_err(error)? {
            Some(Received { message: Report::Up, descriptors }) => Ok(descriptors),
            Some(Received { message: Report::NotUp { step, errno }, .. }) => {
                Err(SandboxError::Create(format!("{step}: {}", io::Error::from_raw_os_error(errno))))
            }
            Some(_) | None => Err(SandboxError::Create("its first process ended at once".to_owned())),
        }
    }

    async fn receive(&self) -> io::Result<Option<Received<Report>>> {
        let mut buffer = [0; REPORT_BYTES_MAX];
        self.socket.async_io(Interest::READABLE, |socket| seqpacket::receive(socket.as_fd(), &mut buffer)).await
    }

    /// Keeps the state up to date until hearth-init is gone.
    pub(super) async fn follow(self: Arc<Self>) {
        loop {
            let report = match self.receive().await {
                Ok(Some(received)) => received.message,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "hearth-init cannot be heard any more");
                    break;
                }
            };
            self.state.send_modify(|state| match report {
                Report::Started(Process::Runtime) => state.runtime = Runtime::Running,
                Report::NotStarted(Process::Runtime, failure) => state.runtime = Runtime::NotStarted(failure),
                Report::Exited(Process::Runtime, status) => state.runtime = Runtime::Exited(self.cause(status)),
                Report::Started(Process::Extension(_)) => {}
                Report::NotStarted(Process::Extension(name), failure) => {
                    state.extensions.push((name, ExtensionEnd::NotStarted(failure)));
                }
                Report::Exited(Process::Extension(name), status) => {
                    state.extensions.push((name, ExtensionEnd::Exited(self.cause(status))));
                }
                Report::Extensions(names) => state.listed = Some(names),
                Report::Socket => {}
                Report::EnvironmentShown { errno } => state.shown = Some(errno),
                Report::Killed => state.kills += 1,
                Report::Up | Report::NotUp { .. } => tracing::error!("hearth-init started twice"),
            });
        }
        self.state.send_modify(|state| {
            if state.end().is_none() {
                state.runtime = Runtime::Exited(self.cause(ExitStatus::Signaled(libc::SIGKILL)));
            }
            state.gone = true;
        });
    }

    fn cause(&self, status: ExitStatus) -> ExitCause {
        match status {
            ExitStatus::Signaled(libc::SIGKILL) if self.oom_kills() > self.oom_kills_before.load(Ordering::Relaxed) => {
                ExitCause::OutOfMemory
            }
            ExitStatus::Signaled(signal) => ExitCause::Signaled(signal),
            ExitStatus::Exited(status) => ExitCause::Exited(status),
        }
    }

    /// Whether hearth-init has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.state.borrow().gone
    }

    /// 0 when the group is gone already: then nobody knows.
    fn oom_kills(&self) -> u64 {
        self.cgroup.oom_kills().unwrap_or_default()
    }

    pub(super) async fn start(&self, launch: Launch) -> Result<(), SandboxError> {
        self.oom_kills_before.store(self.oom_kills(), Ordering::Relaxed);
        self.state.send_modify(|state| state.runtime = Runtime::Starting);
        self.order(&Order::Start(Process::Runtime, launch)).await
    }

    /// Makes `/proc` show this as the environment of the runtime process. Once in the life of a slot.
    pub(super) async fn show_environment(&self, environment: Vec<String>) -> Result<(), SandboxError> {
        let mut state = self.state.subscribe();
        self.order(&Order::ShowEnvironment(environment)).await?;
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
        self.order(&Order::KillAll).await?;
        let state = state.wait_for(|state| state.kills > before || state.gone).await.map_err(|_| SandboxError::Gone)?;
        if state.gone { Err(SandboxError::Gone) } else { Ok(()) }
    }

    async fn order(&self, order: &Order) -> Result<(), SandboxError> {
        self.socket.async_io(Interest::WRITABLE, |socket| seqpacket::send(socket.as_fd(), order, &[])).await.map_err(
            |error| {
                tracing::debug!(%error, "hearth-init takes no orders any more");
                SandboxError::Gone
            },
        )
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
