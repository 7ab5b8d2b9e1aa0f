//! A backend in memory: functions are scripts that the event itself carries. It keeps the same promises as the others
//! (`tests/conformance.rs`), so everything above can be tested without privileges, processes or waiting.
//!
//! The event is an object with a member `do`; anything else is echoed.
//!
//! | event | what the function does |
//! |---|---|
//! | `{"do":"echo","value":V}` | answers V |
//! | `{"do":"count"}` | answers how often it was invoked since its runtime started |
//! | `{"do":"sleep","ms":N}` | answers `null` after N ms |
//! | `{"do":"print","text":T}` | writes T, answers `null` |
//! | `{"do":"error","type":E,"message":M}` | reports an error |
//! | `{"do":"exit","status":N}`, `{"do":"signal","signal":N}` | ends its process |
//! | `{"do":"oom"}` | takes memory until it is killed |
//! | `{"do":"large","bytes":N}` | answers a string of N bytes |
//! | `{"do":"write","name":F,"text":T}`, `{"do":"read","name":F}` | a file in `/tmp`; a missing one reads as `null` |
//! | `{"do":"variable","name":N}` | answers an environment variable |
//!
//! A handler `init:…` says how the init phase goes: `init:error` is reported, `init:exit:N` ends the process,
//! `init:missing` has no program, `init:sleep:N` takes N ms.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_ports::{Architecture, RuntimeId, RuntimeVersion};
use hearth_types::Mebibytes;
use hearth_types::limits::INVOKE_RESPONSE_BYTES_MAX;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::environment::{
    Backend, Begun, Environment, EnvironmentId, EnvironmentSpec, ExitCause, FunctionError, InitFailure, Invocation,
    InvocationOutcome, OutputSink, SandboxError, Unsupported,
};
use crate::runtimes;
use crate::variables::{Host, variables};

/// How a process ends that is ended from outside.
const KILLED: ExitCause = ExitCause::Signaled(libc::SIGKILL);
/// What an idle function seems to use.
const MEMORY_IDLE: Mebibytes = Mebibytes(30);

/// What happened to a backend's environments so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub created: u64,
    pub resets: u64,
    pub destroyed: u64,
}

#[derive(Clone, Default)]
pub struct FakeBackend {
    counts: watch::Sender<Counts>,
    closed: watch::Sender<bool>,
    environments: Arc<AtomicU64>,
}

impl FakeBackend {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Can be waited on.
    #[must_use]
    pub fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }
}

#[async_trait]
impl Backend for FakeBackend {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn check(&self, runtime: &RuntimeId, _: Architecture) -> Result<(), Unsupported> {
        runtimes::find(runtime).map(drop)
    }

    fn runtime_version(&self, runtime: &RuntimeId, architecture: Architecture) -> Option<RuntimeVersion> {
        Some(RuntimeVersion::new(runtime, architecture, "fake"))
    }

    async fn begin(&self, spec: EnvironmentSpec) -> Result<Box<dyn Begun>, SandboxError> {
        self.check(&spec.runtime, spec.architecture)?;
        if *self.closed.borrow() {
            return Err(SandboxError::ShutDown);
        }
        Ok(Box::new(FakeBegun { spec, backend: self.clone() }))
    }

    async fn shutdown(&self) {
        self.closed.send_replace(true);
    }
}

struct FakeBegun {
    spec: EnvironmentSpec,
    backend: FakeBackend,
}

#[async_trait]
impl Begun for FakeBegun {
    async fn create(
        self: Box<Self>,
        more: Vec<(String, String)>,
        output: Arc<dyn OutputSink>,
    ) -> Result<Arc<dyn Environment>, SandboxError> {
        let Self { mut spec, backend } = *self;
        spec.variables.extend(more);
        backend.counts.send_modify(|counts| counts.created += 1);
        Ok(Arc::new(FakeEnvironment {
            id: EnvironmentId(backend.environments.fetch_add(1, Ordering::Relaxed) + 1),
            variables: variables(&spec, runtimes::find(&spec.runtime)?, Host::default()).into_iter().collect(),
            output,
            life: watch::Sender::new(Life::generation(0)),
            files: Mutex::default(),
            memory_used_max: Mutex::new(MEMORY_IDLE.min(spec.memory)),
            spec,
            backend,
        }))
    }
}

