//! The contract every backend keeps: what an execution environment is made from, what can be asked of it, and how an
//! invocation or an init can end. Data types and two traits; no I/O. `tests/conformance.rs` says what each promise means.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_ports::{Architecture, CodeDigest, ImageLaunch, LogLevel, RuntimeId, RuntimeVersion};
pub use hearth_runtime_api::{
    ExtensionFailure, FunctionError, Identity, Invocation, Metadata, ResponseSink, ShutdownReason, TelemetryEvent,
    TooMuch,
};
use hearth_types::Mebibytes;

/// The id of one execution environment; never reused within one life of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentId(pub u64);

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an environment is made from. `Debug` leaves the variables out: they hold secrets.
#[derive(Clone)]
pub struct EnvironmentSpec {
    /// Told to extensions.
    pub identity: Identity,
    pub runtime: RuntimeId,
    pub architecture: Architecture,
    pub code: CodeDigest,
    /// In the order they are laid over each other: the last one wins.
    pub layers: Vec<CodeDigest>,
    pub memory: Mebibytes,
    /// Size of `/tmp`.
    pub ephemeral_storage: Mebibytes,
    pub handler: String,
    /// What is run of the image that `code` is; `/` is the image then. `runtime` is [`hearth_ports::IMAGE_RUNTIME`].
    pub image: Option<Arc<ImageLaunch>>,
    /// What the metadata endpoint says.
    pub metadata: Option<Metadata>,
    /// The function's own variables and those of the platform that need knowledge of the function (region, name,
    /// credentials); these may follow ([`Begun::create`]), for nothing that is started ahead of need depends on them. The
    /// backend adds those of the process itself, see [`crate::variables`].
    pub variables: Vec<(String, String)>,
}

impl fmt::Debug for EnvironmentSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvironmentSpec")
            .field("runtime", &self.runtime)
            .field("architecture", &self.architecture)
            .field("code", &self.code)
            .field("layers", &self.layers)
            .field("memory", &self.memory)
            .field("ephemeral_storage", &self.ephemeral_storage)
            .field("handler", &self.handler)
            .finish_non_exhaustive()
    }
}

/// Bytes of a [`LogRecord`]; what is longer comes in several. Source: CloudWatch Logs takes events of up to 1 MB, Lambda
/// sends up to 256 KB.
pub const LOG_RECORD_BYTES_MAX: usize = 256 << 10;

/// One entry of a function's log as its runtime wrote it, line feeds and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord<'a> {
    /// `None` when the runtime gave none.
    pub level: Option<LogLevel>,
    /// What the runtime says of it; nobody has looked.
    pub is_json: bool,
    /// By the function's own clock, milliseconds since the Unix epoch: not to be trusted.
    pub timestamp_ms: i64,
    /// At most [`LOG_RECORD_BYTES_MAX`].
    pub bytes: &'a [u8],
}

/// Takes what a function writes, in order. Called from the path of an invocation: never blocks.
pub trait OutputSink: Send + Sync + 'static {
    /// Of stdout and stderr, where a line is an entry of the log.
    fn output(&self, bytes: &[u8]);

    /// From the descriptor for log records, which managed runtimes have.
    fn record(&self, record: LogRecord<'_>);

    /// What the environment's own APIs tell: extensions and their subscriptions.
    fn event(&self, _event: &TelemetryEvent) {}
}

/// What this machine or backend cannot run; one clear sentence that says what is missing and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Whatever is installed.
    #[error("{0}")]
    Never(String),
    /// Until something is there that can be had.
    #[error("{0}")]
    NotReady(String),
}

/// The platform failed, not the function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error("no execution environment could be made: {0}")]
    Create(String),
    #[error("the execution environment is gone")]
    Gone,
    #[error("the backend is shut down")]
    ShutDown,
}

/// Why the runtime process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCause {
    /// Exit status.
    Exited(i32),
    /// Signal number.
    Signaled(i32),
    /// Killed because the environment reached its memory limit.
    OutOfMemory,
    /// Killed because the machine, or all environments together, had no memory left.
    OutOfHostMemory,
}

impl ExitCause {
    /// Lambda's words, which are those of Go's `os.ProcessState`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Exited(status) => format!("exit status {status}"),
            Self::OutOfMemory | Self::OutOfHostMemory => "signal: killed".to_owned(),
            Self::Signaled(signal) => match signal_name(*signal) {
                Some(name) => format!("signal: {name}"),
                None => format!("signal: signal {signal}"),
            },
        }
    }
}

/// Those of Go's `syscall.Signal` on Linux.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        _ => return None,
    })
}

/// Why an environment did not get ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitFailure {
    /// The runtime posted to `/init/error`.
    Reported(FunctionError),
    Exited(ExitCause),
    /// An extension failed it.
    Extension(ExtensionFailure),
    /// The runtime process could not be started. `error_type` is Lambda's, such as `Runtime.InvalidEntrypoint`.
    Launch {
        error_type: &'static str,
        message: String,
    },
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvocationOutcome {
    Response {
        body: Bytes,
    },
    /// The response has gone into the invocation's [`ResponseSink`].
    Streamed {
        bytes: usize,
    },
    Error(FunctionError),
    /// The response is larger than Lambda allows; `size` in bytes as far as it was counted.
    TooLarge {
        size: usize,
    },
    /// The connection ended in the middle of the response.
    Truncated,
    /// The runtime process ended without an answer. The environment needs a [`Environment::reset`].
    Exited(ExitCause),
    /// An extension ended the environment before the answer. As [`Self::Exited`].
    Extension(ExtensionFailure),
}

