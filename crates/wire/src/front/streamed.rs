//! Requests for a service whose bodies are streams and which tells its operations apart itself: S3. Who they are from is
//! found as for the others, and the body is checked while it is read: its hash, its chunks' signatures, its length.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hearth_types::{RequestContext, RequestId};
use http::request::Parts;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use sha2::{Digest, Sha256};
use tokio::time::Sleep;

use super::caller::context;
use super::{Connection, Front, bytes_frame};
use crate::body::{Body, BodyError};
use crate::limits::BODY_IDLE_MAX;
use crate::sigv4::v2::Link;
use crate::sigv4::{AuthError, Authorization, Payload, chunked, header};

/// A service with a path of its own through the front.
pub trait Streaming: Send + Sync + 'static {
    /// Whose credential scope its requests have.
    fn signing_name(&self) -> &'static str;

    /// Whether a request without a signature is for it by its host.
    fn is_host(&self, host: &str) -> bool;

    /// `/BUCKET/KEY` of a request, as it was sent: what links of the older signature are signed over.
    fn resource(&self, head: &Parts) -> String;

    /// Answers a request whose signature is checked, but for its body: that fails while it is read, if it is not the one
    /// that was signed.
    fn call(
        self: Arc<Self>,
        ctx: RequestContext,
        request: Request<CheckedBody>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

    /// Answers one whose signature does not hold.
    fn refuse(
        &self,
        head: &Parts,
        authorization: Option<&Authorization>,
        error: &AuthError,
        request_id: &RequestId,
    ) -> Response<Body>;
}

impl Front {
    /// Whether a request is for a service that the front does not hold itself: it is signed for it, or has its host, or is
    /// for none of those here and names a path.
    #[must_use]
    pub fn is_for(&self, service: &dyn Streaming, head: &Parts) -> bool {
        // Every request of every service comes by here, and nearly all are signed for another one.
        if header(&head.headers, "authorization")
            .is_some_and(|text| text.split('/').all(|part| part != service.signing_name()))
        {
            return false;
        }
        match Authorization::parse(head) {
            Ok(Some(authorization)) => authorization.credential.service == service.signing_name(),
            Ok(None) if Link::parse(head).is_some() => true,
            Ok(None) => {
                let host = super::caller::host(head);
                service.is_host(host) || (head.uri.path().len() > 1 && self.detect(head, None).is_err())
            }
            Err(_) => {
                let scope = format!("/{}/aws4_request", service.signing_name());
                let query = head.uri.query().unwrap_or_default();
                header(&head.headers, "authorization").is_some_and(|text| text.contains(&scope))
                    || query.contains(&scope.replace('/', "%2F"))
            }
        }
    }

    /// Answers a request that [is for](Front::is_for) that service.
    pub async fn stream<B>(
        &self,
        connection: &Connection,
        service: &Arc<dyn Streaming>,
        request: Request<B>,
    ) -> Response<Body>
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BodyError>,
    {
        let request_id = RequestId::generate(&*self.random);
        let (head, body) = request.into_parts();
        let authorization = match Authorization::parse(&head) {
            Ok(authorization) => authorization,
            Err(error) => return service.refuse(&head, None, &error, &request_id),
        };
        let authorization = authorization.as_ref();
        let link = authorization.is_none().then(|| Link::parse(&head)).flatten();
        let linked = link.map(|link| (link, service.resource(&head)));
        let checked = match self.checked(connection, &head, authorization, linked, body, &request_id) {
            Ok(checked) => checked,
            Err(error) => return service.refuse(&head, authorization, &error, &request_id),
        };
        let (ctx, body) = checked;
        service.clone().call(ctx, Request::from_parts(head, body)).await
    }

