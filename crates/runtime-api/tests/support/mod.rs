//! A Runtime API on a loopback port, and a client that sees every byte.
#![allow(dead_code, reason = "each test file uses a part of this")]

pub(crate) mod process;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_runtime_api::{
    Dialer, EventSink, Identity, Invocation, Metadata, RuntimeAnswer, RuntimeApi, Settings, TelemetryEvent,
};
use hearth_types::{ManualClock, SeededRandom};
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
    serve_as(RuntimeApi::new(max_response_bytes)).await
}

pub(crate) async fn serve_as(api: RuntimeApi) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let task = api.serve(listener);
    Server { api, address, task }
}

/// 2022-10-12T00:00:15.064Z
pub(crate) const NOW_MS: i64 = 1_665_532_815_064;
pub(crate) const TOKEN: &str = "secret-token";

/// Everything on: extensions, telemetry to loopback ports, metadata.
pub(crate) fn settings() -> (Settings, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let settings = Settings {
        identity: Some(identity()),
        metadata: Some(Metadata { availability_zone_id: "use1-az1".to_owned(), token: TOKEN.to_owned() }),
        dialer: Arc::new(Loopback),
        sink: heard.clone(),
        clock: Arc::new(ManualClock::at(NOW_MS)),
        random: Arc::new(SeededRandom::new(7)),
        ..Settings::new(MAX_RESPONSE_BYTES)
    };
    (settings, heard)
}

pub(crate) fn identity() -> Identity {
    Identity {
        function_name: "my-function".to_owned(),
        function_version: "$LATEST".to_owned(),
        handler: "index.handler".to_owned(),
        account_id: "123456789012".to_owned(),
    }
}

/// A server with everything on that expects these extensions, and what its sink heard.
pub(crate) async fn serve_extensions(names: &[&str]) -> (Server, Arc<Heard>) {
    let (settings, heard) = settings();
    let server = serve_as(RuntimeApi::with(settings)).await;
    server.api.expect_extensions(names.iter().map(|name| (*name).to_owned())).expect("few enough");
    (server, heard)
}

struct Loopback;

#[async_trait]
impl Dialer for Loopback {
    async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", port)).await
    }
}

/// The events that were made inside, as JSON.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<String>>);

impl Heard {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("lock"))
    }
}

impl EventSink for Heard {
    fn event(&self, event: &TelemetryEvent) {
        let json = String::from_utf8(event.to_json()).expect("text");
        self.0.lock().expect("lock").push(json);
    }
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
        sink: None,
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

/// A request of any kind; `headers` are whole lines.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// `headers` are whole lines.
pub(crate) fn post_with(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// The calls of one extension over a connection of its own.
pub(crate) struct Extension {
    pub(crate) client: Client,
    pub(crate) id: String,
}

impl Extension {
    pub(crate) async fn register(server: &Server, name: &str, events: &str) -> Self {
        let mut client = server.connect().await;
        let reply = client.call(register(name, events)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let id = reply.header("Lambda-Extension-Identifier").expect("identifier").to_owned();
        Self { client, id }
    }

    pub(crate) fn next_request(&self) -> String {
        request("GET", "/2020-01-01/extension/event/next", &self.identifier(), "")
    }

    pub(crate) fn identifier(&self) -> String {
        format!("Lambda-Extension-Identifier: {}\r\n", self.id)
    }

    /// Calls for the next event without waiting for it.
    pub(crate) async fn ask(&mut self) {
        self.client.send(self.next_request()).await;
    }

    /// The event that was asked for.
    pub(crate) async fn event(&mut self) -> serde_json::Value {
        let reply = self.client.reply().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.header("Lambda-Extension-Event-Identifier").is_some(), "{reply:?}");
        serde_json::from_slice(&reply.body).expect("JSON")
    }

    pub(crate) async fn report(&mut self, path: &str, error_type: &str) -> Reply {
        let headers = format!("{}Lambda-Extension-Function-Error-Type: {error_type}\r\n", self.identifier());
        self.client.call(request("POST", &format!("/2020-01-01/extension/{path}"), &headers, "{}")).await
    }

    pub(crate) async fn subscribe(&mut self, path: &str, body: &serde_json::Value) -> Reply {
        self.client.call(request("PUT", path, &self.identifier(), &body.to_string())).await
    }
}

pub(crate) fn register(name: &str, events: &str) -> String {
    let headers = format!("Lambda-Extension-Name: {name}\r\n");
    request("POST", "/2020-01-01/extension/register", &headers, &format!("{{\"events\":{events}}}"))
}
