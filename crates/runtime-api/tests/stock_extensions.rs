//! Extensions made with AWS's own client are served as they are.

mod support;

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use hearth_runtime_api::event::{
    LogRecord, Record, Report, ReportMetrics, RuntimeDone, RuntimeDoneMetrics, Start, Status, TraceContext, TraceKind,
};
use hearth_runtime_api::{ExtensionFailure, InitError, RuntimeAnswer, ShutdownReason, TelemetryEvent};
use lambda_extension::{
    Error, Extension, LambdaEvent, LambdaLog, LambdaLogRecord, LambdaTelemetry, LambdaTelemetryRecord, LogBuffering,
    NextEvent, SharedService, service_fn,
};
use support::{NEXT, NOW_MS, PATIENCE, Server, invocation, post, serve_extensions};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// What a process says to its test: a line with this mark.
const SAYS: &str = "extension says: ";
const PORT: &str = "TEST_EXTENSION_PORT";

fn say(what: &str) {
    println!("{SAYS}{what}");
}

fn port() -> u16 {
    std::env::var(PORT).expect("port").parse().expect("port")
}

const BUFFERING: LogBuffering = LogBuffering { timeout_ms: 25, max_bytes: 262_144, max_items: 1_000 };

async fn event(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(event) => say(&format!(
            "INVOKE {} {} {} {}",
            event.request_id, event.deadline_ms, event.invoked_function_arn, event.tracing.value
        )),
        NextEvent::Shutdown(event) => {
            say(&format!("SHUTDOWN {} {}", event.shutdown_reason, event.deadline_ms));
            std::process::exit(0);
        }
    }
    Ok(())
}

/// The extensions: each runs in a process of its own, since the client takes its settings from the environment.
#[tokio::test]
#[ignore = "started by the tests below as an extension process"]
async fn telemetry_process() {
    let telemetry = |events: Vec<LambdaTelemetry>| async move {
        for event in events {
            match event.record {
                LambdaTelemetryRecord::Function(text) => say(&format!("function {text}")),
                LambdaTelemetryRecord::Extension(text) => say(&format!("extension {text}")),
                record => say(&format!("{record:?}")),
            }
        }
        Ok::<(), Error>(())
    };
    let extension = Extension::new()
        .with_extension_name("agent")
        .with_events_processor(service_fn(event))
        .with_telemetry_types(&["platform", "function", "extension"])
        .with_telemetry_buffering(BUFFERING)
        .with_telemetry_port_number(port())
        .with_telemetry_processor(SharedService::new(service_fn(telemetry)));
    let registered = extension.register().await.expect("register");
    say(&format!(
        "registered {} {} {} {:?}",
        registered.function_name, registered.function_version, registered.handler, registered.account_id
    ));
    registered.run().await.expect("extension");
}

