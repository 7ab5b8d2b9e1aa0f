//! A response in streaming mode goes to its sink as it comes.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_runtime_api::{FunctionError, Invocation, ResponseSink, RuntimeAnswer, TooMuch};
use support::{Client, MAX_RESPONSE_BYTES, NEXT, Server, invocation, post, serve};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// Takes so many bytes, as far as it is let.
#[derive(Debug)]
struct Sink {
    heads: Mutex<Vec<Option<String>>>,
    chunks: mpsc::UnboundedSender<Bytes>,
    /// A permit for each chunk that may come.
    gate: Semaphore,
    bytes_left: Mutex<usize>,
}

#[async_trait]
impl ResponseSink for Sink {
    fn begin(&self, content_type: Option<&str>) {
        self.heads.lock().expect("lock").push(content_type.map(str::to_owned));
    }

    async fn take(&self, chunk: Bytes) -> Result<(), TooMuch> {
        self.gate.acquire().await.expect("open").forget();
        {
            let mut left = self.bytes_left.lock().expect("lock");
            *left = left.checked_sub(chunk.len()).ok_or(TooMuch)?;
        }
        self.chunks.send(chunk).expect("somebody listens");
        Ok(())
    }
}

struct Stream {
    server: Server,
    client: Client,
    sink: Arc<Sink>,
    chunks: mpsc::UnboundedReceiver<Bytes>,
    answer: JoinHandle<RuntimeAnswer>,
}

impl Stream {
    /// A runtime that has its event.
    async fn new(permits: usize, bytes_max: usize) -> Self {
        let server = serve(MAX_RESPONSE_BYTES).await;
        let mut client = server.connect().await;
        let (sender, chunks) = mpsc::unbounded_channel();
        let sink = Arc::new(Sink {
            heads: Mutex::default(),
            chunks: sender,
            gate: Semaphore::new(permits),
            bytes_left: Mutex::new(bytes_max),
        });
        let answer = {
            let invocation = Invocation { sink: Some(sink.clone()), ..invocation("a", "1") };
            let api = server.api.clone();
            tokio::spawn(async move { api.invoke(invocation).await })
        };
        client.call(NEXT).await;
        Self { server, client, sink, chunks, answer }
    }

    async fn head(&mut self, headers: &str) {
        let head = format!(
            "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\n{headers}\r\n"
        );
        self.client.send(head).await;
    }

    async fn chunk(&mut self) -> Bytes {
        self.chunks.recv().await.expect("a chunk")
    }

    async fn answer(self) -> RuntimeAnswer {
        self.answer.await.expect("invoke")
    }
}

#[tokio::test]
async fn a_chunk_is_passed_on_before_the_next_one_is_sent() {
    let mut stream = Stream::new(9, 1 << 20).await;
    stream.head("Content-Type: text/event-stream\r\n").await;
    for text in ["one", "two"] {
        stream.client.send(format!("3\r\n{text}\r\n")).await;
        assert_eq!(stream.chunk().await, text);
    }
    assert_eq!(*stream.sink.heads.lock().expect("lock"), [Some("text/event-stream".to_owned())]);
    assert!(!stream.answer.is_finished());
    assert_eq!(stream.client.call("0\r\n\r\n").await.status, 202);
    assert_eq!(stream.answer().await, RuntimeAnswer::Streamed { bytes: 6 });
}

