//! The service as its API shows it: JSON through the protocol front, over a store in memory, in virtual time. Functions,
//! queues, topics and buses are played.

mod deliveries;
mod refusals;
mod schedules;

use std::sync::Arc;
use std::time::Duration;

use hearth_delivery::Outbox;
use hearth_ports::MessageAttributes;
use hearth_service_testing::{DEAD, FUNCTION, Policies, QUEUE, Receivers, Reply, Roles, World};
use hearth_types::AuthMode;
use hearth_wire::Front;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, SchedulerParts};

const ROLE: &str = "arn:aws:iam::000000000000:role/scheduler";

struct Server {
    front: Front,
    world: World,
    policies: Arc<Policies>,
    roles: Arc<Roles>,
    receivers: Arc<Receivers>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    code: Option<String>,
    json: Value,
}

impl Answer {
    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.json);
        self.json
    }

    #[track_caller]
    fn refused(&self, status: u16, code: &str, message: &str) {
        let found = (self.status, self.code.as_deref(), self.json["Message"].as_str());
        assert_eq!(found, (status, Some(code), Some(message)));
    }
}

fn at(time: &str) -> String {
    format!("at({time})")
}

/// A target with more members.
fn target(arn: &str, more: Value) -> Value {
    merged(json!({ "Arn": arn, "RoleArn": ROLE }), more)
}

fn merged(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

impl Server {
    async fn over(world: World) -> Self {
        let (codec, random) = (world.codec(), world.random());
        let (policies, roles) = (Arc::<Policies>::default(), Arc::<Roles>::default());
        let receivers = Arc::<Receivers>::default();
        let scheduler = Scheduler::open(SchedulerParts {
            store: world.store.clone(),
            codec: codec.clone(),
            outbox: Outbox::new(world.store.clone(), codec, world.clock.clone()),
            invoker: receivers.clone(),
            queues: receivers.clone(),
            topics: receivers.clone(),
            buses: receivers.clone(),
            roles: roles.clone(),
            authorizer: policies.clone(),
            wall: world.clock.clone(),
            random,
        });
        let scheduler = scheduler.await.expect("opens");
        let stop = CancellationToken::new();
        tokio::spawn(scheduler.clone().work(stop.clone()));
        let front = hearth_service_testing::front(vec![crate::service(&scheduler)], AuthMode::Open);
        Self { front, world, policies, roles, receivers, stop }
    }

    async fn start() -> Self {
        Self::over(World::default()).await
    }

    /// Ends without a word, and starts again later over what the store has.
    async fn crash_for(self, seconds: i64) -> Self {
        self.stop.cancel();
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.world.clock.advance(seconds * 1_000);
        Self::over(self.world.next_life()).await
    }

    /// Seconds, in steps that nobody takes for a machine that slept.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds.min(3_600) {
            let step = seconds.div_ceil(3_600);
            self.world.clock.advance(i64::try_from(step * 1_000).expect("small"));
            tokio::time::sleep(Duration::from_secs(step)).await;
        }
        self.world.clock.advance(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    async fn pass_minutes(&self, minutes: u64) {
        self.pass(minutes * 60).await;
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    async fn create(&self, name: &str, expression: &str, target: &Value) -> Answer {
        self.create_with(name, expression, target, json!({})).await
    }

    async fn create_with(&self, name: &str, expression: &str, target: &Value, more: Value) -> Answer {
        self.post(&format!("/schedules/{name}"), &schedule(expression, target, more)).await
    }

    async fn update(&self, name: &str, expression: &str, target: &Value, more: Value) -> Answer {
        self.call("PUT", &format!("/schedules/{name}"), Some(&schedule(expression, target, more))).await
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let head =
            hearth_service_testing::request(method, path, "scheduler").header("content-type", "application/json");
        let reply = Reply::to(&self.front, head, body.map(Value::to_string).unwrap_or_default()).await;
        let code = reply.headers.get("x-amzn-errortype").and_then(|code| code.to_str().ok()).map(str::to_owned);
        let json = if reply.body.is_empty() { json!({}) } else { reply.json() };
        Answer { status: reply.status, code, json }
    }

    fn letters(&self) -> Vec<(String, MessageAttributes)> {
        let sent = self.receivers.sent.lock();
        let dead = sent.iter().filter(|(to, _)| to == DEAD);
        dead.map(|(_, message)| (message.body.clone(), message.attributes.clone())).collect()
    }
}

fn schedule(expression: &str, target: &Value, more: Value) -> Value {
    let schedule = json!({
        "ScheduleExpression": expression, "Target": target, "FlexibleTimeWindow": { "Mode": "OFF" },
    });
    merged(schedule, more)
}
