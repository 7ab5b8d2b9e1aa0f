//! The service as its ports and its API show it: HTTP requests through the protocol front, over a store on disk.
//!
//! Expected texts: the recordings of the real service where they exist, else the API reference.

mod authorization;
mod events;
mod filter;
mod groups;
mod live_tail;
mod retention;
mod sink;
mod storage;
mod streams;
mod subscriptions;
mod tags;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_delivery::Outbox;
use hearth_ports::{LogEvent, LogQuery, LogReader as _, LogSink as _};
pub(crate) use hearth_service_testing::scope;
use hearth_service_testing::{NOW_MS, Policies, front, request, send};
use hearth_store::{Codec, SqliteStore};
use hearth_types::{AccountId, AuthMode, ManualClock, Region, RequestContext, RequestId, SeededRandom};
use hearth_wire::{Body, Front};
use http::Response;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{Api, Logs, LogsConfig, LogsParts};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

pub(crate) fn event(text: &str) -> LogEvent {
    LogEvent { timestamp_ms: NOW_MS, message: text.to_owned().into() }
}

fn context() -> RequestContext {
    RequestContext::service(&scope(), "lambda.amazonaws.com", RequestId::from("r"))
}

struct Server {
    front: Front,
    logs: Arc<Logs>,
    clock: Arc<ManualClock>,
    policies: Arc<Policies>,
    functions: Arc<subscriptions::Functions>,
    path: tempfile::TempDir,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    #[track_caller]
    fn refused(&self, code: &str, message: &str) {
        let body = json!({ "__type": code, "message": message });
        assert_eq!((self.status, &self.body), (400, &body));
    }
}

fn small_segments() -> LogsConfig {
    LogsConfig { segment_bytes_max: 2_000, ..LogsConfig::default() }
}

async fn open(path: &Path, config: LogsConfig, clock: Arc<ManualClock>, seed: u64) -> Arc<Logs> {
    let store = Arc::new(SqliteStore::open(&path.join("store")).expect("a store"));
    let codec = Arc::new(Codec::open(&path.join("keys")).expect("keys"));
    let parts = LogsParts {
        outbox: Outbox::new(store.clone(), codec.clone(), clock.clone()),
        store,
        codec,
        clock,
        random: Arc::new(SeededRandom::new(seed)),
        metrics: Arc::new(hearth_ports::NoMetrics),
        config,
    };
    Logs::open(&path.join("logs"), parts).await.expect("opens")
}

impl Server {
    async fn start() -> Self {
        Self::with(LogsConfig::default()).await
    }

    async fn with(config: LogsConfig) -> Self {
        Self::over(tempfile::tempdir().expect("a directory"), config, NOW_MS, 7).await
    }

    async fn over(path: tempfile::TempDir, config: LogsConfig, now_ms: i64, seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(now_ms));
        let logs = open(path.path(), config, clock.clone(), seed).await;
        let policies = Arc::<Policies>::default();
        let functions = Arc::<subscriptions::Functions>::default();
        let service = crate::service(Api::new(logs.clone(), policies.clone(), functions.clone()));
        Self { front: front(vec![service], AuthMode::Open), logs, clock, policies, functions, path }
    }

    async fn restart(self, config: LogsConfig) -> Self {
        use hearth_types::Clock as _;
        let Self { front, logs, path, clock, .. } = self;
        logs.close();
        drop((front, logs));
        // Another seed: ids that a new life makes are not those of the old one.
        Self::over(path, config, clock.now_ms(), 8).await
    }

    async fn request(&self, operation: &str, input: &Value) -> Response<Body> {
        let head = request("POST", "/", "logs")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Logs_20140328.{operation}"));
        send(&self.front, head, input.to_string()).await
    }

    async fn call(&self, operation: &str, input: Value) -> Answer {
        let response = self.request(operation, &input).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
        Answer { status, body }
    }

    /// A call that must succeed.
    async fn run(&self, operation: &str, input: Value) -> Value {
        self.call(operation, input).await.ok()
    }

    /// Group `g` with stream `s`.
    async fn with_stream(config: LogsConfig) -> Self {
        let server = Self::with(config).await;
        server.run("CreateLogGroup", json!({ "logGroupName": "g" })).await;
        server.run("CreateLogStream", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
        server
    }

    async fn put(&self, stream: &str, events: &[(i64, &str)]) -> Value {
        let events: Vec<Value> =
            events.iter().map(|(timestamp, message)| json!({ "timestamp": timestamp, "message": message })).collect();
        let input = json!({ "logGroupName": "g", "logStreamName": stream, "logEvents": events });
        self.run("PutLogEvents", input).await
    }

    /// As a function writes, in the group `g`.
    fn say(&self, stream: &str, text: &str) {
        self.logs.append(&context(), "g", stream, vec![event(text)]);
    }

    /// What the port reads.
    async fn texts_after(&self, group: &str, after_sequence: u64) -> Vec<(u64, String)> {
        let query = LogQuery { group: group.to_owned(), after_sequence, limit: usize::MAX };
        let events = self.logs.read(&context(), &query).await;
        events.into_iter().map(|event| (event.sequence, String::from_utf8_lossy(&event.message).into_owned())).collect()
    }

    async fn texts(&self) -> Vec<String> {
        self.texts_after("g", 0).await.into_iter().map(|(_, text)| text).collect()
    }

    /// Waits for the keeper: segments are packed in their own time.
    async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..500 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: not within five seconds");
    }

    /// Whether all sealed segments are packed.
    async fn packed(&self) {
        self.until("packed", || self.logs.index.read().sealed().all(|segment| segment.summary.is_packed)).await;
    }

    fn files(&self, extension: &str) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(self.path.path().join("logs")).expect("readable");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|found| found == extension));
        paths.sort();
        paths
    }
}

fn messages(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().expect("events");
    events.iter().map(|event| event["message"].as_str().expect("a message")).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
