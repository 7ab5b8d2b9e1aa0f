//! From a request to S3's operations and back: where the bucket stands, what the signature was, how an answer or a refusal
//! looks, and what web pages may read.

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
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    VARY,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use parking_lot::Mutex;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};

use crate::S3;
use crate::api::Operations;
use crate::bucket::is_name;
use crate::cors;
use crate::error::{S3Error, Told};
use crate::limits::XML_BYTES_MAX;

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

    /// Whether a page of the request's `Origin` may send it: the bucket's CORS rules say so. Preflights are answered to
    /// everybody.
    #[must_use]
    pub fn lets_in(&self, uri: &Uri, method: &Method, headers: &HeaderMap) -> bool {
        if *method == Method::OPTIONS {
            return true;
        }
        let Some(origin) = text(headers, ORIGIN) else { return true };
        let bucket = bucket_of(uri, headers).and_then(|name| self.s3.find_bucket(&name));
        bucket.is_some_and(|bucket| cors::find(&bucket.record.cors, origin, method.as_str(), &[]).is_some())
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
        head.extensions.insert(envelope.clone());
        let request = Request::from_parts(head, s3s::Body::http_body_unsync(body));
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

    /// Source: S3 API reference, "OPTIONS object"; recorded errors.
    fn preflight(&self, bucket: Option<&str>, headers: &HeaderMap) -> Result<Response<Body>, S3Error> {
        let insufficient = |what: &str| {
            let message = format!("Insufficient information. {what} request header needed.");
            S3Error::new("BadRequest", StatusCode::BAD_REQUEST, message)
        };
        let origin = text(headers, ORIGIN).ok_or_else(|| insufficient("Origin"))?;
        let method = text(headers, HeaderName::from_static("access-control-request-method"))
            .ok_or_else(|| insufficient("Access-Control-Request-Method"))?;
        let forbidden = |message: &'static str| {
            let error = S3Error::new("AccessForbidden", StatusCode::FORBIDDEN, message);
            error.with("Method", method).with("ResourceType", "BUCKET")
        };
        let bucket = bucket.and_then(|name| self.s3.find_bucket(name));
        let bucket = bucket.ok_or_else(|| forbidden("CORSResponse: Bucket not found"))?;
        if bucket.record.cors.is_empty() {
            return Err(forbidden("CORSResponse: CORS is not enabled for this bucket."));
        }
        let asked = text(headers, HeaderName::from_static("access-control-request-headers")).unwrap_or_default();
        let asked: Vec<&str> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let rule = cors::find(&bucket.record.cors, origin, method, &asked).ok_or_else(|| {
            forbidden(
                "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, \
                 request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted \
                 by the resource's CORS spec.",
            )
        })?;
        let mut answer = Response::new(Body::empty());
        allow(answer.headers_mut(), rule, origin);
        if !asked.is_empty() {
            set(answer.headers_mut(), "access-control-allow-headers", &asked.join(", ").to_ascii_lowercase());
        }
        Ok(answer)
    }

    fn add_cors(&self, answer: &mut Response<Body>, method: &Method, headers: &HeaderMap, bucket: Option<&str>) {
        let Some(origin) = text(headers, ORIGIN) else { return };
        let Some(bucket) = bucket.and_then(|name| self.s3.find_bucket(name)) else { return };
        if let Some(rule) = cors::find(&bucket.record.cors, origin, method.as_str(), &[]) {
            allow(answer.headers_mut(), rule, origin);
        }
    }
}

fn allow(headers: &mut HeaderMap, rule: &cors::CorsRule, origin: &str) {
    let allowed = rule.allowed_origin(origin);
    set(headers, "access-control-allow-origin", allowed);
    set(headers, "access-control-allow-methods", &rule.methods.join(", "));
    if allowed != "*" {
        set(headers, "access-control-allow-credentials", "true");
    }
    if !rule.exposed.is_empty() {
        set(headers, "access-control-expose-headers", &rule.exposed.join(", "));
    }
    if let Some(seconds) = rule.max_age_s {
        set(headers, "access-control-max-age", &seconds.to_string());
    }
    let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    headers.insert(VARY, HeaderValue::from_static(vary));
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
        let mut told = told_of(error);
        if let (S3Error::Told(told), Some(authorization)) = (&mut told, authorization)
            && matches!(told.code, "SignatureDoesNotMatch" | "InvalidAccessKeyId")
        {
            told.fields.push(("AWSAccessKeyId", authorization.credential.access_key_id.clone()));
            if told.code == "SignatureDoesNotMatch" {
                told.fields.push(("SignatureProvided", authorization.signature().to_owned()));
            }
        }
        refusal(told.told(), head, request_id, bucket_of(&head.uri, &head.headers).as_deref())
    }
}

