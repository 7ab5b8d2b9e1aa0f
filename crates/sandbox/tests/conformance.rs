//! The promises of `hearth_sandbox::environment`, kept by every backend: one suite, run against the fake and against
//! processes. The functions are the scripts of `hearth_sandbox::fake`; for the process backend a small program here runs
//! the same scripts for real.

mod support;

use std::sync::Arc;
use std::time::Duration;

use hearth_sandbox::fake::FakeBackend;
use hearth_sandbox::process::PoolConfig;
use hearth_sandbox::{Backend, Environment, EnvironmentSpec, ExitCause, InitFailure, InvocationOutcome, SandboxError};
use hearth_types::Mebibytes;
use hearth_types::limits::INVOKE_RESPONSE_BYTES_MAX;
use serde_json::{Value, json};
use support::{BOOTSTRAP, Collected, Machine, Setup, body, invocation, spec};
use tokio::time::timeout;

/// Longer than anything here takes; every wait ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// The scripts of the fake backend, for real.
const APP: &str = r#"
import os, sys, time
invocations = 0
handler = os.environ["_HANDLER"]
if handler == "init:error": raise ImportError("init failed")
if handler.startswith("init:exit:"): sys.stdout.flush(); os._exit(int(handler[10:]))
if handler.startswith("init:sleep:"): time.sleep(int(handler[11:]) / 1000)
def handle(event):
    global invocations
    invocations += 1
    do = event.get("do")
    if do is None: return event
    if do == "echo": return event["value"]
    if do == "count": return invocations
    if do == "sleep": time.sleep(event["ms"] / 1000); return None
    if do == "print": os.write(1, event["text"].encode()); return None
    if do == "error": raise type(event["type"], (Exception,), {})(event["message"])
    if do == "exit": os._exit(event["status"])
    if do == "signal": os.kill(os.getpid(), event["signal"]); time.sleep(10)
    if do == "oom":
        hog = []
        while True: hog.append(bytearray(b"x" * 1048576))
    if do == "large": return "x" * event["bytes"]
    if do == "write": open("/tmp/" + event["name"], "w").write(event["text"]); return None
    if do == "read":
        try: return open("/tmp/" + event["name"]).read()
        except FileNotFoundError: return None
    if do == "variable": return os.environ.get(event["name"])
    if do == "touch":
        hog = bytearray(b"x" * (event["mib"] * 1048576)); return None
    raise Exception("cannot " + do)
"#;

/// A backend and how functions get onto it.
enum World {
    Fake(FakeBackend),
    Process(Machine),
}

impl World {
    fn backend(&self) -> Arc<dyn Backend> {
        match self {
            Self::Fake(backend) => Arc::new(backend.clone()),
            Self::Process(machine) => machine.backend.clone(),
        }
    }

    /// A function whose init goes as the handler says.
    fn function(&self, handler: &str) -> EnvironmentSpec {
        let code = match self {
            Self::Fake(_) => hearth_ports::CodeDigest([7; 32]),
            Self::Process(machine) if handler == "init:missing" => machine.package(&[("app.py", APP)]),
            Self::Process(machine) => machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", APP)]),
        };
        let mut spec = spec("provided.al2023", code);
        spec.handler = handler.to_owned();
        spec
    }

    async fn created(&self, handler: &str) -> Subject {
        self.create(self.function(handler)).await
    }

    async fn create(&self, spec: EnvironmentSpec) -> Subject {
        let output = Arc::new(Collected::default());
        let environment = self.backend().create(spec, output.clone()).await.expect("created");
        Subject { environment, output }
    }

    async fn started(&self) -> Subject {
        let subject = self.created("app.handle").await;
        subject.ready().await.unwrap_or_else(|error| panic!("{error:?}; {}", subject.output.text()));
        subject
    }
}

struct Subject {
    environment: Arc<dyn Environment>,
    output: Arc<Collected>,
}

impl Subject {
    async fn ready(&self) -> Result<(), InitFailure> {
        timeout(PATIENCE, self.environment.ready()).await.expect("ready in time")
    }

    async fn invoke(&self, event: &Value) -> InvocationOutcome {
        timeout(PATIENCE, self.environment.invoke(invocation(event.to_string()))).await.expect("answered in time")
    }

    async fn value(&self, event: &Value) -> Value {
        serde_json::from_str(&body(self.invoke(event).await)).expect("JSON")
    }

    async fn reset(&self) {
        timeout(PATIENCE, self.environment.reset()).await.expect("reset in time").expect("reset");
        self.ready().await.expect("ready again");
    }
}

