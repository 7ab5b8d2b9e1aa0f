//! The path of a request, from its head to its answer:
//!
//! ```text
//! head ─▶ who signed it? ─▶ detect ─▶ body within its limit ─▶ signature ─▶ service ─▶ answer
//!         (caller)          (detect)   (limit, body)           (sigv4)
//! ```
//!
//! A request that does not show who it is from learns nothing else, where that is asked for; but operations that need no
//! credentials are open to everyone, and which operation a form means is known only when it has been read.
//!
//! Every answer, good or bad, is in the protocol of the service that was detected and carries a request id.

mod body;
mod caller;
mod detect;
mod guest;
mod inflate;
mod limit;
mod streamed;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hearth_ports::AccessKeys;
use hearth_types::{AuthMode, Clock, Random, RequestContext, RequestId, SandboxAuth};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;

use crate::body::{Body, BodyError};
use crate::error::ErrorAnswer;
use crate::limits::{INFLATED_FACTOR_MAX, TARGET_BYTES_MAX, UNAUTHENTICATED_BYTES_MAX};
use crate::model::Operation;
use crate::protocol::{Incoming, Protocol, identify, serialization_error};
use crate::router::Router;
use crate::service::Service;
use crate::sigv4::{AuthError, Authorization, KeyCache, Payload, chunked, header, sha256};
use body::Digested;
use caller::{Identity, context};
use detect::{Detected, Target};
pub use guest::read_body;
use inflate::Broken;
pub use streamed::{CheckedBody, Streaming, Trailers};

/// How a request reached us. Unknown credentials mean something else on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The user's endpoint: in open and soft mode an unknown key, or none, acts as its account's root.
    Outside,
    /// The endpoint inside a sandbox: known keys only, unless [`SandboxAuth::Open`].
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

/// How a connection over TLS is encrypted; an extension of each request that came over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `TLSv1.3`
    pub version: &'static str,
    /// As OpenSSL names it.
    pub cipher_suite: &'static str,
}

/// What a front is made of.
pub struct FrontConfig {
    pub services: Vec<Arc<dyn Service>>,
    pub keys: Arc<dyn AccessKeys>,
    pub auth: AuthMode,
    pub sandbox_auth: SandboxAuth,
    /// The wall clock: signatures are judged by it.
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// A front that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontError {
    /// Requests could not be told apart.
    #[error("two services are called {0} and have the same API version and protocol")]
    Ambiguous(String),
}

/// The one door for every AWS request. Cheap to share: put it in an `Arc`.
pub struct Front {
    services: Vec<Mounted>,
    keys: Arc<dyn AccessKeys>,
    auth: AuthMode,
    sandbox_auth: SandboxAuth,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    cache: KeyCache,
}

struct Mounted {
    service: Arc<dyn Service>,
    /// Of REST models.
    router: Option<Router>,
    /// Some operation needs no credentials.
    has_open: bool,
    /// Some operation may be asked for without a signature.
    has_unsigned: bool,
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
        let FrontConfig { services, keys, auth, sandbox_auth, clock, random } = config;
        for (index, service) in services.iter().enumerate() {
            let identity = |service: &Arc<dyn Service>| {
                let model = service.model().clone();
                (model.signing_name().to_owned(), model.api_version().to_owned(), model.protocol())
            };
            let name = service.model().signing_name();
            let same = |other: &Arc<dyn Service>| identity(other) == identity(service);
            if services[..index].iter().any(same) {
                return Err(FrontError::Ambiguous(name.to_owned()));
            }
        }
        let mount = |service: Arc<dyn Service>| {
            let model = service.model();
            let router = (model.protocol() == Protocol::RestJson).then(|| Router::new(model));
            let has_open = !model.operations().all(|(_, operation)| operation.needs_credentials());
            let has_unsigned = model.operations().any(|(id, _)| service.allows_unsigned(id));
            Mounted { router, has_open, has_unsigned, service }
        };
        let services = services.into_iter().map(mount).collect();
        Ok(Self { services, keys, auth, sandbox_auth, clock, random, cache: KeyCache::default() })
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
        let authorization = Authorization::parse(&head).map_err(|error| self.unknown_caller(&head, None, &error))?;
        let authorization = authorization.as_ref();
        let identity = self.identify(connection.listener, authorization, self.clock.now_ms());
        let detected = match (self.detect(&head, authorization), &identity) {
            (Ok(detected), Ok(_)) => detected,
            (Ok(detected), Err(_)) if self.may_be_open(&detected, authorization.is_none()) => detected,
            (Err(refusal), Ok(_)) => return Err(refusal),
            (_, Err(error)) => return Err(self.unknown_caller(&head, authorization, error)),
        };
        let service = detected.service();
        let protocol = self.services[service].service.model().protocol();
        let refuse = |answer: ErrorAnswer| Refusal::new(protocol, Some(service), answer);
        // While it is open whether the caller may know anything, the only answer is that it is not known.
        let refuse_body = |answer: ErrorAnswer| match &identity {
            Ok(_) => refuse(answer),
            Err(error) => refuse(error.answer(protocol)),
        };

