//! The path of a request, from its head to its answer:
//!
//! ```text
//! head ─▶ detect ─▶ who signed it? ─▶ body within its limit ─▶ signature ─▶ service ─▶ answer
//!         (detect)   (caller)          (body)                  (sigv4)
//! ```
//!
//! Every answer, good or bad, is in the protocol of the service that was detected and carries a request id.

mod body;
mod caller;
mod detect;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hearth_ports::AccessKeys;
use hearth_types::{Clock, Partition, Random, Region, RequestContext, RequestId};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;

use crate::body::{Body, BodyError};
use crate::error::ErrorAnswer;
use crate::limits::TARGET_BYTES_MAX;
use crate::model::OperationId;
use crate::protocol::{Incoming, Protocol, identify};
use crate::router::Router;
use crate::service::Service;
use crate::sigv4::{Authorization, KeyCache, Payload, chunked, header};
use body::{BodyRefused, Digested};
use caller::Identity;
use detect::{Detected, Target};

/// How a request reached us. Unknown credentials mean something else on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The user's endpoint, in open mode: an unknown key, or none, acts as its account's root.
    Outside,
    /// The endpoint inside a sandbox: known keys only.
    Sandbox,
}

/// The connection a request came over.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub peer: SocketAddr,
    /// Over TLS.
    pub secure: bool,
    pub listener: Listener,
}

/// What a front is made of.
pub struct FrontConfig {
    pub services: Vec<Arc<dyn Service>>,
    pub keys: Arc<dyn AccessKeys>,
    /// The wall clock: signatures are judged by it.
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// A front that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontError {
    /// Requests could not be told apart.
    #[error("two services are called {0} and have the same API version")]
    Ambiguous(String),
}

/// The one door for every AWS request. Cheap to share: put it in an `Arc`.
pub struct Front {
    services: Vec<Mounted>,
    keys: Arc<dyn AccessKeys>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    cache: KeyCache,
}

struct Mounted {
    service: Arc<dyn Service>,
    /// Of REST models.
    router: Option<Router>,
}

impl Mounted {
    fn is_query(&self) -> bool {
        self.service.model().protocol() == Protocol::Query
    }
}

/// A refusal and the protocol to say it in.
struct Refusal {
    protocol: Protocol,
    service: Option<usize>,
    answer: Box<ErrorAnswer>,
}

impl Refusal {
    fn new(protocol: Protocol, service: Option<usize>, answer: ErrorAnswer) -> Self {
        Self { protocol, service, answer: Box::new(answer) }
    }
}

impl Front {
    /// # Errors
    /// [`FrontError`].
    pub fn new(config: FrontConfig) -> Result<Self, FrontError> {
        let FrontConfig { services, keys, clock, random } = config;
        for (index, service) in services.iter().enumerate() {
            let (name, version) = (service.model().signing_name(), service.model().api_version());
            let same = |other: &Arc<dyn Service>| {
                other.model().signing_name() == name && other.model().api_version() == version
            };
            if services[..index].iter().any(same) {
                return Err(FrontError::Ambiguous(name.to_owned()));
            }
        }
        let mount = |service: Arc<dyn Service>| {
            let model = service.model();
            let router = (model.protocol() == Protocol::RestJson).then(|| Router::new(model));
            Mounted { service, router }
        };
        let services = services.into_iter().map(mount).collect();
        Ok(Self { services, keys, clock, random, cache: KeyCache::default() })
    }

