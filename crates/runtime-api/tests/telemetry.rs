//! The Telemetry and Logs APIs over the wire: subscriptions, and what arrives at the ports they name. Expected texts:
//! "Lambda Telemetry API reference" and "Lambda Logs API", Lambda developer guide.

mod support;

use std::sync::Arc;
use std::time::Duration;

use hearth_runtime_api::event::{InitStart, InitializationType, Instance, LogRecord, Phase, Record, Start};
use hearth_runtime_api::{ShutdownReason, TelemetryEvent};
use serde_json::{Value, json};
use support::{Client, Extension, Heard, NEXT, NOW_MS, PATIENCE, Server, request, serve_extensions};
use tokio::net::TcpListener;

const TELEMETRY: &str = "/2022-07-01/telemetry";
const LOGS: &str = "/2020-08-15/logs";

/// A port of the extension that takes deliveries.
struct Port {
    listener: TcpListener,
    client: Option<Client>,
}

impl Port {
    async fn open() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("bind"), client: None }
    }

    fn number(&self) -> u16 {
        self.listener.local_addr().expect("address").port()
    }

    async fn client(&mut self) -> &mut Client {
        if self.client.is_none() {
            let accepted = tokio::time::timeout(PATIENCE, self.listener.accept()).await.expect("nobody delivers");
            self.client = Some(Client { stream: accepted.expect("accept").0, buffer: Vec::new() });
        }
        self.client.as_mut().expect("just made")
    }

    /// The next request's head and body, unanswered.
    async fn request(&mut self) -> (String, Vec<Value>) {
        let client = self.client().await;
        loop {
            let buffer = client.buffer.clone();
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(buffer[..end].to_vec()).expect("head");
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("length");
                let whole = end + 4 + length.parse::<usize>().expect("length");
                if buffer.len() >= whole {
                    client.buffer.drain(..whole);
                    return (head, serde_json::from_slice(&buffer[end + 4..whole]).expect("a JSON array"));
                }
            }
            assert_ne!(client.read_once().await, 0, "closed");
        }
    }

    async fn answer(&mut self, reply: &str) {
        self.client().await.send(reply).await;
    }

    /// The events of the next delivery, acknowledged.
    async fn events(&mut self) -> Vec<Value> {
        let (_, events) = self.request().await;
        self.answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await;
        events
    }

    /// Nothing is delivered for a moment, be it over the old connection or a new one.
    async fn silence(&mut self) -> bool {
        if let Some(client) = &mut self.client
            && !client.silence().await
            && client.read_once().await > 0
        {
            return false;
        }
        tokio::time::timeout(Duration::from_millis(100), self.listener.accept()).await.is_err()
    }

    fn subscription(&self, types: &[&str]) -> Value {
        json!({
            "schemaVersion": "2022-12-13",
            "types": types,
            "buffering": { "maxItems": 1_000, "maxBytes": 262_144, "timeoutMs": 25 },
            "destination": { "protocol": "HTTP", "URI": format!("http://sandbox.localdomain:{}", self.number()) },
        })
    }
}

fn event(record: Record) -> TelemetryEvent {
    TelemetryEvent { time_ms: NOW_MS, record }
}

fn function(text: &str) -> TelemetryEvent {
    event(Record::Function(LogRecord::Text(text.to_owned())))
}

fn init_start() -> TelemetryEvent {
    event(Record::InitStart(InitStart {
        initialization_type: InitializationType::OnDemand,
        phase: Phase::Init,
        instance: Instance::default(),
    }))
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("type")).collect()
}

fn records(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["record"].as_str().expect("text")).collect()
}