/// The environment and its runtime process.
#[derive(Clone, Debug, Default)]
struct Life {
    /// Counts runtime processes.
    generation: u64,
    started: Option<Instant>,
    invocations: u64,
    /// Still working on an invocation that nobody waits for any more.
    busy_until: Option<Instant>,
    /// Nothing in it goes on.
    frozen: bool,
    /// How the runtime process ended.
    end: Option<ExitCause>,
    /// Nothing can start here again.
    gone: bool,
}

impl Life {
    fn generation(generation: u64) -> Self {
        Self { generation, started: Some(Instant::now()), ..Self::default() }
    }
}

struct FakeEnvironment {
    id: EnvironmentId,
    spec: EnvironmentSpec,
    variables: HashMap<String, String>,
    output: Arc<dyn OutputSink>,
    life: watch::Sender<Life>,
    files: Mutex<HashMap<String, String>>,
    memory_used_max: Mutex<Mebibytes>,
    backend: FakeBackend,
}

impl FakeEnvironment {
    fn end(&self, cause: ExitCause) -> InvocationOutcome {
        self.life.send_modify(|life| life.end = Some(cause));
        InvocationOutcome::Exited(cause)
    }

    /// Frozen, nothing of it goes on.
    async fn thawed(&self) {
        // The sender lives as long as this.
        let _ = self.life.subscribe().wait_for(|life| !life.frozen).await;
    }

    /// Resolves when the runtime process has been ended from outside.
    async fn killed(&self) -> ExitCause {
        let mut life = self.life.subscribe();
        let generation = life.borrow().generation;
        let mut closed = self.backend.closed.subscribe();
        tokio::select! {
            _ = life.wait_for(|life| life.end.is_some() || life.generation != generation) => {}
            _ = closed.wait_for(|closed| *closed) => {}
        }
        KILLED
    }

    async fn run(&self, payload: Bytes) -> InvocationOutcome {
        let event: Value = serde_json::from_slice(&payload).unwrap_or(Value::Null);
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        let small = |name: &str| i32::try_from(number(name)).unwrap_or_default();
        let answer = match event["do"].as_str() {
            None => return InvocationOutcome::Response { body: payload },
            Some("echo") => event["value"].clone(),
            Some("count") => json!(self.life.borrow().invocations),
            Some("sleep") => {
                let end = Instant::now() + Duration::from_millis(number("ms"));
                self.life.send_modify(|life| life.busy_until = Some(end));
                sleep_until(end).await;
                Value::Null
            }
            Some("print") => {
                self.output.output(text("text").as_bytes());
                Value::Null
            }
            Some("error") => {
                let body = json!({"errorMessage": text("message"), "errorType": text("type")}).to_string().into();
                return InvocationOutcome::Error(FunctionError { body, error_type: Some("Function.Error".to_owned()) });
            }
            Some("exit") => return self.end(ExitCause::Exited(small("status"))),
            Some("signal") => return self.end(ExitCause::Signaled(small("signal"))),
            Some("oom") => {
                *self.memory_used_max.lock() = self.spec.memory;
                return self.end(ExitCause::OutOfMemory);
            }
            Some("large") => json!("x".repeat(usize::try_from(number("bytes")).unwrap_or_default())),
            Some("write") => {
                self.files.lock().insert(text("name"), text("text"));
                Value::Null
            }
            Some("read") => self.files.lock().get(&text("name")).map_or(Value::Null, |content| json!(content)),
            Some("variable") => self.variables.get(&text("name")).map_or(Value::Null, |value| json!(value)),
            Some(other) => {
                let body =
                    json!({"errorMessage": format!("cannot {other}"), "errorType": "Unknown"}).to_string().into();
                return InvocationOutcome::Error(FunctionError {
                    body,
                    error_type: Some("Function.Unknown".to_owned()),
                });
            }
        };
        let body = Bytes::from(answer.to_string());
        if body.len() > INVOKE_RESPONSE_BYTES_MAX {
            return InvocationOutcome::TooLarge { size: body.len() };
        }
        InvocationOutcome::Response { body }
    }

