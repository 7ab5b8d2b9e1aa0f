//! A sandbox whose environments do what the handler's name and the events say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hearth_ports::{Architecture, RuntimeId, RuntimeVersion};
use hearth_runtime_api::event::Record;
use hearth_sandbox::{
    Backend, Begun, Environment, EnvironmentId, EnvironmentSpec, ExitCause, ExtensionFailure, FunctionError, HostRoom,
    InitFailure, Invocation, InvocationOutcome, OutputSink, ResponseSink, SandboxError, TelemetryEvent, Unsupported,
};
use hearth_types::Mebibytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Counts what becomes of environments, and lets tests make creation fail.
#[derive(Default)]
pub(crate) struct Sandboxes {
    pub(crate) created: AtomicUsize,
    pub(crate) destroyed: AtomicUsize,
    pub(crate) resets: AtomicUsize,
    pub(crate) specs: Mutex<Vec<EnvironmentSpec>>,
    /// So many creations fail.
    pub(crate) failures: AtomicUsize,
    pub(crate) unsupported: Mutex<Option<String>>,
    pub(crate) is_reset_broken: AtomicBool,
    pub(crate) is_freezing_slow: AtomicBool,
    /// What the machine says, if anything.
    pub(crate) room: Mutex<Option<HostRoom>>,
    /// Environments that stand still now.
    pub(crate) frozen: AtomicUsize,
    /// The backend is shut down.
    ended: CancellationToken,
}

/// One scripted environment. What its init does is in the handler's name, what an invocation does in the event.
struct Scripted {
    id: u64,
    handler: String,
    output: Arc<dyn OutputSink>,
    sandboxes: Arc<Sandboxes>,
    boots: AtomicUsize,
    served: AtomicUsize,
    is_busy: AtomicBool,
    is_destroyed: AtomicBool,
    is_frozen: AtomicBool,
    runtime_done: Notify,
}

/// Which build of every runtime it has.
pub(crate) const SCRIPTED_RUNTIMES: &str = "scripted";

pub(crate) struct ScriptedBackend(pub(crate) Arc<Sandboxes>);

#[async_trait]
impl Backend for ScriptedBackend {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn check(&self, _: &RuntimeId, _: Architecture) -> Result<(), Unsupported> {
        self.0.unsupported.lock().clone().map_or(Ok(()), |reason| Err(Unsupported::Never(reason)))
    }

    fn runtime_version(&self, runtime: &RuntimeId, architecture: Architecture) -> Option<RuntimeVersion> {
        Some(RuntimeVersion::new(runtime, architecture, SCRIPTED_RUNTIMES))
    }

    async fn begin(&self, spec: EnvironmentSpec) -> Result<Box<dyn Begun>, SandboxError> {
        let id = self.0.created.fetch_add(1, Ordering::SeqCst) as u64 + 1;
        if self.0.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(SandboxError::Create("no slot".to_owned()));
        }
        Ok(Box::new(ScriptedBegun { id, spec, sandboxes: Arc::clone(&self.0) }))
    }

    fn room(&self) -> Option<HostRoom> {
        *self.0.room.lock()
    }

    async fn shutdown(&self) {
        self.0.ended.cancel();
    }
}

struct ScriptedBegun {
    id: u64,
    spec: EnvironmentSpec,
    sandboxes: Arc<Sandboxes>,
}

#[async_trait]
impl Begun for ScriptedBegun {
    async fn create(
        self: Box<Self>,
        more: Vec<(String, String)>,
        output: Arc<dyn OutputSink>,
    ) -> Result<Arc<dyn Environment>, SandboxError> {
        let Self { id, mut spec, sandboxes } = *self;
        spec.variables.extend(more);
        let handler = spec.handler.clone();
        sandboxes.specs.lock().push(spec);
        Ok(Arc::new(Scripted {
            id,
            handler,
            output,
            sandboxes,
            boots: AtomicUsize::new(1),
            served: AtomicUsize::new(0),
            is_busy: AtomicBool::new(false),
            is_destroyed: AtomicBool::new(false),
            is_frozen: AtomicBool::new(false),
            runtime_done: Notify::new(),
        }))
    }
}

