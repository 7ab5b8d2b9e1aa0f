//! One request on a connection of its own: what is asked before and between measurements.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::BenchError;

/// Nothing asked here takes longer, a cold start included.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) function_failed: bool,
    pub(crate) body: Vec<u8>,
    /// From the first byte sent to the last received; the connection stood before.
    pub(crate) elapsed: Duration,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value, BenchError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| BenchError::Other(format!("{error} in {}", String::from_utf8_lossy(&self.body))))
    }

    pub(crate) fn good(self, what: &str) -> Result<Self, BenchError> {
        if (200..300).contains(&self.status) && !self.function_failed {
            return Ok(self);
        }
        Err(BenchError::Other(format!("{what}: {} {}", self.status, String::from_utf8_lossy(&self.body))))
    }
}

/// An unsigned request: an open server takes it.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<Answer, BenchError> {
    exchange(address, &request(address, method, path, body)).await?.good(path)
}

fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// An unsigned Invoke of a function that answers without an error.
pub(crate) async fn invoke(address: SocketAddr, function: &str, event: &str) -> Result<Answer, BenchError> {
    let stream = connect(address).await?;
    invoke_on(stream, address, function, event).await
}

/// The same on a connection that stands, so that many can begin at once.
pub(crate) async fn invoke_on(
    stream: TcpStream,
    address: SocketAddr,
    function: &str,
    event: &str,
) -> Result<Answer, BenchError> {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    exchange_on(stream, &request(address, "POST", &path, event)).await?.good(&path)
}

pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, BenchError> {
    let stream = TcpStream::connect(address).await.map_err(BenchError::io("connecting"))?;
    stream.set_nodelay(true).map_err(BenchError::io("TCP_NODELAY"))?;
    Ok(stream)
}

pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Result<Answer, BenchError> {
    exchange_on(connect(address).await?, request).await
}

async fn exchange_on(stream: TcpStream, request: &[u8]) -> Result<Answer, BenchError> {
    let late = |_| BenchError::Other(format!("no answer within {ANSWER_WAIT_MAX:?}"));
    tokio::time::timeout(ANSWER_WAIT_MAX, exchange_untimed(stream, request)).await.map_err(late)?
}

async fn exchange_untimed(mut stream: TcpStream, request: &[u8]) -> Result<Answer, BenchError> {
    let from = Instant::now();
    stream.write_all(request).await.map_err(BenchError::io("sending"))?;
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.map_err(BenchError::io("receiving"))? == 0 {
            return Err(BenchError::Other("the server closed the connection".to_owned()));
        }
        if let Some(mut answer) = parse(&bytes)? {
            answer.elapsed = from.elapsed();
            return Ok(answer);
        }
    }
}

/// The answer once it is whole.
fn parse(bytes: &[u8]) -> Result<Option<Answer>, BenchError> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(BenchError::Other(format!("the answer is not HTTP: {error}"))),
    };
    let header = |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let length = header("content-length").and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    let length: usize = length.ok_or_else(|| BenchError::Other("the answer has no Content-Length".to_owned()))?;
    let Some(body) = bytes.get(head..head + length) else { return Ok(None) };
    Ok(Some(Answer {
        status: response.code.unwrap_or_default(),
        function_failed: header("x-amz-function-error").is_some(),
        body: body.to_owned(),
        elapsed: Duration::ZERO,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_when_its_body_is_whole() {
        let bytes = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}";
        assert!(parse(&bytes[..bytes.len() - 1]).expect("partial").is_none());
        let answer = parse(bytes).expect("whole").expect("whole");
        assert_eq!((answer.status, answer.body.as_slice()), (403, &b"{}"[..]));
        assert!(answer.good("asking").is_err());
    }

    #[test]
    fn a_failed_function_is_no_good_answer() {
        let bytes = b"HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\nContent-Length: 2\r\n\r\n{}";
        let answer = parse(bytes).expect("whole").expect("whole");
        assert!(answer.good("invoking").is_err());
    }
}