/// A server with one registered extension, still in init.
async fn registered() -> (Server, Arc<Heard>, Extension) {
    let (server, heard) = serve_extensions(&["agent"]).await;
    let agent = Extension::register(&server, "agent", r#"["INVOKE","SHUTDOWN"]"#).await;
    (server, heard, agent)
}

async fn finish_init(server: &Server, agent: &mut Extension) -> Client {
    agent.ask().await;
    let mut runtime = server.connect().await;
    runtime.send(NEXT).await;
    server.api.initialized().await.expect("ready");
    runtime
}

#[tokio::test]
async fn a_subscriber_gets_what_it_asked_for_and_what_happened_before_in_this_init() {
    let (server, heard, mut agent) = registered().await;
    server.api.publish(&init_start());
    server.api.publish(&function("early"));
    let mut port = Port::open().await;
    let reply = agent.subscribe(TELEMETRY, &port.subscription(&["platform"])).await;
    assert_eq!((reply.status, reply.text()), (200, "\"OK\""));
    server.api.publish(&function("not wanted"));
    let (head, events) = port.request().await;
    port.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nHost: sandbox.localdomain:{}\r\n", port.number())), "{head}");
    assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
    assert_eq!(types(&events), ["platform.initStart", "platform.telemetrySubscription"]);
    let want = json!({ "name": "agent", "state": "Subscribed", "types": ["platform"] });
    assert_eq!(events[1]["record"], want);
    let said = heard.take();
    assert_eq!(said.len(), 1, "the owner hears of it, too");
    assert_eq!(serde_json::from_str::<Value>(&said[0]).expect("JSON"), events[1]);
    finish_init(&server, &mut agent).await;
    let events = port.events().await;
    assert_eq!(types(&events), ["platform.extension"]);
    assert_eq!(events[0]["record"], json!({ "name": "agent", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"] }));
}

#[tokio::test]
async fn refusals_of_subscriptions_have_aws_s_types_and_texts() {
    let (server, _, mut agent) = registered().await;
    let port = Port::open().await;
    let mut client = server.connect().await;
    let reply = client.call(request("PUT", TELEMETRY, "", "{}")).await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("Extension.MissingExtensionIdentifier"), "{}", reply.text());
    let invalid = json!({
        "schemaVersion": "2022-12-13",
        "types": [],
        "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain" },
    });
    let message = "URI port is not provided; types should not be empty";
    let reply = agent.subscribe(TELEMETRY, &invalid).await;
    let error =
        |error_type: &str, message: &str| json!({ "errorMessage": message, "errorType": error_type }).to_string();
    assert_eq!((reply.status, reply.text()), (400, error("ValidationError", message).as_str()));
    let invalid = json!({ "types": [], "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain" } });
    let reply = agent.subscribe(LOGS, &invalid).await;
    assert_eq!((reply.status, reply.text()), (400, error("Logs.ValidationError", message).as_str()));
    assert_eq!(agent.subscribe(TELEMETRY, &port.subscription(&["platform"])).await.status, 200);
    let logs = json!({ "types": ["platform"], "destination": { "protocol": "TCP", "port": 1 } });
    assert_eq!(agent.subscribe(LOGS, &logs).await.status, 400, "one API per extension");
    finish_init(&server, &mut agent).await;
    let late = |path: &str| request("PUT", path, &agent.identifier(), &port.subscription(&["platform"]).to_string());
    let reply = client.call(late(TELEMETRY)).await;
    let want = error("Telemetry.SubscriptionClosed", "Telemetry API subscription is closed");
    assert_eq!((reply.status, reply.text()), (403, want.as_str()));
    let reply = client.call(late(LOGS)).await;
    let want = error("Logs.SubscriptionClosed", "Logs API subscription is closed already");
    assert_eq!((reply.status, reply.text()), (403, want.as_str()));
}

#[tokio::test]
async fn subscribing_twice_is_one_subscription_with_the_last_settings() {
    let (server, heard, mut agent) = registered().await;
    let (mut before, mut after) = (Port::open().await, Port::open().await);
    agent.subscribe(TELEMETRY, &before.subscription(&["platform"])).await;
    assert_eq!(before.events().await.len(), 1);
    agent.subscribe(TELEMETRY, &after.subscription(&["function"])).await;
    server.api.publish(&function("hello"));
    assert_eq!(records(&after.events().await), ["hello"]);
    assert!(before.silence().await);
    assert_eq!(heard.take().len(), 1);
}

#[tokio::test]
async fn events_are_batched_in_order_over_one_connection() {
    let (server, _, mut agent) = registered().await;
    let mut port = Port::open().await;
    agent.subscribe(TELEMETRY, &port.subscription(&["function", "extension"])).await;
    finish_init(&server, &mut agent).await;
    let mut got = Vec::new();
    for round in 0..3 {
        for n in 0..100 {
            server.api.publish(&function(&format!("{round}-{n}")));
        }
        while got.len() < (round + 1) * 100 {
            got.extend(records(&port.events().await).into_iter().map(str::to_owned));
        }
    }
    let want: Vec<String> = (0..3).flat_map(|round| (0..100).map(move |n| format!("{round}-{n}"))).collect();
    assert_eq!(got, want);
}

#[tokio::test]
async fn a_failed_delivery_is_tried_again() {
    let (server, _, mut agent) = registered().await;
    let mut port = Port::open().await;
    agent.subscribe(TELEMETRY, &port.subscription(&["function"])).await;
    server.api.publish(&function("hello"));
    let (_, first) = port.request().await;
    port.answer("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").await;
    port.client = None;
    let (_, second) = port.request().await;
    assert_eq!(first, second);
    // This time the subscriber ends the connection after its answer, and with chunks.
    port.answer("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n").await;
    port.client = None;
    server.api.publish(&function("again"));
    assert_eq!(records(&port.events().await), ["again"]);
    port.client = None;
    server.api.publish(&function("after a silent close"));
    assert_eq!(records(&port.events().await), ["after a silent close"]);
}

#[tokio::test]
async fn what_is_dropped_is_counted_and_told() {
    let (server, heard, mut agent) = registered().await;
    let mut port = Port::open().await;
    agent.subscribe(TELEMETRY, &port.subscription(&["platform", "function"])).await;
    assert_eq!(types(&port.events().await), ["platform.telemetrySubscription"]);
    heard.take();
    // Nobody answers; 262,144 bytes fill a batch, and two wait at most.
    let text = "x".repeat(100_000);
    server.api.publish(&function(&text));
    port.request().await;
    for _ in 0..10 {
        server.api.publish(&function(&text));
    }
    port.answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let mut kept = 1;
    let events = port.events().await;
    assert_eq!(events[0]["type"], "platform.logsDropped");
    kept += events.len() - 1;
    let record = &events[0]["record"];
    assert_eq!(record["reason"], "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.");
    while kept < 11 - usize::try_from(record["droppedRecords"].as_u64().expect("number")).expect("few") {
        kept += port.events().await.len();
    }
    assert!(record["droppedBytes"].as_u64().expect("number") >= 500_000, "{record}");
    assert_eq!(heard.take().len(), 1, "the owner hears of it, too");
}

#[tokio::test]
async fn the_beginning_of_a_noisy_init_is_kept_and_the_rest_is_counted() {
    let (server, _, mut agent) = registered().await;
    server.api.publish(&init_start());
    for n in 0..2_000 {
        server.api.publish(&function(&n.to_string()));
    }
    let mut port = Port::open().await;
    agent.subscribe(TELEMETRY, &port.subscription(&["platform", "function"])).await;
    let mut events = port.events().await;
    while events.len() < 1_002 {
        events.extend(port.events().await);
    }
    assert_eq!(types(&events[..3]), ["platform.logsDropped", "platform.initStart", "function"]);
    assert_eq!(events[0]["record"]["droppedRecords"], 1_001);
    assert_eq!(events[1_000]["record"], "998");
}

#[tokio::test]
async fn nothing_is_delivered_for_a_process_that_has_ended() {
    let (server, _, mut agent) = registered().await;
    let mut port = Port::open().await;
    agent.subscribe(TELEMETRY, &port.subscription(&["function"])).await;
    finish_init(&server, &mut agent).await;
    server.api.extension_exited("agent", "exit status 1");
    assert!(!server.api.wants_telemetry());
    server.api.publish(&function("hello"));
    assert!(port.silence().await);
}

#[tokio::test]
async fn lines_of_json_go_to_a_tcp_port() {
    let (server, _, mut agent) = registered().await;
    let mut port = Port::open().await;
    let mut subscription = port.subscription(&["function", "extension"]);
    subscription["destination"] = json!({ "protocol": "TCP", "port": port.number() });
    assert_eq!(agent.subscribe(TELEMETRY, &subscription).await.status, 200);
    server.api.publish(&function("one"));
    server.api.publish(&event(Record::Extension(LogRecord::Text("two".to_owned()))));
    let client = port.client().await;
    while client.buffer.iter().filter(|byte| **byte == b'\n').count() < 2 {
        assert_ne!(client.read_once().await, 0, "closed");
    }
    let text = String::from_utf8(client.buffer.clone()).expect("text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((types(&lines), records(&lines)), (vec!["function", "extension"], vec!["one", "two"]));
}

#[tokio::test]
async fn the_logs_api_speaks_its_own_schema() {
    let (server, _, mut agent) = registered().await;
    let mut port = Port::open().await;
    let mut subscription = port.subscription(&["platform", "function"]);
    subscription["schemaVersion"] = json!("2020-08-15");
    let uri = format!("http://sandbox.localdomain:{}/lambda_logs", port.number());
    subscription["destination"] = json!({ "protocol": "HTTP", "URI": uri, "method": "PUT" });
    server.api.publish(&init_start());
    assert_eq!(agent.subscribe(LOGS, &subscription).await.status, 200);
    let start = Start { request_id: "id".to_owned(), version: "1".to_owned(), tracing: None, tenant_id: None };
    server.api.publish(&event(Record::Start(start)));
    let (head, mut events) = port.request().await;
    port.answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(head.starts_with("PUT /lambda_logs HTTP/1.1\r\n"), "{head}");
    while events.len() < 2 {
        events.extend(port.events().await);
    }
    assert_eq!(types(&events), ["platform.logsSubscription", "platform.start"]);
    assert_eq!(events[1]["record"], json!({ "requestId": "id" }));
}

#[tokio::test]
async fn shutting_down_delivers_what_waits_before_extensions_are_told() {
    let (server, _, mut agent) = registered().await;
    let mut port = Port::open().await;
    let mut subscription = port.subscription(&["function"]);
    subscription["buffering"]["timeoutMs"] = json!(30_000);
    agent.subscribe(TELEMETRY, &subscription).await;
    finish_init(&server, &mut agent).await;
    server.api.publish(&function("last words"));
    assert!(port.silence().await);
    let api = server.api.clone();
    let down = tokio::spawn(async move { api.shut_down(ShutdownReason::Spindown, 0).await });
    assert_eq!(records(&port.events().await), ["last words"]);
    assert_eq!(agent.event().await["shutdownReason"], "spindown");
    server.api.publish(&function("nothing is held back now"));
    assert_eq!(records(&port.events().await), ["nothing is held back now"]);
    server.api.extension_exited("agent", "exit status 0");
    tokio::time::timeout(PATIENCE, down).await.expect("shut down").expect("task");
}

#[tokio::test]
async fn a_frozen_environment_gets_nothing_until_it_runs_again() {
    let (server, _, mut agent) = registered().await;
    let mut port = Port::open().await;
    agent.subscribe(TELEMETRY, &port.subscription(&["function"])).await;
    finish_init(&server, &mut agent).await;
    server.api.set_frozen(true);
    server.api.publish(&function("hello"));
    assert!(port.silence().await);
    server.api.set_frozen(false);
    assert_eq!(records(&port.events().await), ["hello"]);
}

#[tokio::test]
async fn nobody_wants_telemetry_where_nobody_can_subscribe_or_has() {
    let (server, _, mut agent) = registered().await;
    assert!(server.api.wants_telemetry(), "during init somebody may come");
    finish_init(&server, &mut agent).await;
    assert!(!server.api.wants_telemetry());
    server.api.reset();
    assert!(server.api.wants_telemetry());
    server.api.close();
    assert!(!server.api.wants_telemetry());
}

#[tokio::test]
async fn a_reset_ends_every_delivery() {
    let (server, _, mut agent) = registered().await;
    let mut port = Port::open().await;
    agent.subscribe(TELEMETRY, &port.subscription(&["function"])).await;
    server.api.publish(&function("hello"));
    port.request().await;
    server.api.reset();
    assert_eq!(port.client().await.read_once().await, 0, "closed");
    server.api.publish(&function("for the next start"));
    assert!(port.silence().await);
}
