//! The service as its API shows it: JSON through the protocol front, over a store in memory, in virtual time. Functions,
//! queues, topics and buses are played.

mod deliveries;
mod refusals;
mod schedules;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_delivery::Outbox;
use hearth_ports::{
    Access, AccessKeys, Authorizer, Denied, EventBusError, EventSink, InvokeError, InvokeRequest, InvokeResponse,
    Invoker, KeyLookup, MessageAttributes, Notification, OutgoingMessage, QueueError, QueueSender, RoleRefused,
    ServiceEvent, ServiceRoles, StreamedResponse, TopicError, TopicPublisher,
};
use hearth_store::testing::MemoryStore;
use hearth_store::{Codec, KeyRing};
use hearth_types::{
    AccountId, Arn, AuthMode, Caller, ManualClock, Partition, Region, RequestContext, SandboxAuth, Scope, SeededRandom,
    Session,
};
use hearth_wire::{Connection, Front, FrontConfig, Listener};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, SchedulerParts};

/// 2026-01-12T15:37:12Z
const NOW_MS: i64 = 1_768_232_232_000;
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const ROLE: &str = "arn:aws:iam::000000000000:role/scheduler";

/// Denies what it is told to.
#[derive(Default)]
struct Policies {
    denied: Mutex<Option<&'static str>>,
}

