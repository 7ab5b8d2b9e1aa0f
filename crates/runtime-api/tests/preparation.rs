//! The assignment of a runtime process that was started early, and the metadata endpoint ("Using the Lambda metadata
//! endpoint", Lambda developer guide).

mod support;

use std::sync::Arc;
use std::time::Duration;

use hearth_runtime_api::{AssignError, Assignment, RuntimeApi, Settings};
use serde_json::{Value, json};
use support::{
    Extension, Heard, MAX_RESPONSE_BYTES, NEXT, Server, TOKEN, identity, post, request, serve, serve_as,
    serve_extensions, settings,
};

const ASK: &str = "GET /2018-06-01/hearth/assignment HTTP/1.1\r\nHost: h\r\n\r\n";

fn assignment() -> Assignment {
    let environment = [("_HANDLER".to_owned(), "index.handler".to_owned()), ("KEY".to_owned(), "ü\n".to_owned())];
    Assignment { identity: identity(), environment: environment.into() }
}

fn assigned(body: &[u8]) {
    let body: Value = serde_json::from_slice(body).expect("JSON");
    let want = json!({ "handler": "index.handler", "environment": { "_HANDLER": "index.handler", "KEY": "ü\n" } });
    assert_eq!(body, want);
}

async fn prepared() -> Server {
    let (mut settings, _) = settings();
    settings.prepared = true;
    settings.identity = None;
    serve_as(RuntimeApi::with(settings)).await
}

#[tokio::test]
async fn a_waiting_runtime_is_assigned_and_goes_on_over_the_same_connection() {
    let server = prepared().await;
    let mut runtime = server.connect().await;
    assert!(!server.api.is_waiting());
    runtime.send(ASK).await;
    assert!(runtime.silence().await);
    assert!(server.api.is_waiting());
    server.api.assign(assignment()).expect("assigned");
    assert!(!server.api.is_waiting());
    let reply = runtime.reply().await;
    assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("application/json")));
    assigned(&reply.body);
    assert_eq!(server.api.assign(assignment()), Err(AssignError::NotPrepared));
    assert_eq!(runtime.call(ASK).await.status, 404, "once only");
    runtime.send(NEXT).await;
    server.api.initialized().await.expect("ready");
    let answer = server.invoke("id", "1");
    assert_eq!(runtime.reply().await.text(), "1");
    runtime.call(post("invocation/id/response", "2")).await;
    answer.await.expect("answer");
}

#[tokio::test]
async fn an_assignment_waits_for_the_runtime_to_ask() {
    let server = prepared().await;
    server.api.assign(assignment()).expect("assigned");
    let mut runtime = server.connect().await;
    assigned(&runtime.call(ASK).await.body);
    assert_eq!(runtime.call(ASK).await.status, 404);
}

#[tokio::test]
async fn a_runtime_that_lost_its_connection_asks_again() {
    let server = prepared().await;
    let mut runtime = server.connect().await;
    runtime.send(ASK).await;
    assert!(runtime.silence().await);
    drop(runtime);
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.api.assign(assignment()).expect("assigned");
    assigned(&server.connect().await.call(ASK).await.body);
}

#[tokio::test]
async fn an_environment_that_was_reset_before_can_still_be_assigned() {
    let server = prepared().await;
    server.connect().await.send(ASK).await;
    server.api.reset();
    let mut runtime = server.connect().await;
    runtime.send(ASK).await;
    assert!(runtime.silence().await);
    server.api.assign(assignment()).expect("assigned");
    assigned(&runtime.reply().await.body);
    server.api.reset();
    assert_eq!(server.api.assign(assignment()), Err(AssignError::NotPrepared), "it is somebody's");
}

#[tokio::test]
async fn the_call_does_not_exist_for_anybody_else() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut runtime = server.connect().await;
    let unknown = runtime.call("GET /2018-06-01/hearth/other HTTP/1.1\r\n\r\n").await;
    assert_eq!(runtime.call(ASK).await, unknown);
    assert_eq!(server.api.assign(assignment()), Err(AssignError::NotPrepared));

    let server = prepared().await;
    let mut runtime = server.connect().await;
    runtime.send(NEXT).await;
    server.api.initialized().await.expect("ready");
    assert_eq!(server.connect().await.call(ASK).await, unknown, "after the first /next");
    assert_eq!(server.api.assign(assignment()), Err(AssignError::Started));
    server.api.close();
    assert_eq!(server.api.assign(assignment()), Err(AssignError::Closed));
}

#[tokio::test]
async fn extensions_come_with_the_assignment() {
    let server = prepared().await;
    let mut client = server.connect().await;
    assert_eq!(client.call(support::register("agent", "[]")).await.status, 404);
    server.api.assign(assignment()).expect("assigned");
    server.api.expect_extensions(["agent".to_owned()]).expect("one");
    let heard = Arc::new(Heard::default());
    server.api.set_sink(heard.clone());
    let mut agent = Extension::register(&server, "agent", "[]").await;
    agent.ask().await;
    server.connect().await.send(NEXT).await;
    server.api.initialized().await.expect("ready");
    assert_eq!(heard.take().len(), 1);
}

#[tokio::test]
async fn metadata_is_told_to_whoever_has_the_token() {
    let (server, _) = serve_extensions(&[]).await;
    let mut client = server.connect().await;
    let get = |headers: &str| request("GET", "/2026-01-15/metadata/execution-environment", headers, "");
    let reply = client.call(get(&format!("Authorization: Bearer {TOKEN}\r\n"))).await;
    assert_eq!((reply.status, reply.text()), (200, r#"{"AvailabilityZoneID":"use1-az1"}"#));
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    assert_eq!(reply.header("Cache-Control"), Some("private, max-age=43200, immutable"));
    for refused in
        ["", "Authorization: Bearer \r\n", "Authorization: Bearer secret\r\n", "Authorization: secret-token\r\n"]
    {
        assert_eq!(client.call(get(refused)).await.status, 401, "{refused}");
    }
    let headers = format!("Authorization: Bearer {TOKEN}\r\n");
    let put = request("PUT", "/2026-01-15/metadata/execution-environment", &headers, "");
    assert_eq!(client.call(put).await.status, 405);
}

#[tokio::test]
async fn the_runtime_api_alone_has_no_metadata() {
    let server = serve_as(RuntimeApi::with(Settings::new(MAX_RESPONSE_BYTES))).await;
    let headers = "Authorization: Bearer \r\n";
    let get = request("GET", "/2026-01-15/metadata/execution-environment", headers, "");
    assert_eq!(server.connect().await.call(get).await.status, 404);
}
