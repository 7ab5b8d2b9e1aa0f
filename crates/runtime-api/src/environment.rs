//! What the owner of an execution environment says to its APIs and hears from them: data types and two traits. No I/O.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_types::{Clock, OsRandom, Random, SystemClock};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::FunctionError;
use crate::telemetry::event::{Span, SpanName, TelemetryEvent};

/// How the APIs of one environment are set up.
#[derive(Clone)]
pub struct Settings {
    /// Largest response body that is passed on.
    pub max_response_bytes: usize,
    /// Told to extensions. Without it there are no extensions: their APIs answer 404. A prepared environment learns it
    /// when it is assigned.
    pub identity: Option<Identity>,
    /// Without it the metadata endpoint answers 404.
    pub metadata: Option<Metadata>,
    /// The runtime process starts before it is known which function it is for, and asks for its [`Assignment`].
    pub prepared: bool,
    /// Reaches the ports telemetry is delivered to.
    pub dialer: Arc<dyn Dialer>,
    /// Hears the events that are made here.
    pub sink: Arc<dyn EventSink>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

impl Settings {
    /// The Runtime API alone.
    #[must_use]
    pub fn new(max_response_bytes: usize) -> Self {
        Self {
            max_response_bytes,
            identity: None,
            metadata: None,
            prepared: false,
            dialer: Arc::new(Nowhere),
            sink: Arc::new(Nowhere),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
        }
    }
}

/// Which function version the environment serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub function_name: String,
    pub function_version: String,
    pub handler: String,
    /// Told to extensions that ask for it.
    pub account_id: String,
}

/// What the metadata endpoint says, and to whom.
#[derive(Clone)]
pub struct Metadata {
    /// Such as `use1-az1`.
    pub availability_zone_id: String,
    /// Value of `AWS_LAMBDA_METADATA_TOKEN`.
    pub token: String,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("availability_zone_id", &self.availability_zone_id).finish_non_exhaustive()
    }
}

/// Connects to a port inside the environment.
#[async_trait]
pub trait Dialer: Send + Sync + 'static {
    /// # Errors
    /// Those of connecting: nobody listens, the environment is gone.
    async fn connect(&self, port: u16) -> io::Result<TcpStream>;
}

/// Hears `platform.extension`, `platform.telemetrySubscription`, `platform.logsSubscription` and
/// `platform.logsDropped`. Called while the environment's state is locked: must not block, nor call back.
pub trait EventSink: Send + Sync + 'static {
    fn event(&self, event: &TelemetryEvent);
}

/// The default of both.
struct Nowhere;

#[async_trait]
impl Dialer for Nowhere {
    async fn connect(&self, _port: u16) -> io::Result<TcpStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl EventSink for Nowhere {
    fn event(&self, _event: &TelemetryEvent) {}
}

/// Why an environment did not get ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitError {
    /// The runtime posted to `/init/error`.
    Runtime(FunctionError),
    Extension(ExtensionFailure),
    /// The API was closed.
    Closed,
}

/// An extension ended the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionFailure {
    /// Of the extension.
    pub name: String,
    /// `Extension.InitError`, `Extension.ExitError`, `Extension.Crash` or `Extension.LaunchError`.
    pub error_type: &'static str,
    /// What follows `Error: ` in Lambda's error message: how the process ended, or the error type it reported.
    pub message: String,
}

/// Why something that was waited for does not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interruption {
    Extension(ExtensionFailure),
    /// The API was reset or closed.
    Closed,
}

/// Why extensions are told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownReason {
    /// The environment is not needed any more.
    Spindown,
    /// An invocation took too long.
    Timeout,
    /// The runtime or an extension crashed.
    Failure,
}

impl ShutdownReason {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

/// When the runtime did what during its last invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeTiming {
    /// The event was there and the runtime had asked for it.
    pub started: Instant,
    /// The first byte of the answer.
    pub response_started: Instant,
    /// The last byte of the answer.
    pub response_ended: Instant,
    /// The call for the next event.
    pub done: Instant,
    /// Size of the answer's body, also of one that was too large.
    pub produced_bytes: u64,
}

impl RuntimeTiming {
    /// What `platform.runtimeDone` reports as the duration.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.done - self.started
    }

    /// The spans of `platform.runtimeDone`. `started_ms` is the wall-clock time of [`started`](Self::started),
    /// milliseconds since the Unix epoch.
    #[must_use]
    pub fn spans(&self, started_ms: i64) -> [Span; 3] {
        let span = |name, from: Instant, until: Instant| {
            let offset_ms = i64::try_from((from - self.started).as_millis()).unwrap_or(i64::MAX);
            Span { name, start_ms: started_ms.saturating_add(offset_ms), duration: until - from }
        };
        [
            span(SpanName::ResponseLatency, self.started, self.response_started),
            span(SpanName::ResponseDuration, self.response_started, self.response_ended),
            span(SpanName::RuntimeOverhead, self.response_ended, self.done),
        ]
    }
}

/// What a prepared runtime process becomes.
#[derive(Clone)]
pub struct Assignment {
    pub identity: Identity,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
}

impl fmt::Debug for Assignment {
    /// Leaves the variables out: they hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assignment").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Why an environment cannot be assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignError {
    #[error("the environment was not made to be assigned, or is assigned already")]
    NotPrepared,
    #[error("the runtime has started without an assignment")]
    Started,
    #[error("the environment has ended")]
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_each_other_from_event_to_next() {
        let started = Instant::now();
        let after = |ms| started + Duration::from_millis(ms);
        let timing = RuntimeTiming {
            started,
            response_started: after(70),
            response_ended: after(75),
            done: after(80),
            produced_bytes: 16,
        };
        let span = |name, start_ms, ms| Span { name, start_ms, duration: Duration::from_millis(ms) };
        assert_eq!(
            timing.spans(1_000),
            [
                span(SpanName::ResponseLatency, 1_000, 70),
                span(SpanName::ResponseDuration, 1_070, 5),
                span(SpanName::RuntimeOverhead, 1_075, 5),
            ]
        );
        assert_eq!(timing.duration(), Duration::from_millis(80));
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let identity = Identity {
            function_name: "f".to_owned(),
            function_version: "1".to_owned(),
            handler: "h".to_owned(),
            account_id: "123456789012".to_owned(),
        };
        let environment = [("KEY".to_owned(), "hush".to_owned())].into();
        assert!(!format!("{:?}", Assignment { identity, environment }).contains("hush"));
        let metadata = Metadata { availability_zone_id: "use1-az1".to_owned(), token: "hush".to_owned() };
        assert!(!format!("{metadata:?}").contains("hush"));
    }
}
