//! One execution environment of the process backend: a slot, its Runtime API, its output, and the order in which they
//! are asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_runtime_api::{Assignment, RuntimeAnswer, RuntimeApi};
use hearth_types::Mebibytes;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use super::EndpointHook;
use super::client::SpawnerClient;
use super::control::{Control, Runtime};
use super::memory::MemoryGauge;
use super::output::Output;
use super::slot::{Aborted, PreparedSlot};
use crate::cgroup::CgroupHandle;
use crate::environment::{
    Environment, EnvironmentId, EnvironmentSpec, ExitCause, InitFailure, Invocation, InvocationOutcome, OutputSink,
    SandboxError,
};
use crate::package::{TreeHold, TreeStore};
use crate::protocol::{FurnishSlot, Launch, LaunchFailure};
use crate::runtimes::{self, BOOTSTRAPS, Program};
use crate::variables::wrapper;

/// A process that has ended may have left an answer in a socket. This is how long it may take us to read it.
const LAST_WORDS_WAIT: Duration = Duration::from_millis(20);

/// What the backend lends for making one.
pub(super) struct Parts<'a> {
    pub(super) spawner: &'a Arc<SpawnerClient>,
    pub(super) trees: &'a TreeStore,
    pub(super) on_endpoint: Option<&'a EndpointHook>,
    pub(super) slot: PreparedSlot,
}

pub(super) struct ProcessEnvironment {
    id: EnvironmentId,
    spawner: Arc<SpawnerClient>,
    api: RuntimeApi,
    control: Arc<Control>,
    output: Arc<Output>,
    cgroup: Arc<CgroupHandle>,
    launch: Launch,
    memory: Mebibytes,
    gauge: MemoryGauge,
    /// One reset at a time.
    resetting: Mutex<()>,
    ended: watch::Receiver<bool>,
    /// Each ends when the slot does.
    _tasks: [Aborted; 2],
    /// Who serves Hearth's endpoint inside.
    endpoint: Option<Aborted>,
    _trees: Vec<TreeHold>,
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
        let held = |digest| {
            let missing = || SandboxError::Create(format!("the code package {digest:?} is not installed"));
            parts.trees.hold(digest).ok_or_else(missing)
        };
        let trees = std::iter::once(&spec.code).chain(&spec.layers).map(held).collect::<Result<Vec<_>, _>>()?;
        let PreparedSlot { id, api, control, cgroup, output: pipe, records, endpoint, ended, is_started, follower } =
            parts.slot;
        let launch = launch(runtime, variables.clone());
        let furnished = parts.spawner.furnish(FurnishSlot {
            slot: id.0,
            code: spec.code,
            layers: spec.layers.clone(),
            memory: spec.memory,
            ephemeral_storage: spec.ephemeral_storage,
        });
        let shown =
            async { if is_started { control.show_environment(launch.environment.clone()).await } else { Ok(()) } };
        // The spawner and hearth-init work side by side.
        let (furnished, shown) = tokio::join!(furnished, shown);
        let pipe = Output::new(pipe, records, output).map_err(|error| SandboxError::Create(error.to_string()));
        let output = match furnished.and(pipe) {
            Ok(output) => Arc::new(output),
            Err(error) => {
                api.close();
                return Err(error);
            }
        };
        let environment = Self {
            id,
            spawner: Arc::clone(parts.spawner),
            api,
            launch,
            memory: spec.memory,
            gauge: MemoryGauge::new(Arc::clone(&cgroup), spec.memory),
            resetting: Mutex::new(()),
            ended,
            _tasks: [follower, Aborted(tokio::spawn(Arc::clone(&output).follow()))],
            control,
            output,
            cgroup,
            // An open listener would keep the network namespace alive: the task goes with the environment.
            endpoint: parts.on_endpoint.map(|hook| Aborted(hook(id, endpoint))),
            _trees: trees,
        };
        let assigned = shown.and_then(|()| environment.assign(spec, variables));
        if !is_started {
            assigned?;
            environment.control.start(environment.launch.clone()).await?;
        } else if let Err(error) = assigned {
            // A process that cannot become the function's is replaced by one that starts as such.
            tracing::warn!(environment = %id, %error, "a waiting runtime cannot be used");
            environment.reset().await?;
        }
        Ok(environment)
    }

    /// Tells the runtime process, if it waits, and extensions which function it is for.
    fn assign(&self, spec: &EnvironmentSpec, environment: BTreeMap<String, String>) -> Result<(), SandboxError> {
        let assignment = Assignment { identity: spec.identity.clone(), environment };
        self.api.assign(assignment).map_err(|error| SandboxError::Create(error.to_string()))
    }

    /// The quota counts from the first event on; where it cannot be set the function must not run unlimited.
    fn limit_cpu(&self) -> Result<(), InitFailure> {
        self.cgroup.set_cpu(self.memory).map_err(|error| {
            tracing::error!(environment = %self.id, %error, "the CPU limit cannot be set");
            InitFailure::Launch { error_type: "Sandbox.Failure", message: "the CPU limit cannot be set".to_owned() }
        })
    }
}