    fn checked<B>(
        &self,
        connection: &Connection,
        head: &Parts,
        authorization: Option<&Authorization>,
        linked: Option<(Link, String)>,
        body: B,
        request_id: &RequestId,
    ) -> Result<(RequestContext, CheckedBody), AuthError>
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BodyError>,
    {
        let now_ms = self.clock.now_ms();
        let signed_by = match (&linked, authorization) {
            (Some((link, _)), _) => Some((link.access_key_id.as_str(), link.session_token.as_deref())),
            (None, Some(authorization)) => Some(authorization.signed_by()),
            (None, None) => None,
        };
        let identity = match self.identify_by(connection.listener, signed_by, now_ms) {
            // Its policies say what strangers may.
            Err(AuthError::Missing) => self.anonymous(connection.listener),
            identity => identity?,
        };
        let payload = match authorization {
            Some(authorization) => authorization.payload.clone(),
            None => Payload::of(&head.headers)?.unwrap_or(Payload::Unsigned),
        };
        let mut signer = None;
        if let (Some((link, resource)), Some(key)) = (&linked, &identity.key) {
            link.check(head, resource, &key.secret_access_key, now_ms)?;
        }
        if let (Some(authorization), Some(key)) = (authorization, &identity.key) {
            let key = self.cache.get(&key.secret_access_key, &authorization.credential);
            authorization.check_claimed(head, &key)?;
            authorization.check_time(now_ms)?;
            let unsigned = authorization.unsigned_headers(&head.headers);
            if !unsigned.is_empty() {
                return Err(AuthError::HeadersNotSigned { names: unsigned });
            }
            signer = Some(authorization.chunk_signer(key));
        }
        let check = match payload {
            Payload::Hash(Some(expected)) if identity.key.is_some() => Check::Hash { expected, hash: Sha256::new() },
            Payload::Hash(_) | Payload::Unsigned => Check::Nothing,
            Payload::Chunked(mode) => Check::Chunks {
                decoder: Box::new(chunked::Decoder::new(mode, signer)),
                input: Bytes::new(),
                decoded_length: header(&head.headers, "x-amz-decoded-content-length")
                    .and_then(|text| text.parse().ok()),
                announced: header(&head.headers, "x-amz-trailer").map(str::to_owned),
            },
        };
        let body = CheckedBody {
            inner: Box::pin(body.map_frame(bytes_frame).map_err(Into::into)),
            check,
            trailers: Trailers::default(),
            idle: Box::pin(tokio::time::sleep(BODY_IDLE_MAX)),
            is_done: false,
        };
        Ok((context(connection, head, authorization, identity, request_id), body))
    }
}

enum Check {
    Nothing,
    Hash {
        expected: String,
        hash: Sha256,
    },
    Chunks {
        decoder: Box<chunked::Decoder>,
        /// Of which content is still to be given out.
        input: Bytes,
        decoded_length: Option<u64>,
        announced: Option<String>,
    },
}

/// The trailers of a body in chunks, once it has been read to its end.
#[derive(Clone, Default)]
pub struct Trailers(Arc<Mutex<Vec<(String, String)>>>);

impl Trailers {
    /// Name, in lower case, and value.
    #[must_use]
    pub fn get(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, trailers: Vec<(String, String)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trailers;
    }
}

/// A request's body, taken out of its chunks. It ends with an error that is an [`AuthError`] when it is not the one that
/// was signed.
pub struct CheckedBody {
    inner: Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>,
    check: Check,
    trailers: Trailers,
    idle: Pin<Box<Sleep>>,
    is_done: bool,
}

impl CheckedBody {
    /// What its trailers will be in.
    #[must_use]
    pub fn trailers(&self) -> Trailers {
        self.trailers.clone()
    }

    /// Whether it came in chunks: `Content-Length` is not the content's then.
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        matches!(self.check, Check::Chunks { .. })
    }

    fn end(&mut self) -> Result<(), AuthError> {
        match &mut self.check {
            Check::Nothing => Ok(()),
            Check::Hash { expected, hash } => {
                let found = hex::encode(std::mem::replace(hash, Sha256::new()).finalize());
                if expected.eq_ignore_ascii_case(&found) { Ok(()) } else { Err(AuthError::BodyHash) }
            }
            Check::Chunks { decoder, decoded_length, announced, .. } => {
                self.trailers.set(decoder.finish(*decoded_length, announced.as_deref())?);
                Ok(())
            }
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            if let Check::Chunks { decoder, input, .. } = &mut self.check
                && let Some(piece) = decoder.next(input)?
            {
                return Poll::Ready(Some(Ok(piece)));
            }
            let frame = match self.inner.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.idle.as_mut().poll(cx));
                    return Poll::Ready(Some(Err("nothing came for too long".into())));
                }
            };
            self.idle.as_mut().reset(tokio::time::Instant::now() + BODY_IDLE_MAX);
            let Some(frame) = frame else {
                self.end()?;
                return Poll::Ready(None);
            };
            let Ok(data) = frame?.into_data() else { continue };
            match &mut self.check {
                Check::Nothing => return Poll::Ready(Some(Ok(data))),
                Check::Hash { hash, .. } => {
                    hash.update(&data);
                    return Poll::Ready(Some(Ok(data)));
                }
                Check::Chunks { input, .. } => *input = data,
            }
        }
    }
}

impl http_body::Body for CheckedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll_piece(cx));
        if !matches!(piece, Some(Ok(_))) {
            self.is_done = true;
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    /// Never before it is checked.
    fn is_end_stream(&self) -> bool {
        self.is_done
    }

    fn size_hint(&self) -> SizeHint {
        match &self.check {
            Check::Chunks { decoded_length, .. } => decoded_length.map_or_else(SizeHint::default, SizeHint::with_exact),
            Check::Nothing | Check::Hash { .. } => self.inner.size_hint(),
        }
    }
}