async fn the_event_reaches_the_function_and_its_answer_comes_back(world: &World) {
    let subject = world.started().await;
    let event = json!({"text": "ünï", "list": [1, 2.5, null]});
    assert_eq!(subject.value(&event).await, event);
    assert_eq!(subject.value(&json!({"do": "echo", "value": 7})).await, json!(7));
}

async fn a_warm_environment_keeps_its_state(world: &World) {
    let subject = world.started().await;
    assert_eq!(subject.value(&json!({"do": "count"})).await, json!(1));
    assert_eq!(subject.value(&json!({"do": "count"})).await, json!(2));
}

async fn two_environments_share_nothing(world: &World) {
    let spec = world.function("app.handle");
    let (one, two) = (world.create(spec.clone()).await, world.create(spec).await);
    one.ready().await.expect("ready");
    two.ready().await.expect("ready");
    one.value(&json!({"do": "write", "name": "f", "text": "mine"})).await;
    assert_eq!(two.value(&json!({"do": "read", "name": "f"})).await, Value::Null);
    assert_eq!(two.value(&json!({"do": "count"})).await, json!(2));
    assert_ne!(one.environment.id(), two.environment.id());
}

async fn what_the_function_reports_as_its_error_comes_back_untouched(world: &World) {
    let subject = world.started().await;
    let outcome = subject.invoke(&json!({"do": "error", "type": "Odd", "message": "no"})).await;
    let InvocationOutcome::Error(error) = outcome else { panic!("{outcome:?}") };
    let body: Value = serde_json::from_slice(&error.body).expect("JSON");
    assert_eq!(body, json!({"errorMessage": "no", "errorType": "Odd"}));
    assert_eq!(error.error_type.as_deref(), Some("Function.Error"));
    assert_eq!(subject.value(&json!({"do": "count"})).await, json!(2), "an error does not end the environment");
}

async fn an_exit_is_told_with_its_status(world: &World) {
    for status in [0, 1, 127] {
        let subject = world.started().await;
        let outcome = subject.invoke(&json!({"do": "exit", "status": status})).await;
        assert_eq!(outcome, InvocationOutcome::Exited(ExitCause::Exited(status)));
    }
}

async fn a_signal_is_told_with_its_number(world: &World) {
    let subject = world.started().await;
    for signal in [libc::SIGSEGV, libc::SIGKILL] {
        let outcome = subject.invoke(&json!({"do": "signal", "signal": signal})).await;
        assert_eq!(outcome, InvocationOutcome::Exited(ExitCause::Signaled(signal)));
        subject.reset().await;
    }
}

async fn after_the_process_has_ended_every_invocation_says_so_until_a_reset(world: &World) {
    let subject = world.started().await;
    subject.invoke(&json!({"do": "exit", "status": 3})).await;
    let again = subject.invoke(&json!({"do": "count"})).await;
    assert_eq!(again, InvocationOutcome::Exited(ExitCause::Exited(3)));
    subject.reset().await;
    assert_eq!(subject.value(&json!({"do": "count"})).await, json!(1));
}

async fn the_memory_limit_is_the_configured_one(world: &World) {
    let spec = EnvironmentSpec { memory: Mebibytes(128), ..world.function("app.handle") };
    let subject = world.create(spec).await;
    subject.ready().await.expect("ready");
    let outcome = subject.invoke(&json!({"do": "oom"})).await;
    assert_eq!(outcome, InvocationOutcome::Exited(ExitCause::OutOfMemory));
    assert_eq!(subject.environment.memory_used_max(), Mebibytes(128));
    subject.reset().await;
    assert_eq!(subject.value(&json!({"do": "count"})).await, json!(1), "the environment survives");
    let outcome = subject.invoke(&json!({"do": "signal", "signal": libc::SIGKILL})).await;
    assert_eq!(outcome, InvocationOutcome::Exited(ExitCause::Signaled(libc::SIGKILL)), "not every SIGKILL is one");
}

async fn a_reset_forgets_the_process_and_keeps_tmp(world: &World) {
    let subject = world.started().await;
    subject.value(&json!({"do": "write", "name": "kept", "text": "here"})).await;
    subject.reset().await;
    assert_eq!(subject.value(&json!({"do": "count"})).await, json!(1));
    assert_eq!(subject.value(&json!({"do": "read", "name": "kept"})).await, json!("here"));
}

