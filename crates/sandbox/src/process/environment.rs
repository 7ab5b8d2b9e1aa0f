//! One execution environment of the process backend: a slot, its Runtime API, its output, and the order in which they
//! are asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_network::Attachment;
use hearth_runtime_api::{Assignment, EventSink, InitError, Interruption, RuntimeAnswer};
use hearth_types::{Clock, Mebibytes, SystemClock};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};

use super::EndpointHook;
use super::client::{Furnishing, SpawnerClient};
use super::control::{Control, Runtime};
use super::launch::{launch, launch_failure};
use super::memory::MemoryGauge;
use super::output::Output;
use super::slot::{Aborted, PreparedSlot, Served};
use crate::cgroup::CgroupHandle;
use crate::environment::{
    Environment, EnvironmentId, EnvironmentSpec, ExitCause, ExtensionFailure, InitFailure, Invocation,
    InvocationOutcome, OutputSink, SandboxError, ShutdownReason, TelemetryEvent,
};
use crate::init::WORKING_DIRECTORY;
use crate::package::TreeHold;
use crate::protocol::Launch;
use crate::runtimes::{self, ImageRoot};
use crate::variables;

/// A process that has ended may have left an answer in a socket. This is how long it may take us to read it.
const LAST_WORDS_WAIT: Duration = Duration::from_millis(20);
/// The connection of a process that dies in the middle of an answer ends first. This is how long its own end may take to
/// be told.
const DEATH_NOTICE_WAIT: Duration = Duration::from_millis(500);

/// How long processes have to end by themselves, with external and with internal extensions only, and the runtime's part
/// of it. Source: Lambda developer guide, "Understanding the Lambda execution environment lifecycle", shutdown phase.
const SHUTDOWN_EXTERNAL_MAX: Duration = Duration::from_millis(2_000);
const SHUTDOWN_INTERNAL_MAX: Duration = Duration::from_millis(500);
const SHUTDOWN_RUNTIME_PERCENT: u32 = 30;

/// What one is made from.
pub(super) struct Parts<'a> {
    pub(super) spawner: Arc<SpawnerClient>,
    pub(super) trees: Vec<TreeHold>,
    pub(super) on_endpoint: Option<EndpointHook>,
    /// The image that is the runtime's root.
    pub(super) root: Option<&'a ImageRoot>,
    /// The root has an archive of its Java's classes.
    pub(super) has_class_archive: bool,
    pub(super) slot: PreparedSlot,
    pub(super) furnishing: Furnishing,
}

/// What was not destroyed ends when this is dropped: hearth-init goes when its control socket is closed.
pub(super) struct ProcessEnvironment {
    id: EnvironmentId,
    spawner: Arc<SpawnerClient>,
    api: Served,
    control: Arc<Control>,
    output: Arc<Output>,
    cgroup: Arc<CgroupHandle>,
    launch: Launch,
    /// What extensions see of it.
    extension_variables: Vec<String>,
    /// Where they start; an image may not have the usual one.
    extension_directory: &'static str,
    /// Layers, or an image, may have brought extensions.
    may_extend: bool,
    started: Mutex<Started>,
    memory: Mebibytes,
    gauge: MemoryGauge,
    /// One reset at a time.
    resetting: Mutex<()>,
    ended: watch::Receiver<bool>,
    /// The first word of an image's command line.
    image_program: Option<String>,
    /// Each ends when the slot does.
    _tasks: [Aborted; 2],
    /// Who serves Hearth's endpoint inside.
    endpoint: Option<Aborted>,
    /// The way out; an open device would keep the network namespace alive.
    network: parking_lot::Mutex<Option<Attachment>>,
    _trees: Vec<TreeHold>,
}

/// How far the processes of this life are; a reset begins anew.
#[derive(Default)]
struct Started {
    extensions: bool,
    runtime: bool,
    /// A process waits that was started before it was known what for: what it is to become.
    waiting: Option<Assignment>,
}

