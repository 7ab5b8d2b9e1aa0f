//! S3: where its bytes are, and the way of its requests.

use std::sync::Arc;

use hearth_s3::{Door, S3};
use hearth_store::{BlobFiles, DataDir};
use hearth_types::Random;
use hearth_wire::front::Streaming;
use hearth_wire::{Body, Connection, Front};
use hyper::{Request, Response};

use super::ServerError;
use super::foundation::unusable;
use super::unread::Lent;

/// Where the bytes of objects are.
pub(super) fn files(data: &DataDir, random: &Arc<dyn Random>) -> Result<BlobFiles, ServerError> {
    BlobFiles::open(&data.objects(), random.clone()).map_err(unusable)
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
