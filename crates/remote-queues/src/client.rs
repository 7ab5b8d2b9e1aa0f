//! One request: a body of JSON, signed, and its answer or what is wrong with it.

use std::time::Duration;

use bytes::Bytes;
use hearth_ports::QueueError;
use hearth_types::causes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::answer::{refusal, silence};
use crate::limits::{ANSWER_BYTES_MAX, ANSWER_MAX, CONNECT_MAX, IDLE_CONNECTIONS_MAX};
use crate::remote::Remote;

type Body = Full<Bytes>;

/// Connections to all endpoints. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    plain: Client<HttpConnector, Body>,
    /// Or why there is none.
    https: Result<Client<HttpsConnector<HttpConnector>, Body>, String>,
}

impl Default for Http {
    /// Trusts whom this machine trusts.
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_MAX));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(IDLE_CONNECTIONS_MAX);
        let plain = builder.build(connector.clone());
        let https = HttpsConnectorBuilder::new().with_native_roots().map(|secure| {
            let connector = secure.https_only().enable_http1().wrap_connector(connector);
            builder.build(connector)
        });
        Self { plain, https: https.map_err(|error| format!("this machine's certificates cannot be read: {error}")) }
    }
}

impl Http {
    /// `waits`: what the operation may take by itself.
    ///
    /// # Errors
    /// What the endpoint says, or that it says nothing.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        remote: &Remote,
        operation: &str,
        input: &impl Serialize,
        now_ms: i64,
        waits: Duration,
    ) -> Result<T, QueueError> {
        let endpoint = &remote.endpoint;
        let request = request(remote, operation, input, now_ms).map_err(|error| silence(endpoint, error))?;
        let answered = timeout(ANSWER_MAX + waits, self.send(request)).await;
        let (head, body) = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(silence(endpoint, error)),
            Err(_) => return Err(silence(endpoint, format_args!("nothing came within {:?}", ANSWER_MAX + waits))),
        };
        if !head.status.is_success() {
            return Err(refusal(endpoint, head.status, &head.headers, &body));
        }
        serde_json::from_slice(&body).map_err(|error| silence(endpoint, format_args!("in the words of SQS: {error}")))
    }

    async fn send(&self, request: Request<Body>) -> Result<(http::response::Parts, Bytes), String> {
        let answer = match (&self.https, request.uri().scheme_str()) {
            (_, Some("http")) => self.plain.request(request).await,
            (Ok(https), _) => https.request(request).await,
            (Err(error), _) => return Err(error.clone()),
        };
        let (head, body) = answer.map_err(|error| causes(&error))?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
        Ok((head, body.to_bytes()))
    }
}

fn request(
    remote: &Remote,
    operation: &str,
    input: &impl Serialize,
    now_ms: i64,
) -> Result<Request<Body>, Box<dyn std::error::Error>> {
    let body = Bytes::from(serde_json::to_vec(input)?);
    let uri: Uri = format!("{}/", remote.endpoint).parse()?;
    let host = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let request = Request::post(uri)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/x-amz-json-1.0")
        .header("x-amz-target", format!("AmazonSQS.{operation}"));
    let (mut head, ()) = request.body(())?.into_parts();
    remote.signer.sign(&mut head, &body, now_ms)?;
    Ok(Request::from_parts(head, Full::new(body)))
}
