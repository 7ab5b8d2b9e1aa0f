//! From a request to S3's operations and back: where the bucket stands (`place.rs`), how a refusal looks (`refusal.rs`,
//! `signature.rs`), what web pages may read (`web.rs`), and what is said of a document (`xml.rs`).

mod place;
mod refusal;
mod signature;
mod web;
mod xml;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_types::{RequestContext, RequestId};
use hearth_wire::front::{CheckedBody, Streaming, Trailers};
use hearth_wire::sigv4::v2::Link;
use hearth_wire::sigv4::{AuthError, Authorization};
use hearth_wire::{Body, BodyError};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use parking_lot::Mutex;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};

use crate::S3;
use crate::api::Operations;
use crate::error::{S3Error, Told};
use crate::limits::XML_BYTES_MAX;
use place::{authority, bucket_of, host_name, is_s3_host, virtual_bucket};
use refusal::{RequestHead, refusal, reworded, write_refusal};
use signature::explained;
pub(crate) use signature::told_of;

/// S3 as the server's front sees it.
pub struct Door {
    s3: Arc<S3>,
    service: S3Service,
}

/// What comes with a request to its operation, and what its refusal was.
#[derive(Clone)]
pub(crate) struct Envelope {
    pub(crate) ctx: RequestContext,
    pub(crate) trailers: Trailers,
    /// Names of the trailers to come.
    pub(crate) announced: Option<String>,
    pub(crate) refusal: Arc<Mutex<Option<Told>>>,
}

/// Names of buckets are checked by who makes one; the others are just not there.
struct AnyName;

impl s3s::validation::NameValidation for AnyName {
    fn validate_bucket_name(&self, _: &str) -> bool {
        true
    }
}

const REQUEST_ID: &str = "x-amz-request-id";
const HOST_ID: &str = "x-amz-id-2";
const SIGNED: [&str; 5] =
    ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-decoded-content-length", "x-amz-trailer"];

/// Of links of the older signature.
const LINK_PARAMETERS: [&str; 4] = ["AWSAccessKeyId", "Signature", "Expires", "x-amz-security-token"];

/// `x-amz-id-2` of an answer.
pub(crate) fn host_id(request_id: &str) -> String {
    STANDARD.encode(format!("hearth-{request_id}-s3"))
}

impl Door {
    #[must_use]
    pub fn new(s3: Arc<S3>) -> Self {
        let mut builder = S3ServiceBuilder::new(Operations(s3.clone()));
        let mut config = S3Config::default();
        config.xml_max_body_size = XML_BYTES_MAX;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_validation(AnyName);
        Self { s3, service: builder.build() }
    }

    async fn answer(&self, ctx: RequestContext, request: Request<CheckedBody>) -> Response<Body> {
        let id = ctx.request_id.clone();
        let (mut head, body) = request.into_parts();
        let bucket = bucket_of(&head.uri, &head.headers);
        if head.method == Method::OPTIONS {
            let preflight = self.preflight(bucket.as_deref(), &head.headers);
            return finish(preflight.unwrap_or_else(|error| refusal(error.told(), &head, &id, bucket.as_deref())), &id);
        }
        if is_form_post(&head) {
            let error = S3Error::unsupported("An upload by an HTML form (POST)");
            return refusal(error.told(), &head, &id, bucket.as_deref());
        }
        let original = (head.method.clone(), head.uri.clone(), head.headers.clone());
        // Links of the older signature name no region.
        let has_region = Link::parse(&head).is_none();
        if has_region && let Err(error) = self.check_place(&ctx, bucket.as_deref()) {
            return refusal(error.told(), &head, &id, bucket.as_deref());
        }
        let announced = text(&head.headers, HeaderName::from_static("x-amz-trailer")).map(str::to_owned);
        prepare(&mut head, &body);
        let envelope = Envelope { ctx, trailers: body.trailers(), announced, refusal: Arc::default() };
        let body = if xml::is_in(&head) {
            match xml::read(&head, body, envelope.announced.as_deref()).await {
                Ok(text) => s3s::Body::from(text),
                Err(error) => return refusal(error.told(), &head, &id, bucket.as_deref()),
            }
        } else {
            s3s::Body::http_body_unsync(body)
        };
        head.extensions.insert(envelope.clone());
        let request = Request::from_parts(head, body);
        let answered = self.service.call(request).await;
        let (method, uri, headers) = original;
        let head = RequestHead { method: &method, uri: &uri };
        let told = envelope.refusal.lock().take();
        let mut answer = match (answered, told) {
            (_, Some(told)) => write_refusal(told, &head, &id, bucket.as_deref()),
            (Ok(answer), None) if answer.status().is_client_error() || answer.status().is_server_error() => {
                write_refusal(reworded(answer), &head, &id, bucket.as_deref())
            }
            (Ok(answer), None) => answer.map(into_body),
            (Err(error), None) => {
                let error = format!("{:?}", s3s::StdError::from(error));
                write_refusal(S3Error::Internal(error).told(), &head, &id, bucket.as_deref())
            }
        };
        self.add_cors(&mut answer, &method, &headers, bucket.as_deref());
        finish(answer, &id)
    }

