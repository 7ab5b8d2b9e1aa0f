//! Extensions in a real sandbox: programs of a layer that are started before the runtime, are told what happens, hear
//! telemetry, and are asked to end; and the same walls around them as around the function.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_ports::CodeDigest;
use hearth_sandbox::process::PoolConfig;
use hearth_sandbox::{
    Backend, Environment, ExtensionFailure, InitFailure, InvocationOutcome, ShutdownReason, TelemetryEvent,
};
use serde_json::{Value, json};
use support::{BOOTSTRAP, Collected, Machine, Setup, spec, value};

/// Does what the files beside it say and writes down what it is told, in `/tmp/NAME`.
const EXTENSION: &str = r#"#!/usr/bin/env python3
import http.client, http.server, json, os, sys, threading
name = os.path.basename(sys.argv[0])
kind = name.split(".")[0]
host = os.environ["AWS_LAMBDA_RUNTIME_API"]
notes = open("/tmp/" + name, "a", buffering=1)
def note(**fields): notes.write(json.dumps(fields) + "\n")
def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(host)
    connection.request(method, path, body and json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read().decode()
if kind == "crash": sys.exit(3)
events = ["INVOKE"] if kind == "deaf" else ["INVOKE", "SHUTDOWN"]
status, headers, body = call("POST", "/2020-01-01/extension/register", {"Lambda-Extension-Name": name}, {"events": events})
note(registered=status, function=json.loads(body), environment=sorted(os.environ), uid=os.getuid(),
     fds=sorted(os.listdir("/proc/self/fd"))[:3])
identifier = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
if kind == "listen":
    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))): note(heard=event)
            self.send_response(200); self.end_headers()
        def log_message(self, *_): pass
    server = http.server.HTTPServer(("0.0.0.0", 8125), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    note(subscribed=call("PUT", "/2022-07-01/telemetry", identifier, {
        "schemaVersion": "2022-12-13", "types": ["platform", "function"],
        "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8125"}})[0])
while True:
    event = json.loads(call("GET", "/2020-01-01/extension/event/next", identifier)[2])
    note(told=event)
    if event["eventType"] == "SHUTDOWN": break
    if kind == "fail":
        call("POST", "/2020-01-01/extension/exit/error", {**identifier, "Lambda-Extension-Function-Error-Type": "Extension.Broken"}, {})
        sys.exit(1)
    if kind == "slow": __import__("time").sleep(0.3)
"#;

const APP: &str = r#"
import json, os
def handle(event):
    if event.get("do") == "notes":
        try: return [json.loads(line) for line in open("/tmp/" + event["of"])]
        except FileNotFoundError: return None
    if event.get("do") == "exit": os._exit(1)
    return event
"#;

struct World {
    machine: Machine,
    environment: Arc<dyn Environment>,
    output: Arc<Collected>,
}

impl World {
    /// A function with these programs as its extensions.
    async fn new(extensions: &[&str]) -> Option<Self> {
        let machine = Machine::start().await?;
        let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", APP)]);
        let mut spec = spec("provided.al2023", code);
        spec.layers = vec![layer(&machine, extensions)];
        let output = Arc::new(Collected::default());
        let environment = machine.backend.create(spec, output.clone()).await.expect("created");
        Some(Self { machine, environment, output })
    }

    /// With a runtime that was started before it was known what for.
    async fn prestarted(extensions: &[&str]) -> Option<Self> {
        let setup = Setup { pool: Some(PoolConfig::default()), ..Setup::default() };
        let machine = Machine::start_with(setup).await?;
        let code =
            machine.package(&[("app.py", &format!("{APP}\ndef handler(event, context): return handle(event)\n"))]);
        let mut spec = spec("python3.11", code);
        if let Err(missing) = machine.backend.check(&spec.runtime, spec.architecture) {
            eprintln!("SKIPPED: {missing}");
            return None;
        }
        spec.layers = vec![layer(&machine, extensions)];
        machine.wait_for_started("python3.11").await;
        let output = Arc::new(Collected::default());
        let environment = machine.backend.create(spec, output.clone()).await.expect("created");
        assert_eq!(machine.backend.pool_hits(), 1);
        Some(Self { machine, environment, output })
    }

    async fn ready(extensions: &[&str]) -> Option<Self> {
        let world = Self::new(extensions).await?;
        world.environment.ready().await.unwrap_or_else(|error| panic!("{error:?} {}", world.output.text()));
        Some(world)
    }

    async fn notes(&self, name: &str) -> Vec<Value> {
        let answer = value(&self.environment, &json!({"do": "notes", "of": format!("{name}.sh")})).await;
        self.environment.settled().await.expect("settled");
        answer.as_array().cloned().unwrap_or_default()
    }
}

