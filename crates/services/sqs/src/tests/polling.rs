//! Waiting for messages, in a time that passes by itself.

use std::sync::Arc;
use std::time::Duration;

use hearth_store::testing::MemoryStore;
use hearth_store::{Codec, Store};
use hearth_types::{AuthMode, Clock, SeededRandom};
use hearth_wire::Front;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{NOW_MS, Policies, call, front};
use crate::{Sqs, SqsParts};

/// Goes on as tokio's paused time does.
struct Passing(Instant);

impl Clock for Passing {
    fn now_ms(&self) -> i64 {
        NOW_MS + i64::try_from(self.0.elapsed().as_millis()).expect("not so long")
    }
}

struct World {
    front: Arc<Front>,
    sqs: Arc<Sqs>,
    url: String,
    _path: tempfile::TempDir,
}

impl World {
    async fn new(attributes: Value) -> Self {
        let path = tempfile::tempdir().expect("a directory");
        let clock: Arc<dyn Clock> = Arc::new(Passing(Instant::now()));
        // Virtual time goes on by itself while another thread is waited for: there is none behind this store.
        let store: Arc<dyn Store> = Arc::<MemoryStore>::default();
        let parts = SqsParts {
            store,
            codec: Arc::new(Codec::open(&path.path().join("keys")).expect("keys")),
            wall: clock.clone(),
            service: clock,
            random: Arc::new(SeededRandom::new(7)),
            authorizer: Arc::<Policies>::default(),
        };
        let sqs = Sqs::open(parts).await.expect("opens");
        let front = Arc::new(front(crate::services(&sqs), AuthMode::Open));
        let created = call(&front, "CreateQueue", &json!({ "QueueName": "q", "Attributes": attributes })).await.ok();
        let url = created["QueueUrl"].as_str().expect("a URL").to_owned();
        Self { front, sqs, url, _path: path }
    }

    async fn run(&self, operation: &str, mut input: Value) -> Value {
        input["QueueUrl"] = self.url.clone().into();
        call(&self.front, operation, &input).await.ok()
    }

    /// What was received, and after which time.
    async fn receive(&self, input: Value) -> (usize, Duration) {
        let started = Instant::now();
        let received = self.run("ReceiveMessage", input).await;
        (received["Messages"].as_array().map_or(0, Vec::len), started.elapsed())
    }
}

fn about(found: Duration, expected: Duration) -> bool {
    (expected..=expected + Duration::from_millis(2)).contains(&found)
}

#[tokio::test(start_paused = true)]
async fn a_receive_waits_as_long_as_it_says_or_as_the_queue_says() {
    let world = World::new(json!({ "ReceiveMessageWaitTimeSeconds": "7" })).await;
    for (input, expected) in [
        (json!({ "WaitTimeSeconds": 20 }), Duration::from_secs(20)),
        (json!({}), Duration::from_secs(7)),
        (json!({ "WaitTimeSeconds": 0 }), Duration::ZERO),
    ] {
        let (received, waited) = world.receive(input).await;
        assert_eq!(received, 0);
        assert!(about(waited, expected), "{waited:?} instead of {expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receive_gets_what_is_sent_meanwhile() {
    let world = Arc::new(World::new(json!({})).await);
    let waiting = tokio::spawn({
        let world = world.clone();
        async move { world.receive(json!({ "WaitTimeSeconds": 20 })).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.run("SendMessage", json!({ "MessageBody": "x" })).await;
    let (received, waited) = waiting.await.expect("ends");
    assert_eq!(received, 1);
    assert!(about(waited, Duration::from_secs(3)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receive_gets_what_becomes_due_meanwhile() {
    let world = World::new(json!({ "VisibilityTimeout": "5" })).await;
    world.run("SendMessage", json!({ "MessageBody": "x", "DelaySeconds": 4 })).await;
    let (received, waited) = world.receive(json!({ "WaitTimeSeconds": 20 })).await;
    assert_eq!(received, 1);
    assert!(about(waited, Duration::from_secs(4)), "delayed: {waited:?}");
    let (received, waited) = world.receive(json!({ "WaitTimeSeconds": 20 })).await;
    assert_eq!(received, 1);
    assert!(about(waited, Duration::from_secs(5)), "in flight: {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn the_server_s_end_and_the_queue_s_end_a_wait() {
    let world = Arc::new(World::new(json!({})).await);
    let wait = || {
        let world = world.clone();
        tokio::spawn(async move {
            let input = json!({ "QueueUrl": world.url, "WaitTimeSeconds": 20 });
            let started = Instant::now();
            let answer = call(&world.front, "ReceiveMessage", &input).await;
            (answer.status, started.elapsed())
        })
    };
    let waiting = wait();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.run("DeleteQueue", json!({})).await;
    let (status, waited) = waiting.await.expect("ends");
    assert_eq!(status, 400);
    assert!(about(waited, Duration::from_secs(1)), "{waited:?}");
    call(&world.front, "CreateQueue", &json!({ "QueueName": "q" })).await.ok();
    let waiting = wait();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.sqs.end_polls();
    let (status, waited) = waiting.await.expect("ends");
    assert_eq!(status, 200);
    assert!(about(waited, Duration::from_secs(1)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn each_of_many_waiting_receives_gets_its_message() {
    let world = Arc::new(World::new(json!({})).await);
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.receive(json!({ "WaitTimeSeconds": 20 })).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..2 {
        let entries: Vec<Value> = (0..10).map(|id| json!({ "Id": id.to_string(), "MessageBody": "x" })).collect();
        world.run("SendMessageBatch", json!({ "Entries": entries })).await;
    }
    for waiting in waiting {
        let (received, waited) = waiting.await.expect("ends");
        assert_eq!(received, 1);
        assert!(waited < Duration::from_secs(5), "{waited:?}");
    }
}
