//! The service as its API shows it: JSON through the protocol front, over a store in memory, in virtual time. Functions,
//! queues and topics are played.
//!
//! Expected texts: the recordings of the real service where they exist, else the API reference.

mod archives;
mod buses;
mod deliveries;
mod patterns;
mod port;
mod refusals;
mod rules;
mod scheduled;

use std::sync::Arc;
use std::time::Duration;

use hearth_delivery::Outbox;
use hearth_ports::{InvocationType, QueueError};
use hearth_service_testing::{DEAD, FUNCTION, NOW_MS, Policies, QUEUE, Receivers, Reply, Roles, TOPIC, World, scope};
use hearth_types::{AccountId, Arn, AuthMode, Caller, RequestContext};
use hearth_wire::Front;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{EventBridge, EventBridgeParts};

const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/b";
const ROLE: &str = "arn:aws:iam::000000000000:role/r";

struct Server {
    front: Front,
    events: Arc<EventBridge>,
    world: World,
    policies: Arc<Policies>,
    receivers: Arc<Receivers>,
    roles: Arc<Roles>,
    stop: CancellationToken,
}

impl Server {
    async fn over(world: World) -> Self {
        let (codec, random) = (world.codec(), world.random());
        let (policies, receivers) = (Arc::<Policies>::default(), Arc::<Receivers>::default());
        let roles = Arc::<Roles>::default();
        let events = EventBridge::open(EventBridgeParts {
            store: world.store.clone(),
            codec: codec.clone(),
            outbox: Outbox::new(world.store.clone(), codec, world.clock.clone()),
            queues: receivers.clone(),
            topics: receivers.clone(),
            invoker: receivers.clone(),
            credentials: roles.clone(),
            authorizer: policies.clone(),
            wall: world.clock.clone(),
            random,
        });
        let events = events.await.expect("opens");
        let stop = CancellationToken::new();
        tokio::spawn(events.clone().work(stop.clone()));
        let front = hearth_service_testing::front(vec![crate::service(&events)], AuthMode::Open);
        Self { front, events, world, policies, receivers, roles, stop }
    }

    async fn start() -> Self {
        Self::over(World::default()).await
    }

    /// Ends without a word, and starts again over what the store has.
    async fn crash(self) -> Self {
        self.stop.cancel();
        Self::over(self.world.next_life()).await
    }

    async fn pass(&self, seconds: u64) {
        self.world.pass(Duration::from_secs(seconds)).await;
    }

    async fn ask(&self, operation: &str, input: Value) -> (u16, Value) {
        let head = hearth_service_testing::request("POST", "/", "events")
            .header("x-amz-target", format!("AWSEvents.{operation}"))
            .header("content-type", "application/x-amz-json-1.1");
        let reply = Reply::to(&self.front, head, input.to_string()).await;
        (reply.status, reply.json())
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        let (status, answer) = self.ask(operation, input.clone()).await;
        assert_eq!(status, 200, "{operation} {input}: {answer}");
        answer
    }

    async fn refused(&self, operation: &str, input: Value, code: &str, message: &str) {
        let (status, answer) = self.ask(operation, input.clone()).await;
        let found =
            (status, answer["__type"].as_str().unwrap_or_default().rsplit('#').next(), answer["message"].as_str());
        assert_eq!(found, (400, Some(code), Some(message)), "{operation} {input}: {answer}");
    }

    /// A rule on the default bus for events of the source `my.app`, and a target with these members.
    async fn rule_to(&self, target: Value) {
        self.ok("PutRule", json!({"Name": "r", "EventPattern": r#"{"source":["my.app"]}"#})).await;
        let answer = self.ok("PutTargets", json!({"Rule": "r", "Targets": [target]})).await;
        assert_eq!(answer["FailedEntryCount"], 0);
    }

    async fn put(&self, entry: Value) -> Value {
        self.ok("PutEvents", json!({"Entries": [entry]})).await
    }

    /// Lets the lanes do what is due.
    async fn settle(&self) {
        self.pass(1).await;
    }
}

fn entry() -> Value {
    json!({"Source": "my.app", "DetailType": "order", "Detail": r#"{"n":1,"state":"new"}"#})
}
