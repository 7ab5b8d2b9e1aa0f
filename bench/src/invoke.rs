//! Signed invocations of a function on a running server.

use std::net::{SocketAddr, ToSocketAddrs};

use hearth_types::{Clock, SystemClock};

use crate::load::{self, Requests};
use crate::report::{self, Measurement};
use crate::sign::{Keys, Signer};
use crate::{BenchError, LoadArgs};

/// Signed anew every second, as far as a signature's time goes: within one, equal requests have equal signatures.
struct SignedInvoke {
    signer: Signer,
    host: String,
    path: String,
    body: String,
    signed_in_second: i64,
    signed: Vec<u8>,
}

impl SignedInvoke {
    fn new(keys: Keys, host: &str, function: &str, body: String) -> Self {
        Self {
            signer: Signer::new(keys, "lambda"),
            host: host.to_owned(),
            path: format!("/2015-03-31/functions/{function}/invocations"),
            body,
            signed_in_second: 0,
            signed: Vec::new(),
        }
    }
}

impl Requests for SignedInvoke {
    fn next(&mut self) -> Vec<u8> {
        let now_ms = SystemClock.now_ms();
        let Self { signer, host, path, body, signed_in_second, signed } = self;
        if *signed_in_second != now_ms / 1_000 {
            let signature = signer.headers(now_ms, "POST", path, host, body.as_bytes());
            let length = body.len();
            *signed_in_second = now_ms / 1_000;
            *signed =
                format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{signature}Content-Length: {length}\r\n\r\n{body}")
                    .into_bytes();
        }
        signed.clone()
    }
}

/// One request, whole.
pub(crate) fn request(keys: &Keys, host: &str, function: &str, body: &str) -> Vec<u8> {
    SignedInvoke::new(keys.clone(), host, function, body.to_owned()).next()
}

pub(crate) async fn print(args: &LoadArgs, endpoint: &str, function: &str, keys: Keys) -> Result<(), BenchError> {
    report::print("invoke", measure(args, endpoint, function, function, &keys).await?);
    Ok(())
}

pub(crate) async fn measure(
    args: &LoadArgs,
    endpoint: &str,
    function: &str,
    title: &str,
    keys: &Keys,
) -> Result<Vec<Measurement>, BenchError> {
    let plain = function.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if function.is_empty() || !plain {
        return Err(BenchError::Other(format!("{function:?} is not a bare function name")));
    }
    let (host, address) = resolve(endpoint)?;
    let requests = || SignedInvoke::new(keys.clone(), &host, function, args.run.payload());
    load::run(title, args, address, requests).await
}

/// Host header and address of `http://host:port`.
pub(crate) fn resolve(endpoint: &str) -> Result<(String, SocketAddr), BenchError> {
    let wrong = || BenchError::Other(format!("{endpoint:?} is not of the form http://host:port"));
    let host = endpoint.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
    let mut addresses = host.to_socket_addrs().map_err(BenchError::io(format!("cannot resolve {host}")))?;
    addresses.next().map(|address| (host.to_owned(), address)).ok_or_else(wrong)
}