    /// A bucket is asked for in its own region.
    fn check_place(&self, ctx: &RequestContext, bucket: Option<&str>) -> Result<(), S3Error> {
        let Some(bucket) = bucket.and_then(|name| self.s3.find_bucket(name)) else { return Ok(()) };
        let is_signed = ctx.proof != hearth_types::Proof::Unsigned;
        if !is_signed || bucket.region() == ctx.region.as_str() {
            return Ok(());
        }
        let message = format!(
            "The authorization header is malformed; the region '{}' is wrong; expecting '{}'",
            ctx.region.as_str(),
            bucket.region()
        );
        let error = S3Error::new("AuthorizationHeaderMalformed", StatusCode::BAD_REQUEST, message);
        Err(error.with("Region", bucket.region()).header("x-amz-bucket-region", bucket.region()))
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

impl Streaming for Door {
    fn signing_name(&self) -> &'static str {
        "s3"
    }

    fn is_host(&self, host: &str) -> bool {
        let name = host_name(host);
        is_s3_host(name) || virtual_bucket(name).is_some_and(|(_, is_s3)| is_s3)
    }

    fn resource(&self, head: &Parts) -> String {
        let path = head.uri.path();
        match virtual_bucket(host_name(authority(&head.uri, &head.headers))) {
            Some((bucket, _)) => format!("/{bucket}{path}"),
            None => path.to_owned(),
        }
    }

    fn call(
        self: Arc<Self>,
        ctx: RequestContext,
        request: Request<CheckedBody>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(async move { self.answer(ctx, request).await })
    }

    fn refuse(
        &self,
        head: &Parts,
        authorization: Option<&Authorization>,
        error: &AuthError,
        request_id: &RequestId,
    ) -> Response<Body> {
        let told = explained(error, head, authorization, &self.resource(head));
        refusal(told.told(), head, request_id, bucket_of(&head.uri, &head.headers).as_deref())
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_form_post(head: &Parts) -> bool {
    head.method == Method::POST
        && text(&head.headers, CONTENT_TYPE).is_some_and(|kind| kind.starts_with("multipart/form-data"))
}

/// The request as `s3s` is to see it: in path style, without a signature, and with the length of its content.
fn prepare(head: &mut Parts, body: &CheckedBody) {
    let host = host_name(authority(&head.uri, &head.headers)).to_owned();
    let path = head.uri.path();
    let path = match virtual_bucket(&host) {
        Some((bucket, _)) if path == "/" || path.is_empty() => format!("/{bucket}"),
        Some((bucket, _)) => format!("/{bucket}{path}"),
        None => path.to_owned(),
    };
    let query = head.uri.query().unwrap_or_default().split('&');
    let is_signature = |pair: &str| LINK_PARAMETERS.contains(&pair.split('=').next().unwrap_or_default());
    let query: Vec<&str> =
        query.filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-") && !is_signature(pair)).collect();
    let target = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
    if let Ok(uri) = target.parse() {
        head.uri = uri;
    }
    let length = head.headers.get("x-amz-decoded-content-length").cloned();
    if body.is_chunked() {
        match length {
            Some(length) => drop(head.headers.insert(CONTENT_LENGTH, length)),
            None => drop(head.headers.remove(CONTENT_LENGTH)),
        }
        let encodings = text(&head.headers, CONTENT_ENCODING).unwrap_or_default();
        let kept: Vec<&str> =
            encodings.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "aws-chunked").collect();
        match HeaderValue::from_str(&kept.join(",")) {
            Ok(value) if !value.is_empty() => drop(head.headers.insert(CONTENT_ENCODING, value)),
            _ => drop(head.headers.remove(CONTENT_ENCODING)),
        }
    }
    head.headers.remove(AUTHORIZATION);
    for name in SIGNED {
        head.headers.remove(name);
    }
}

fn finish(mut answer: Response<Body>, id: &RequestId) -> Response<Body> {
    set(answer.headers_mut(), REQUEST_ID, id.as_str());
    set(answer.headers_mut(), HOST_ID, &host_id(id.as_str()));
    answer.headers_mut().insert(http::header::SERVER, HeaderValue::from_static("AmazonS3"));
    answer
}

fn into_body(body: s3s::Body) -> Body {
    match body.bytes() {
        Some(bytes) => Body::from(bytes),
        None => Body::stream(http_body_util::BodyExt::map_err(body, BodyError::from)),
    }
}