async fn a_time_out_followed_by_a_reset_leaves_a_working_environment(world: &World) {
    let subject = world.started().await;
    let late = subject.environment.invoke(invocation(r#"{"do":"sleep","ms":20000}"#));
    assert!(timeout(Duration::from_millis(100), late).await.is_err(), "still asleep");
    subject.reset().await;
    assert_eq!(subject.value(&json!({"do": "count"})).await, json!(1));
}

async fn an_answer_nobody_waits_for_is_not_the_next_ones(world: &World) {
    let subject = world.started().await;
    let late = subject.environment.invoke(invocation(r#"{"do":"sleep","ms":300}"#));
    assert!(timeout(Duration::from_millis(50), late).await.is_err(), "still asleep");
    assert_eq!(subject.value(&json!({"do": "echo", "value": "mine"})).await, json!("mine"));
}

async fn output_before_the_answer_has_arrived_with_the_answer(world: &World) {
    let subject = world.started().await;
    for number in 0..50 {
        subject.value(&json!({"do": "print", "text": format!("line {number}\n")})).await;
        assert!(subject.output.text().ends_with(&format!("line {number}\n")), "{number}: {}", subject.output.text());
    }
    let lines: Vec<String> = (0..50).map(|number| format!("line {number}\n")).collect();
    assert_eq!(subject.output.text(), lines.concat(), "in order, nothing twice");
}

async fn an_init_error_is_what_the_runtime_reported(world: &World) {
    let subject = world.created("init:error").await;
    let failure = subject.ready().await.expect_err("no init");
    let InitFailure::Reported(error) = failure else { panic!("{failure:?}") };
    assert_eq!(error.error_type.as_deref(), Some("Runtime.ImportModuleError"));
    let body: Value = serde_json::from_slice(&error.body).expect("JSON");
    assert_eq!(body["errorMessage"], "init failed");
}

async fn an_exit_during_init_is_told_with_its_status(world: &World) {
    let subject = world.created("init:exit:3").await;
    assert_eq!(subject.ready().await, Err(InitFailure::Exited(ExitCause::Exited(3))));
}

async fn a_function_without_a_program_is_an_invalid_entrypoint(world: &World) {
    let subject = world.created("init:missing").await;
    let message = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned();
    let expected = InitFailure::Launch { error_type: "Runtime.InvalidEntrypoint", message };
    assert_eq!(subject.ready().await, Err(expected));
}

async fn ready_waits_for_the_init_phase(world: &World) {
    let subject = world.created("init:sleep:400").await;
    assert!(timeout(Duration::from_millis(100), subject.environment.ready()).await.is_err(), "too early");
    subject.ready().await.expect("ready");
    assert_eq!(subject.value(&json!({"do": "count"})).await, json!(1));
}

async fn a_response_may_be_as_large_as_lambda_allows_and_no_larger(world: &World) {
    let subject = world.started().await;
    // The quotes count.
    let most = INVOKE_RESPONSE_BYTES_MAX - 2;
    let whole = subject.invoke(&json!({"do": "large", "bytes": most})).await;
    assert!(matches!(&whole, InvocationOutcome::Response { body } if body.len() == INVOKE_RESPONSE_BYTES_MAX));
    let outcome = subject.invoke(&json!({"do": "large", "bytes": most + 1})).await;
    assert!(matches!(outcome, InvocationOutcome::TooLarge { size } if size > INVOKE_RESPONSE_BYTES_MAX), "{outcome:?}");
}

async fn the_function_sees_its_variables_and_the_platforms(world: &World) {
    let subject = world.started().await;
    let expected = [
        ("AWS_LAMBDA_FUNCTION_NAME", json!("f")),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", json!("512")),
        ("AWS_LAMBDA_RUNTIME_API", json!("169.254.100.1:9001")),
        ("LAMBDA_TASK_ROOT", json!("/var/task")),
        ("TZ", json!(":UTC")),
        ("AWS_EXECUTION_ENV", Value::Null),
    ];
    for (name, value) in expected {
        assert_eq!(subject.value(&json!({"do": "variable", "name": name})).await, value, "{name}");
    }
}

async fn an_unknown_runtime_is_refused_before_anything_is_made(world: &World) {
    let mut spec = world.function("app.handle");
    spec.runtime = hearth_ports::RuntimeId("cobol".into());
    let refused = world.backend().check(&spec.runtime, spec.architecture).expect_err("refused");
    assert!(refused.to_string().contains("cobol"), "{refused}");
    let created = world.backend().create(spec, Arc::new(Collected::default())).await;
    assert!(matches!(created.err(), Some(SandboxError::Unsupported(_))));
}

async fn a_destroyed_environment_is_gone(world: &World) {
    let subject = world.started().await;
    timeout(PATIENCE, subject.environment.destroy()).await.expect("destroyed in time");
    timeout(PATIENCE, subject.environment.destroy()).await.expect("twice is fine");
    let outcome = subject.invoke(&json!({"do": "count"})).await;
    assert!(matches!(outcome, InvocationOutcome::Exited(_)), "{outcome:?}");
    assert_eq!(subject.environment.reset().await, Err(SandboxError::Gone));
}

async fn an_environment_can_be_destroyed_in_mid_invocation(world: &World) {
    let subject = world.started().await;
    let event = json!({"do": "sleep", "ms": 20_000});
    let (outcome, ()) = tokio::join!(subject.invoke(&event), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        subject.environment.destroy().await;
    });
    assert_eq!(outcome, InvocationOutcome::Exited(ExitCause::Signaled(libc::SIGKILL)));
}

async fn a_frozen_environment_stands_still_until_it_is_thawed(world: &World) {
    let subject = world.started().await;
    let event = json!({"do": "sleep", "ms": 100});
    let mut outcome = std::pin::pin!(subject.invoke(&event));
    assert!(timeout(Duration::from_millis(20), outcome.as_mut()).await.is_err(), "it sleeps");
    assert!(subject.environment.freeze(), "frozen");
    assert!(timeout(Duration::from_millis(300), outcome.as_mut()).await.is_err(), "it stands still");
    assert!(subject.environment.thaw(), "thawed");
    assert_eq!(body(outcome.await), "null");
    assert!(subject.environment.thaw(), "which is fine when it was not frozen");
    assert_eq!(subject.value(&json!({"do": "count"})).await, 2);
}

async fn a_frozen_environment_can_be_destroyed(world: &World) {
    let subject = world.started().await;
    assert!(subject.environment.freeze(), "frozen");
    timeout(PATIENCE, subject.environment.destroy()).await.expect("destroyed in time");
    assert_eq!(subject.environment.reset().await, Err(SandboxError::Gone));
}

async fn after_shutdown_nothing_runs_and_nothing_starts(world: &World) {
    let subject = world.started().await;
    let backend = world.backend();
    timeout(PATIENCE, backend.shutdown()).await.expect("shut down in time");
    let outcome = subject.invoke(&json!({"do": "sleep", "ms": 20_000})).await;
    assert!(matches!(outcome, InvocationOutcome::Exited(_)), "{outcome:?}");
    let created = backend.create(world.function("app.handle"), Arc::new(Collected::default())).await;
    assert_eq!(created.err(), Some(SandboxError::ShutDown));
}

/// Every promise is a test of each backend.
macro_rules! suite {
    ($($promise:ident)*) => {
        mod fake {
            use super::*;
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&World::Fake(FakeBackend::new())).await;
            })*
        }

        mod process {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let Some(machine) = Machine::start().await else { return };
                let world = World::Process(machine);
                super::$promise(&world).await;
                world.backend().shutdown().await;
            })*
        }

        /// The same with slots that were prepared before anybody asked.
        mod pooled {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let setup = Setup { pool: Some(PoolConfig::default()), ..Setup::default() };
                let Some(machine) = Machine::start_with(setup).await else { return };
                machine.wait_for_pool().await;
                let world = World::Process(machine);
                super::$promise(&world).await;
                world.backend().shutdown().await;
            })*
        }
    };
}