        let payload = match authorization {
            Some(authorization) => authorization.payload.clone(),
            None => Payload::of(&head.headers)
                .map_err(|error| refuse_body(error.answer(protocol)))?
                .unwrap_or(Payload::Unsigned),
        };
        let key = identity.as_ref().ok().and_then(|identity| identity.key.as_ref());
        let wants_hash = key.is_some() && matches!(payload, Payload::Hash(_));
        let limit = match &identity {
            Ok(_) => self.limit(&detected),
            Err(_) => self.limit(&detected).min(UNAUTHENTICATED_BYTES_MAX),
        };
        let wire_limit = match payload {
            Payload::Chunked(_) => body::chunked_limit(limit),
            Payload::Hash(_) | Payload::Unsigned => limit,
        };
        let Digested { bytes, sha256 } = body::read(body.map_frame(bytes_frame), wire_limit, wants_hash)
            .await
            .map_err(|refused| refuse_body(self.body_refused(refused, &detected, limit)))?;

        let sent_bytes = bytes.len();
        let bytes = if self.services[service].is_compressed(&detected, &head) {
            inflate::inflate(&bytes, limit.saturating_mul(INFLATED_FACTOR_MAX)).map_err(|broken| match broken {
                Broken::TooLarge => refuse_body(self.body_refused(body::BodyRefused::TooLarge, &detected, limit)),
                Broken::NotGzip => refuse_body(serialization_error("")),
            })?
        } else {
            bytes
        };

        // What is in chunks can be read only when it has been checked: it is never open.
        let found = match payload {
            Payload::Chunked(_) => Err(detected),
            Payload::Hash(_) | Payload::Unsigned => Ok(self.target(detected, authorization, &head, &bytes)),
        };
        let identity = match (&found, identity) {
            (Ok(Ok((service, target))), _) if !self.operation(*service, target).needs_credentials() => {
                self.anonymous(connection.listener)
            }
            (Ok(Ok((service, target))), Err(AuthError::Missing))
                if self.services[*service].service.allows_unsigned(target.operation) =>
            {
                self.anonymous(connection.listener)
            }
            (_, identity) => identity.map_err(|error| refuse(error.answer(protocol)))?,
        };
        let body = self
            .verify(&head, authorization, &identity, &payload, bytes, sha256)
            .map_err(|error| refuse(error.answer(protocol)))?;
        let (service, Target { operation, labels }) = found
            .unwrap_or_else(|detected| self.target(detected, authorization, &head, &body))
            .map_err(|(service, answer)| Refusal::new(Protocol::Query, Some(service), answer))?;
        let mounted = &self.services[service].service;
        let refuse = |answer: ErrorAnswer| Refusal::new(protocol, Some(service), answer);
        let operation_limit = mounted.limit_bytes(operation);
        // What was compressed has a limit of its own, and so does what came in chunks.
        if body.len().min(sent_bytes) > operation_limit {
            return Err(refuse(self.too_large(service, Some(operation), operation_limit)));
        }

