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

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_delivery::Outbox;
use hearth_ports::{
    Access, AccessKeys, Authorizer, Denied, InvocationType, InvokeError, InvokeRequest, InvokeResponse, Invoker,
    KeyLookup, Notification, OutgoingMessage, QueueError, QueueSender, ResourcePolicy, RoleRefused, ServiceRoles,
    StreamedResponse, TopicError, TopicPublisher,
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

use crate::{EventBridge, EventBridgeParts};

/// 2026-01-12T15:37:12Z
const NOW_MS: i64 = 1_768_232_232_000;
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/b";
const ROLE: &str = "arn:aws:iam::000000000000:role/r";

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
        let conditions =
            access.conditions.iter().map(|condition| format!(" {}={}", condition.key, condition.values.join("|")));
        let conditions: String = conditions.collect();
        self.asked.lock().push(format!("{} {}{policy}{conditions}", access.action, access.resource));
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

/// Takes messages and events, or fails as it is told to.
#[derive(Default)]
struct Receivers {
    sent: Mutex<Vec<(String, OutgoingMessage)>>,
    published: Mutex<Vec<Notification>>,
    invoked: Mutex<Vec<InvokeRequest>>,
    /// Who called.
    callers: Mutex<Vec<Caller>>,
    attempts: Mutex<u32>,
    /// Of the queue [`QUEUE`].
    queue_error: Mutex<Option<QueueError>>,
    function_error: Mutex<Option<InvokeError>>,
    /// Roles that cannot be assumed.
    refuses_roles: Mutex<bool>,
}

#[async_trait]
impl QueueSender for Receivers {
    async fn send(&self, ctx: &RequestContext, queue: &Arn, message: OutgoingMessage) -> Result<String, QueueError> {
        *self.attempts.lock() += 1;
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
impl Invoker for Receivers {
    async fn invoke(&self, ctx: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        *self.attempts.lock() += 1;
        self.callers.lock().push(ctx.caller.clone());
        if let Some(error) = self.function_error.lock().clone() {
            return Err(error);
        }
        assert_eq!(request.invocation_type, InvocationType::Event);
        self.invoked.lock().push(request);
        Ok(InvokeResponse { executed_version: None, function_error: None, payload: Bytes::new(), log_tail: None })
    }

    async fn invoke_streaming(&self, _: &RequestContext, _: InvokeRequest) -> Result<StreamedResponse, InvokeError> {
        panic!("nothing is streamed to a bus")
    }
}

impl ServiceRoles for Receivers {
    fn service_role(
        &self,
        ctx: &RequestContext,
        principal: &'static str,
        role_arn: &str,
        _: &str,
    ) -> Result<Caller, RoleRefused> {
        if *self.refuses_roles.lock() {
            return Err(RoleRefused { principal, role_arn: role_arn.to_owned() });
        }
        Ok(Caller::RoleSession {
            account: ctx.account,
            role_arn: role_arn.into(),
            session_arn: role_arn.into(),
            assumed_role_id: "AROA:s".into(),
            session: Arc::new(Session::default()),
        })
    }
}

struct Server {
    front: Front,
    events: Arc<EventBridge>,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    policies: Arc<Policies>,
    receivers: Arc<Receivers>,
    stop: CancellationToken,
}

impl Server {
    async fn over(store: Arc<MemoryStore>, clock: Arc<ManualClock>, seed: u64) -> Self {
        let random = Arc::new(SeededRandom::new(seed));
        // The same key in each life.
        let codec = Arc::new(Codec::new(KeyRing::generate(&SeededRandom::new(5)), random.clone()));
        let (policies, receivers) = (Arc::<Policies>::default(), Arc::<Receivers>::default());
        let events = EventBridge::open(EventBridgeParts {
            store: store.clone(),
            codec: codec.clone(),
            outbox: Outbox::new(store.clone(), codec, clock.clone()),
            queues: receivers.clone(),
            topics: receivers.clone(),
            invoker: receivers.clone(),
            credentials: receivers.clone(),
            authorizer: policies.clone(),
            wall: clock.clone(),
            random: random.clone(),
        });
        let events = events.await.expect("opens");
        let stop = CancellationToken::new();
        tokio::spawn(events.clone().work(stop.clone()));
        let front = Front::new(FrontConfig {
            services: vec![crate::service(&events)],
            keys: Arc::new(NoKeys),
            clock: Arc::new(ManualClock::at(NOW_MS)),
            random,
            auth: AuthMode::Open,
            sandbox_auth: SandboxAuth::Role,
        });
        Self { front: front.expect("one service"), events, store, clock, policies, receivers, stop }
    }

    async fn start() -> Self {
        Self::over(Arc::default(), Arc::new(ManualClock::at(NOW_MS)), 7).await
    }

    /// Ends without a word, and starts again over what the store has.
    async fn crash(self) -> Self {
        self.stop.cancel();
        let Self { store, clock, .. } = self;
        Self::over(store, clock, 8).await
    }

    async fn pass(&self, seconds: u64) {
        self.clock.advance(i64::try_from(seconds * 1_000).expect("small"));
        tokio::time::sleep(Duration::from_secs(seconds) + Duration::from_millis(1)).await;
    }

    async fn ask(&self, operation: &str, input: Value) -> (u16, Value) {
        let request = Request::post("http://localhost:4566/")
            .header("host", "localhost:4566")
            .header("x-amz-date", "20260112T153712Z")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential=test/20260112/us-east-1/events/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={}",
                    "0".repeat(64)
                ),
            )
            .header("x-amz-target", format!("AWSEvents.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(Full::new(Bytes::from(input.to_string())))
            .expect("a request");
        let peer: SocketAddr = ([127, 0, 0, 1], 1).into();
        let connection = Connection { peer, secure: false, listener: Listener::Outside };
        let answer = self.front.handle(&connection, request).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") })
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

    /// What the queue has got, as text.
    fn bodies(&self, queue: &str) -> Vec<String> {
        let sent = self.receivers.sent.lock();
        sent.iter().filter(|(to, _)| to == queue).map(|(_, message)| message.body.clone()).collect()
    }

    /// Deliveries that are not dealt with.
    fn waiting(&self) -> usize {
        self.store.count(&scope(), "delivery.due")
    }
}

fn entry() -> Value {
    json!({"Source": "my.app", "DetailType": "order", "Detail": r#"{"n":1,"state":"new"}"#})
}
