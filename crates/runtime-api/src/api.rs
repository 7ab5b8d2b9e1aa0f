//! The handle: what the owner of an environment can ask and tell its APIs.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::environment::{
    AssignError, Assignment, EventSink, ExtensionFailure, Identity, InitError, Interruption, Metadata, RuntimeTiming,
    Settings, ShutdownReason,
};
use crate::extensions::Kind;
use crate::limits::ACCEPT_RETRY;
use crate::shared::{Phase, Shared};
use crate::telemetry::event::TelemetryEvent;
use crate::{FunctionError, Invocation, RuntimeAnswer};

/// The handle of everything that answers at one environment's `AWS_LAMBDA_RUNTIME_API`. Clones share it.
#[derive(Clone)]
pub struct RuntimeApi {
    shared: Arc<Shared>,
}

impl RuntimeApi {
    /// The Runtime API alone. `max_response_bytes`: largest response body that is passed on.
    #[must_use]
    pub fn new(max_response_bytes: usize) -> Self {
        Self::with(Settings::new(max_response_bytes))
    }

    /// The Runtime API and what else `settings` ask for.
    #[must_use]
    pub fn with(settings: Settings) -> Self {
        Self { shared: Arc::new(Shared::new(settings)) }
    }

    /// Serves the connections of runtime and extensions. Ends when the API is closed.
    pub fn serve(&self, listener: TcpListener) -> JoinHandle<()> {
        let shared = self.shared.clone();
        let listener = Arc::new(listener);
        shared.listen(listener.clone());
        tokio::spawn(async move {
            let mut phase = shared.phase();
            loop {
                let accepted = tokio::select! {
                    _ = phase.wait_for(|phase| matches!(phase, Phase::Closed)) => return,
                    accepted = poll_fn(|context| shared.poll_accept(&listener, context)) => accepted,
                };
                if let Err(error) = accepted {
                    tracing::warn!(%error, "runtime API: accept failed");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        })
    }

    /// Announces the external extensions (file names in `/opt/extensions`) that are being started. Call it before
    /// their processes can register, again after every [`reset`](Self::reset).
    ///
    /// # Errors
    /// `Extension.LaunchError` when there are more than ten, or two of one name.
    pub fn expect_extensions(&self, names: impl IntoIterator<Item = String>) -> Result<(), ExtensionFailure> {
        self.shared.expect_extensions(names)
    }

    /// Waits until every announced extension has registered: the runtime process may be started.
    ///
    /// # Errors
    /// [`Interruption`].
    pub async fn extensions_registered(&self) -> Result<(), Interruption> {
        self.shared.wait(|inner| inner.extensions.all_registered().then_some(())).await
    }

    /// Waits for the end of the init phase: runtime and every extension have called for their first event.
    ///
    /// # Errors
    /// The first failure, see [`InitError`].
    pub async fn initialized(&self) -> Result<(), InitError> {
        let mut phase = self.shared.phase();
        let reached = phase.wait_for(|phase| !matches!(phase, Phase::Starting)).await.map_err(|_| InitError::Closed)?;
        match &*reached {
            Phase::Failed(error) => Err(error.clone()),
            Phase::Closed => Err(InitError::Closed),
            Phase::Ready | Phase::Starting => Ok(()),
        }
    }

    /// [`initialized`](Self::initialized) for owners to whom every failure is one of the function.
    ///
    /// # Errors
    /// What the runtime posted to `/init/error`; an extension's failure in the same form; `Sandbox.Failure` when the
    /// API was closed.
    pub async fn ready(&self) -> Result<(), FunctionError> {
        self.initialized().await.map_err(|error| match error {
            InitError::Runtime(error) => error,
            InitError::Extension(failure) => platform_error(failure.error_type, &format!("Error: {}", failure.message)),
            InitError::Closed => platform_error("Sandbox.Failure", "The execution environment has ended"),
        })
    }

    /// Hands an event to the runtime, waiting for it to ask, and to the extensions that want it; waits for the runtime's
    /// answer. One at a time. Cancel-safe: when the future is dropped, a late answer is an unknown request id.
    pub async fn invoke(&self, invocation: Invocation) -> RuntimeAnswer {
        let (sender, answer) = oneshot::channel();
        let Some(token) = self.shared.submit(invocation, sender) else { return RuntimeAnswer::Closed };
        let _abandon_when_dropped = Submitted { shared: &self.shared, token };
        answer.await.unwrap_or(RuntimeAnswer::Closed)
    }

    /// After an answer: waits until the runtime has called for its next event, which is when `platform.runtimeDone` is
    /// due. Extensions may wait for that event before they call, so publish it before [`settled`](Self::settled).
    ///
    /// # Errors
    /// [`Interruption`].
    pub async fn runtime_done(&self) -> Result<RuntimeTiming, Interruption> {
        self.shared.wait(|inner| inner.stopwatch.timing()).await
    }

    /// After an answer: waits until the runtime and every extension that was told of the invocation have called for
    /// their next event: the invocation is over and the environment may be frozen.
    ///
    /// # Errors
    /// [`Interruption`].
    pub async fn settled(&self) -> Result<(), Interruption> {
        self.shared.wait(|inner| inner.is_settled().then_some(())).await
    }

    /// Resolves when an extension has failed the environment or the API was reset or closed; else never. To be waited
    /// for beside an invocation.
    pub async fn interrupted(&self) -> Interruption {
        match self.shared.wait(|_| None::<Infallible>).await {
            Ok(never) => match never {},
            Err(interruption) => interruption,
        }
    }

    /// An extension's process could not be started; `message` says why.
    pub fn extension_not_launched(&self, name: &str, kind: io::ErrorKind, message: &str) {
        self.shared.extension_not_launched(name, kind, message);
    }

    /// An extension's process has ended; `cause` in Lambda's words, such as `exit status 1` or `signal: killed`. Unless
    /// the environment is shut down this is its end, `Extension.Crash` where the extension has reported nothing else.
    pub fn extension_exited(&self, name: &str, cause: &str) {
        self.shared.extension_exited(name, cause);
    }

    /// Delivers waiting telemetry, sends `SHUTDOWN` to those who want it, at once or when they call next, and waits
    /// until the process of each has ended, as told by [`extension_exited`](Self::extension_exited). The owner bounds
    /// the wait. `deadline_ms`: milliseconds since the Unix epoch.
    pub async fn shut_down(&self, reason: ShutdownReason, deadline_ms: i64) {
        let generation = self.shared.begin_shutdown();
        self.shared.telemetry.flush().await;
        self.shared.send_shutdown(generation, reason, deadline_ms);
        // A reset is an end, too.
        let _ = self.shared.wait_in(generation, |inner| inner.is_shut_down().then_some(())).await;
    }

    /// Whether there are extensions with processes of their own.
    #[must_use]
    pub fn has_external(&self) -> bool {
        self.shared.has_extensions(Kind::External)
    }

    /// Whether there are extensions inside the runtime process.
    #[must_use]
    pub fn has_internal(&self) -> bool {
        self.shared.has_extensions(Kind::Internal)
    }

    /// Names of the extensions that [`shut_down`](Self::shut_down) tells and waits for.
    #[must_use]
    pub fn shutdown_subscribers(&self) -> Vec<String> {
        self.shared.shutdown_subscribers()
    }

    /// Hands an event to the extensions that subscribed to its category. Never blocks; what they do not take is dropped
    /// and counted.
    pub fn publish(&self, event: &TelemetryEvent) {
        self.shared.telemetry.publish(event);
    }

    /// Whether [`publish`](Self::publish) has any effect now.
    #[must_use]
    pub fn wants_telemetry(&self) -> bool {
        self.shared.telemetry.wanted()
    }

    /// Who hears the events that are made here from now on; for an environment that is made before its function is known.
    pub fn set_sink(&self, sink: Arc<dyn EventSink>) {
        self.shared.telemetry.set_sink(sink);
    }

    /// Turns the metadata endpoint on; for an environment that is made before its function is known. Once.
    pub fn set_metadata(&self, metadata: Metadata) {
        // A second one would be for another function, which no environment ever serves.
        let _ = self.shared.metadata.set(metadata);
    }

    /// The processes of the environment stand still (`true`) or go on. Telemetry is not delivered while they do not
    /// run. [`shut_down`](Self::shut_down) and [`reset`](Self::reset) imply that they run.
    pub fn set_frozen(&self, frozen: bool) {
        self.shared.telemetry.set_frozen(frozen);
    }

    /// Whether a prepared runtime process has asked for its assignment and waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.shared.is_waiting()
    }

    /// Tells a prepared runtime process what it is for: answers its `GET /2018-06-01/hearth/assignment`, now or when it
    /// comes.
    ///
    /// # Errors
    /// [`AssignError`].
    pub fn assign(&self, assignment: Assignment) -> Result<(), AssignError> {
        self.shared.assign(assignment)
    }

    /// Says whom a prepared environment is for, before its extensions are started. A process that `waits` needs its
    /// [assignment](Self::assign) besides; where none does, no assignment can be asked for any more.
    ///
    /// # Errors
    /// [`AssignError::Closed`].
    pub fn identify(&self, identity: Identity, waits: bool) -> Result<(), AssignError> {
        self.shared.identify(identity, waits)
    }

    /// Forgets all state for new processes; open connections are closed, also those not accepted yet, and an invocation
    /// in progress gets [`RuntimeAnswer::Closed`]. Call it when every process of before has ended.
    pub fn reset(&self) {
        self.shared.restart(false);
    }

    /// Ends serving; whoever waits is told.
    pub fn close(&self) {
        self.shared.restart(true);
    }
}

fn platform_error(error_type: &str, message: &str) -> FunctionError {
    let body = serde_json::json!({ "errorType": error_type, "errorMessage": message }).to_string();
    FunctionError { body: Bytes::from(body), error_type: Some(error_type.to_owned()) }
}

/// Takes the invocation back when its caller stops waiting.
struct Submitted<'a> {
    shared: &'a Shared,
    token: u64,
}

impl Drop for Submitted<'_> {
    fn drop(&mut self) {
        self.shared.abandon(self.token);
    }
}
