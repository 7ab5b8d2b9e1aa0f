//! Requests from the command line to a running server.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

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

/// The error of an AWS answer as one sentence.
pub(super) fn failure_of(answer: &Answer) -> Failure {
    let code = answer.header("x-amzn-errortype").unwrap_or("error").to_owned();
    let text = serde_json::from_slice::<serde_json::Value>(&answer.body)
        .ok()
        .and_then(|body| body.get("message").or_else(|| body.get("Message"))?.as_str().map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(&answer.body).trim().to_owned());
    Failure::new(format!("{code}: {text} ({})", answer.status.as_u16()))
}

fn sign(target: &Target, request: Request<Bytes>) -> Result<Request<Bytes>, Failure> {
    let _ = target;
    Ok(request)
}