#[tokio::test]
#[ignore = "started by the tests below as an extension process"]
async fn logs_process() {
    let logs = |events: Vec<LambdaLog>| async move {
        for event in events {
            match event.record {
                LambdaLogRecord::Function(text) => say(&format!("function {text}")),
                record => say(&format!("{record:?}")),
            }
        }
        Ok::<(), Error>(())
    };
    let extension = Extension::new()
        .with_extension_name("agent")
        .with_events(&["INVOKE"])
        .with_events_processor(service_fn(event))
        .with_log_types(&["platform", "function"])
        .with_log_buffering(BUFFERING)
        .with_log_port_number(port())
        .with_logs_processor(SharedService::new(service_fn(logs)));
    extension.run().await.expect("extension");
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(server: &Server, test: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env("AWS_LAMBDA_RUNTIME_API", server.address.to_string())
            .env(PORT, free.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("spawn");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    /// The next thing it says.
    async fn says(&mut self) -> String {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("it says nothing");
            let line = line.expect("stdout").expect("it has ended");
            if let Some((_, said)) = line.split_once(SAYS) {
                return said.to_owned();
            }
        }
    }

    /// The next `count` things, in the order of the alphabet: events and telemetry come on different ways.
    async fn says_sorted(&mut self, count: usize) -> Vec<String> {
        let mut said = Vec::new();
        for _ in 0..count {
            said.push(self.says().await);
        }
        said.sort();
        said
    }
}

fn publish(server: &Server, record: Record) {
    server.api.publish(&TelemetryEvent { time_ms: NOW_MS, record });
}

fn trace() -> Option<TraceContext> {
    Some(TraceContext {
        span_id: Some("54565fb41ac79632".to_owned()),
        kind: TraceKind::AmznTraceId,
        value: "Root=1".to_owned(),
    })
}

fn report() -> Record {
    Record::Report(Report {
        request_id: "id".to_owned(),
        status: Status::Success,
        error_type: None,
        metrics: ReportMetrics {
            duration: Duration::from_millis(100),
            billed_duration_ms: 100,
            memory_size_mib: 128,
            max_memory_used_mib: 36,
            init_duration: None,
            restore_duration: None,
        },
        spans: Vec::new(),
        tracing: trace(),
    })
}

#[tokio::test]
async fn an_extension_with_a_telemetry_processor_lives_through_all_phases() {
    let (server, _) = serve_extensions(&["agent"]).await;
    let mut process = Process::start(&server, "telemetry_process");
    server.api.extensions_registered().await.expect("registered");
    let mut runtime = server.connect().await;
    runtime.send(NEXT).await;
    tokio::time::timeout(PATIENCE, server.api.initialized()).await.expect("never ready").expect("ready");
    let said = process.says_sorted(3).await;
    assert_eq!(
        said,
        [
            r#"PlatformExtension { name: "agent", state: "Ready", events: ["INVOKE", "SHUTDOWN"] }"#,
            r#"PlatformTelemetrySubscription { name: "agent", state: "Subscribed", types: ["platform", "function", "extension"] }"#,
            r#"registered my-function $LATEST index.handler Some("123456789012")"#,
        ]
    );
    let mut invocation = invocation("id", "1");
    invocation.trace = Some("Root=1".into());
    let api = server.api.clone();
    let answer = tokio::spawn(async move { api.invoke(invocation).await });
    assert_eq!(process.says().await, "INVOKE id 4102444800000 arn:aws:lambda:us-east-1:123456789012:function:f Root=1");
    runtime.reply().await;
    runtime.send(format!("{}{NEXT}", post("invocation/id/response", "2"))).await;
    assert_eq!(answer.await.expect("task"), RuntimeAnswer::Response { body: "2".into() });
    let timing = server.api.runtime_done().await.expect("done");
    let start = Start { request_id: "id".to_owned(), version: "1".to_owned(), tracing: trace(), tenant_id: None };
    publish(&server, Record::Start(start));
    publish(&server, Record::Function(LogRecord::Text("hello".to_owned())));
    publish(&server, Record::Extension(LogRecord::Text("there".to_owned())));
    publish(
        &server,
        Record::RuntimeDone(RuntimeDone {
            request_id: "id".to_owned(),
            status: Status::Success,
            error_type: None,
            metrics: Some(RuntimeDoneMetrics {
                duration: timing.duration(),
                produced_bytes: Some(timing.produced_bytes),
            }),
            spans: timing.spans(NOW_MS).to_vec(),
            tracing: trace(),
        }),
    );
    publish(&server, report());
    let said = process.says_sorted(5).await;
    for (said, want) in said.iter().zip([
        "PlatformReport {",
        "PlatformRuntimeDone {",
        "PlatformStart {",
        "extension there",
        "function hello",
    ]) {
        assert!(said.starts_with(want), "{said}");
    }
    assert!(said[1].contains("produced_bytes: Some(1)") && said[1].contains(r#"name: "runtimeOverhead""#), "{said:?}");
    tokio::time::timeout(PATIENCE, server.api.settled()).await.expect("never settled").expect("settled");
    let api = server.api.clone();
    let down = tokio::spawn(async move { api.shut_down(ShutdownReason::Spindown, 676_051).await });
    assert_eq!(process.says().await, "SHUTDOWN spindown 676051");
    let status = process.child.wait().await.expect("exit");
    server.api.extension_exited("agent", &status.to_string());
    tokio::time::timeout(PATIENCE, down).await.expect("never down").expect("task");
}

#[tokio::test]
async fn an_extension_with_a_logs_processor_gets_the_old_schema() {
    let (server, _) = serve_extensions(&["agent"]).await;
    let mut process = Process::start(&server, "logs_process");
    let mut runtime = server.connect().await;
    runtime.send(NEXT).await;
    tokio::time::timeout(PATIENCE, server.api.initialized()).await.expect("never ready").expect("ready");
    publish(&server, Record::Function(LogRecord::Text("hello".to_owned())));
    publish(&server, report());
    let said = process.says_sorted(5).await;
    assert_eq!(
        said[..3],
        [
            r#"PlatformEnd { request_id: "id" }"#,
            r#"PlatformExtension { name: "agent", state: "Ready", events: ["INVOKE"] }"#,
            r#"PlatformLogsSubscription { name: "agent", state: "Subscribed", types: ["platform", "function"] }"#,
        ]
    );
    assert!(said[3].starts_with("PlatformReport {"), "{said:?}");
    assert_eq!(said[4], "function hello");
    assert!(server.api.shutdown_subscribers().is_empty());
}

#[tokio::test]
async fn an_extension_process_that_dies_in_init_is_a_crash() {
    let (server, _) = serve_extensions(&["agent"]).await;
    let mut process = Process::start(&server, "telemetry_process");
    tokio::time::timeout(PATIENCE, server.api.extensions_registered()).await.expect("never").expect("registered");
    process.child.kill().await.expect("kill");
    server.api.extension_exited("agent", "signal: killed");
    let failure = ExtensionFailure {
        name: "agent".to_owned(),
        error_type: "Extension.Crash",
        message: "signal: killed".to_owned(),
    };
    assert_eq!(server.api.initialized().await, Err(InitError::Extension(failure)));
}
