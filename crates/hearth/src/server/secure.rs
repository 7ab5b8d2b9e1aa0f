//! HTTP and HTTPS on one port: the first byte of a connection tells them apart, and nobody but its client decides.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hearth_store::DataDir;
use hearth_tls::{Authority, Certificates, Names};
use hearth_wire::front::Tls;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{CipherSuite, ProtocolVersion, ServerConnection};
use tokio_rustls::server::TlsStream;

use super::ServerError;
use super::foundation::{Foundation, not_started, unusable};
use super::http::HEAD_TIMEOUT;
use crate::config::Config;

/// What a TLS connection starts with; no HTTP request does. Source: RFC 8446, section 5.1, `handshake(22)`.
const HANDSHAKE: u8 = 22;
/// A client must have shaken hands within this time.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// A connection that is ready for HTTP.
pub(super) enum Opened {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>, Tls),
}

/// By the authority of this server's own, for all names it goes by.
pub(super) fn certificates(
    config: &Config,
    ground: &Foundation,
    data: &DataDir,
) -> Result<Arc<Certificates>, ServerError> {
    let directory = DataDir::tls_of(data.root());
    let authority = Authority::open(&directory, ground.clock().now_ms(), &*ground.random).map_err(unusable)?;
    let names = Names::new(&config.allowed_hosts, config.urls.domain.as_deref());
    Certificates::new(authority, names, ground.clock(), ground.random.clone()).map_err(not_started)
}

/// Waits for the client's first byte and shakes hands if it asks to. `None`: it has gone, or says nothing, or is not to be
/// trusted with, which is its business.
pub(super) async fn open(stream: TcpStream, certificates: &Arc<Certificates>) -> Option<Opened> {
    let mut first = [0];
    let peeked = timeout(HEAD_TIMEOUT, stream.peek(&mut first)).await.ok()?.ok()?;
    if peeked == 0 {
        return None;
    }
    if first[0] != HANDSHAKE {
        return Some(Opened::Plain(stream));
    }
    let local = stream.local_addr().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip().to_canonical());
    let acceptor = TlsAcceptor::from(certificates.for_connection(local));
    match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let tls = tls(stream.get_ref().1);
            Some(Opened::Secure(Box::new(stream), tls))
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

/// After the handshake. Names: OpenSSL's `ciphers` manual.
fn tls(connection: &ServerConnection) -> Tls {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "",
    };
    let cipher_suite =
        match connection.negotiated_cipher_suite().map_or(CipherSuite::Unknown(0), |negotiated| negotiated.suite()) {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
            CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
            _ => "",
        };
    Tls { version, cipher_suite }
}