fn error(text: &str, error_type: &str) -> FunctionError {
    FunctionError { body: text.to_owned().into(), error_type: Some(error_type.to_owned()) }
}

impl Scripted {
    /// Answers in streaming mode. The steps: `~MS` is a pause, `*BYTES` a chunk of so many, `!fail`, `!exit`, `!oom`,
    /// `!host-oom`, `!cut` and `!hang` end it in the middle, anything else is a chunk of text.
    async fn stream(&self, steps: &str, sink: Option<&dyn ResponseSink>) -> InvocationOutcome {
        let mut body = Vec::new();
        if let Some(sink) = sink {
            sink.begin(Some("text/event-stream"));
        }
        for step in steps.split(' ') {
            let (kind, rest) = step.split_at(1);
            let chunk = match kind {
                "~" => {
                    tokio::time::sleep(Duration::from_millis(rest.parse().expect("milliseconds"))).await;
                    continue;
                }
                "!" => match rest {
                    "fail" => return InvocationOutcome::Error(error(r#"{"errorType":"Exception"}"#, "Exception")),
                    "exit" => return InvocationOutcome::Exited(ExitCause::Exited(1)),
                    "oom" => return InvocationOutcome::Exited(ExitCause::OutOfMemory),
                    "host-oom" => return InvocationOutcome::Exited(ExitCause::OutOfHostMemory),
                    "cut" => return InvocationOutcome::Truncated,
                    _ => std::future::pending().await,
                },
                "*" => vec![b'x'; rest.parse().expect("bytes")],
                _ => step.as_bytes().to_vec(),
            };
            body.extend_from_slice(&chunk);
            if let Some(sink) = sink
                && sink.take(chunk.into()).await.is_err()
            {
                return InvocationOutcome::TooLarge { size: body.len() };
            }
        }
        match sink {
            Some(_) => InvocationOutcome::Streamed { bytes: body.len() },
            None => InvocationOutcome::Response { body: body.into() },
        }
    }
}

#[async_trait]
impl Environment for Scripted {
    fn id(&self) -> EnvironmentId {
        EnvironmentId(self.id)
    }

    async fn ready(&self) -> Result<(), InitFailure> {
        let boots = self.boots.load(Ordering::SeqCst);
        self.output.output(format!("boot {boots}\n").as_bytes());
        let (what, number) = self.handler.split_once(':').unwrap_or((&self.handler, "0"));
        let number: u64 = number.parse().unwrap_or(0);
        match what {
            "init-sleeps" => tokio::time::sleep(Duration::from_millis(number)).await,
            "init-sleeps-once" if boots == 1 => tokio::time::sleep(Duration::from_millis(number)).await,
            "init-hangs" => std::future::pending().await,
            "init-error" => {
                return Err(InitFailure::Reported(error(r#"{"init":"error"}"#, "Runtime.ImportModuleError")));
            }
            "init-error-once" if boots == 1 => {
                return Err(InitFailure::Reported(error("{}", "Runtime.ImportModuleError")));
            }
            "init-exits" => return Err(InitFailure::Exited(ExitCause::Exited(number as i32))),
            "init-cannot-launch" => {
                let message = "fork/exec /var/task/bootstrap: no such file or directory".to_owned();
                return Err(InitFailure::Launch { error_type: "Runtime.InvalidEntrypoint", message });
            }
            _ => {}
        }
        Ok(())
    }

    /// The event is a JSON text: `echo`, `id` (answers environment, number of invocations served and boots),
    /// `print TEXT`, `sleep MS`, `hang`, `fail`, `exit STATUS`, `signal NUMBER`, `oom`, `host-oom`, `large`, `cut`, `context`,
    /// `stream STEP…`, see [`Scripted::stream`].
    async fn invoke(&self, invocation: Invocation) -> InvocationOutcome {
        assert!(!self.is_destroyed.load(Ordering::SeqCst), "an ended environment is not used");
        assert!(!self.is_frozen.load(Ordering::SeqCst), "a frozen environment cannot answer");
        assert!(!self.is_busy.swap(true, Ordering::SeqCst), "one invocation at a time");
        let served = self.served.fetch_add(1, Ordering::SeqCst) + 1;
        let event: String = serde_json::from_slice(&invocation.payload).unwrap_or_default();
        let (what, argument) = event.split_once(' ').unwrap_or((&event, ""));
        let number: u64 = argument.parse().unwrap_or(0);
        let response = |text: String| InvocationOutcome::Response { body: text.into() };
        let work = async {
            match what {
                "id" => response(format!("{}:{served}:{}", self.id, self.boots.load(Ordering::SeqCst))),
                "print" => {
                    self.output.output(argument.as_bytes());
                    response("null".to_owned())
                }
                "sleep" => {
                    tokio::time::sleep(Duration::from_millis(number)).await;
                    response(self.id.to_string())
                }
                "hang" => {
                    self.output.output(b"hanging");
                    std::future::pending().await
                }
                "fail" => {
                    InvocationOutcome::Error(error(r#"{"errorMessage":"no","errorType":"Exception"}"#, "Exception"))
                }
                "exit" => InvocationOutcome::Exited(ExitCause::Exited(number as i32)),
                "signal" => InvocationOutcome::Exited(ExitCause::Signaled(number as i32)),
                "oom" => InvocationOutcome::Exited(ExitCause::OutOfMemory),
                "host-oom" => InvocationOutcome::Exited(ExitCause::OutOfHostMemory),
                "stream" => self.stream(argument, invocation.sink.as_deref()).await,
                "large" => InvocationOutcome::TooLarge { size: 7_000_000 },
                "cut" => InvocationOutcome::Truncated,
                "context" => response(format!(
                    "{} {} {} {}",
                    invocation.request_id,
                    invocation.invoked_arn,
                    invocation.trace.unwrap_or_default(),
                    invocation.client_context.unwrap_or_default()
                )),
                _ => InvocationOutcome::Response { body: invocation.payload },
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = self.sandboxes.ended.cancelled() => InvocationOutcome::Exited(ExitCause::Signaled(9)),
        };
        self.is_busy.store(false, Ordering::SeqCst);
        outcome
    }

    async fn reset(&self) -> Result<(), SandboxError> {
        self.sandboxes.resets.fetch_add(1, Ordering::SeqCst);
        self.is_busy.store(false, Ordering::SeqCst);
        self.boots.fetch_add(1, Ordering::SeqCst);
        if self.sandboxes.is_reset_broken.load(Ordering::SeqCst) || self.sandboxes.ended.is_cancelled() {
            Err(SandboxError::Gone)
        } else {
            Ok(())
        }
    }

    async fn destroy(&self) {
        if !self.is_destroyed.swap(true, Ordering::SeqCst) {
            self.sandboxes.destroyed.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn settled(&self) -> Result<(), ExtensionFailure> {
        if self.has_extensions() {
            self.runtime_done.notified().await;
        }
        Ok(())
    }

    /// The handler `listens` has an extension that is done with an invocation when it has heard that the runtime is.
    fn has_extensions(&self) -> bool {
        self.handler == "listens"
    }

    fn wants_telemetry(&self) -> bool {
        self.has_extensions()
    }

    fn publish(&self, event: &TelemetryEvent) {
        if matches!(event.record, Record::RuntimeDone(_)) {
            self.runtime_done.notify_one();
        }
    }

    fn freezes_fast(&self) -> bool {
        !self.sandboxes.is_freezing_slow.load(Ordering::SeqCst)
    }

    fn freeze(&self) -> bool {
        assert!(!self.is_busy.load(Ordering::SeqCst), "not in the middle of an invocation");
        assert!(!self.is_frozen.swap(true, Ordering::SeqCst), "once is enough");
        self.sandboxes.frozen.fetch_add(1, Ordering::SeqCst);
        true
    }

    fn thaw(&self) -> bool {
        if self.is_frozen.swap(false, Ordering::SeqCst) {
            self.sandboxes.frozen.fetch_sub(1, Ordering::SeqCst);
        }
        true
    }

    fn memory_used_max(&self) -> Mebibytes {
        Mebibytes(36)
    }
}
