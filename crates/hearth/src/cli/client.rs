//! Requests from the command line to a running server.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use hearth_types::{Clock as _, SystemClock};
use http_body_util::{BodyExt as _, Full};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

use super::{Failure, Target};

/// A synchronous invocation may take 15 minutes; give its answer a little longer to arrive.
const ANSWER_MAX: Duration = Duration::from_secs(15 * 60 + 30);

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Sends one signed request and reads the whole answer.
pub(super) async fn send(
    target: &Target,
    method: Method,
    path_and_query: &str,
    headers: &[(&'static str, String)],
    body: Bytes,
) -> Result<Answer, Failure> {
    let uri: Uri = format!("{}{path_and_query}", target.endpoint.trim_end_matches('/'))
        .parse()
        .map_err(|_| Failure::new(format!("\"{}\" is not an address; try http://127.0.0.1:4566", target.endpoint)))?;
    if uri.scheme_str() != Some("http") {
        return Err(Failure::new(format!("\"{}\" is not an http:// address", target.endpoint)));
    }
    let mut request = Request::builder().method(method).uri(&uri);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(body).map_err(|error| Failure::new(format!("cannot make the request: {error}")))?;
    let request = sign(target, request)?;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let unreachable = |error: &dyn std::fmt::Display| {
        Failure::new(format!("no answer from {} ({error}); is `hearth up` running there?", target.endpoint))
    };
    let response = tokio::time::timeout(ANSWER_MAX, client.request(request.map(Full::new)))
        .await
        .map_err(|error| unreachable(&error))?
        .map_err(|error| unreachable(&error))?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| unreachable(&error))?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

/// What a successful answer says.
pub(super) fn read<T: DeserializeOwned>(target: &Target, answer: &Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body)
        .map_err(|_| Failure::new(format!("{} does not answer like a Hearth server", target.endpoint)))
}

/// The error of an AWS answer as one sentence.
pub(super) fn failure_of(answer: &Answer) -> Failure {
    let code = answer.header("x-amzn-errortype").unwrap_or("error").to_owned();
    let text = serde_json::from_slice::<serde_json::Value>(&answer.body)
        .ok()
        .and_then(|body| body.get("message").or_else(|| body.get("Message"))?.as_str().map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(&answer.body).trim().to_owned());
    Failure::new(format!("{code}: {text} ({})", answer.status.as_u16()))
}

/// Signature Version 4, so that a server that checks signatures knows the caller and one that does not still learns
/// account and region.
fn sign(target: &Target, request: Request<Bytes>) -> Result<Request<Bytes>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("cannot sign the request: {error}"));
    let token = target.session_token.clone();
    let identity = Credentials::new(&target.access_key_id, &target.secret_access_key, token, None, "hearth").into();
    let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(SystemClock.now_ms()).unwrap_or_default());
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&target.region)
        .name("lambda")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let (mut parts, body) = request.into_parts();
    let uri = parts.uri.to_string();
    let headers = parts.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(parts.method.as_str(), uri, headers, SignableBody::Bytes(&body))
        .map_err(|error| failed(&error))?;
    let (instructions, _) =
        aws_sigv4::http_request::sign(signable, &params).map_err(|error| failed(&error))?.into_parts();
    for (name, value) in instructions.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| failed(&error))?;
        let value = HeaderValue::from_str(value).map_err(|error| failed(&error))?;
        parts.headers.insert(name, value);
    }
    Ok(Request::from_parts(parts, body))
}
