//! Invoke: what goes in and out over HTTP.

use bytes::Bytes;
use hearth_ports::{InvocationType, InvokeError, ThrottleReason};
use hearth_types::Qualifier;
use serde_json::{Value, json};

use crate::world::{World, arn, blob};

#[tokio::test]
async fn a_synchronous_invocation_answers_the_payload_and_the_recorded_headers() {
    let world = World::new().await;
    world.created("f").await;
    let answer = world.invoke("f", &[], b"{\"a\": 1}").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.as_ref(), b"{\"a\": 1}");
    assert_eq!(answer.header("x-amz-executed-version"), Some("$LATEST"));
    assert_eq!(answer.header("x-amzn-remapped-content-length"), Some("0"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-amz-function-error"), None);
    assert_eq!(answer.header("x-amz-log-result"), None);
    assert_eq!(answer.header("x-amzn-requestid").map(str::len), Some(36));
    // The function sees the trace that the caller gets.
    let trace = answer.header("x-amzn-trace-id").expect("a trace");
    let (ctx, request) = world.invoker.requests.lock().last().cloned().expect("one");
    assert_eq!(ctx.trace.as_deref(), Some(trace));
    assert!(trace.starts_with("Root=1-69651528-"), "{trace}");
    assert_eq!(request.function_name, "f");
    assert_eq!((request.qualifier, request.log_tail, request.client_context), (None, false, None));
    assert_eq!(request.invocation_type, InvocationType::RequestResponse);
}

#[tokio::test]
async fn a_callers_trace_is_kept() {
    let world = World::new().await;
    world.created("f").await;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let answer = world.invoke("f", &[("X-Amzn-Trace-Id", trace)], b"{}").await;
    assert_eq!(answer.header("x-amzn-trace-id"), Some(trace));
}

#[tokio::test]
async fn event_and_dry_run_answer_202_and_204_without_version() {
    let world = World::new().await;
    world.created("f").await;
    for (kind, status, expected) in [("Event", 202, InvocationType::Event), ("DryRun", 204, InvocationType::DryRun)] {
        let answer = world.invoke("f", &[("X-Amz-Invocation-Type", kind), ("X-Amz-Log-Type", "Tail")], b"{}").await;
        assert_eq!(answer.status, status);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("x-amz-executed-version"), None);
        assert_eq!(answer.header("x-amz-log-result"), None);
        let request = world.invoker.requests.lock().last().cloned().expect("one").1;
        assert_eq!((request.invocation_type, request.log_tail), (expected, false));
    }
}

#[tokio::test]
async fn the_deprecated_form_is_an_event() {
    let world = World::new().await;
    world.created("f").await;
    let path = |name: &str| format!("/2014-11-13/functions/{name}/invoke-async");
    for name in ["f".to_owned(), arn("f").replace(':', "%3A")] {
        let answer = world.send("POST", &path(&name), &[], Bytes::from_static(b"{\"n\":1}")).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (202, 0));
        let request = world.invoker.requests.lock().last().cloned().expect("one").1;
        assert_eq!((request.function_name.as_str(), request.invocation_type), ("f", InvocationType::Event));
        assert_eq!(request.payload, Bytes::from_static(b"{\"n\":1}"));
    }
    let missing = world.send("POST", &path("nobody"), &[], Bytes::from_static(b"{}")).await;
    assert_eq!(missing.refusal().3, format!("Function not found: {}", arn("nobody:$LATEST")));
    let large = world.send("POST", &path("f"), &[], Bytes::from(vec![b' '; 1_048_577])).await;
    assert_eq!((large.status.as_u16(), large.refusal().1.as_str()), (413, "RequestEntityTooLargeException"));
    world.permissions.denied.lock().insert("lambda:InvokeFunction".to_owned());
    let denied = world.send("POST", &path("f"), &[], Bytes::from_static(b"{}")).await;
    assert_eq!(denied.refusal().1, "AccessDeniedException");
}

#[tokio::test]
async fn a_failed_function_is_still_200() {
    let world = World::new().await;
    world.created("f").await;
    *world.invoker.function_error.lock() = Some("Unhandled");
    let answer = world.invoke("f", &[], b"{}").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-amz-function-error"), Some("Unhandled"));
}

#[tokio::test]
async fn the_log_tail_comes_in_base64_when_asked_for() {
    let world = World::new().await;
    world.created("f").await;
    let answer = world.invoke("f", &[("X-Amz-Log-Type", "Tail")], b"{}").await;
    assert_eq!(answer.header("x-amz-log-result"), Some(blob(b"START\nEND\n").as_str()));
    assert_eq!(world.invoke("f", &[("X-Amz-Log-Type", "None")], b"{}").await.header("x-amz-log-result"), None);
}

#[tokio::test]
async fn qualifiers_choose_what_runs() {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", Value::Null).await.ok(201);
    for (path, version, qualifier) in [
        ("f/invocations?Qualifier=1", "1", Some("1")),
        ("f:1/invocations", "1", Some("1")),
        ("f/invocations?Qualifier=$LATEST", "$LATEST", Some("$LATEST")),
        ("arn:aws:lambda:us-east-1:000000000000:function:f:1/invocations", "1", Some("1")),
        ("f/invocations", "$LATEST", None),
    ] {
        let answer = world.send("POST", &format!("/2015-03-31/functions/{path}"), &[], Bytes::from("{}")).await;
        assert_eq!(answer.header("x-amz-executed-version"), Some(version), "{path}");
        let request = world.invoker.requests.lock().last().cloned().expect("one").1;
        assert_eq!(request.qualifier, qualifier.map(Qualifier::parse), "{path}");
    }
}