#[tokio::test]
async fn the_head_alone_begins_the_answer() {
    let mut stream = Stream::new(9, 1 << 20).await;
    stream.head("").await;
    let sink = stream.sink.clone();
    let begun = async {
        while sink.heads.lock().expect("lock").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(support::PATIENCE, begun).await.expect("begun");
    assert_eq!(*stream.sink.heads.lock().expect("lock"), [None]);
    assert_eq!(stream.client.call("0\r\n\r\n").await.status, 202);
    assert_eq!(stream.answer().await, RuntimeAnswer::Streamed { bytes: 0 });
}

#[tokio::test]
async fn error_trailers_after_chunks_are_the_answer() {
    let mut stream = Stream::new(9, 1 << 20).await;
    stream.head("Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n").await;
    stream.client.send("3\r\none\r\n").await;
    assert_eq!(stream.chunk().await, "one");
    let end = "0\r\nLambda-Runtime-Function-Error-Type: Function.Boom\r\n\
               Lambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\r\n\r\n";
    assert_eq!(stream.client.call(end).await.status, 202);
    let error = FunctionError { body: Bytes::from_static(br#"{"a":1}"#), error_type: Some("Function.Boom".to_owned()) };
    assert_eq!(stream.answer().await, RuntimeAnswer::Error(error));
}

#[tokio::test]
async fn a_sink_that_waits_stops_the_runtime_from_writing() {
    let mut stream = Stream::new(0, 1 << 30).await;
    stream.head("").await;
    let piece = [format!("{:x}\r\n", 1 << 20).as_bytes(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
    let blocked = async {
        // More than the kernel buffers of a connection, however it is tuned.
        for _ in 0..64 {
            stream.client.stream.write_all(&piece).await.expect("send");
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(500), blocked).await.is_err(), "somebody reads on");
    assert!(stream.chunks.try_recv().is_err());
    stream.sink.gate.add_permits(1);
    assert!(!stream.chunk().await.is_empty());
}

#[tokio::test]
async fn a_stream_that_the_sink_refuses_is_too_large_and_the_connection_lives() {
    let mut stream = Stream::new(9, 5).await;
    stream.head("").await;
    stream.client.send("3\r\none\r\n").await;
    assert_eq!(stream.chunk().await, "one");
    let reply = stream.client.call("3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n").await;
    assert_eq!(reply.status, 413);
    assert_eq!(stream.client.call("GET /2018-06-01/ping HTTP/1.1\r\n\r\n").await.text(), "pong");
    assert!(stream.chunks.try_recv().is_err(), "nothing more was offered");
    assert_eq!(stream.answer().await, RuntimeAnswer::TooLarge { size: 11 });
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_truncated() {
    let mut stream = Stream::new(9, 1 << 20).await;
    stream.head("").await;
    stream.client.send("a\r\n12345").await;
    assert_eq!(stream.chunk().await, "12345", "what there is of a chunk need not wait for its rest");
    stream.client.stream.shutdown().await.expect("half close");
    assert_eq!(stream.client.reply().await.status, 400);
    assert_eq!(stream.answer().await, RuntimeAnswer::Truncated);
}

#[tokio::test]
async fn buffered_answers_and_errors_do_not_touch_the_sink() {
    for (path, body, want) in [
        ("invocation/a/response", "[1]", RuntimeAnswer::Response { body: Bytes::from_static(b"[1]") }),
        (
            "invocation/a/error",
            "{}",
            RuntimeAnswer::Error(FunctionError { body: Bytes::from_static(b"{}"), error_type: None }),
        ),
    ] {
        let mut stream = Stream::new(9, 1 << 20).await;
        assert_eq!(stream.client.call(post(path, body)).await.status, 202);
        assert!(stream.sink.heads.lock().expect("lock").is_empty());
        assert_eq!(stream.answer().await, want);
    }
}

#[tokio::test]
async fn who_stops_waiting_gets_no_more_and_the_runtime_can_go_on() {
    let mut stream = Stream::new(9, 1 << 20).await;
    stream.head("").await;
    stream.client.send("3\r\none\r\n").await;
    assert_eq!(stream.chunk().await, "one");
    stream.answer.abort();
    let _ = (&mut stream.answer).await;
    let late = stream.client.call("0\r\n\r\n").await;
    assert_eq!(late.status, 400, "nobody waits for it any more: {late:?}");
    let next = stream.server.invoke("b", "2");
    stream.client.call(NEXT).await;
    stream.client.call(post("invocation/b/response", "3")).await;
    assert_eq!(next.await.expect("invoke"), RuntimeAnswer::Response { body: Bytes::from_static(b"3") });
}
