//! S3: its parts, and the way of its requests.

use std::sync::Arc;

use hearth_ports::{Authorizer, EventSink, Invoker, QueueConsumer, QueueSender, TopicPublisher};
use hearth_s3::{Door, S3, S3Parts};
use hearth_store::{BlobFiles, Codec, DataDir, Store};
use hearth_types::{Clock, Random};
use hearth_wire::front::Streaming;
use hearth_wire::{Body, Connection, Front};
use hyper::{Request, Response};

use super::ServerError;
use super::messaging::Messaging;
use super::unread::Lent;

/// What S3 shares with the others.
pub(super) struct Shared<'s> {
    pub(super) store: &'s Arc<dyn Store>,
    pub(super) codec: &'s Arc<Codec>,
    pub(super) data: &'s DataDir,
    pub(super) messaging: &'s Messaging,
    pub(super) queues: Arc<dyn QueueSender>,
    pub(super) consumers: Arc<dyn QueueConsumer>,
    pub(super) topics: Arc<dyn TopicPublisher>,
    pub(super) invoker: Arc<dyn Invoker>,
    pub(super) bus: Arc<dyn EventSink>,
    pub(super) authorizer: &'s Arc<dyn Authorizer>,
    /// The wall's.
    pub(super) clock: &'s Arc<dyn Clock>,
    pub(super) random: &'s Arc<dyn Random>,
}

pub(super) async fn open(shared: Shared<'_>) -> Result<Arc<S3>, ServerError> {
    let Shared { store, codec, data, messaging, queues, consumers, topics, invoker, bus, authorizer, clock, random } =
        shared;
    let files = BlobFiles::open(&data.objects(), random.clone());
    let files = files.map_err(|error| ServerError::Data(error.to_string()))?;
    let parts = S3Parts {
        store: store.clone(),
        codec: codec.clone(),
        files,
        outbox: messaging.outbox.clone(),
        queues,
        consumers,
        topics,
        invoker,
        bus,
        authorizer: authorizer.clone(),
        wall: clock.clone(),
        random: random.clone(),
    };
    S3::open(parts).await.map_err(|error| ServerError::Start(error.to_string()))
}

/// S3's requests, which stream past the front.
pub(crate) struct ObjectsDoor {
    door: Arc<Door>,
    streaming: Arc<dyn Streaming>,
}

impl ObjectsDoor {
    pub(super) fn new(s3: Arc<S3>) -> Self {
        let door = Arc::new(Door::new(s3));
        Self { streaming: door.clone(), door }
    }

    /// Whether a request is for S3.
    pub(super) fn is_meant(&self, front: &Front, request: Request<Lent>) -> (bool, Request<Lent>) {
        let (head, body) = request.into_parts();
        let is_meant = front.is_for(&*self.streaming, &head);
        (is_meant, Request::from_parts(head, body))
    }

    /// Whether a web page may send it: the bucket says so.
    pub(super) fn lets_in(&self, request: &Request<Lent>) -> bool {
        self.door.lets_in(request.uri(), request.method(), request.headers())
    }

    pub(super) async fn answer(
        &self,
        front: &Front,
        connection: &Connection,
        request: Request<Lent>,
    ) -> Response<Body> {
        front.stream(connection, &self.streaming, request).await
    }
}
