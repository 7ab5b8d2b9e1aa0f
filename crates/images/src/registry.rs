//! Reading from a registry. Source: OCI distribution specification 1.1, "Pull".
//!
//! HTTPS, or plain HTTP on the loopback interface when the reference names that; what answers over HTTPS cannot send us
//! to plain HTTP, and credentials go to the host only that they are for, and to the token server it names.

use bytes::Bytes;
use hearth_types::causes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::time::timeout;

use crate::challenge::Challenge;
use crate::credentials::{Credentials, HUB_HOST};
use crate::limits::{ANSWER_WAIT_MAX, IDLE_MAX, MANIFEST_BYTES_MAX, REDIRECTS_MAX, TOKEN_BYTES_MAX};
use crate::manifest::MANIFESTS;

/// Docker Hub as references name it.
const HUB: &str = "docker.io";

/// Why a registry did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("not found")]
    NotFound,
    #[error("{0}")]
    Denied(String),
    #[error("{0}")]
    Unreachable(String),
}

fn unreachable(why: impl std::fmt::Display) -> RegistryError {
    RegistryError::Unreachable(why.to_string())
}

/// The clients for all registries.
pub(crate) struct Registries {
    plain: Client<HttpConnector, Empty<Bytes>>,
    /// Or why there is none: a machine without certificates can still use a registry of its own.
    https: Result<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>, String>,
    credentials: Credentials,
}

/// A repository and the leave to read it.
pub(crate) struct Repository<'a> {
    registries: &'a Registries,
    host: String,
    name: String,
    /// The `Authorization` that the registry wants.
    authorization: parking_lot::Mutex<Option<String>>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registries {
    pub(crate) fn new(credentials: Credentials) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(ANSWER_WAIT_MAX));
        let plain = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_MAX).build(connector.clone());
        let https = HttpsConnectorBuilder::new().with_native_roots().map(|builder| {
            let connector = builder.https_only().enable_http1().wrap_connector(connector);
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_MAX).build(connector)
        });
        let https = https.map_err(|error| format!("this machine's certificates cannot be read: {error}"));
        Self { plain, https, credentials }
    }

    pub(crate) fn repository(&self, host: &str, name: &str) -> Repository<'_> {
        let host = if host == HUB { HUB_HOST } else { host };
        Repository {
            registries: self,
            host: host.to_owned(),
            name: name.to_owned(),
            authorization: parking_lot::Mutex::default(),
        }
    }

    async fn get(
        &self,
        uri: &Uri,
        accept: &str,
        authorization: Option<&str>,
    ) -> Result<Response<Incoming>, RegistryError> {
        let mut request = Request::get(uri);
        if !accept.is_empty() {
            request = request.header(ACCEPT, accept);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new()).map_err(unreachable)?;
        let answer = match (uri.scheme_str(), &self.https) {
            (Some("http"), _) => self.plain.request(request),
            (_, Ok(https)) => https.request(request),
            (_, Err(why)) => return Err(unreachable(why)),
        };
        match timeout(ANSWER_WAIT_MAX, answer).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unreachable(causes(&error))),
            Err(_) => Err(unreachable(format!("no answer within {ANSWER_WAIT_MAX:?}"))),
        }
    }
}