    /// Answers one request.
    pub async fn handle<B>(&self, connection: &Connection, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<BodyError>,
    {
        let request_id = RequestId::generate(&*self.random);
        let (head, body) = request.into_parts();
        match self.answer(connection, head, body, &request_id).await {
            Ok(mut response) => {
                identify(&mut response, &request_id);
                response
            }
            Err(refusal) => {
                tracing::debug!(%request_id, code = %refusal.answer.code, status = %refusal.answer.status, "refused");
                let model = refusal.service.map(|index| &**self.services[index].service.model());
                refusal.protocol.encode_error(model, &refusal.answer, &request_id)
            }
        }
    }

    async fn answer<B>(
        &self,
        connection: &Connection,
        head: Parts,
        body: B,
        request_id: &RequestId,
    ) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<BodyError>,
    {
        if head.uri.path().len() + head.uri.query().unwrap_or_default().len() > TARGET_BYTES_MAX {
            let answer =
                ErrorAnswer::new("RequestURITooLong", StatusCode::URI_TOO_LONG, "The request URI is too long.");
            return Err(Refusal::new(Protocol::RestJson, None, answer));
        }
        let authorization = Authorization::parse(&head).map_err(|error| {
            let (protocol, service) = self.guess(&head);
            Refusal::new(protocol, service, error.answer(protocol))
        })?;
        let detected = self.detect(&head, authorization.as_ref())?;
        let service = detected.service();
        let mounted = &self.services[service].service;
        let protocol = mounted.model().protocol();
        let refuse = |answer: ErrorAnswer| Refusal::new(protocol, Some(service), answer);

        let now_ms = self.clock.now_ms();
        let identity = self
            .identify(connection.listener, authorization.as_ref(), now_ms)
            .map_err(|error| refuse(error.answer(protocol)))?;

        let limit = self.limit(&detected);
        let payload = match &authorization {
            Some(authorization) => authorization.payload.clone(),
            None => {
                Payload::of(&head.headers).map_err(|error| refuse(error.answer(protocol)))?.unwrap_or(Payload::Unsigned)
            }
        };
        let wants_hash = identity.key.is_some() && matches!(payload, Payload::Hash(_));
        let wire_limit = match payload {
            Payload::Chunked(_) => body::chunked_limit(limit),
            Payload::Hash(_) | Payload::Unsigned => limit,
        };
        let Digested { bytes, sha256 } = body::read(body.map_frame(bytes_frame), wire_limit, wants_hash)
            .await
            .map_err(|refused| refuse(self.body_refused(refused, &detected, limit)))?;

        let body = self
            .verify(&head, authorization.as_ref(), &identity, &payload, bytes, sha256)
            .map_err(|error| refuse(error.answer(protocol)))?;
        let (service, Target { operation, labels }) = self
            .target(detected, &head, &body)
            .map_err(|(service, answer)| Refusal::new(Protocol::Query, Some(service), answer))?;
        let mounted = &self.services[service].service;
        let refuse = |answer: ErrorAnswer| Refusal::new(protocol, Some(service), answer);
        let operation_limit = mounted.limit_bytes(operation);
        if body.len() > operation_limit {
            return Err(refuse(self.too_large(service, Some(operation), operation_limit)));
        }

        let region = authorization.as_ref().map_or(Region::DEFAULT, |authorization| &authorization.credential.region);
        let ctx = RequestContext {
            partition: Partition::of_region(region),
            account: identity.account,
            region: Region::from(region),
            caller: identity.caller,
            source_ip: connection.peer.ip(),
            secure: connection.secure,
            request_id: request_id.clone(),
            trace: header(&head.headers, "x-amzn-trace-id").map(Arc::from),
            host: host(&head).into(),
        };
        let query = head.uri.query().map(str::to_owned);
        let incoming = Incoming { labels, query, headers: head.headers, body };
        mounted.call(operation, ctx, incoming).await.map_err(refuse)
    }

    /// Checks signature and time, and takes the body out of its chunks.
    fn verify(
        &self,
        head: &Parts,
        authorization: Option<&Authorization>,
        identity: &Identity,
        payload: &Payload,
        body: Bytes,
        sha256: Option<[u8; 32]>,
    ) -> Result<Bytes, crate::sigv4::AuthError> {
        let signing_key = match (authorization, &identity.key) {
            (Some(authorization), Some(key)) => Some(self.cache.get(&key.secret_access_key, &authorization.credential)),
            _ => None,
        };
        let mut signer = None;
        if let (Some(authorization), Some(key)) = (authorization, &signing_key) {
            authorization.check(head, key, sha256)?;
            authorization.check_time(self.clock.now_ms())?;
            signer = Some(authorization.chunk_signer(key));
        }
        let Payload::Chunked(mode) = payload else {
            return Ok(body);
        };
        let decoded_length = header(&head.headers, "x-amz-decoded-content-length").and_then(|text| text.parse().ok());
        chunked::decode(&body, *mode, signer, decoded_length, header(&head.headers, "x-amz-trailer"))
    }

    fn limit(&self, detected: &Detected) -> usize {
        let largest = |mounted: &Mounted| {
            let service = &mounted.service;
            service.model().operations().map(|(id, _)| service.limit_bytes(id)).max().unwrap_or_default()
        };
        match detected {
            Detected::Operation { service, target } => self.services[*service].service.limit_bytes(target.operation),
            // The operation stands in the body: any of them may be meant.
            Detected::Form { service, any: false } => largest(&self.services[*service]),
            Detected::Form { any: true, .. } => {
                self.services.iter().filter(|mounted| mounted.is_query()).map(largest).max().unwrap_or_default()
            }
        }
    }

    fn body_refused(&self, refused: BodyRefused, detected: &Detected, limit: usize) -> ErrorAnswer {
        match refused {
            BodyRefused::TooLarge => {
                let operation = match detected {
                    Detected::Operation { target, .. } => Some(target.operation),
                    Detected::Form { .. } => None,
                };
                self.too_large(detected.service(), operation, limit)
            }
            BodyRefused::Idle => ErrorAnswer::new(
                "RequestTimeout",
                StatusCode::BAD_REQUEST,
                "Your socket connection to the server was not read from or written to within the timeout period.",
            ),
            BodyRefused::Broken(error) => {
                tracing::debug!(%error, "a request's body broke off");
                ErrorAnswer::new("IncompleteBody", StatusCode::BAD_REQUEST, "The request body terminated unexpectedly.")
            }
        }
    }

    fn too_large(&self, service: usize, operation: Option<OperationId>, limit: usize) -> ErrorAnswer {
        let service = &self.services[service].service;
        let name = operation.map_or("requested", |operation| service.limit_name(operation));
        let message = format!("Request must be smaller than {limit} bytes for the {name} operation");
        ErrorAnswer::new("RequestEntityTooLargeException", StatusCode::PAYLOAD_TOO_LARGE, message)
    }
}

fn bytes_frame<D: bytes::Buf>(frame: http_body::Frame<D>) -> http_body::Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

fn host(head: &Parts) -> &str {
    header(&head.headers, "host")
        .or_else(|| head.uri.authority().map(|authority| authority.as_str()))
        .unwrap_or("localhost")
}
