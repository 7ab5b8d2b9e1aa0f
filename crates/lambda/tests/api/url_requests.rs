//! Requests at function URLs: who comes in, what the function gets, and what becomes of its answer.

use std::net::SocketAddr;

use bytes::Bytes;
use hearth_lambda::url::{self, Address};
use hearth_ports::{InvokeError, ThrottleReason};
use hearth_types::{Caller, Qualifier};
use hearth_wire::{Connection, Listener};
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::world::{Answer, World, arn};

const FORBIDDEN: &str = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

/// A world with a function and its URL; the id of that.
async fn world(config: Value) -> (World, String) {
    let world = World::new().await;
    world.created("f").await;
    let id = url(&world, "f", config).await;
    (world, id)
}

async fn url(world: &World, name: &str, config: Value) -> String {
    let shown = world.call("POST", &format!("/2021-10-31/functions/{name}/url"), config).await.ok(201);
    let url = shown["FunctionUrl"].as_str().expect("text");
    url.trim_end_matches('/').rsplit('/').next().expect("an id").to_owned()
}

async fn visit(world: &World, method: &str, id: &str, target: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
    visit_by(world, method, &format!("{id}.lambda-url.us-east-1.on.aws"), target, headers, body).await
}

async fn visit_by(
    world: &World,
    method: &str,
    host: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Answer {
    let mut request = Request::builder().method(method).uri(target).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).expect("a request");
    let address = Address::of(request.uri(), request.headers()).expect("a URL");
    let peer: SocketAddr = ([192, 0, 2, 7], 40_000).into();
    let connection = Connection { peer, secure: false, listener: Listener::Outside };
    let response = url::serve(&world.lambda, &world.front, &connection, &address, request).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

async fn get(world: &World, id: &str) -> Answer {
    visit(world, "GET", id, "/", &[], Bytes::new()).await
}

fn returning(world: &World, value: &Value) {
    *world.invoker.returned.lock() = Some(value.to_string().into());
}

#[tokio::test]
async fn the_function_gets_the_request_and_the_client_its_answer() {
    let (world, id) = world(json!({"AuthType": "NONE"})).await;
    let headers = [
        ("content-type", "text/plain"),
        ("cookie", "a=b"),
        ("x-amzn-trace-id", "Root=1-5e6722a7-cc5"),
        ("user-agent", "u"),
    ];
    let answer = visit(&world, "PATCH", &id, "/a/b?c=d", &headers, "hi".into()).await;
    let event = answer.ok(200);
    let host = format!("{id}.lambda-url.us-east-1.on.aws");
    let context = &event["requestContext"];
    for (got, want) in [
        (&event["rawPath"], "/a/b"),
        (&event["rawQueryString"], "c=d"),
        (&event["body"], "hi"),
        (&event["cookies"][0], "a=b"),
        (&event["headers"]["host"], &*host),
        (&event["headers"]["x-amzn-trace-id"], "Root=1-5e6722a7-cc5"),
        (&context["http"]["method"], "PATCH"),
        (&context["http"]["sourceIp"], "192.0.2.7"),
        (&context["http"]["userAgent"], "u"),
        (&context["domainName"], &*host),
        (&context["apiId"], &*id),
        (&context["accountId"], "anonymous"),
    ] {
        assert_eq!(got, want);
    }
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-amzn-trace-id"), Some("Root=1-5e6722a7-cc5"));
    // One id: of the answer, of the event, and of the invocation.
    let (ctx, request) = world.invoker.requests.lock().last().cloned().expect("invoked");
    assert_eq!(answer.header("x-amzn-requestid"), Some(ctx.request_id.as_str()));
    assert_eq!(context["requestId"], ctx.request_id.as_str());
    assert_eq!((request.function_name.as_str(), request.qualifier, request.via_url), ("f", None, true));
    assert_eq!(ctx.caller, Caller::Anonymous);
}

#[tokio::test]
async fn both_forms_lead_to_the_same_function() {
    let (world, id) = world(json!({"AuthType": "NONE"})).await;
    let host = format!("{id}.lambda-url.us-east-1.localhost:4566");
    let host_form = visit_by(&world, "GET", &host, "/x", &[], Bytes::new()).await;
    assert_eq!(host_form.ok(200)["rawPath"], "/x");
    assert_eq!(host_form.header("content-security-policy"), None);
    let target = format!("/_hearth/url/{id}/x");
    let path_form = visit_by(&world, "GET", "127.0.0.1:4566", &target, &[], Bytes::new()).await;
    assert_eq!(path_form.ok(200)["rawPath"], "/x");
    // A page there shares its address with the AWS APIs, and must not share its rights.
    let policy = path_form.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("sandbox") && !policy.contains("allow-same-origin"), "{policy}");
}

#[tokio::test]
async fn a_url_of_an_alias_invokes_by_the_alias() {
    let (world, _) = world(json!({"AuthType": "NONE"})).await;
    world.publish("f", json!({})).await.ok(201);
    let alias = json!({"Name": "live", "FunctionVersion": "1"});
    world.call("POST", "/2015-03-31/functions/f/aliases", alias).await.ok(201);
    let id = url(&world, "f:live", json!({"AuthType": "NONE"})).await;
    get(&world, &id).await.ok(200);
    let request = world.invoker.requests.lock().last().cloned().expect("invoked").1;
    assert_eq!(request.qualifier, Some(Qualifier::parse("live")));
    let asked = world.permissions.asked.lock().clone();
    for action in ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"] {
        assert!(asked.contains(&(action.to_owned(), arn("f:live"))), "{action}: {asked:?}");
    }
}