suite! {
    the_event_reaches_the_function_and_its_answer_comes_back
    a_warm_environment_keeps_its_state
    two_environments_share_nothing
    what_the_function_reports_as_its_error_comes_back_untouched
    an_exit_is_told_with_its_status
    a_signal_is_told_with_its_number
    after_the_process_has_ended_every_invocation_says_so_until_a_reset
    the_memory_limit_is_the_configured_one
    a_reset_forgets_the_process_and_keeps_tmp
    a_time_out_followed_by_a_reset_leaves_a_working_environment
    an_answer_nobody_waits_for_is_not_the_next_ones
    output_before_the_answer_has_arrived_with_the_answer
    an_init_error_is_what_the_runtime_reported
    an_exit_during_init_is_told_with_its_status
    a_function_without_a_program_is_an_invalid_entrypoint
    ready_waits_for_the_init_phase
    a_response_may_be_as_large_as_lambda_allows_and_no_larger
    the_function_sees_its_variables_and_the_platforms
    an_unknown_runtime_is_refused_before_anything_is_made
    a_destroyed_environment_is_gone
    an_environment_can_be_destroyed_in_mid_invocation
    a_frozen_environment_stands_still_until_it_is_thawed
    a_frozen_environment_can_be_destroyed
    after_shutdown_nothing_runs_and_nothing_starts
}