#[tokio::test]
async fn a_client_context_is_checked_and_passed_on() {
    let world = World::new().await;
    world.created("f").await;
    let context = blob(br#"{"custom": {"a": "b"}}"#);
    world.invoke("f", &[("X-Amz-Client-Context", &context)], b"{}").await.ok(200);
    let request = world.invoker.requests.lock().last().cloned().expect("one").1;
    assert_eq!(request.client_context.as_deref(), Some(context.as_str()));

    let long = blob(json!({"custom": "x".repeat(3_583)}).to_string().as_bytes());
    for (wrong, text) in [
        ("%%%", "Client context must be a valid Base64-encoded JSON object."),
        (blob(b"[]").as_str(), "Client context must be a valid Base64-encoded JSON object."),
        (long.as_str(), "Client context must be no more than 3583 bytes."),
    ] {
        let refusal = world.invoke("f", &[("X-Amz-Client-Context", wrong)], b"{}").await.refusal();
        assert_eq!((refusal.0, refusal.1.as_str(), refusal.3.as_str()), (400, "InvalidRequestContentException", text));
    }
}

#[tokio::test]
async fn payloads_over_the_limit_are_refused_with_413() {
    let world = World::new().await;
    world.created("f").await;
    let path = "/2015-03-31/functions/f/invocations";
    for (kind, max) in [("RequestResponse", 6_291_456), ("Event", 1_048_576)] {
        let headers = [("X-Amz-Invocation-Type", kind)];
        let fits = world.send("POST", path, &headers, Bytes::from(vec![b'1'; max])).await;
        assert!(fits.status.is_success(), "{kind}");
        let (status, code, _, text) =
            world.send("POST", path, &headers, Bytes::from(vec![b'1'; max + 1])).await.refusal();
        assert_eq!((status, code.as_str()), (413, "RequestEntityTooLargeException"));
        assert_eq!(text, format!("Request must be smaller than {max} bytes for the InvokeFunction operation"));
    }
}

#[tokio::test]
async fn wrong_headers_and_qualifiers_get_validation_errors() {
    let world = World::new().await;
    world.created("f").await;
    for (header, value, text) in [
        (
            "X-Amz-Invocation-Type",
            "Sometimes",
            "1 validation error detected: Value 'Sometimes' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
        ),
        (
            "X-Amz-Log-Type",
            "All",
            "1 validation error detected: Value 'All' at 'logType' failed to satisfy constraint: Member must satisfy enum value set: [None, Tail]",
        ),
    ] {
        let refusal = world.invoke("f", &[(header, value)], b"{}").await.refusal();
        assert_eq!((refusal.0, refusal.1.as_str(), refusal.3.as_str()), (400, "ValidationException", text));
    }
    let path = "/2015-03-31/functions/f/invocations?Qualifier=invalid-qualifier-with-%3F-char";
    let refusal = world.send("POST", path, &[], Bytes::from("{}")).await.refusal();
    assert_eq!(
        refusal.3,
        r"1 validation error detected: Value 'invalid-qualifier-with-?-char' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
    );
}

#[tokio::test]
async fn errors_of_the_data_plane_have_aws_codes() {
    let world = World::new().await;
    world.created("f").await;
    let cases = [
        (
            InvokeError::InvalidRequestContent { detail: "Could not parse request body into json".to_owned() },
            (400, "InvalidRequestContentException", "Could not parse request body into json".to_owned()),
        ),
        (
            InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded },
            (429, "TooManyRequestsException", "Rate Exceeded.".to_owned()),
        ),
        (
            InvokeError::AccessDenied {
                message: "The role defined for the function cannot be assumed by Lambda.".to_owned(),
            },
            (403, "AccessDeniedException", "The role defined for the function cannot be assumed by Lambda.".to_owned()),
        ),
        (
            InvokeError::InvalidRuntime { message: "no interpreter".to_owned() },
            (502, "InvalidRuntimeException", "no interpreter".to_owned()),
        ),
        (
            InvokeError::FunctionNotFound { arn: arn("f:$LATEST") },
            (404, "ResourceNotFoundException", format!("Function not found: {}", arn("f:$LATEST"))),
        ),
    ];
    for (failure, (status, code, text)) in cases {
        *world.invoker.failure.lock() = Some(failure);
        let answer = world.invoke("f", &[], b"{}").await;
        let refusal = answer.refusal();
        assert_eq!((refusal.0, refusal.1.as_str(), refusal.3), (status, code, text));
        if status == 429 {
            assert_eq!(answer.json()["Reason"], "ConcurrentInvocationLimitExceeded");
        }
    }
    *world.invoker.failure.lock() = Some(InvokeError::DiskFull);
    let (status, code, fault, text) = world.invoke("f", &[], b"{}").await.refusal();
    assert_eq!((status, code.as_str(), fault.as_deref()), (500, "ServiceException", Some("Service")));
    assert_eq!(text, "The disk of this Hearth server is full: make room, then try again.");
    *world.invoker.failure.lock() = Some(InvokeError::Internal { detail: "/dev/sda is on fire".to_owned() });
    let (status, code, fault, text) = world.invoke("f", &[], b"{}").await.refusal();
    assert_eq!((status, code.as_str(), fault.as_deref()), (500, "ServiceException", Some("Service")));
    assert!(!text.contains("sda"));
}