/// A signature's refusal in S3's words. Source: S3 API reference, "List of error codes"; recorded errors.
pub(crate) fn told_of(error: &AuthError) -> S3Error {
    let forbidden = StatusCode::FORBIDDEN;
    let bad = StatusCode::BAD_REQUEST;
    match error {
        AuthError::Missing => S3Error::access_denied("Access Denied"),
        AuthError::UnknownKey => {
            let message = "The AWS Access Key Id you provided does not exist in our records.";
            S3Error::new("InvalidAccessKeyId", forbidden, message)
        }
        AuthError::TokenExpired => S3Error::new("ExpiredToken", bad, "The provided token has expired."),
        AuthError::Mismatch => {
            let message = "The request signature we calculated does not match the signature you provided. Check your key \
                           and signing method.";
            S3Error::new("SignatureDoesNotMatch", forbidden, message)
        }
        AuthError::Expired { presigned: true, now_ms, age_ms_max, timestamp } => {
            let error = S3Error::access_denied("Request has expired");
            let error = error.with("X-Amz-Expires", (age_ms_max / 1_000).to_string());
            error
                .with("Signed", timestamp)
                .with("ServerTime", hearth_types::clock::format_utc(*now_ms, "%Y-%m-%dT%H:%M:%SZ"))
        }
        AuthError::Expired { .. } | AuthError::NotYet { .. } => {
            let message = "The difference between the request time and the current time is too large.";
            S3Error::new("RequestTimeTooSkewed", forbidden, message)
        }
        AuthError::HeadersNotSigned { names } => {
            let message = "There were headers present in the request which were not signed";
            S3Error::access_denied(message).with("HeadersNotSigned", names.join(", "))
        }
        AuthError::IncompleteQuery | AuthError::Expires => {
            let message = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                           X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
            S3Error::new("AuthorizationQueryParametersError", bad, message)
        }
        AuthError::Incomplete { .. }
        | AuthError::Algorithm { .. }
        | AuthError::Credential { .. }
        | AuthError::Date { .. }
        | AuthError::ScopeDate { .. }
        | AuthError::HostNotSigned
        | AuthError::Region
        | AuthError::Service { .. } => {
            let message = format!("The authorization header is malformed; {error}");
            S3Error::new("AuthorizationHeaderMalformed", bad, message)
        }
        AuthError::BodyHash => {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            S3Error::new("XAmzContentSHA256Mismatch", bad, message)
        }
        AuthError::Checksum { algorithm } => S3Error::bad_digest(algorithm),
        AuthError::ContentHash => S3Error::argument_name("x-amz-content-sha256", error.to_string()),
        AuthError::Chunks(_) => S3Error::new("IncompleteBody", bad, error.to_string()),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_form_post(head: &Parts) -> bool {
    head.method == Method::POST
        && text(&head.headers, CONTENT_TYPE).is_some_and(|kind| kind.starts_with("multipart/form-data"))
}

/// The name in an authority.
fn host_name(host: &str) -> &str {
    host.rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name)
}

/// `s3.…` and `s3-…`: without a bucket.
fn is_s3_host(name: &str) -> bool {
    name.starts_with("s3.") || name.starts_with("s3-")
}

/// The bucket in a host's name, and whether the host says that it is one of S3.
/// Source: S3 user guide, "Virtual hosting of general purpose buckets".
fn virtual_bucket(name: &str) -> Option<(&str, bool)> {
    if is_s3_host(name) {
        return None;
    }
    let found = [".s3.", ".s3-"].iter().filter_map(|mark| name.find(mark)).min();
    let (bucket, is_s3) = match found {
        Some(at) => (&name[..at], true),
        None => (name.strip_suffix(".localhost")?, false),
    };
    is_name(bucket).then_some((bucket, is_s3))
}

fn authority<'h>(uri: &'h Uri, headers: &'h HeaderMap) -> &'h str {
    let host = text(headers, HOST);
    host.or_else(|| uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default()
}

fn bucket_of(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if let Some((bucket, _)) = virtual_bucket(host_name(authority(uri, headers))) {
        return Some(bucket.to_owned());
    }
    let first = uri.path().strip_prefix('/')?.split('/').next()?;
    Some(first.to_owned()).filter(|first| !first.is_empty())
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

struct RequestHead<'h> {
    method: &'h Method,
    uri: &'h Uri,
}

fn refusal(told: Told, head: &Parts, id: &RequestId, bucket: Option<&str>) -> Response<Body> {
    finish(write_refusal(told, &RequestHead { method: &head.method, uri: &head.uri }, id, bucket), id)
}

/// Source: S3 API reference, "REST error responses".
fn write_refusal(told: Told, head: &RequestHead<'_>, id: &RequestId, bucket: Option<&str>) -> Response<Body> {
    let Told { code, status, message, fields, headers } = told;
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>",
        escaped(&message)
    );
    for (name, value) in &fields {
        xml.push_str(&format!("<{name}>{}</{name}>", escaped(value)));
    }
    if fields.is_empty() && code == "AccessDenied" && bucket.is_some() {
        xml.push_str(&format!("<Resource>{}</Resource>", escaped(head.uri.path())));
    }
    let request_id = id.as_str();
    xml.push_str(&format!("<RequestId>{request_id}</RequestId><HostId>{}</HostId></Error>", host_id(request_id)));
    let is_bare = *head.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    let mut answer = Response::new(if is_bare { Body::empty() } else { Body::from(xml) });
    *answer.status_mut() = status;
    if !is_bare {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    }
    for (name, value) in headers {
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // Not in XML.
            control if control < ' ' && !matches!(control, '\n' | '\t') => out.push_str("&#xFFFD;"),
            other => out.push(other),
        }
    }
    out
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

/// A refusal of `s3s`: it could not read the request, or has no such operation.
fn reworded(answer: Response<s3s::Body>) -> Told {
    let status = answer.status();
    let xml = answer.body().bytes().unwrap_or_default();
    let xml = String::from_utf8_lossy(&xml);
    let element = |name: &str| {
        let (_, rest) = xml.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(text, _)| text.replace("&apos;", "'").replace("&quot;", "\"").replace("&amp;", "&"))
    };
    let code = element("Code").unwrap_or_default();
    let message = element("Message").unwrap_or_default();
    let error = match code.as_str() {
        "MalformedXML" => S3Error::malformed_xml(),
        "NotImplemented" => S3Error::new(
            "NotImplemented",
            StatusCode::NOT_IMPLEMENTED,
            "Hearth does not implement this operation of S3 yet.",
        ),
        "KeyTooLongError" => S3Error::new("KeyTooLongError", StatusCode::BAD_REQUEST, "Your key is too long"),
        "MaxMessageLengthExceeded" => {
            S3Error::new("MaxMessageLengthExceeded", StatusCode::BAD_REQUEST, "Your request was too big.")
        }
        "MethodNotAllowed" => S3Error::new(
            "MethodNotAllowed",
            StatusCode::METHOD_NOT_ALLOWED,
            "The specified method is not allowed against this resource.",
        ),
        "MissingContentLength" => S3Error::new(
            "MissingContentLength",
            StatusCode::LENGTH_REQUIRED,
            "You must provide the Content-Length HTTP header.",
        ),
        "InvalidURI" => S3Error::new("InvalidURI", StatusCode::BAD_REQUEST, "Couldn't parse the specified URI."),
        "InvalidRange" => S3Error::range("", 0),
        _ if status.is_server_error() => S3Error::Internal(format!("{code}: {message}")),
        _ => S3Error::request(message),
    };
    error.told()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_stands_in_the_host_or_first_in_the_path() {
        let bucket = |host: &str, path: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().expect("a header value"));
            bucket_of(&Uri::from_static(path), &headers)
        };
        for (host, path, want) in [
            ("photos.s3.localhost:4566", "/a/b", Some("photos")),
            ("photos.s3.eu-central-1.amazonaws.com", "/a", Some("photos")),
            ("my.photos.s3-eu-west-1.amazonaws.com", "/a", Some("my.photos")),
            ("photos.localhost:4566", "/", Some("photos")),
            ("s3.localhost:4566", "/photos/a", Some("photos")),
            ("localhost:4566", "/photos", Some("photos")),
            ("127.0.0.1:4566", "/photos/", Some("photos")),
            ("127.0.0.1:4566", "/", None),
        ] {
            assert_eq!(bucket(host, path).as_deref(), want, "{host}{path}");
        }
    }

    #[test]
    fn what_stands_in_an_error_is_escaped() {
        assert_eq!(escaped("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot;&#xFFFD;");
    }
}
