//! Requests as an SDK sends them, through the protocol front.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hearth_types::{AuthMode, ManualClock, SandboxAuth, SeededRandom};
use hearth_wire::{Body, Connection, Front, FrontConfig, Listener, Service};
use http::request::Builder;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use crate::{NOW_MS, NoKeys};

/// A front with these services, at [`NOW_MS`].
///
/// # Panics
/// Two of them cannot be told apart.
#[must_use]
pub fn front(services: Vec<Arc<dyn Service>>, auth: AuthMode) -> Front {
    let config = FrontConfig {
        services,
        keys: Arc::new(NoKeys),
        clock: Arc::new(ManualClock::at(NOW_MS)),
        random: Arc::new(SeededRandom::new(7)),
        auth,
        sandbox_auth: SandboxAuth::Role,
    };
    Front::new(config).expect("services that differ")
}

/// The head of a request. Its signature has the right form; in open mode nobody checks it.
pub fn request(method: &str, path: &str, signing_name: &str) -> Builder {
    let signature = "0".repeat(64);
    Request::builder()
        .method(method)
        .uri(format!("http://localhost:4566{path}"))
        .header("host", "localhost:4566")
        .header("x-amz-date", "20260112T153712Z")
        .header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential=test/20260112/us-east-1/{signing_name}/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            ),
        )
}

/// Sends a request; what comes back may still be streaming.
///
/// # Panics
/// The head is not valid.
pub async fn send(front: &Front, head: Builder, body: impl Into<Bytes>) -> Response<Body> {
    let request = head.body(Full::new(body.into())).expect("a request");
    let peer: SocketAddr = ([127, 0, 0, 1], 1).into();
    front.handle(&Connection { peer, secure: false, listener: Listener::Outside }, request).await
}

/// An answer that has been read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// The head is not valid, or the answer breaks off.
    pub async fn to(front: &Front, head: Builder, body: impl Into<Bytes>) -> Self {
        let (head, body) = send(front, head, body).await.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Null for an empty body.
    ///
    /// # Panics
    /// The body is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body).expect("JSON") }
    }

    /// # Panics
    /// The body is not text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("text")
    }

    /// Empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