fn layer(machine: &Machine, extensions: &[&str]) -> CodeDigest {
    let files: Vec<(String, &str)> =
        extensions.iter().map(|name| (format!("extensions/{name}.sh"), EXTENSION)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    machine.package(&files)
}

/// Those that have such a member.
fn with<'a>(notes: &'a [Value], member: &str) -> Vec<&'a Value> {
    notes.iter().filter_map(|note| note.get(member)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_is_started_first_told_of_each_invocation_and_waited_for() {
    let Some(world) = World::ready(&["watch", "slow"]).await else { return };
    assert!(world.environment.has_extensions());
    let started = Instant::now();
    assert_eq!(value(&world.environment, &json!({"a": 1})).await, json!({"a": 1}));
    let answered = started.elapsed();
    world.environment.settled().await.expect("settled");
    assert!(started.elapsed() >= Duration::from_millis(300), "the slow one was waited for");
    assert!(answered < Duration::from_millis(300), "but not before the answer");

    let notes = world.notes("watch").await;
    assert_eq!(notes[0]["registered"], 200);
    let function = json!({"functionName": "f", "functionVersion": "$LATEST", "handler": "app.handler"});
    assert_eq!(notes[0]["function"], function);
    assert_eq!(notes[0]["uid"], 1_051);
    let names: Vec<&str> = notes[0]["environment"].as_array().expect("list").iter().filter_map(Value::as_str).collect();
    assert!(names.contains(&"AWS_LAMBDA_RUNTIME_API") && names.contains(&"PATH"), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("_H")) && !names.contains(&"LAMBDA_TASK_ROOT"), "{names:?}");
    let told = with(&notes, "told");
    assert_eq!((told[0]["eventType"].as_str(), told[0]["requestId"].is_string()), (Some("INVOKE"), true));
    world.machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_end_who_asked_for_it_is_told_why_and_nobody_outlives_the_budget() {
    let Some(world) = World::ready(&["watch", "deaf"]).await else { return };
    value(&world.environment, &json!({})).await;
    world.environment.settled().await.expect("settled");
    let started = Instant::now();
    world.environment.shut_down(ShutdownReason::Timeout).await;
    assert!(started.elapsed() <= Duration::from_millis(2_200), "{:?}", started.elapsed());
    // What it was told is still in /tmp.
    world.environment.reset().await.expect("reset");
    world.environment.ready().await.expect("ready again");
    let notes = world.notes("watch").await;
    let told = with(&notes, "told");
    let shutdown = told.iter().find(|event| event["eventType"] == "SHUTDOWN").expect("told of the end");
    assert_eq!(shutdown["shutdownReason"], "timeout");
    assert_eq!(with(&notes, "registered").len(), 2, "and it was started again");
    let deaf = world.notes("deaf").await;
    assert!(with(&deaf, "told").iter().all(|event| event["eventType"] == "INVOKE"));
    world.machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_that_crashes_fails_the_init_phase() {
    let Some(world) = World::new(&["crash"]).await else { return };
    let failure = world.environment.ready().await.expect_err("it does not get ready");
    let InitFailure::Extension(ExtensionFailure { name, error_type, message }) = failure else { panic!("{failure:?}") };
    assert_eq!((name.as_str(), error_type), ("crash.sh", "Extension.Crash"));
    assert!(message.contains("exit status 3"), "{message}");
    world.machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_that_gives_up_ends_the_invocation_and_a_reset_starts_it_again() {
    let Some(world) = World::ready(&["fail"]).await else { return };
    let outcome = world.environment.invoke(support::invocation("{}".to_owned())).await;
    let ended = match outcome {
        InvocationOutcome::Extension(failure) => failure,
        // The answer was faster.
        InvocationOutcome::Response { .. } => world.environment.settled().await.expect_err("given up"),
        other => panic!("{other:?}"),
    };
    assert_eq!(ended.name, "fail.sh");
    world.environment.reset().await.expect("reset");
    world.environment.ready().await.expect("ready again");
    world.machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_reaches_the_port_an_extension_listens_on() {
    let Some(world) = World::ready(&["listen"]).await else { return };
    assert!(world.environment.wants_telemetry());
    let record = hearth_runtime_api::event::Record::Function(hearth_runtime_api::event::LogRecord::Text("said".into()));
    world.environment.publish(&TelemetryEvent { time_ms: 1_700_000_000_000, record });
    let heard = async {
        loop {
            let notes = world.notes("listen").await;
            let said = with(&notes, "heard").into_iter().find(|event| event["record"] == "said").cloned();
            if let Some(event) = said {
                return (event, notes);
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    let (event, notes) = tokio::time::timeout(Duration::from_secs(20), heard).await.expect("delivered");
    assert_eq!(event, json!({"time": "2023-11-14T22:13:20.000Z", "type": "function", "record": "said"}));
    assert_eq!(with(&notes, "subscribed"), [&json!(200)]);
    let kinds: Vec<&str> = with(&notes, "heard").iter().filter_map(|event| event["type"].as_str()).collect();
    assert!(kinds.contains(&"platform.telemetrySubscription") && kinds.contains(&"platform.extension"), "{kinds:?}");
    world.machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_is_told_whom_it_is_for_also_beside_a_runtime_that_waited() {
    let Some(world) = World::prestarted(&["listen"]).await else { return };
    world.environment.ready().await.unwrap_or_else(|error| panic!("{error:?} {}", world.output.text()));
    let notes = world.notes("listen").await;
    assert_eq!(notes[0]["function"]["functionName"], "f");
    // What it subscribed to before the runtime had its function is still subscribed to.
    assert_eq!(with(&notes, "subscribed"), [&json!(200)]);
    assert!(world.environment.wants_telemetry());
    world.machine.backend.shutdown().await;
}
