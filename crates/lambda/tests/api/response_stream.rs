//! InvokeWithResponseStream: what goes in and out over HTTP.

use bytes::Bytes;
use hearth_ports::{InvocationType, InvokeError, ThrottleReason};
use hearth_types::Qualifier;
use hearth_wire::event_stream::Message;
use serde_json::{Value, json};

use crate::world::{Answer, World, arn, blob};

fn path(name: &str) -> String {
    format!("/2021-11-15/functions/{name}/response-streaming-invocations")
}

async fn invoke(world: &World, name: &str, headers: &[(&str, &str)], payload: &'static [u8]) -> Answer {
    world.send("POST", &path(name), headers, Bytes::from_static(payload)).await
}

/// Event type, content type and payload of each message.
fn events(answer: &Answer) -> Vec<(String, String, Bytes)> {
    let (mut rest, mut events) = (&answer.body[..], Vec::new());
    while !rest.is_empty() {
        let (message, length) = Message::decode(rest).expect("messages").expect("whole ones");
        assert_eq!(message.text(":message-type"), Some("event"));
        let text = |name: &str| message.text(name).expect(name).to_owned();
        events.push((text(":event-type"), text(":content-type"), message.payload.clone()));
        rest = &rest[length..];
    }
    events
}

fn complete(answer: &Answer) -> Value {
    let (event_type, content_type, payload) = events(answer).pop().expect("an end");
    assert_eq!((event_type.as_str(), content_type.as_str()), ("InvokeComplete", "application/json"));
    serde_json::from_slice(&payload).expect("JSON")
}

#[tokio::test]
async fn the_answer_is_an_event_stream_of_chunks_and_an_end() {
    let world = World::new().await;
    world.created("f").await;
    let answer = invoke(&world, "f", &[], b"{\"a\": 1}").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/vnd.amazon.eventstream"));
    assert_eq!(answer.header("x-amz-executed-version"), Some("$LATEST"));
    assert_eq!(answer.header("x-amzn-requestid").map(str::len), Some(36));
    let chunk = ("PayloadChunk".to_owned(), "application/octet-stream".to_owned(), Bytes::from_static(b"{\"a\": 1}"));
    let end = ("InvokeComplete".to_owned(), "application/json".to_owned(), Bytes::from_static(b"{}"));
    assert_eq!(events(&answer), [chunk, end]);
    let (ctx, request) = world.invoker.requests.lock().last().cloned().expect("one");
    assert_eq!(ctx.trace.as_deref(), answer.header("x-amzn-trace-id"));
    assert_eq!(request.invocation_type, InvocationType::RequestResponse);
}

#[tokio::test]
async fn a_failed_function_is_200_and_the_end_says_so() {
    let world = World::new().await;
    world.created("f").await;
    *world.invoker.function_error.lock() = Some("Unhandled");
    let answer = invoke(&world, "f", &[("X-Amz-Log-Type", "Tail")], br#"{"errorType":"E"}"#).await;
    assert_eq!((answer.status.as_u16(), events(&answer).len()), (200, 1));
    assert_eq!(
        complete(&answer),
        json!({
            "ErrorCode": "Unhandled",
            "ErrorDetails": r#"{"errorType":"E"}"#,
            "LogResult": blob(b"START\nEND\n"),
        })
    );
}

#[tokio::test]
async fn a_dry_run_answers_204_and_an_event_is_refused() {
    let world = World::new().await;
    world.created("f").await;
    let dry = invoke(&world, "f", &[("X-Amz-Invocation-Type", "DryRun"), ("X-Amz-Log-Type", "Tail")], b"{}").await;
    assert_eq!((dry.status.as_u16(), dry.body.len()), (204, 0));
    assert_eq!(dry.header("x-amz-executed-version"), None);
    let event = invoke(&world, "f", &[("X-Amz-Invocation-Type", "Event")], b"{}").await;
    let (status, code, _, text) = event.refusal();
    assert_eq!((status, code.as_str()), (400, "ValidationException"));
    assert_eq!(
        text,
        "1 validation error detected: Value 'Event' at 'invocationType' failed to satisfy constraint: \
         Member must satisfy enum value set: [RequestResponse, DryRun]"
    );
    let kinds: Vec<_> = world.invoker.requests.lock().iter().map(|(_, request)| request.invocation_type).collect();
    assert_eq!(kinds, [InvocationType::DryRun]);
}

#[tokio::test]
async fn names_and_qualifiers_are_those_of_invoke() {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", Value::Null).await.ok(201);
    let context = blob(br#"{"custom": {"a": "b"}}"#);
    for (name, query, version, qualifier) in [
        ("f", "?Qualifier=1", "1", Some("1")),
        ("f:1", "", "1", Some("1")),
        ("arn:aws:lambda:us-east-1:000000000000:function:f:1", "", "1", Some("1")),
        ("f", "", "$LATEST", None),
    ] {
        let headers = [("X-Amz-Client-Context", context.as_str())];
        let answer = world.send("POST", &format!("{}{query}", path(name)), &headers, Bytes::from("{}")).await;
        assert_eq!(answer.header("x-amz-executed-version"), Some(version), "{name}{query}");
        let request = world.invoker.requests.lock().last().cloned().expect("one").1;
        assert_eq!(request.qualifier, qualifier.map(Qualifier::parse), "{name}{query}");
        assert_eq!(request.client_context.as_deref(), Some(context.as_str()));
    }
    let missing = invoke(&world, "nobody", &[], b"{}").await.refusal();
    assert_eq!((missing.0, missing.1.as_str()), (404, "ResourceNotFoundException"));
    assert_eq!(missing.3, format!("Function not found: {}", arn("nobody:$LATEST")));
}

#[tokio::test]
async fn what_runs_no_function_is_an_error_of_its_own() {
    let world = World::new().await;
    world.created("f").await;
    let reason = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
    *world.invoker.failure.lock() = Some(InvokeError::Throttled { reason });
    let throttled = invoke(&world, "f", &[], b"{}").await.refusal();
    assert_eq!((throttled.0, throttled.1.as_str()), (429, "TooManyRequestsException"));
    world.permissions.denied.lock().insert("lambda:InvokeFunction".to_owned());
    let denied = invoke(&world, "f", &[], b"{}").await.refusal();
    assert_eq!((denied.0, denied.1.as_str()), (403, "AccessDeniedException"));
    let large = world.send("POST", &path("f"), &[], Bytes::from(vec![b' '; 6_291_457])).await;
    assert_eq!(large.status, 413);
}