impl Repository<'_> {
    /// A manifest or index, which nobody has checked.
    pub(crate) async fn manifest(&self, version: &str) -> Result<Bytes, RegistryError> {
        let response = self.get(&format!("manifests/{version}"), &MANIFESTS.join(", ")).await?;
        collect(response, MANIFEST_BYTES_MAX).await
    }

    /// A small blob, which nobody has checked.
    pub(crate) async fn document(&self, digest: &str) -> Result<Bytes, RegistryError> {
        collect(self.blob(digest).await?, MANIFEST_BYTES_MAX).await
    }

    /// A blob, which nobody has checked.
    pub(crate) async fn blob(&self, digest: &str) -> Result<Response<Incoming>, RegistryError> {
        self.get(&format!("blobs/{digest}"), "").await
    }

    async fn get(&self, what: &str, accept: &str) -> Result<Response<Incoming>, RegistryError> {
        let scheme = if is_loopback(host_name(&self.host)) { "http" } else { "https" };
        let uri = format!("{scheme}://{}/v2/{}/{what}", self.host, self.name);
        let uri: Uri = uri.parse().map_err(unreachable)?;
        let authorization = self.authorization.lock().clone();
        let response = self.follow(uri.clone(), accept, authorization).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return successful(response);
        }
        let header = response.headers().get(WWW_AUTHENTICATE).and_then(|header| header.to_str().ok());
        let challenge = header.and_then(Challenge::parse).ok_or_else(|| {
            RegistryError::Denied(format!("{} wants an authentication that Hearth does not have", self.host))
        })?;
        let authorization = self.authorize(challenge).await?;
        *self.authorization.lock() = Some(authorization.clone());
        successful(self.follow(uri, accept, Some(authorization)).await?)
    }

    /// To where the registry keeps its blobs. Whoever that is does not get our credentials.
    async fn follow(
        &self,
        mut uri: Uri,
        accept: &str,
        mut authorization: Option<String>,
    ) -> Result<Response<Incoming>, RegistryError> {
        for _ in 0..=REDIRECTS_MAX {
            let response = self.registries.get(&uri, accept, authorization.as_deref()).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let next = location.and_then(|location| resolve(&uri, location));
            let next = next.ok_or_else(|| unreachable("it redirects to nowhere"))?;
            self.check(&next)?;
            if next.authority() != uri.authority() {
                authorization = None;
            }
            uri = next;
        }
        Err(unreachable(format!("more than {REDIRECTS_MAX} redirects")))
    }

    /// What a registry far away names must be far away and encrypted too.
    fn check(&self, uri: &Uri) -> Result<(), RegistryError> {
        let is_local = is_loopback(host_name(&self.host));
        match uri.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if is_local && uri.host().is_some_and(is_loopback) => Ok(()),
            _ => Err(unreachable(format!("it leads to {uri}, which is not HTTPS"))),
        }
    }

    async fn authorize(&self, challenge: Challenge) -> Result<String, RegistryError> {
        let credentials = &self.registries.credentials;
        let basic = credentials.basic(&self.host).map(|basic| format!("Basic {basic}"));
        let (realm, service) = match challenge {
            Challenge::Basic => {
                let none = || match credentials.has_helpers() {
                    true => format!("credentials for {} may be in a credential helper, which is not asked", self.host),
                    false => format!("there are no credentials for {}", self.host),
                };
                return basic.ok_or_else(|| RegistryError::Denied(none()));
            }
            Challenge::Bearer { realm, service } => (realm, service),
        };
        let separator = if realm.contains('?') { '&' } else { '?' };
        let service = service.map(|service| format!("service={}&", escape(&service))).unwrap_or_default();
        let scope = escape(&format!("repository:{}:pull", self.name));
        let uri: Uri = format!("{realm}{separator}{service}scope={scope}").parse().map_err(unreachable)?;
        self.check(&uri)?;
        let response = self.registries.get(&uri, "", basic.as_deref()).await?;
        let token = collect(successful(response)?, TOKEN_BYTES_MAX).await?;
        let token: Token = serde_json::from_slice(&token).map_err(|error| RegistryError::Denied(error.to_string()))?;
        let token = token.token.or(token.access_token);
        token.map(|token| format!("Bearer {token}")).ok_or_else(|| RegistryError::Denied("no token".to_owned()))
    }
}

fn successful(response: Response<Incoming>) -> Result<Response<Incoming>, RegistryError> {
    match response.status() {
        StatusCode::OK => Ok(response),
        StatusCode::NOT_FOUND => Err(RegistryError::NotFound),
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Err(RegistryError::Denied(format!("the registry answers {status}")))
        }
        status => Err(unreachable(format!("the registry answers {status}"))),
    }
}

async fn collect(response: Response<Incoming>, bytes_max: usize) -> Result<Bytes, RegistryError> {
    let body = Limited::new(response.into_body(), bytes_max).collect();
    match timeout(ANSWER_WAIT_MAX, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(unreachable(error)),
        Err(_) => Err(unreachable(format!("no whole answer within {ANSWER_WAIT_MAX:?}"))),
    }
}

fn host_name(host: &str) -> &str {
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// An absolute or a rooted `Location`.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    if !location.starts_with('/') || location.starts_with("//") {
        return location.parse().ok();
    }
    let (scheme, authority) = (base.scheme()?.clone(), base.authority()?.clone());
    Uri::builder().scheme(scheme).authority(authority).path_and_query(location).build().ok()
}

/// For a query. Source: RFC 3986, section 2.3.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_far_away_cannot_lead_to_this_machine_or_to_plain_http() {
        let registries = Registries::new(Credentials::default());
        let check = |host: &str, uri: &str| registries.repository(host, "r").check(&uri.parse().expect("uri")).is_ok();
        assert!(check("ghcr.io", "https://cdn.example.com/blob"));
        assert!(!check("ghcr.io", "http://cdn.example.com/blob"));
        assert!(!check("ghcr.io", "http://127.0.0.1:4566/"));
        assert!(!check("ghcr.io", "http://169.254.169.254/latest"));
        assert!(check("localhost:5000", "http://127.0.0.1:5001/token"));
        assert!(!check("localhost:5000", "http://10.0.0.1/"));
        assert!(!check("localhost:5000", "ftp://localhost/x"));
    }

    #[test]
    fn locations_are_absolute_or_rooted() {
        let base: Uri = "http://localhost:5000/v2/a/blobs/x".parse().expect("uri");
        let resolved = |location| resolve(&base, location).map(|uri| uri.to_string());
        assert_eq!(resolved("/other?x=1").as_deref(), Some("http://localhost:5000/other?x=1"));
        assert_eq!(resolved("https://cdn/x").as_deref(), Some("https://cdn/x"));
    }
}
