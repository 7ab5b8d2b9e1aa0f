//! The Extensions API over the wire, and what the owner of an environment learns of its extensions. Expected statuses,
//! texts and JSON: "Using the Lambda Extensions API to create extensions", Lambda developer guide, and the source of
//! AWS's Runtime Interface Emulator.

mod support;

use std::io;
use std::time::Duration;

use hearth_runtime_api::{ExtensionFailure, InitError, Interruption, RuntimeAnswer, ShutdownReason};
use serde_json::{Value, json};
use support::{
    Client, Extension, MAX_RESPONSE_BYTES, NEXT, PATIENCE, Server, identity, invocation, post, register, request,
    serve, serve_extensions,
};

/// Something that must not happen does not happen for a moment.
async fn pending<T>(future: impl Future<Output = T>) -> bool {
    tokio::time::timeout(Duration::from_millis(50), future).await.is_err()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it never comes")
}

/// A server whose runtime and extension `agent` (for INVOKE and SHUTDOWN) are ready.
async fn ready() -> (Server, Client, Extension) {
    let (server, _) = serve_extensions(&["agent"]).await;
    let mut agent = Extension::register(&server, "agent", r#"["INVOKE","SHUTDOWN"]"#).await;
    agent.ask().await;
    let mut runtime = server.connect().await;
    runtime.send(NEXT).await;
    soon(server.api.initialized()).await.expect("ready");
    (server, runtime, agent)
}

fn error_text(error_type: &str, message: &str) -> String {
    json!({ "errorMessage": message, "errorType": error_type }).to_string()
}

#[tokio::test]
async fn registration_answers_with_an_identifier_and_who_the_function_is() {
    let (server, _) = serve_extensions(&["agent"]).await;
    let mut client = server.connect().await;
    let reply = client.call(register("agent", r#"["INVOKE"]"#)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    assert_eq!(reply.header("Lambda-Extension-Identifier").map(str::len), Some(36));
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let want = json!({ "functionName": "my-function", "functionVersion": "$LATEST", "handler": "index.handler" });
    assert_eq!(body, want);
    let headers = "Lambda-Extension-Name: internal\r\nLambda-Extension-Accept-Feature: other, accountId\r\n";
    let reply = client.call(request("POST", "/2020-01-01/extension/register", headers, r#"{"events":[]}"#)).await;
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(body["accountId"], identity().account_id);
}

#[tokio::test]
async fn every_refusal_is_a_403_with_its_type_and_text() {
    let (server, _) = serve_extensions(&["agent"]).await;
    let mut agent = Extension::register(&server, "agent", r#"["INVOKE"]"#).await;
    let mut client = server.connect().await;
    let next = |headers: &str| request("GET", "/2020-01-01/extension/event/next", headers, "");
    let unknown = "Lambda-Extension-Identifier: a1b2c3d4-5678-90ab-cdef-000000000000\r\n";
    let cases = [
        (
            request("POST", "/2020-01-01/extension/register", "", "{"),
            "Extension.InvalidExtensionName",
            "Empty extension name".to_owned(),
        ),
        (
            register("internal", r#"["SHUTDOWN"]"#),
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension".to_owned(),
        ),
        (
            register("agent", "[]"),
            "Extension.InvalidExtensionState",
            "State transition from Registered to Registered failed for extension agent. \
             Error: State transition is not allowed"
                .to_owned(),
        ),
        (next(""), "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header".to_owned()),
        (
            next("Lambda-Extension-Identifier: x\r\n"),
            "Extension.InvalidExtensionIdentifier",
            "Invalid Lambda-Extension-Identifier".to_owned(),
        ),
        (
            next(unknown),
            "Extension.UnknownExtensionIdentifier",
            "Unknown extension a1b2c3d4-5678-90ab-cdef-000000000000".to_owned(),
        ),
        (
            request("POST", "/2020-01-01/extension/exit/error", &agent.identifier(), ""),
            "Extension.MissingHeader",
            "Lambda-Extension-Function-Error-Type not found".to_owned(),
        ),
    ];
    for (call, error_type, message) in cases {
        let reply = client.call(call).await;
        assert_eq!((reply.status, reply.text()), (403, error_text(error_type, &message).as_str()));
    }
    let malformed = "Lambda-Extension-Name: internal\r\n";
    let reply = client.call(request("POST", "/2020-01-01/extension/register", malformed, "{")).await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("\"errorType\":\"InvalidRequestFormat\""), "{}", reply.text());
    agent.ask().await;
    client.send(NEXT).await;
    soon(server.api.initialized()).await.expect("ready");
    let mut client = server.connect().await;
    let reply = client.call(register("late", "[]")).await;
    let want = error_text("Extension.RegistrationClosed", "Extension registration closed already");
    assert_eq!((reply.status, reply.text()), (403, want.as_str()));
    let reply = client.call(agent.next_request()).await;
    let message = format!(
        "State transition from Ready to Ready failed for extension {}. Error: State transition is not allowed",
        agent.id
    );
    assert_eq!(reply.text(), error_text("Extension.InvalidExtensionState", &message));
}

#[tokio::test]
async fn without_an_identity_there_are_no_extensions() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    assert_eq!(client.call(register("agent", "[]")).await.status, 404);
    assert_eq!(client.call(request("PUT", "/2022-07-01/telemetry", "", "{}")).await.status, 404);
    assert_eq!(client.call(request("GET", "/2026-01-15/metadata/execution-environment", "", "")).await.status, 404);
}

#[tokio::test]
async fn init_ends_when_runtime_and_every_extension_have_called_next() {
    let (server, heard) = serve_extensions(&["one", "two"]).await;
    let mut one = Extension::register(&server, "one", r#"["INVOKE"]"#).await;
    assert!(pending(server.api.extensions_registered()).await);
    let mut two = Extension::register(&server, "two", r#"["SHUTDOWN"]"#).await;
    soon(server.api.extensions_registered()).await.expect("registered");
    let mut inside = Extension::register(&server, "inside", r#"["INVOKE"]"#).await;
    let mut runtime = server.connect().await;
    runtime.send(NEXT).await;
    one.ask().await;
    two.ask().await;
    assert!(pending(server.api.initialized()).await, "the internal one has not called yet");
    // An event that comes too early waits for the end of init.
    let answer = server.invoke("early", "1");
    assert!(runtime.silence().await);
    inside.ask().await;
    soon(server.api.initialized()).await.expect("ready");
    assert_eq!(runtime.reply().await.text(), "1");
    assert_eq!(one.event().await["requestId"], "early");
    runtime.call(post("invocation/early/response", "2")).await;
    assert_eq!(soon(answer).await.expect("task"), RuntimeAnswer::Response { body: "2".into() });
    let extension = |name: &str, events: &str| {
        format!(
            r#"{{"time":"2022-10-12T00:00:15.064Z","type":"platform.extension","record":{{"name":"{name}","state":"Ready","events":{events}}}}}"#
        )
    };
    let want =
        [extension("one", r#"["INVOKE"]"#), extension("two", r#"["SHUTDOWN"]"#), extension("inside", r#"["INVOKE"]"#)];
    assert_eq!(heard.take(), want);
    assert!(server.api.has_external() && server.api.has_internal());
    assert_eq!(server.api.shutdown_subscribers(), ["two"]);
}

#[tokio::test]
async fn an_invocation_is_settled_when_runtime_and_told_extensions_have_called_again() {
    let (server, mut runtime, mut agent) = ready().await;
    let mut event = invocation("id-1", "{}");
    event.trace = Some("Root=1-5f35ae12-0c0fec141ab77a00bc047aa2".into());
    let api = server.api.clone();
    let answer = tokio::spawn(async move { api.invoke(event).await });
    let want = json!({
        "eventType": "INVOKE",
        "deadlineMs": 4_102_444_800_000_i64,
        "requestId": "id-1",
        "invokedFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "tracing": { "type": "X-Amzn-Trace-Id", "value": "Root=1-5f35ae12-0c0fec141ab77a00bc047aa2" },
    });
    assert_eq!(agent.event().await, want);
    runtime.reply().await;
    runtime.call(post("invocation/id-1/response", "\"done\"")).await;
    assert_eq!(soon(answer).await.expect("task"), RuntimeAnswer::Response { body: "\"done\"".into() });
    assert!(pending(server.api.runtime_done()).await);
    runtime.send(NEXT).await;
    let timing = soon(server.api.runtime_done()).await.expect("done");
    assert_eq!(timing.produced_bytes, 6);
    assert!(timing.started <= timing.response_started && timing.response_started <= timing.response_ended);
    assert!(timing.done - timing.response_ended >= Duration::from_millis(40), "{timing:?}");
    assert!(pending(server.api.settled()).await, "the extension has not called yet");
    agent.ask().await;
    soon(server.api.settled()).await.expect("settled");
}

#[tokio::test]
async fn an_extension_that_is_not_told_of_invocations_is_not_waited_for() {
    let (server, _) = serve_extensions(&["agent"]).await;
    let mut agent = Extension::register(&server, "agent", r#"["SHUTDOWN"]"#).await;
    agent.ask().await;
    let mut runtime = server.connect().await;
    runtime.send(NEXT).await;
    soon(server.api.initialized()).await.expect("ready");
    let answer = server.invoke("id", "1");
    runtime.reply().await;
    runtime.send(format!("{}{NEXT}", post("invocation/id/response", "2"))).await;
    soon(answer).await.expect("answer");
    soon(server.api.settled()).await.expect("settled");
    assert!(agent.client.silence().await);
}

#[tokio::test]
async fn an_event_for_a_busy_extension_waits_for_its_next_call() {
    let (server, mut runtime, mut agent) = ready().await;
    for id in ["a", "b"] {
        let answer = server.invoke(id, "1");
        runtime.reply().await;
        runtime.send(format!("{}{NEXT}", post(&format!("invocation/{id}/response"), "2"))).await;
        soon(answer).await.expect("answer");
    }
    assert_eq!(agent.event().await["requestId"], "a");
    agent.ask().await;
    assert_eq!(agent.event().await["requestId"], "b");
    assert!(pending(server.api.settled()).await);
    agent.ask().await;
    soon(server.api.settled()).await.expect("settled");
}

#[tokio::test]
async fn an_extension_may_ask_again_after_its_connection_broke() {
    let (server, mut runtime, agent) = ready().await;
    let Extension { client, id } = agent;
    drop(client);
    let mut agent = Extension { client: server.connect().await, id };
    // Until the server has seen the end of the old connection, the new call is one too many.
    loop {
        agent.ask().await;
        if agent.client.silence().await {
            break;
        }
        assert_eq!(agent.client.reply().await.status, 403);
    }
    let answer = server.invoke("id", "1");
    assert_eq!(agent.event().await["requestId"], "id");
    runtime.reply().await;
    answer.abort();
}

#[tokio::test]
async fn an_event_is_not_lost_when_nobody_waits_on_a_connection() {
    let (server, mut runtime, agent) = ready().await;
    let Extension { client, id } = agent;
    drop(client);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let answer = server.invoke("id", "1");
    runtime.reply().await;
    let mut agent = Extension { client: server.connect().await, id };
    agent.ask().await;
    assert_eq!(agent.event().await["requestId"], "id");
    answer.abort();
}

#[tokio::test]
async fn shutdown_reaches_its_subscribers_and_ends_with_their_processes() {
    let (server, _) = serve_extensions(&["waits", "busy", "deaf"]).await;
    let mut waits = Extension::register(&server, "waits", r#"["SHUTDOWN"]"#).await;
    let mut busy = Extension::register(&server, "busy", r#"["INVOKE","SHUTDOWN"]"#).await;
    let mut deaf = Extension::register(&server, "deaf", "[]").await;
    let mut runtime = server.connect().await;
    runtime.send(NEXT).await;
    for agent in [&mut waits, &mut busy, &mut deaf] {
        agent.ask().await;
    }
    soon(server.api.initialized()).await.expect("ready");
    let answer = server.invoke("id", "1");
    busy.event().await;
    let api = server.api.clone();
    let down = tokio::spawn(async move { api.shut_down(ShutdownReason::Timeout, 676_051).await });
    let want = json!({ "eventType": "SHUTDOWN", "deadlineMs": 676_051, "shutdownReason": "timeout" });
    assert_eq!(waits.event().await, want);
    assert!(busy.client.silence().await);
    busy.ask().await;
    assert_eq!(busy.event().await, want);
    assert!(deaf.client.silence().await);
    server.api.extension_exited("waits", "exit status 0");
    assert!(!down.is_finished());
    server.api.extension_exited("busy", "exit status 1");
    soon(down).await.expect("shut down");
    answer.abort();
}

#[tokio::test]
async fn an_error_that_an_extension_reports_in_init_fails_it() {
    let (server, heard) = serve_extensions(&["agent"]).await;
    let mut agent = Extension::register(&server, "agent", r#"["INVOKE"]"#).await;
    let reply = agent.report("init/error", "Extension.NoConfig").await;
    assert_eq!((reply.status, reply.text()), (202, r#"{"status":"OK"}"#));
    let failure = ExtensionFailure {
        name: "agent".to_owned(),
        error_type: "Extension.InitError",
        message: "Extension.NoConfig".to_owned(),
    };
    assert_eq!(server.api.initialized().await, Err(InitError::Extension(failure.clone())));
    assert_eq!(server.api.extensions_registered().await, Ok(()), "as far as that goes");
    assert_eq!(server.api.interrupted().await, Interruption::Extension(failure));
    let error = server.api.ready().await.expect_err("failed");
    assert_eq!(error.error_type.as_deref(), Some("Extension.InitError"));
    assert_eq!(
        heard.take(),
        [
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.extension","record":{"name":"agent","state":"InitError","events":["INVOKE"],"errorType":"Extension.NoConfig"}}"#
        ]
    );
    assert_eq!(agent.report("init/error", "Extension.Other").await.status, 202, "again does no harm");
    let reply = agent.client.call(agent.next_request()).await;
    assert_eq!(reply.status, 403, "no further calls succeed");
    server.api.reset();
    server.api.expect_extensions(["agent".to_owned()]).expect("anew");
    let mut agent = Extension::register(&server, "agent", "[]").await;
    agent.ask().await;
    server.connect().await.send(NEXT).await;
    soon(server.api.initialized()).await.expect("a new start");
}

#[tokio::test]
async fn a_process_that_ends_or_never_starts_fails_the_environment() {
    let (server, _) = serve_extensions(&["agent"]).await;
    server.api.extension_exited("agent", "exit status 1");
    let failure = |error_type, message: &str| ExtensionFailure {
        name: "agent".to_owned(),
        error_type,
        message: message.to_owned(),
    };
    let crash = failure("Extension.Crash", "exit status 1");
    assert_eq!(server.api.initialized().await, Err(InitError::Extension(crash)));

    let (server, heard) = serve_extensions(&["agent"]).await;
    server.api.extension_not_launched("agent", io::ErrorKind::PermissionDenied, "permission denied");
    let launch = failure("Extension.LaunchError", "permission denied");
    assert_eq!(server.api.initialized().await, Err(InitError::Extension(launch)));
    assert!(heard.take()[0].contains(r#""state":"LaunchError","events":[],"errorType":"PermissionDenied""#));

    let (server, mut runtime, mut agent) = ready().await;
    let answer = server.invoke("id", "1");
    runtime.reply().await;
    agent.event().await;
    assert_eq!(agent.report("exit/error", "Extension.Broken").await.status, 202);
    server.api.extension_exited("agent", "exit status 2");
    let exit = failure("Extension.ExitError", "Extension.Broken");
    assert_eq!(server.api.settled().await, Err(Interruption::Extension(exit)), "the first failure counts");
    answer.abort();

    let (server, _runtime, _agent) = ready().await;
    server.api.extension_exited("agent", "signal: killed");
    let crash = failure("Extension.Crash", "signal: killed");
    assert_eq!(server.api.interrupted().await, Interruption::Extension(crash));
}

#[tokio::test]
async fn what_the_runtime_reports_fails_init_for_all() {
    let (server, _) = serve_extensions(&["agent"]).await;
    let mut agent = Extension::register(&server, "agent", "[]").await;
    agent.ask().await;
    let mut runtime = server.connect().await;
    runtime.call(post("init/error", r#"{"errorType":"Runtime.X"}"#)).await;
    let Err(InitError::Runtime(error)) = server.api.initialized().await else { panic!("not the runtime's error") };
    assert_eq!(&error.body[..], br#"{"errorType":"Runtime.X"}"#);
    server.api.extension_exited("agent", "exit status 1");
    assert!(matches!(server.api.initialized().await, Err(InitError::Runtime(_))), "the first failure counts");
}

#[tokio::test]
async fn waiting_ends_with_a_reset() {
    let (server, _runtime, _agent) = ready().await;
    let waits = tokio::spawn({
        let api = server.api.clone();
        async move { (api.runtime_done().await, api.interrupted().await) }
    });
    let down = tokio::spawn({
        let api = server.api.clone();
        async move { api.shut_down(ShutdownReason::Spindown, 0).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    server.api.reset();
    soon(down).await.expect("shut down");
    assert!(!waits.is_finished(), "the second wait is for the new start");
    server.api.close();
    assert_eq!(soon(waits).await.expect("wait"), (Err(Interruption::Closed), Interruption::Closed));
}

#[tokio::test]
async fn a_body_larger_than_allowed_is_refused() {
    let (server, _) = serve_extensions(&[]).await;
    let mut client = server.connect().await;
    let body = format!("\"{}\"", "x".repeat(70_000));
    let reply = client.call(register("agent", &body)).await;
    assert_eq!(reply.status, 413);
    assert_eq!(client.call(register("agent", "[]")).await.status, 200, "the connection goes on");
}