impl ProcessEnvironment {
    /// Makes a prepared slot this function's and starts its runtime.
    ///
    /// # Errors
    /// [`SandboxError`]; the slot ends then.
    pub(super) async fn create(
        spec: &EnvironmentSpec,
        runtime: &runtimes::Runtime,
        variables: BTreeMap<String, String>,
        parts: Parts<'_>,
        output: Arc<dyn OutputSink>,
    ) -> Result<Self, SandboxError> {
        let PreparedSlot {
            id,
            api,
            control,
            cgroup,
            output: pipe,
            records,
            endpoint,
            ended,
            is_started,
            follower,
            network,
        } = parts.slot;
        let extension_variables = variables::of_extensions(&variables);
        let image = (spec.image.as_deref(), parts.root);
        let launch = launch(runtime, image, parts.has_class_archive, variables.clone());
        api.set_sink(Arc::new(Forwarded(Arc::clone(&output))));
        if let Some(metadata) = spec.metadata.clone() {
            api.set_metadata(metadata);
        }
        let identify =
            |waits| api.identify(spec.identity.clone(), waits).map_err(|error| SandboxError::Create(error.to_string()));
        identify(is_started)?;
        let output = Output::new(pipe, records, output).map_err(|error| SandboxError::Create(error.to_string()))?;
        let output = Arc::new(output);
        let has_extensions = parts.root.is_some_and(|root| root.has_extensions);
        let may_extend = !spec.layers.is_empty() || spec.image.is_some() || has_extensions;
        let mut started = Started::default();
        let readied = async {
            if is_started {
                control.show_environment(launch.environment.clone(), runtime.changes_from_outside()).await
            } else if may_extend {
                // Extensions come first.
                Ok(())
            } else {
                started.runtime = true;
                control.start(launch.clone()).await
            }
        };
        // The spawner and hearth-init work side by side.
        let (furnished, readied) = tokio::join!(parts.furnishing.done(), readied);
        furnished?;
        match readied {
            Ok(()) if is_started => {
                started.waiting = Some(Assignment { identity: spec.identity.clone(), environment: variables });
            }
            Ok(()) => {}
            Err(error) if is_started => {
                // A process that cannot become the function's is replaced by one that starts as such.
                tracing::warn!(environment = %id, %error, "a waiting runtime cannot be used");
                control.kill_all().await?;
                api.reset();
                identify(false)?;
            }
            Err(error) => return Err(error),
        }
        let environment = Self {
            id,
            spawner: parts.spawner,
            api,
            launch,
            extension_variables,
            extension_directory: if spec.image.is_some() { "/" } else { WORKING_DIRECTORY },
            may_extend,
            started: Mutex::new(started),
            memory: spec.memory,
            gauge: MemoryGauge::new(Arc::clone(&cgroup), spec.memory),
            resetting: Mutex::new(()),
            image_program: spec.image.as_ref().map(|image| image.command_line.first().cloned().unwrap_or_default()),
            ended,
            _tasks: [follower, Aborted(tokio::spawn(Arc::clone(&output).follow()))],
            control,
            output,
            cgroup,
            // An open listener would keep the network namespace alive: the task goes with the environment.
            endpoint: parts.on_endpoint.map(|hook| Aborted(hook(id, endpoint))),
            network: parking_lot::Mutex::new(network),
            _trees: parts.trees,
        };
        if !environment.may_extend {
            // Nothing to wait for: the runtime starts while the caller gets ready to wait.
            environment.start_runtime(&mut *environment.started.lock().await).await?;
        }
        Ok(environment)
    }

    /// Starts the runtime process, or tells the one that waits what it is for.
    async fn start_runtime(&self, started: &mut Started) -> Result<(), SandboxError> {
        if !std::mem::replace(&mut started.runtime, true) {
            match started.waiting.take() {
                Some(assignment) => {
                    self.api.assign(assignment).map_err(|error| SandboxError::Create(error.to_string()))?;
                }
                None => self.control.start(self.launch.clone()).await?,
            }
        }
        Ok(())
    }

    /// Starts the programs in `/opt/extensions`.
    async fn start_extensions(&self, started: &mut Started) -> Result<(), InitFailure> {
        if std::mem::replace(&mut started.extensions, true) || !self.may_extend {
            return Ok(());
        }
        let names = self.control.list_extensions().await.map_err(gone)?;
        self.api.expect_extensions(names.iter().cloned()).map_err(InitFailure::Extension)?;
        let directory = self.extension_directory.to_owned();
        for name in names {
            self.control
                .start_extension(name, directory.clone(), self.extension_variables.clone())
                .await
                .map_err(gone)?;
        }
        Ok(())
    }

