//! Execution environments: where functions run, and what confines them. Knows no AWS API.
//!
//! | where | what |
//! |---|---|
//! | [`environment`] | the contract: what every backend promises |
//! | [`process`] | the backend of namespaces, seccomp and cgroups; the part inside the server |
//! | [`spawner`] | the small privileged program that makes and ends slots; the server re-executed |
//! | [`init`] | hearth-init, the first process inside a slot |
//! | [`protocol`] | what the three say to each other |
//! | [`fake`] | a backend in memory, for tests of everything above |
//! | [`runtimes`], [`variables`] | what runs for a runtime identifier, and the environment it sees |
//! | [`cgroup`], [`seccomp`], [`package`] | limits, system calls, code trees |
//! | [`time_slice`] | who comes before whom on a full machine |
//!
//! ```text
//! server ──requests──▶ spawner ──clone──▶ hearth-init ──fork──▶ runtime process
//!   ▲  ▲                                     │  ▲                  │
//!   │  └──── orders, exits (control socket) ─┘  │                  │
//!   └─────── Runtime API (169.254.100.1:9001), output pipe ────────┘
//! ```

pub mod cgroup;
pub mod environment;
pub mod fake;
pub mod init;
mod landlock;
pub mod mutation;
pub mod package;
pub mod probe;
pub mod process;
pub mod protocol;
pub mod runtimes;
pub mod seccomp;
pub mod spawner;
mod sys;
pub mod time_slice;
mod tracee;
pub mod variables;

pub use environment::{
    Backend, Begun, Environment, EnvironmentId, EnvironmentSpec, ExitCause, ExtensionFailure, FunctionError, HostRoom,
    Identity, InitFailure, Invocation, InvocationOutcome, LOG_RECORD_BYTES_MAX, LogRecord, Metadata, OutputSink,
    ResponseSink, SandboxError, ShutdownReason, TelemetryEvent, TooMuch, Unsupported,
};
pub use process::{ProcessBackend, ProcessConfig, SpawnerConfig, SpawnerProcess};

/// Call this first in `main`, before any thread exists: if this process was started to be one of the helpers, it becomes
/// that and never returns. They are the [spawner] and what [unpacks](package::Unpacker) archives.
pub fn helper_main_if_requested() {
    spawner::main_if_requested();
    package::unpacker_main_if_requested();
}