    async fn init(&self) -> Result<(), InitFailure> {
        let mut words = self.spec.handler.strip_prefix("init:").unwrap_or_default().split(':');
        let kind = words.next();
        let number: u16 = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
        match kind {
            Some("error") => {
                self.end(ExitCause::Exited(1));
                let body =
                    json!({"errorMessage": "init failed", "errorType": "Runtime.ImportModuleError"}).to_string().into();
                Err(InitFailure::Reported(FunctionError {
                    body,
                    error_type: Some("Runtime.ImportModuleError".to_owned()),
                }))
            }
            Some("exit") => {
                self.end(ExitCause::Exited(number.into()));
                Err(InitFailure::Exited(ExitCause::Exited(number.into())))
            }
            Some("missing") => {
                self.end(ExitCause::Exited(127));
                Err(InitFailure::Launch {
                    error_type: "Runtime.InvalidEntrypoint",
                    message: "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned(),
                })
            }
            Some("sleep") => {
                let started = self.life.borrow().started.unwrap_or_else(Instant::now);
                tokio::select! {
                    () = sleep_until(started + Duration::from_millis(number.into())) => Ok(()),
                    cause = self.killed() => Err(InitFailure::Exited(cause)),
                }
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Environment for FakeEnvironment {
    fn id(&self) -> EnvironmentId {
        self.id
    }

    async fn ready(&self) -> Result<(), InitFailure> {
        self.init().await
    }

    async fn invoke(&self, invocation: Invocation) -> InvocationOutcome {
        let Life { end, busy_until, .. } = self.life.borrow().clone();
        if let Some(cause) = end {
            return InvocationOutcome::Exited(cause);
        }
        if let Some(busy_until) = busy_until {
            sleep_until(busy_until).await;
        }
        self.life.send_modify(|life| {
            life.invocations += 1;
            life.busy_until = None;
        });
        let answer = async {
            let outcome = self.run(invocation.payload).await;
            self.thawed().await;
            outcome
        };
        tokio::select! {
            biased;
            outcome = answer => outcome,
            cause = self.killed() => InvocationOutcome::Exited(cause),
        }
    }

    async fn reset(&self) -> Result<(), SandboxError> {
        let alive = !*self.backend.closed.borrow()
            && self.life.send_if_modified(|life| {
                if !life.gone {
                    *life = Life::generation(life.generation + 1);
                }
                !life.gone
            });
        if !alive {
            return Err(SandboxError::Gone);
        }
        self.backend.counts.send_modify(|counts| counts.resets += 1);
        Ok(())
    }

    async fn destroy(&self) {
        let first = self.life.send_if_modified(|life| {
            life.end = life.end.or(Some(KILLED));
            !std::mem::replace(&mut life.gone, true)
        });
        if first {
            self.backend.counts.send_modify(|counts| counts.destroyed += 1);
        }
    }

    fn freezes_fast(&self) -> bool {
        true
    }

    fn freeze(&self) -> bool {
        self.life.send_modify(|life| life.frozen = true);
        !self.life.borrow().gone
    }

    fn thaw(&self) -> bool {
        self.life.send_modify(|life| life.frozen = false);
        !self.life.borrow().gone
    }

    fn memory_used_max(&self) -> Mebibytes {
        *self.memory_used_max.lock()
    }
}
