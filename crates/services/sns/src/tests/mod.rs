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
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use hearth_delivery::Outbox;
use hearth_ports::InvocationType;
use hearth_service_testing::{DEAD, FUNCTION, NOW_MS, Policies, QUEUE, Receivers, Reply, TOPIC, World, scope};
use hearth_tls::MessageSigner;
use hearth_types::{AuthMode, ManualClock, OsRandom};
use hearth_wire::Front;
use http::StatusCode;
use http::request::Builder;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_util::sync::CancellationToken;

use crate::{Post, Sns, SnsParts, Web, WebError};

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
    world: World,
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
    async fn over(world: World, auth: AuthMode) -> Self {
        let (codec, random) = (world.codec(), world.random());
        let (policies, receivers) = (Arc::<Policies>::default(), Arc::<Receivers>::default());
        let endpoints = Arc::<Endpoints>::default();
        let sns = Sns::open(SnsParts {
            store: world.store.clone(),
            codec: codec.clone(),
            outbox: Outbox::new(world.store.clone(), codec, world.clock.clone()),
            queues: receivers.clone(),
            invoker: receivers.clone(),
            web: endpoints.clone(),
            signer: SIGNER.clone(),
            authorizer: policies.clone(),
            wall: world.clock.clone(),
            random,
        });
        let sns = sns.await.expect("opens");
        let stop = CancellationToken::new();
        tokio::spawn(sns.clone().work(stop.clone()));
        let front = hearth_service_testing::front(vec![crate::service(&sns)], auth);
        Self { front, sns, world, policies, receivers, endpoints, stop }
    }

    async fn start() -> Self {
        Self::over(World::default(), AuthMode::Open).await
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
        Self::over(self.world.next_life(), AuthMode::Open).await
    }

    async fn pass(&self, seconds: u64) {
        self.world.pass(Duration::from_secs(seconds)).await;
    }

    async fn call(&self, action: &str, members: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let members = members.iter().map(|(name, value)| format!("&{name}={}", encode(value)));
        let form = format!("Action={action}&Version=2010-03-31{}", members.collect::<String>());
        let head = hearth_service_testing::request("POST", "/", "sns")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        self.answer(head, form).await
    }

    /// What somebody sees who follows a link.
    async fn follow(&self, url: &str) -> Answer {
        self.answer(http::Request::get(url).header("host", "localhost:4566"), String::new()).await
    }

    async fn answer(&self, head: Builder, form: String) -> Answer {
        let reply = Reply::to(&self.front, head, form).await;
        Answer { status: reply.status, xml: reply.text() }
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

    fn events(&self) -> Vec<serde_json::Value> {
        let invoked = self.receivers.invoked.lock();
        assert!(invoked.iter().all(|request| request.invocation_type == InvocationType::Event), "nobody waits for it");
        invoked.iter().map(|request| serde_json::from_slice(&request.payload).expect("JSON")).collect()
    }
}
