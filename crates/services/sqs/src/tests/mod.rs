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

use std::path::Path;
use std::sync::Arc;

use hearth_service_testing::{NOW_MS, Policies, Reply, front, request, scope};
use hearth_store::{Codec, SqliteStore};
use hearth_types::{AuthMode, Clock, ManualClock, SeededRandom};
use hearth_wire::Front;
use serde_json::{Value, json};

use crate::{Sqs, SqsParts};

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

async fn call(front: &Front, operation: &str, input: &Value) -> Answer {
    let head = request("POST", "/", "sqs")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("AmazonSQS.{operation}"));
    let reply = Reply::to(front, head, input.to_string()).await;
    Answer { status: reply.status, query_error: reply.header("x-amzn-query-error").to_owned(), body: reply.json() }
}

impl Server {
    async fn start() -> Self {
        Self::over(tempfile::tempdir().expect("a directory"), NOW_MS, NOW_MS, 7).await
    }

    async fn over(path: tempfile::TempDir, wall_ms: i64, service_ms: i64, seed: u64) -> Self {
        let (wall, service) = (Arc::new(ManualClock::at(wall_ms)), Arc::new(ManualClock::at(service_ms)));
        let policies = Arc::<Policies>::default();
        let sqs = open(path.path(), wall.clone(), service.clone(), policies.clone(), seed).await;
        let front = front(crate::services(&sqs), AuthMode::Open);
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
