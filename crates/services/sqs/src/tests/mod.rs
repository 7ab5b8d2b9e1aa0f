//! The service as its API and its ports show it: HTTP requests through the protocol front, over a store on disk.
//!
//! Expected texts: the recordings of the real service where they exist, else the API reference.

mod authorization;
mod fifo;
mod messages;
mod polling;
mod ports;
mod query;
mod queues;
mod redrive;
mod refusals;
mod restart;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hearth_ports::{Access, AccessKeys, Authorizer, Denied, KeyLookup, ResourcePolicy};
use hearth_store::{Codec, SqliteStore};
use hearth_types::{
    AccountId, AuthMode, Clock, ManualClock, Partition, Region, RequestContext, SandboxAuth, Scope, SeededRandom,
};
use hearth_wire::{Body, Connection, Front, FrontConfig, Listener};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{Sqs, SqsParts};

/// 2026-01-12T15:37:12Z
const NOW_MS: i64 = 1_768_232_232_000;

fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) }
}

/// Notes what it is asked and denies what it is told to.
#[derive(Default)]
struct Policies {
    asked: Mutex<Vec<String>>,
    denied: Mutex<Option<&'static str>>,
}

impl Authorizer for Policies {
    fn authorize(&self, _: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
        let policy = if matches!(access.policy, ResourcePolicy::None) { "" } else { " by its policy" };
        self.asked.lock().push(format!("{} {}{policy}", access.action, access.resource));
        match *self.denied.lock() {
            Some(action) if action == access.action => Err(Denied { message: format!("no {action}") }),
            _ => Ok(()),
        }
    }

    fn revision(&self) -> u64 {
        0
    }
}

/// Knows no key: who calls is the root of an account.
struct NoKeys;

impl AccessKeys for NoKeys {
    fn find(&self, _: &str, _: Option<&str>) -> KeyLookup {
        KeyLookup::Unknown
    }
}

struct Server {
    front: Front,
    sqs: Arc<Sqs>,
    wall: Arc<ManualClock>,
    service: Arc<ManualClock>,
    policies: Arc<Policies>,
    path: tempfile::TempDir,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    query_error: String,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// By the older code, as SDKs show it.
    #[track_caller]
    fn refused(&self, code: &str, message: &str) {
        let found = self.body["message"].as_str().unwrap_or_default();
        assert_eq!((self.query_error.as_str(), found), (format!("{code};Sender").as_str(), message));
    }
}

async fn open(
    path: &Path,
    wall: Arc<dyn Clock>,
    service: Arc<dyn Clock>,
    policies: Arc<Policies>,
    seed: u64,
) -> Arc<Sqs> {
    let parts = SqsParts {
        store: Arc::new(SqliteStore::open(&path.join("store")).expect("a store")),
        codec: Arc::new(Codec::open(&path.join("keys")).expect("keys")),
        wall,
        service,
        random: Arc::new(SeededRandom::new(seed)),
        authorizer: policies,
    };
    Sqs::open(parts).await.expect("opens")
}

fn front(sqs: &Arc<Sqs>, clock: Arc<dyn Clock>) -> Front {
    let config = FrontConfig {
        services: crate::services(sqs),
        keys: Arc::new(NoKeys),
        clock,
        random: Arc::new(SeededRandom::new(7)),
        auth: AuthMode::Open,
        sandbox_auth: SandboxAuth::Role,
    };
    Front::new(config).expect("two protocols of one service")
}

async fn send(front: &Front, request: Request<Full<Bytes>>) -> Response<Body> {
    let peer: SocketAddr = ([127, 0, 0, 1], 1).into();
    let connection = Connection { peer, secure: false, listener: Listener::Outside };
    front.handle(&connection, request).await
}

async fn call(front: &Front, operation: &str, input: &Value) -> Answer {
    let request = Request::post("http://localhost:4566/")
        .header("host", "localhost:4566")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("AmazonSQS.{operation}"))
        .header("x-amz-date", "20260112T153712Z")
        .header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential=test/20260112/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, \
                 Signature={}",
                "0".repeat(64)
            ),
        )
        .body(Full::new(Bytes::from(input.to_string())))
        .expect("a request");
    let response = send(front, request).await;
    let status = response.status().as_u16();
    let header = response.headers().get("x-amzn-query-error");
    let query_error = header.map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
    Answer { status, query_error, body }
}

