//! The service as its API shows it: forms through the protocol front, over a store in memory, in virtual time. Queues and
//! functions are played.
//!
//! Expected texts: the recordings of the real service where they exist, else the API reference.

mod deliveries;
mod fifo;
mod publish;
mod refusals;
mod subscriptions;
mod topics;
mod web;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_delivery::Outbox;
use hearth_ports::{
    Access, AccessKeys, Authorizer, Denied, InvocationType, InvokeError, InvokeRequest, InvokeResponse, Invoker,
    KeyLookup, OutgoingMessage, QueueError, QueueSender, ResourcePolicy, StreamedResponse,
};
use hearth_store::testing::MemoryStore;
use hearth_store::{Codec, KeyRing};
use hearth_tls::MessageSigner;
use hearth_types::{
    AccountId, Arn, AuthMode, Caller, ManualClock, OsRandom, Partition, Region, RequestContext, SandboxAuth, Scope,
    SeededRandom,
};
use hearth_wire::{Connection, Front, FrontConfig, Listener};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_util::sync::CancellationToken;

use crate::{Post, Sns, SnsParts, Web, WebError};

/// 2026-01-12T15:37:12Z
const NOW_MS: i64 = 1_768_232_232_000;
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

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

/// Takes messages and events, or fails as it is told to.
#[derive(Default)]
struct Receivers {
    sent: Mutex<Vec<(String, OutgoingMessage)>>,
    invoked: Mutex<Vec<InvokeRequest>>,
    /// Who called.
    callers: Mutex<Vec<Caller>>,
    attempts: Mutex<u32>,
    /// Of the queue [`QUEUE`].
    queue_error: Mutex<Option<QueueError>>,
    function_error: Mutex<Option<InvokeError>>,
    /// Messages to FIFO queues that begin so fail so, unless they are dead letters.
    fails: Mutex<Option<(String, QueueError)>>,
}

#[async_trait]
impl QueueSender for Receivers {
    async fn send(&self, ctx: &RequestContext, queue: &Arn, message: OutgoingMessage) -> Result<String, QueueError> {
        *self.attempts.lock() += 1;
        self.callers.lock().push(ctx.caller.clone());
        if let (Some(error), QUEUE) = (self.queue_error.lock().clone(), queue.to_string().as_str()) {
            return Err(error);
        }
        if let Some((start, error)) = self.fails.lock().clone()
            && queue.resource == "q.fifo"
            && message.body.starts_with(&start)
        {
            return Err(error);
        }
        self.sent.lock().push((queue.to_string(), message));
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
        panic!("nothing is streamed to a topic")
    }
}

/// Notes what is posted, and answers as it is told to.
#[derive(Default)]
struct Endpoints {
    posted: Mutex<Vec<Post>>,
    answers: Mutex<VecDeque<Result<StatusCode, WebError>>>,
}

#[async_trait]
impl Web for Endpoints {
    async fn post(&self, post: Post) -> Result<StatusCode, WebError> {
        self.posted.lock().push(post);
        self.answers.lock().pop_front().unwrap_or(Ok(StatusCode::OK))
    }
}

/// Making a key takes a moment.
static SIGNER: LazyLock<Arc<MessageSigner>> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory").keep();
    let clock = Arc::new(ManualClock::at(NOW_MS));
    Arc::new(MessageSigner::new(&directory, "sns.amazonaws.com", clock, Arc::new(OsRandom)))
});

struct Server {
    front: Front,
    sns: Arc<Sns>,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    policies: Arc<Policies>,
    receivers: Arc<Receivers>,
    endpoints: Arc<Endpoints>,
    stop: CancellationToken,
}

/// An answer in XML.
#[derive(Debug)]
struct Answer {
    status: u16,
    xml: String,
}

impl Answer {
    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.xml);
        self
    }

    #[track_caller]
    fn refused(&self, status: u16, code: &str, message: &str) {
        let found = (self.status, self.one("Code"), self.one("Message"));
        assert_eq!(found, (status, code.to_owned(), message.to_owned()));
    }

    #[track_caller]
    fn invalid(&self, message: &str) {
        self.refused(400, "InvalidParameter", &format!("Invalid parameter: {message}"));
    }

    /// Of all elements of that name, the texts.
    fn all(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.xml.split(&open).skip(1);
        parts.map(|part| unescape(part.split(&close).next().unwrap_or_default())).collect()
    }

    #[track_caller]
    fn one(&self, name: &str) -> String {
        let mut all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {}", self.xml);
        all.remove(0)
    }

    /// A map of `entry` elements.
    fn map(&self) -> BTreeMap<String, String> {
        self.all("key").into_iter().zip(self.all("value")).collect()
    }
}