    /// Extensions first, then the runtime, until each has asked for its first event. Source: Lambda developer guide,
    /// "Understanding the Lambda execution environment lifecycle".
    async fn initialise(&self) -> Result<(), InitFailure> {
        {
            let mut started = self.started.lock().await;
            self.start_extensions(&mut started).await?;
            self.api.extensions_registered().await.map_err(interrupted)?;
            self.start_runtime(&mut started).await.map_err(gone)?;
        }
        self.api.initialized().await.map_err(|error| match error {
            InitError::Runtime(error) => InitFailure::Reported(error),
            InitError::Extension(failure) => InitFailure::Extension(failure),
            InitError::Closed => InitFailure::Exited(ExitCause::Signaled(libc::SIGKILL)),
        })
    }

    /// The quota counts from the first event on; where it cannot be set the function must not run unlimited.
    fn limit_cpu(&self) -> Result<(), InitFailure> {
        self.cgroup.set_cpu(self.memory).map_err(|error| {
            tracing::error!(environment = %self.id, %error, "the CPU limit cannot be set");
            InitFailure::Launch { error_type: "Sandbox.Failure", message: "the CPU limit cannot be set".to_owned() }
        })
    }
}

/// What the environment's own APIs tell goes where its output goes.
struct Forwarded(Arc<dyn OutputSink>);

impl EventSink for Forwarded {
    fn event(&self, event: &TelemetryEvent) {
        self.0.event(event);
    }
}

fn gone(error: SandboxError) -> InitFailure {
    tracing::debug!(%error, "an environment ended in its init phase");
    InitFailure::Exited(ExitCause::Signaled(libc::SIGKILL))
}

fn interrupted(interruption: Interruption) -> InitFailure {
    match interruption {
        Interruption::Extension(failure) => InitFailure::Extension(failure),
        Interruption::Closed => InitFailure::Exited(ExitCause::Signaled(libc::SIGKILL)),
    }
}

/// An environment that ends meanwhile is no extension's failure.
fn done(result: Result<(), Interruption>) -> Result<(), ExtensionFailure> {
    match result {
        Err(Interruption::Extension(failure)) => Err(failure),
        Ok(()) | Err(Interruption::Closed) => Ok(()),
    }
}

fn init_failure(end: Runtime, image: Option<&str>) -> InitFailure {
    match end {
        Runtime::NotStarted(failure) => launch_failure(failure, image),
        Runtime::Exited(cause) => InitFailure::Exited(cause),
        // `Control::ended` resolves with an end only.
        Runtime::Starting | Runtime::Running => InitFailure::Exited(ExitCause::Signaled(libc::SIGKILL)),
    }
}

fn exit_cause(end: &Runtime) -> ExitCause {
    match end {
        Runtime::Exited(cause) => *cause,
        _ => ExitCause::Signaled(libc::SIGKILL),
    }
}

#[async_trait]
impl Environment for ProcessEnvironment {
    fn id(&self) -> EnvironmentId {
        self.id
    }

    async fn ready(&self) -> Result<(), InitFailure> {
        let ready = self.initialise();
        tokio::pin!(ready);
        let result = tokio::select! {
            biased;
            result = &mut ready => result,
            end = self.control.ended() => match timeout(LAST_WORDS_WAIT, ready).await {
                Ok(Err(InitFailure::Reported(reported))) => Err(InitFailure::Reported(reported)),
                Ok(_) | Err(_) => Err(init_failure(end, self.image_program.as_deref())),
            },
        };
        self.output.drain();
        result.and_then(|()| self.limit_cpu())
    }