/// Memory and disk of the machine, as far as they concern environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRoom {
    /// Memory held by all environments together, and by what is prepared for them; page cache does not count.
    pub memory_held: Mebibytes,
    /// Memory that the machine can give without harm. Source: `MemAvailable`, proc_meminfo(5).
    pub memory_available: Mebibytes,
    /// Free space of the disk that holds what functions write to `/tmp`.
    pub disk_available: Mebibytes,
}

/// Makes execution environments.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// # Errors
    /// [`Unsupported`] when no environment of this kind can be made here.
    fn check(&self, runtime: &RuntimeId, architecture: Architecture) -> Result<(), Unsupported>;

    /// Functions have this runtime: what can be made ahead of need for them is worth making.
    fn expect(&self, _: &RuntimeId) {}

    /// Looks for runtimes that have been installed since the server started; whether any can be used now.
    async fn look_for_runtimes(&self) -> bool {
        false
    }

    /// The build of a runtime that environments get now. `None`: it is not known, or not yet.
    fn runtime_version(&self, runtime: &RuntimeId, architecture: Architecture) -> Option<RuntimeVersion>;

    /// Begins an environment. What the caller finds out meanwhile takes no time of the function's.
    ///
    /// # Errors
    /// [`SandboxError`]; nothing is left behind then. What the function does wrong is never one of them.
    async fn begin(&self, spec: EnvironmentSpec) -> Result<Box<dyn Begun>, SandboxError>;

    /// Makes an environment of which everything is known.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    async fn create(
        &self,
        spec: EnvironmentSpec,
        output: Arc<dyn OutputSink>,
    ) -> Result<Arc<dyn Environment>, SandboxError> {
        self.begin(spec).await?.create(Vec::new(), output).await
    }

    /// What environments hold and the machine has left, now; `None` where nobody can tell.
    fn room(&self) -> Option<HostRoom> {
        None
    }

    /// Resolves when nobody asked for the end and yet no environment can be made any more, until the server starts
    /// again.
    async fn lost(&self) {
        std::future::pending().await
    }

    /// Ends every environment and waits until nothing of them is left.
    async fn shutdown(&self);
}

/// An environment that is being made. Dropped, nothing is left of it.
#[async_trait]
pub trait Begun: Send {
    /// Makes the environment, with these variables besides, and starts its runtime process; does not wait for the init
    /// phase.
    ///
    /// # Errors
    /// As [`Backend::begin`].
    async fn create(
        self: Box<Self>,
        variables: Vec<(String, String)>,
        output: Arc<dyn OutputSink>,
    ) -> Result<Arc<dyn Environment>, SandboxError>;
}

/// One execution environment, running one function version for its whole life. What concerns extensions has the answers
/// of an environment that has none.
#[async_trait]
pub trait Environment: Send + Sync + 'static {
    fn id(&self) -> EnvironmentId;

    /// Starts what is to be started, extensions before the runtime, and resolves when each has asked for its first
    /// event. The CPU limit holds from here on: init runs at full
    /// speed.
    ///
    /// # Errors
    /// [`InitFailure`]; the environment needs a [`reset`](Self::reset) or [`destroy`](Self::destroy) then.
    async fn ready(&self) -> Result<(), InitFailure>;

    /// One at a time. Resolves after all output written before the answer has reached the [`OutputSink`].
    /// When the future is dropped the answer is lost and the environment needs a [`reset`](Self::reset).
    async fn invoke(&self, invocation: Invocation) -> InvocationOutcome;

    /// After an answer: resolves when the runtime has asked for its next event. `platform.runtimeDone` is due then:
    /// extensions may wait for it before they are done.
    ///
    /// # Errors
    /// [`ExtensionFailure`]: the environment needs a [`reset`](Self::reset).
    async fn runtime_done(&self) -> Result<(), ExtensionFailure> {
        Ok(())
    }

    /// After an answer: resolves when every extension is done with the invocation, too, and the environment may be
    /// frozen.
    ///
    /// # Errors
    /// As [`runtime_done`](Self::runtime_done).
    async fn settled(&self) -> Result<(), ExtensionFailure> {
        Ok(())
    }

    /// Whether there are extensions, which [`settled`](Self::settled) waits for.
    fn has_extensions(&self) -> bool {
        false
    }

    /// Before a [`reset`](Self::reset) or [`destroy`](Self::destroy): lets runtime and extensions end by themselves,
    /// for as long as Lambda does: not at all without extensions, 500 ms with internal ones, 2 s with external ones.
    async fn shut_down(&self, _reason: ShutdownReason) {}

    /// Whether somebody inside wants what [`publish`](Self::publish) takes.
    fn wants_telemetry(&self) -> bool {
        false
    }

    /// Hands an event to the extensions that want such.
    fn publish(&self, _event: &TelemetryEvent) {}

    /// After a time-out or a crash: ends every process of the function; `/tmp` stays. The next [`ready`](Self::ready)
    /// starts them again.
    ///
    /// # Errors
    /// [`SandboxError::Gone`] when the environment itself has ended.
    async fn reset(&self) -> Result<(), SandboxError>;

    /// Ends the environment and everything in it; returns when its processes are gone. Idempotent.
    async fn destroy(&self);

    /// Whether freezing takes microseconds; if not, it is not worth it after every invocation.
    fn freezes_fast(&self) -> bool;

    /// Stops every process of the environment where it is, as Lambda does between invocations; says whether it did.
    /// Until [`thaw`](Self::thaw) nothing but [`destroy`](Self::destroy) may be asked of it.
    fn freeze(&self) -> bool;

    /// Lets it go on; fine when it was not frozen. Says whether it does.
    fn thaw(&self) -> bool;

    /// The most memory the environment has used so far.
    fn memory_used_max(&self) -> Mebibytes;
}
