//! Signed invocations of a function on a running server.

use std::net::{SocketAddr, ToSocketAddrs};

use hearth_types::{Clock, SystemClock};

use crate::load::{self, Requests};
use crate::sign::{Keys, Signer};
use crate::{BenchError, LoadArgs, report};

struct SignedInvoke {
    signer: Signer,
    host: String,
    path: String,
    body: String,
}

impl Requests for SignedInvoke {
    fn next(&mut self) -> Vec<u8> {
        let Self { signer, host, path, body } = self;
        let signature = signer.headers(SystemClock.now_ms(), "POST", path, host, body.as_bytes());
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{signature}Content-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    }
}

pub(crate) async fn measure(args: &LoadArgs, endpoint: &str, function: &str, keys: Keys) -> Result<(), BenchError> {
    let plain = function.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if function.is_empty() || !plain {
        return Err(BenchError::Other(format!("{function:?} is not a bare function name")));
    }
    let Keys { access_key_id, secret_access_key, session_token, region } = keys;
    let (host, address) = resolve(endpoint)?;
    let requests = || SignedInvoke {
        signer: Signer::new(
            Keys {
                access_key_id: access_key_id.clone(),
                secret_access_key: secret_access_key.clone(),
                session_token: session_token.clone(),
                region: region.clone(),
            },
            "lambda",
        ),
        host: host.clone(),
        path: format!("/2015-03-31/functions/{function}/invocations"),
        body: args.run.payload(),
    };
    let measured = load::run(function, args, address, requests).await?;
    report::print("invoke", measured);
    Ok(())
}

/// Host header and address of `http://host:port`.
fn resolve(endpoint: &str) -> Result<(String, SocketAddr), BenchError> {
    let wrong = || BenchError::Other(format!("{endpoint:?} is not of the form http://host:port"));
    let host = endpoint.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
    let mut addresses = host.to_socket_addrs().map_err(BenchError::io(format!("cannot resolve {host}")))?;
    addresses.next().map(|address| (host.to_owned(), address)).ok_or_else(wrong)
}