    async fn invoke(&self, invocation: Invocation) -> InvocationOutcome {
        let answer = self.api.invoke(invocation);
        tokio::pin!(answer);
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer,
            interruption = self.api.interrupted(), if self.has_extensions() => {
                self.output.drain();
                return match interruption {
                    Interruption::Extension(failure) => InvocationOutcome::Extension(failure),
                    Interruption::Closed => InvocationOutcome::Exited(ExitCause::Signaled(libc::SIGKILL)),
                };
            }
            end = self.control.ended() => match timeout(LAST_WORDS_WAIT, answer).await {
                Ok(answer) if !matches!(answer, RuntimeAnswer::Truncated | RuntimeAnswer::Closed) => answer,
                Ok(_) | Err(_) => {
                    self.output.drain();
                    return InvocationOutcome::Exited(exit_cause(&end));
                }
            },
        };
        self.output.drain();
        match answer {
            RuntimeAnswer::Truncated => match timeout(DEATH_NOTICE_WAIT, self.control.ended()).await {
                Ok(end) => {
                    self.output.drain();
                    InvocationOutcome::Exited(exit_cause(&end))
                }
                Err(_) => InvocationOutcome::Truncated,
            },
            RuntimeAnswer::Response { body } => InvocationOutcome::Response { body },
            RuntimeAnswer::Streamed { bytes } => InvocationOutcome::Streamed { bytes },
            RuntimeAnswer::Error(error) => InvocationOutcome::Error(error),
            RuntimeAnswer::TooLarge { size } => InvocationOutcome::TooLarge { size },
            RuntimeAnswer::Closed => InvocationOutcome::Exited(ExitCause::Signaled(libc::SIGKILL)),
        }
    }

    async fn reset(&self) -> Result<(), SandboxError> {
        let _one = self.resetting.lock().await;
        // The quota ends first: with it, many processes would take many seconds to die.
        let unlimited = self.cgroup.set_cpu_unlimited();
        // Then everything dies, and only then the API forgets: a dying runtime must not ask for the next one's first
        // event.
        self.control.kill_all().await?;
        unlimited.map_err(|error| SandboxError::Create(error.to_string()))?;
        self.output.finish();
        self.api.reset();
        let mut started = self.started.lock().await;
        *started = Started::default();
        if !self.may_extend {
            // As in the beginning.
            self.start_runtime(&mut started).await?;
        }
        Ok(())
    }

    async fn runtime_done(&self) -> Result<(), ExtensionFailure> {
        let result = tokio::select! {
            biased;
            timing = self.api.runtime_done() => done(timing.map(drop)),
            // Whoever invokes next learns of it.
            _ = self.control.ended() => Ok(()),
        };
        self.output.drain();
        result
    }

    async fn settled(&self) -> Result<(), ExtensionFailure> {
        let result = tokio::select! {
            biased;
            settled = self.api.settled() => done(settled),
            _ = self.control.ended() => Ok(()),
        };
        // What extensions wrote before they were done is of this invocation.
        self.output.drain();
        result
    }

    fn has_extensions(&self) -> bool {
        self.api.has_external() || self.api.has_internal()
    }

    async fn shut_down(&self, reason: ShutdownReason) {
        let budget = match (self.api.has_external(), self.api.has_internal()) {
            (true, _) => SHUTDOWN_EXTERNAL_MAX,
            (false, true) => SHUTDOWN_INTERNAL_MAX,
            (false, false) => return,
        };
        let deadline = Instant::now() + budget;
        // The runtime first; it has a part of the time.
        if self.control.end_runtime(false).await.is_ok()
            && timeout(budget * SHUTDOWN_RUNTIME_PERCENT / 100, self.control.ended()).await.is_err()
        {
            let _ = self.control.end_runtime(true).await;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let left_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        // Who is late is ended with everything else.
        let _ = timeout(left, self.api.shut_down(reason, SystemClock.now_ms().saturating_add(left_ms))).await;
        self.output.drain();
    }

    fn wants_telemetry(&self) -> bool {
        self.api.wants_telemetry()
    }

    fn publish(&self, event: &TelemetryEvent) {
        self.api.publish(event);
    }

    async fn destroy(&self) {
        self.memory_used_max();
        self.spawner.destroy(self.id.0).await;
        let mut ended = self.ended.clone();
        // An error means that the spawner is gone; it takes its slots along.
        let _ = ended.wait_for(|ended| *ended).await;
        self.output.finish();
        self.api.close();
        drop(self.network.lock().take());
        if let Some(endpoint) = &self.endpoint {
            endpoint.0.abort();
        }
    }

    fn freezes_fast(&self) -> bool {
        self.cgroup.freezes_fast()
    }

    fn freeze(&self) -> bool {
        // What was written so far is not held back by it.
        self.output.drain();
        self.api.set_frozen(true);
        let frozen = self.cgroup.freeze();
        frozen.inspect_err(|error| tracing::debug!(environment = %self.id, %error, "it cannot be frozen")).is_ok()
    }

    fn thaw(&self) -> bool {
        let thawed = self.cgroup.thaw();
        self.api.set_frozen(false);
        thawed.inspect_err(|error| tracing::warn!(environment = %self.id, %error, "it cannot be thawed")).is_ok()
    }

    fn memory_used_max(&self) -> Mebibytes {
        self.gauge.read()
    }
}