fn unescape(text: &str) -> String {
    let pairs = [("&quot;", "\""), ("&apos;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&#xA;", "\n"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

impl Server {
    async fn over(store: Arc<MemoryStore>, clock: Arc<ManualClock>, seed: u64) -> Self {
        Self::with_auth(store, clock, seed, AuthMode::Open).await
    }

    async fn with_auth(store: Arc<MemoryStore>, clock: Arc<ManualClock>, seed: u64, auth: AuthMode) -> Self {
        let random = Arc::new(SeededRandom::new(seed));
        // The same key in each life.
        let keys = KeyRing::generate(&SeededRandom::new(5));
        let codec = Arc::new(Codec::new(keys, random.clone()));
        let (policies, receivers) = (Arc::<Policies>::default(), Arc::<Receivers>::default());
        let endpoints = Arc::<Endpoints>::default();
        let sns = Sns::open(SnsParts {
            store: store.clone(),
            codec: codec.clone(),
            outbox: Outbox::new(store.clone(), codec, clock.clone()),
            queues: receivers.clone(),
            invoker: receivers.clone(),
            web: endpoints.clone(),
            signer: SIGNER.clone(),
            authorizer: policies.clone(),
            wall: clock.clone(),
            random: random.clone(),
        });
        let sns = sns.await.expect("opens");
        let stop = CancellationToken::new();
        tokio::spawn(sns.clone().work(stop.clone()));
        let front = Front::new(FrontConfig {
            services: vec![crate::service(&sns)],
            keys: Arc::new(NoKeys),
            clock: Arc::new(ManualClock::at(NOW_MS)),
            random,
            auth,
            sandbox_auth: SandboxAuth::Role,
        });
        Self { front: front.expect("one service"), sns, store, clock, policies, receivers, endpoints, stop }
    }

    async fn start() -> Self {
        Self::over(Arc::default(), Arc::new(ManualClock::at(NOW_MS)), 7).await
    }

    /// With a topic `t`.
    async fn topic() -> Self {
        let server = Self::start().await;
        server.call("CreateTopic", &[("Name", "t")]).await.ok();
        server
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

    async fn call(&self, action: &str, members: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let members = members.iter().map(|(name, value)| format!("&{name}={}", encode(value)));
        let form = format!("Action={action}&Version=2010-03-31{}", members.collect::<String>());
        let request = Request::post("http://localhost:4566/")
            .header("host", "localhost:4566")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .header("x-amz-date", "20260112T153712Z")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential=test/20260112/us-east-1/sns/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={}",
                    "0".repeat(64)
                ),
            )
            .body(Full::new(Bytes::from(form)))
            .expect("a request");
        self.answer(request).await
    }

    /// What somebody sees who follows a link.
    async fn follow(&self, url: &str) -> Answer {
        let request = Request::get(url).header("host", "localhost:4566").body(Full::default()).expect("a request");
        self.answer(request).await
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Answer {
        let peer: SocketAddr = ([127, 0, 0, 1], 1).into();
        let connection = Connection { peer, secure: false, listener: Listener::Outside };
        let response = self.front.handle(&connection, request).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        Answer { status, xml: String::from_utf8(bytes.to_vec()).expect("text") }
    }

    /// Subscribes with attributes; answers the ARN.
    async fn subscribe(&self, protocol: &str, endpoint: &str, attributes: &[(&str, &str)]) -> String {
        self.try_subscribe(protocol, endpoint, attributes).await.ok().one("SubscriptionArn")
    }

    async fn try_subscribe(&self, protocol: &str, endpoint: &str, attributes: &[(&str, &str)]) -> Answer {
        self.subscribe_to(TOPIC, protocol, endpoint, attributes).await
    }

    async fn subscribe_to(&self, topic: &str, protocol: &str, endpoint: &str, attributes: &[(&str, &str)]) -> Answer {
        let mut members =
            vec![("TopicArn".to_owned(), topic), ("Protocol".to_owned(), protocol), ("Endpoint".to_owned(), endpoint)];
        for (number, (name, value)) in (1..).zip(attributes) {
            members.push((format!("Attributes.entry.{number}.key"), name));
            members.push((format!("Attributes.entry.{number}.value"), value));
        }
        let members: Vec<(&str, &str)> = members.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.call("Subscribe", &members).await
    }

    async fn publish(&self, message: &str) -> String {
        self.publish_with(message, &[]).await
    }

    async fn publish_with(&self, message: &str, more: &[(&str, &str)]) -> String {
        let members = [&[("TopicArn", TOPIC), ("Message", message)], more].concat();
        self.call("Publish", &members).await.ok().one("MessageId")
    }

    /// Bodies of what was sent to that queue.
    fn sent_to(&self, queue: &str) -> Vec<String> {
        let sent = self.receivers.sent.lock();
        sent.iter().filter(|(to, _)| to == queue).map(|(_, message)| message.body.clone()).collect()
    }

    fn events(&self) -> Vec<serde_json::Value> {
        let invoked = self.receivers.invoked.lock();
        invoked.iter().map(|request| serde_json::from_slice(&request.payload).expect("JSON")).collect()
    }

    /// Deliveries that are not dealt with.
    fn waiting(&self) -> usize {
        self.store.count(&scope(), "delivery.due")
    }
}
