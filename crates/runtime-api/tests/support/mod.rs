//! A Runtime API on a loopback port, and a client that sees every byte.
#![allow(dead_code, reason = "each test file uses a part of this")]

pub(crate) mod process;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hearth_runtime_api::{Invocation, RuntimeAnswer, RuntimeApi};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Small, so that tests of the limit are quick.
pub(crate) const MAX_RESPONSE_BYTES: usize = 1_000;
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) api: RuntimeApi,
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) async fn serve(max_response_bytes: usize) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let api = RuntimeApi::new(max_response_bytes);
    let task = api.serve(listener);
    Server { api, address, task }
}

pub(crate) fn invocation(id: &str, payload: impl Into<Bytes>) -> Invocation {
    Invocation {
        request_id: id.into(),
        deadline_ms: 4_102_444_800_000,
        invoked_arn: "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
        trace: None,
        client_context: None,
        content_type: None,
        payload: payload.into(),
    }
}

impl Server {
    pub(crate) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        Client { stream, buffer: Vec::new() }
    }

    /// Invokes in the background.
    pub(crate) fn invoke(&self, id: &str, payload: impl Into<Bytes>) -> JoinHandle<RuntimeAnswer> {
        let (api, invocation) = (self.api.clone(), invocation(id, payload));
        tokio::spawn(async move { api.invoke(invocation).await })
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("send");
    }

    /// One read from the socket, as far as one arrives.
    pub(crate) async fn read_once(&mut self) -> usize {
        let mut piece = vec![0; 1 << 20];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut piece)).await.expect("the server hangs");
        let count = read.unwrap_or(0);
        self.buffer.extend_from_slice(&piece[..count]);
        count
    }

    /// A whole reply that is in the buffer already.
    pub(crate) fn buffered_reply(&mut self) -> Option<Reply> {
        let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.buffer[..end].to_vec()).expect("head");
        let mut lines = head.lines();
        let status = lines.next().expect("status").split(' ').nth(1).expect("status").parse().expect("status");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let length =
            headers.iter().find(|(name, _)| name == "Content-Length").map_or(0, |(_, v)| v.parse().expect("length"));
        if self.buffer.len() < end + length {
            return None;
        }
        let body = self.buffer[end..end + length].to_vec();
        self.buffer.drain(..end + length);
        Some(Reply { status, headers, body })
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        loop {
            if let Some(reply) = self.buffered_reply() {
                return reply;
            }
            assert_ne!(self.read_once().await, 0, "closed before the reply was whole: {:?}", self.buffer);
        }
    }

    pub(crate) async fn call(&mut self, bytes: impl AsRef<[u8]>) -> Reply {
        self.send(bytes).await;
        self.reply().await
    }

    /// Whether the server closes within a moment, without sending anything more.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.read_once().await == 0
    }

    /// Nothing arrives for a moment.
    pub(crate) async fn silence(&mut self) -> bool {
        let mut piece = [0; 1];
        tokio::time::timeout(Duration::from_millis(50), self.stream.peek(&mut piece)).await.is_err()
    }
}

pub(crate) const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: h\r\n\r\n";

pub(crate) fn post(path: &str, body: &str) -> String {
    post_with(path, "", body)
}

/// `headers` are whole lines.
pub(crate) fn post_with(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}