        let ctx = context(connection, &head, authorization, identity, request_id);
        let query = head.uri.query().map(str::to_owned);
        let path = head.uri.path().to_owned();
        let incoming = Incoming { labels, path, query, headers: head.headers, body };
        mounted.call(operation, ctx, incoming).await.map_err(refuse)
    }

    /// For pages of Hearth's own: the caller, by the rules every service's requests follow. Any service's name will do
    /// in the signature's scope.
    ///
    /// # Errors
    /// The refusal, as a REST service gives it.
    #[allow(clippy::result_large_err, reason = "the error is the answer that is sent")]
    pub fn authenticate(
        &self,
        connection: &Connection,
        head: &Parts,
        body: Bytes,
    ) -> Result<RequestContext, Response<Body>> {
        let request_id = RequestId::generate(&*self.random);
        let known = || {
            let authorization = Authorization::parse(head)?;
            let authorization = authorization.as_ref();
            let identity = self.identify(connection.listener, authorization, self.clock.now_ms())?;
            if let Some(authorization) = authorization {
                let digest = sha256(&body);
                self.verify(head, Some(authorization), &identity, &authorization.payload, body, Some(digest))?;
            }
            Ok(context(connection, head, authorization, identity, &request_id))
        };
        known().map_err(|error: AuthError| {
            let protocol = Protocol::RestJson;
            protocol.encode_error(None, &error.answer(protocol), &request_id)
        })
    }

    /// A refusal before the service is known, in the words of the one that it is signed for, or seems to be meant for.
    fn unknown_caller(&self, head: &Parts, authorization: Option<&Authorization>, error: &AuthError) -> Refusal {
        let signed_for = authorization.map(|authorization| authorization.credential.service.as_str());
        let models = self.services.iter().map(|mounted| mounted.service.model());
        let named = models.zip(0..).filter(|(model, _)| signed_for == Some(model.signing_name()));
        // Of one that speaks several protocols, the one that the request seems to be in.
        let guess = self.guess(head);
        let service = named.max_by_key(|(model, index)| (model.protocol() == guess, std::cmp::Reverse(*index)));
        let (protocol, service) = match service {
            Some((model, index)) => (model.protocol(), Some(index)),
            None => (self.guess(head), None),
        };
        Refusal::new(protocol, service, error.answer(protocol))
    }

    /// May the request be for an operation that needs no credentials, or no signature where there is none?
    fn may_be_open(&self, detected: &Detected, is_unsigned: bool) -> bool {
        let has_open = |mounted: &Mounted| mounted.has_open || (is_unsigned && mounted.has_unsigned);
        match detected {
            Detected::Operation { service, target } => !self.operation(*service, target).needs_credentials(),
            Detected::Form { service, any: false } => has_open(&self.services[*service]),
            Detected::Form { any: true, .. } => {
                self.services.iter().any(|mounted| mounted.is_query() && has_open(mounted))
            }
        }
    }

    fn operation(&self, service: usize, target: &Target) -> &Operation {
        self.services[service].service.model().operation(target.operation)
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
    ) -> Result<Bytes, AuthError> {
        let signing_key = match (authorization, &identity.key) {
            (Some(authorization), Some(key)) => Some(self.cache.get(&key.secret_access_key, &authorization.credential)),
            _ => None,
        };
        let mut signer = None;
        if let (Some(authorization), Some(key)) = (authorization, &signing_key) {
            authorization.check(head, key, sha256)?;
            authorization.check_time(self.clock.now_ms())?;
            signer = Some(authorization.chunk_signer(key.clone()));
        }
        let Payload::Chunked(mode) = payload else {
            return Ok(body);
        };
        let decoded_length = header(&head.headers, "x-amz-decoded-content-length").and_then(|text| text.parse().ok());
        chunked::decode(&body, *mode, signer, decoded_length, header(&head.headers, "x-amz-trailer"))
    }
}

fn bytes_frame<D: bytes::Buf>(frame: http_body::Frame<D>) -> http_body::Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}