#[tokio::test]
async fn a_url_that_is_not_there_says_nothing() {
    let (world, id) = world(json!({"AuthType": "NONE"})).await;
    get(&world, &id).await.ok(200);
    world.call("DELETE", "/2021-10-31/functions/f/url", Value::Null).await.ok(204);
    for unknown in [id.as_str(), "nobody"] {
        let answer = get(&world, unknown).await;
        assert_eq!(answer.header("x-amzn-errortype"), Some("AccessDeniedException"), "{unknown}");
        assert_eq!((answer.status.as_u16(), answer.json()), (403, json!({"Message": null})), "{unknown}");
        assert!(answer.header("x-amzn-requestid").is_some());
    }
}

#[tokio::test]
async fn each_of_the_two_permissions_is_needed() {
    let (world, id) = world(json!({"AuthType": "NONE"})).await;
    for denied in ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"] {
        *world.permissions.denied.lock() = [denied.to_owned()].into();
        let answer = get(&world, &id).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (403, json!({"Message": FORBIDDEN})), "{denied}");
    }
    assert!(world.invoker.requests.lock().is_empty());
}

#[tokio::test]
async fn aws_iam_asks_for_a_signature_of_lambda() {
    let (world, id) = world(json!({"AuthType": "AWS_IAM"})).await;
    let answer = get(&world, &id).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (403, json!({"Message": FORBIDDEN})));
    let signed = |service: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential=111122223333/20260112/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=00"
        )
    };
    let by = async |service: &str| {
        let headers = [("authorization", &*signed(service)), ("x-amz-date", "20260112T153712Z")];
        visit(&world, "GET", &id, "/", &headers, Bytes::new()).await
    };
    let answer = by("execute-api").await;
    assert_eq!(answer.status.as_u16(), 403);
    assert!(answer.refusal().3.contains("lambda"), "{:?}", answer.body);
    // Another account needs the function's leave.
    assert_eq!(by("lambda").await.json(), json!({"Message": FORBIDDEN}));
    assert!(world.invoker.requests.lock().is_empty());
}

#[tokio::test]
async fn failures_have_the_recorded_statuses() {
    let (world, id) = world(json!({"AuthType": "NONE"})).await;
    *world.invoker.function_error.lock() = Some("Unhandled");
    let answer = get(&world, &id).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (502, &b"Internal Server Error"[..]));
    *world.invoker.function_error.lock() = None;
    returning(&world, &json!({"statusCode": "abc"}));
    let answer = get(&world, &id).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (502, &b"Internal Server Error"[..]));

    let cases = [
        (InvokeError::Throttled { reason: ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded }, 429),
        (InvokeError::PayloadTooLarge { max: 6_291_456 }, 413),
        (InvokeError::AccessDenied { message: "secret".to_owned() }, 403),
        (InvokeError::FunctionNotFound { arn: "secret".to_owned() }, 403),
        (InvokeError::NotReady { state: "Pending" }, 409),
        (InvokeError::Internal { detail: "secret".to_owned() }, 500),
    ];
    for (failure, status) in cases {
        *world.invoker.failure.lock() = Some(failure.clone());
        let answer = get(&world, &id).await;
        assert_eq!(answer.status.as_u16(), status, "{failure:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused() {
    let (world, id) = world(json!({"AuthType": "NONE"})).await;
    let body = Bytes::from(vec![b'x'; 6_291_457]);
    let answer = visit(&world, "POST", &id, "/", &[("content-type", "text/plain")], body).await;
    assert_eq!(answer.status.as_u16(), 413);
    assert!(world.invoker.requests.lock().is_empty());
}

#[tokio::test]
async fn cors_is_answered_for_the_function() {
    let cors = json!({"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"]});
    let (world, id) = world(json!({"AuthType": "AWS_IAM", "Cors": cors})).await;
    let preflight = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    let answer = visit(&world, "OPTIONS", &id, "/", &preflight, Bytes::new()).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-a"));
    assert!(world.invoker.requests.lock().is_empty(), "a preflight runs nothing");
    // A page can read a refusal, too.
    let refused = visit(&world, "GET", &id, "/", &preflight[..1], Bytes::new()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("access-control-allow-origin")),
        (403, Some("https://a.example"))
    );

    world.call("PUT", "/2021-10-31/functions/f/url", json!({"AuthType": "NONE"})).await.ok(200);
    let own = json!({"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "https://b.example"}});
    returning(&world, &own);
    let answer = visit(&world, "GET", &id, "/", &preflight[..1], Bytes::new()).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    // Without a configuration it is the function's business.
    world.call("PUT", "/2021-10-31/functions/f/url", json!({"Cors": {}})).await.ok(200);
    let answer = visit(&world, "OPTIONS", &id, "/", &preflight, Bytes::new()).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://b.example"));
    assert_eq!(world.invoker.requests.lock().len(), 2);
}

#[tokio::test]
async fn a_url_works_after_a_restart() {
    let (world, id) = world(json!({"AuthType": "NONE"})).await;
    let world = world.restart().await;
    get(&world, &id).await.ok(200);
}

#[tokio::test]
async fn what_does_not_stream_goes_out_as_it_is_in_streaming_mode() {
    let (world, id) = world(json!({"AuthType": "NONE", "InvokeMode": "RESPONSE_STREAM"})).await;
    let whole = json!({"statusCode": 201, "body": "x"});
    returning(&world, &whole);
    let answer = get(&world, &id).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, whole));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    *world.invoker.function_error.lock() = Some("Unhandled");
    let answer = get(&world, &id).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (502, &b"Internal Server Error"[..]));
    *world.permissions.denied.lock() = ["lambda:InvokeFunction".to_owned()].into();
    assert_eq!(get(&world, &id).await.status, 403);
}
