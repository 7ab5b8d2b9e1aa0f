//! What web pages may send and read: a bucket's CORS rules, asked before a request and told with its answer.

use hearth_wire::Body;
use http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY};
use http::{Method, Response, StatusCode, Uri};

use super::place::bucket_of;
use super::{Door, set, text};
use crate::cors;
use crate::error::S3Error;

impl Door {
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

    /// Source: S3 API reference, "OPTIONS object"; recorded errors.
    pub(super) fn preflight(&self, bucket: Option<&str>, headers: &HeaderMap) -> Result<Response<Body>, S3Error> {
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

    pub(super) fn add_cors(
        &self,
        answer: &mut Response<Body>,
        method: &Method,
        headers: &HeaderMap,
        bucket: Option<&str>,
    ) {
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
