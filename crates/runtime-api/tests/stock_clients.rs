//! AWS's own clients are served as they are. Its Python client has its test in `python_bootstrap.rs`, beside the own
//! runtime that must answer the same.

mod support;

use std::process::Stdio;

use hearth_runtime_api::RuntimeAnswer;
use lambda_runtime::{LambdaEvent, service_fn};
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

fn start(server: &Server) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "echo_process", "--ignored"])
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