/// How a runtime process with these variables is started.
pub(super) fn launch(runtime: &runtimes::Runtime, variables: BTreeMap<String, String>) -> Launch {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let (programs, arguments) = match runtime.program {
        Program::Bootstrap => (owned(BOOTSTRAPS), Vec::new()),
        Program::Interpreter { program, arguments } => (owned(&[program]), owned(arguments)),
    };
    Launch {
        programs,
        arguments,
        wrapper: wrapper(&variables, runtime),
        environment: variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect(),
    }
}

/// Lambda's words for a runtime that could not be started. Recorded for custom runtimes.
fn launch_failure(failure: LaunchFailure) -> InitFailure {
    let (error_type, message) = match failure {
        LaunchFailure::NoProgram => (
            "Runtime.InvalidEntrypoint",
            // The platform's own directory is not the customer's business.
            format!("Couldn't find valid bootstrap(s): [{}]", BOOTSTRAPS[1..].join(" ")),
        ),
        LaunchFailure::Exec { program, errno } => {
            ("Runtime.InvalidEntrypoint", format!("fork/exec {program}: {}", error_text(errno)))
        }
        LaunchFailure::Confinement { errno } => {
            tracing::error!(error = error_text(errno), "a runtime process could not be confined");
            ("Sandbox.Failure", "the runtime process could not be confined".to_owned())
        }
    };
    InitFailure::Launch { error_type, message }
}

/// As Lambda's own front process, a Go program, words them: in lower case.
fn error_text(errno: i32) -> String {
    nix::errno::Errno::from_raw(errno).desc().to_lowercase()
}

fn init_failure(end: Runtime) -> InitFailure {
    match end {
        Runtime::NotStarted(failure) => launch_failure(failure),
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
        let ready = self.api.ready();
        tokio::pin!(ready);
        let result = tokio::select! {
            biased;
            result = &mut ready => result.map_err(InitFailure::Reported),
            end = self.control.ended() => match timeout(LAST_WORDS_WAIT, ready).await {
                Ok(Err(reported)) => Err(InitFailure::Reported(reported)),
                Ok(Ok(())) | Err(_) => Err(init_failure(end)),
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
            end = self.control.ended() => match timeout(LAST_WORDS_WAIT, answer).await {
                Ok(answer @ (RuntimeAnswer::Response { .. } | RuntimeAnswer::Error(_) | RuntimeAnswer::TooLarge { .. })) => answer,
                Ok(RuntimeAnswer::Truncated | RuntimeAnswer::Closed) | Err(_) => {
                    self.output.drain();
                    return InvocationOutcome::Exited(exit_cause(&end));
                }
            },
        };
        self.output.drain();
        match answer {
            RuntimeAnswer::Response { body } => InvocationOutcome::Response { body },
            RuntimeAnswer::Error(error) => InvocationOutcome::Error(error),
            RuntimeAnswer::TooLarge { size } => InvocationOutcome::TooLarge { size },
            RuntimeAnswer::Truncated => InvocationOutcome::Truncated,
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
        self.control.start(self.launch.clone()).await
    }

    async fn destroy(&self) {
        self.memory_used_max();
        self.spawner.destroy(self.id.0).await;
        let mut ended = self.ended.clone();
        // An error means that the spawner is gone; it takes its slots along.
        let _ = ended.wait_for(|ended| *ended).await;
        self.output.finish();
        self.api.close();
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
        let frozen = self.cgroup.freeze();
        frozen.inspect_err(|error| tracing::debug!(environment = %self.id, %error, "it cannot be frozen")).is_ok()
    }

    fn thaw(&self) -> bool {
        let thawed = self.cgroup.thaw();
        thawed.inspect_err(|error| tracing::warn!(environment = %self.id, %error, "it cannot be thawed")).is_ok()
    }

    fn memory_used_max(&self) -> Mebibytes {
        self.gauge.read()
    }
}

impl Drop for ProcessEnvironment {
    /// What was not destroyed ends here: hearth-init goes when its control socket is closed.
    fn drop(&mut self) {
        self.api.close();
    }
}