impl Authorizer for Policies {
    fn authorize(&self, _: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
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

/// Lets every role be taken, or none.
#[derive(Default)]
struct AnyRole {
    asked: Mutex<Vec<String>>,
    refuses: Mutex<bool>,
}

impl ServiceRoles for AnyRole {
    fn service_role(
        &self,
        ctx: &RequestContext,
        principal: &'static str,
        role_arn: &str,
        source_arn: &str,
    ) -> Result<Caller, RoleRefused> {
        self.asked.lock().push(format!("{role_arn} {principal} {source_arn}"));
        if *self.refuses.lock() {
            return Err(RoleRefused { principal, role_arn: role_arn.to_owned() });
        }
        Ok(Caller::RoleSession {
            account: ctx.account,
            role_arn: role_arn.into(),
            session_arn: "arn:aws:sts::000000000000:assumed-role/scheduler/s".into(),
            assumed_role_id: "AROA:s".into(),
            session: Session::default().into(),
        })
    }
}

/// Takes messages and events, or fails as it is told to.
#[derive(Default)]
struct Receivers {
    sent: Mutex<Vec<(String, OutgoingMessage)>>,
    invoked: Mutex<Vec<InvokeRequest>>,
    published: Mutex<Vec<Notification>>,
    put: Mutex<Vec<(String, ServiceEvent)>>,
    callers: Mutex<Vec<Caller>>,
    /// At functions.
    attempts: Mutex<u32>,
    /// Of the queue [`QUEUE`].
    queue_error: Mutex<Option<QueueError>>,
    function_error: Mutex<Option<InvokeError>>,
}

#[async_trait]
impl QueueSender for Receivers {
    async fn send(&self, ctx: &RequestContext, queue: &Arn, message: OutgoingMessage) -> Result<String, QueueError> {
        self.callers.lock().push(ctx.caller.clone());
        if let (Some(error), QUEUE) = (self.queue_error.lock().clone(), queue.to_string().as_str()) {
            return Err(error);
        }
        self.sent.lock().push((queue.to_string(), message));
        Ok("id".to_owned())
    }
}

#[async_trait]
impl TopicPublisher for Receivers {
    async fn publish(&self, _: &RequestContext, _: &Arn, notification: Notification) -> Result<String, TopicError> {
        self.published.lock().push(notification);
        Ok("id".to_owned())
    }
}

#[async_trait]
impl EventSink for Receivers {
    async fn emit(&self, _: &RequestContext, _: Vec<ServiceEvent>) -> Result<Vec<String>, EventBusError> {
        panic!("a schedule is no service")
    }

    async fn put(
        &self,
        _: &RequestContext,
        bus: &Arn,
        events: Vec<ServiceEvent>,
    ) -> Result<Vec<String>, EventBusError> {
        let bus = bus.to_string();
        self.put.lock().extend(events.into_iter().map(|event| (bus.clone(), event)));
        Ok(Vec::new())
    }
}

#[async_trait]
impl Invoker for Receivers {
    async fn invoke(&self, ctx: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        *self.attempts.lock() += 1;
        self.callers.lock().push(ctx.caller.clone());
        if let Some(error) = self.function_error.lock().clone() {
            return Err(error);
        }
        self.invoked.lock().push(request);
        Ok(InvokeResponse { executed_version: None, function_error: None, payload: Bytes::new(), log_tail: None })
    }

    async fn invoke_streaming(&self, _: &RequestContext, _: InvokeRequest) -> Result<StreamedResponse, InvokeError> {
        panic!("nothing is streamed to a schedule")
    }
}

struct Server {
    front: Front,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    policies: Arc<Policies>,
    roles: Arc<AnyRole>,
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
    async fn over(store: Arc<MemoryStore>, clock: Arc<ManualClock>, seed: u64) -> Self {
        let random = Arc::new(SeededRandom::new(seed));
        // The same key in each life.
        let codec = Arc::new(Codec::new(KeyRing::generate(&SeededRandom::new(5)), random.clone()));
        let (policies, roles) = (Arc::<Policies>::default(), Arc::<AnyRole>::default());
        let receivers = Arc::<Receivers>::default();
        let scheduler = Scheduler::open(SchedulerParts {
            store: store.clone(),
            codec: codec.clone(),
            outbox: Outbox::new(store.clone(), codec, clock.clone()),
            invoker: receivers.clone(),
            queues: receivers.clone(),
            topics: receivers.clone(),
            buses: receivers.clone(),
            roles: roles.clone(),
            authorizer: policies.clone(),
            wall: clock.clone(),
            random: random.clone(),
        });
        let scheduler = scheduler.await.expect("opens");
        let stop = CancellationToken::new();
        tokio::spawn(scheduler.clone().work(stop.clone()));
        let front = Front::new(FrontConfig {
            services: vec![crate::service(&scheduler)],
            keys: Arc::new(NoKeys),
            clock: Arc::new(ManualClock::at(NOW_MS)),
            random,
            auth: AuthMode::Open,
            sandbox_auth: SandboxAuth::Role,
        });
        Self { front: front.expect("one service"), store, clock, policies, roles, receivers, stop }
    }

    async fn start() -> Self {
        Self::over(Arc::default(), Arc::new(ManualClock::at(NOW_MS)), 7).await
    }

    /// Ends without a word, and starts again later over what the store has.
    async fn crash_for(self, seconds: i64) -> Self {
        self.stop.cancel();
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.clock.advance(seconds * 1_000);
        Self::over(self.store, self.clock, 8).await
    }

    /// Seconds, in steps that nobody takes for a machine that slept.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds.min(3_600) {
            let step = seconds.div_ceil(3_600);
            self.clock.advance(i64::try_from(step * 1_000).expect("small"));
            tokio::time::sleep(Duration::from_secs(step)).await;
        }
        self.clock.advance(1);
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
        let request = Request::builder()
            .method(method)
            .uri(format!("http://localhost:4566{path}"))
            .header("host", "localhost:4566")
            .header("content-type", "application/json")
            .header("x-amz-date", "20260112T153712Z")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential=test/20260112/us-east-1/scheduler/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={}",
                    "0".repeat(64)
                ),
            )
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))
            .expect("a request");
        let peer: SocketAddr = ([127, 0, 0, 1], 1).into();
        let connection = Connection { peer, secure: false, listener: Listener::Outside };
        let response = self.front.handle(&connection, request).await;
        let status = response.status().as_u16();
        let code = response.headers().get("x-amzn-errortype").and_then(|code| code.to_str().ok()).map(str::to_owned);
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        let json = if bytes.is_empty() { json!({}) } else { serde_json::from_slice(&bytes).expect("JSON") };
        Answer { status, code, json }
    }

    /// Bodies of what was sent to that queue.
    fn sent_to(&self, queue: &str) -> Vec<String> {
        let sent = self.receivers.sent.lock();
        sent.iter().filter(|(to, _)| to == queue).map(|(_, message)| message.body.clone()).collect()
    }

    fn letters(&self) -> Vec<(String, MessageAttributes)> {
        let sent = self.receivers.sent.lock();
        let dead = sent.iter().filter(|(to, _)| to == DEAD);
        dead.map(|(_, message)| (message.body.clone(), message.attributes.clone())).collect()
    }

    /// Deliveries that are not dealt with.
    fn waiting(&self) -> usize {
        let region = Some(Region::from("us-east-1"));
        let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region };
        self.store.count(&scope, "delivery.due")
    }
}

fn schedule(expression: &str, target: &Value, more: Value) -> Value {
    let schedule = json!({
        "ScheduleExpression": expression, "Target": target, "FlexibleTimeWindow": { "Mode": "OFF" },
    });
    merged(schedule, more)
}