impl Server {
    async fn start() -> Self {
        Self::over(tempfile::tempdir().expect("a directory"), NOW_MS, NOW_MS, 7).await
    }

    async fn over(path: tempfile::TempDir, wall_ms: i64, service_ms: i64, seed: u64) -> Self {
        let (wall, service) = (Arc::new(ManualClock::at(wall_ms)), Arc::new(ManualClock::at(service_ms)));
        let policies = Arc::<Policies>::default();
        let sqs = open(path.path(), wall.clone(), service.clone(), policies.clone(), seed).await;
        let front = front(&sqs, Arc::new(ManualClock::at(NOW_MS)));
        Self { front, sqs, wall, service, policies, path }
    }

    /// Ends in an orderly way and starts again.
    async fn restart(self) -> Self {
        self.sqs.close().await;
        self.crash().await
    }

    /// Ends as a crash would, but for the lock of the store, and starts again.
    async fn crash(self) -> Self {
        let Self { front, sqs, wall, service, path, .. } = self;
        let keeper = sqs.keeper.lock().take();
        if let Some(keeper) = keeper {
            keeper.abort();
            let _ = keeper.await;
        }
        drop((front, sqs));
        // Another seed: ids that a new life makes are not those of the old one.
        Self::over(path, wall.now_ms(), service.now_ms(), 8).await
    }

    fn pass(&self, seconds: i64) {
        self.wall.advance(seconds * 1_000);
        self.service.advance(seconds * 1_000);
    }

    async fn call(&self, operation: &str, input: Value) -> Answer {
        call(&self.front, operation, &input).await
    }

    /// A call that must succeed.
    async fn run(&self, operation: &str, input: Value) -> Value {
        self.call(operation, input).await.ok()
    }

    async fn create(&self, name: &str, attributes: Value) -> String {
        let created = self.run("CreateQueue", json!({ "QueueName": name, "Attributes": attributes })).await;
        created["QueueUrl"].as_str().expect("a URL").to_owned()
    }

    async fn queue() -> (Self, String) {
        let server = Self::start().await;
        let url = server.create("q", json!({})).await;
        (server, url)
    }

    async fn fifo() -> (Self, String) {
        let server = Self::start().await;
        let url = server.create("q.fifo", json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" })).await;
        (server, url)
    }

    async fn send(&self, url: &str, body: &str) -> Value {
        self.run("SendMessage", json!({ "QueueUrl": url, "MessageBody": body })).await
    }

    async fn send_to(&self, url: &str, group: &str, body: &str) -> Value {
        self.run("SendMessage", json!({ "QueueUrl": url, "MessageBody": body, "MessageGroupId": group })).await
    }

    async fn send_batch(&self, url: &str, bodies: &[&str]) {
        let entries: Vec<Value> =
            bodies.iter().enumerate().map(|(at, body)| json!({ "Id": at.to_string(), "MessageBody": body })).collect();
        let sent = self.run("SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
        assert_eq!(sent["Failed"], json!([]));
    }

    /// Up to ten messages with all their attributes, without waiting.
    async fn receive(&self, url: &str) -> Vec<Value> {
        self.receive_as(url, json!({})).await
    }

    async fn receive_as(&self, url: &str, terms: Value) -> Vec<Value> {
        let mut input = json!({
            "QueueUrl": url,
            "MaxNumberOfMessages": 10,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        for (name, value) in terms.as_object().expect("terms") {
            input[name] = value.clone();
        }
        let received = self.run("ReceiveMessage", input).await;
        received["Messages"].as_array().cloned().unwrap_or_default()
    }

    async fn delete(&self, url: &str, message: &Value) {
        self.run("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] })).await;
    }

    async fn attribute(&self, url: &str, name: &str) -> Value {
        let input = json!({ "QueueUrl": url, "AttributeNames": [name] });
        self.run("GetQueueAttributes", input).await["Attributes"][name].clone()
    }

    /// Visible, in flight, delayed.
    async fn counts(&self, url: &str) -> [String; 3] {
        let name = |rest: &str| format!("ApproximateNumberOfMessages{rest}");
        let mut counts = Vec::new();
        for rest in ["", "NotVisible", "Delayed"] {
            counts.push(self.attribute(url, &name(rest)).await.as_str().expect("a number").to_owned());
        }
        counts.try_into().expect("three")
    }
}

fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["Body"].as_str().expect("a body")).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
