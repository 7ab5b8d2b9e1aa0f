//! The client that HTTP endpoints are told with: one connection for each message, which ends with its answer.
//!
//! ```text
//! name ─▶ its addresses ─▶ those that may be reached ─▶ TCP ─▶ TLS ─▶ POST ─▶ status
//! ```
//! Names are looked up here and the connection goes to an address that was checked, so that a name cannot mean one address
//! to the check and another to the connection. Nothing of an answer is read but its head.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_rustls::ConfigBuilderExt as _;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Post, Web, WebError};

/// From the look at the name to the answer's status. Source: SNS developer guide, "Step 1: Make sure your endpoint is ready
/// to process Amazon SNS messages".
const POST_MAX: Duration = Duration::from_secs(15);
/// Of one address of several.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Of an answer's head.
const HEAD_BYTES_MAX: usize = 16 * 1_024;

/// Which addresses messages may go to.
pub trait Reach: Send + Sync + 'static {
    /// `host`: the name that has the address, as the endpoint says it; `by_outsider`: it was not function code that
    /// subscribed the endpoint.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, host: &str, address: SocketAddr, by_outsider: bool) -> Result<(), String>;
}

/// The client of this server.
pub struct HttpClient {
    reach: Arc<dyn Reach>,
    /// Or why there is none.
    tls: Result<TlsConnector, String>,
}

impl HttpClient {
    /// Trusts whom this machine trusts.
    #[must_use]
    pub fn new(reach: Arc<dyn Reach>) -> Self {
        let config = ClientConfig::builder().with_native_roots();
        let tls = config.map(|config| TlsConnector::from(Arc::new(config.with_no_client_auth())));
        Self { reach, tls: tls.map_err(|error| format!("this machine's certificates cannot be read: {error}")) }
    }

    async fn send(&self, post: Post) -> Result<StatusCode, WebError> {
        let host = post.url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let is_secure = post.url.scheme_str() == Some("https");
        let port = post.url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let stream = self.connect(&host, port, post.by_outsider).await?;
        let request = request(post)?;
        if !is_secure {
            return talk(stream, request).await;
        }
        let tls = self.tls.as_ref().map_err(|error| WebError::Unreachable(error.clone()))?;
        let name = ServerName::try_from(host).map_err(unreachable)?;
        talk(tls.connect(name, stream).await.map_err(unreachable)?, request).await
    }

    async fn connect(&self, host: &str, port: u16, by_outsider: bool) -> Result<TcpStream, WebError> {
        let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => lookup_host((host, port)).await.map_err(unreachable)?.take(ADDRESSES_MAX).collect(),
        };
        let mut error = WebError::Unreachable("its name has no address".to_owned());
        for address in addresses {
            if let Err(reason) = self.reach.check(host, address, by_outsider) {
                error = WebError::Closed(format!("{address}: {reason}"));
                continue;
            }
            match timeout(CONNECT_MAX, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(failed)) => error = unreachable(format_args!("{address}: {failed}")),
                Err(_) => error = unreachable(format_args!("{address}: no connection within {CONNECT_MAX:?}")),
            }
        }
        Err(error)
    }
}

#[async_trait]
impl Web for HttpClient {
    async fn post(&self, post: Post) -> Result<StatusCode, WebError> {
        let answer = timeout(POST_MAX, self.send(post)).await;
        answer.unwrap_or_else(|_| Err(unreachable(format_args!("no answer within {POST_MAX:?}"))))
    }
}

fn unreachable(why: impl std::fmt::Display) -> WebError {
    WebError::Unreachable(why.to_string())
}

fn request(post: Post) -> Result<Request<Full<Bytes>>, WebError> {
    let Post { url, headers, body, .. } = post;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let authority = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    // `USER:PASSWORD@HOST`: how endpoints that ask for basic authentication are subscribed.
    let (credentials, host) = match authority.rsplit_once('@') {
        Some((credentials, host)) => (Some(credentials), host),
        None => (None, authority),
    };
    let path = if path.is_empty() { "/" } else { path };
    let mut request = Request::post(path.parse::<Uri>().map_err(unreachable)?).header(HOST, host);
    if let Some(credentials) = credentials {
        let decoded = percent_encoding::percent_decode_str(credentials).collect::<Vec<u8>>();
        request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(decoded)));
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Full::new(Bytes::from(body))).map_err(unreachable)
}

async fn talk<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, WebError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(unreachable)?;
    let answer = sender.send_request(request);
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    // Both end here, whichever is first: nobody is left behind to read a body.
    let response = tokio::select! {
        response = answer.as_mut() => response,
        ended = connection.as_mut() => match ended {
            Ok(()) => answer.await,
            Err(error) => return Err(unreachable(error)),
        },
    };
    response.map(|response| response.status()).map_err(unreachable)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    struct Only(u16);

    impl Reach for Only {
        fn check(&self, _: &str, address: SocketAddr, by_outsider: bool) -> Result<(), String> {
            (address.port() == self.0 && by_outsider).then_some(()).ok_or_else(|| "it is another".to_owned())
        }
    }

    /// Answers one request so; gives it back.
    async fn server(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut seen = Vec::new();
            while !seen.ends_with(b"hello") {
                let mut part = [0; 1_024];
                let read = stream.read(&mut part).await.expect("read");
                assert!(read > 0, "the request breaks off");
                seen.extend_from_slice(&part[..read]);
            }
            stream.write_all(answer.as_bytes()).await.expect("written");
            String::from_utf8(seen).expect("text")
        });
        (port, served)
    }

    fn post(url: &str) -> Post {
        let headers = vec![("x-amz-sns-message-type", "Notification".to_owned())];
        Post { url: url.parse().expect("a URL"), headers, body: "hello".to_owned(), by_outsider: true }
    }

    #[tokio::test]
    async fn an_endpoint_gets_a_request_and_its_status_comes_back_redirects_too() {
        let (port, served) =
            server("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 9\r\n\r\n").await;
        let client = HttpClient::new(Arc::new(Only(port)));
        let status = client.post(post(&format!("http://me:s%40cret@localhost:{port}/a?b=c"))).await;
        assert_eq!(status, Ok(StatusCode::FOUND));
        let request = served.await.expect("a request").to_ascii_lowercase();
        assert!(request.starts_with("post /a?b=c http/1.1\r\n"), "{request}");
        for line in [
            format!("host: localhost:{port}"),
            "x-amz-sns-message-type: notification".to_owned(),
            format!("authorization: basic {}", STANDARD.encode("me:s@cret")).to_ascii_lowercase(),
        ] {
            assert!(request.contains(&format!("{line}\r\n")), "{line} in {request}");
        }
    }

    #[tokio::test]
    async fn what_is_closed_gets_no_connection() {
        let (port, _served) = server("").await;
        let client = HttpClient::new(Arc::new(Only(port)));
        let function = Post { by_outsider: false, ..post(&format!("http://127.0.0.1:{port}/")) };
        assert!(matches!(client.post(function).await, Err(WebError::Closed(_))));
        assert!(matches!(client.post(post("http://127.0.0.1:1/")).await, Err(WebError::Closed(_))));
    }

    #[tokio::test]
    async fn an_answer_that_never_ends_its_head_is_none() {
        let endless: &'static str =
            Box::leak(format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(1 << 20)).into_boxed_str());
        let (port, _served) = server(endless).await;
        let client = HttpClient::new(Arc::new(Only(port)));
        assert!(matches!(client.post(post(&format!("http://127.0.0.1:{port}/"))).await, Err(WebError::Unreachable(_))));
    }
}
