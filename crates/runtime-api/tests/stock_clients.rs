//! AWS's own clients are served as they are. Its Python client has its test in `python_bootstrap.rs`, beside the own
//! runtime that must answer the same.

mod support;

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_runtime_api::{Invocation, ResponseSink, RuntimeAnswer, TooMuch};
use lambda_runtime::{LambdaEvent, service_fn, streaming};
use serde_json::Value;
use support::{PATIENCE, Server, invocation, serve};
use tokio::process::{Child, Command};

/// The function: run in a process of its own, since the client takes its settings from the environment.
#[tokio::test]
#[ignore = "started by the tests below as their runtime process"]
async fn echo_process() {
    let echo = service_fn(|event: LambdaEvent<Value>| async move {
        match event.payload.get("fail") {
            Some(text) => Err(text.as_str().unwrap_or_default().to_owned()),
            None => Ok(serde_json::json!({ "echo": event.payload, "id": event.context.request_id })),
        }
    });
    lambda_runtime::run(echo).await.expect("runtime");
}

/// One that streams: two chunks with a pause between them.
#[tokio::test]
#[ignore = "started by the tests below as their runtime process"]
async fn stream_process() {
    let stream = service_fn(|_: LambdaEvent<Value>| async move {
        let (mut sender, body) = streaming::channel();
        tokio::spawn(async move {
            sender.send_data("one".into()).await.expect("sent");
            tokio::time::sleep(PAUSE).await;
            sender.send_data("two".into()).await.expect("sent");
        });
        Ok::<_, lambda_runtime::Error>(streaming::Response::from(body))
    });
    lambda_runtime::run(stream).await.expect("runtime");
}

const PAUSE: Duration = Duration::from_millis(300);

fn start(server: &Server) -> Child {
    start_as(server, "echo_process")
}

fn start_as(server: &Server, process: &str) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", process, "--ignored"])
        .env("AWS_LAMBDA_RUNTIME_API", server.address.to_string())
        .envs([("AWS_LAMBDA_FUNCTION_NAME", "echo"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")])
        .envs([
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "g"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "s"),
        ])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("spawn")
}

async fn invoke(server: &Server, id: &str, payload: String) -> RuntimeAnswer {
    let answer = tokio::time::timeout(PATIENCE, server.api.invoke(invocation(id, payload)));
    answer.await.expect("no answer from the stock client")
}

#[tokio::test]
async fn the_rust_client_answers_hundreds_of_events() {
    let server = serve(6_291_556).await;
    let mut process = start(&server);
    for n in 0..300 {
        let answer = invoke(&server, &format!("id-{n}"), format!("{{\"n\":{n}}}")).await;
        let RuntimeAnswer::Response { body } = answer else { panic!("{answer:?}") };
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body, serde_json::json!({ "echo": { "n": n }, "id": format!("id-{n}") }));
    }
    process.kill().await.expect("kill");
}

#[tokio::test]
async fn the_rust_client_reports_errors_and_large_bodies() {
    let server = serve(6_291_556).await;
    let mut process = start(&server);
    let answer = invoke(&server, "a", "{\"fail\":\"boom\"}".to_owned()).await;
    let RuntimeAnswer::Error(error) = answer else { panic!("{answer:?}") };
    let body: Value = serde_json::from_slice(&error.body).expect("JSON");
    assert_eq!(body["errorMessage"], "boom");
    let large = format!("\"{}\"", "x".repeat(6_000_000));
    let RuntimeAnswer::Response { body } = invoke(&server, "b", large).await else { panic!("not a response") };
    assert!(body.len() > 6_000_000);
    process.kill().await.expect("kill");
}

/// Notes what comes when.
#[derive(Debug, Default)]
struct Notes {
    content_type: Mutex<Option<String>>,
    chunks: Mutex<Vec<(Instant, Bytes)>>,
}

#[async_trait]
impl ResponseSink for Notes {
    fn begin(&self, content_type: Option<&str>) {
        *self.content_type.lock().expect("lock") = content_type.map(str::to_owned);
    }

    async fn take(&self, chunk: Bytes) -> Result<(), TooMuch> {
        self.chunks.lock().expect("lock").push((Instant::now(), chunk));
        Ok(())
    }
}

#[tokio::test]
async fn the_rust_client_streams() {
    let server = serve(6_291_556).await;
    let mut process = start_as(&server, "stream_process");
    for _ in 0..2 {
        let notes = Arc::new(Notes::default());
        let invocation = Invocation { sink: Some(notes.clone()), ..invocation("a", "{}") };
        let answer = tokio::time::timeout(PATIENCE, server.api.invoke(invocation)).await.expect("an answer");
        let chunks = notes.chunks.lock().expect("lock").clone();
        let body: Vec<u8> = chunks.iter().flat_map(|(_, chunk)| chunk.to_vec()).collect();
        assert_eq!(answer, RuntimeAnswer::Streamed { bytes: body.len() });
        let content_type = notes.content_type.lock().expect("lock").clone();
        assert_eq!(content_type.as_deref(), Some("application/vnd.awslambda.http-integration-response"));
        let (prelude, text) = body.split_at(body.windows(8).position(|window| window == [0; 8]).expect("a prelude"));
        let prelude: Value = serde_json::from_slice(prelude).expect("JSON");
        assert_eq!((&prelude["statusCode"], &text[8..]), (&Value::from(200), &b"onetwo"[..]));
        let (first, last) = (chunks[0].0, chunks[chunks.len() - 1].0);
        assert!(last - first >= PAUSE / 2, "the first came before the last was sent");
    }
    process.kill().await.expect("kill");
}
