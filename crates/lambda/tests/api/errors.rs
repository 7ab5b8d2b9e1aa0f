//! What holds for every operation.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::permission::permission;
use crate::world::{World, arn, blob, function};

/// Every operation once, with the action it must ask for.
fn operations() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let tags = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af";
    vec![
        ("lambda:CreateFunction", "POST", "/2015-03-31/functions", function("g")),
        ("lambda:GetFunction", "GET", "/2015-03-31/functions/f", Value::Null),
        ("lambda:GetFunctionConfiguration", "GET", "/2015-03-31/functions/f/configuration", Value::Null),
        ("lambda:ListFunctions", "GET", "/2015-03-31/functions", Value::Null),
        ("lambda:UpdateFunctionCode", "PUT", "/2015-03-31/functions/f/code", json!({"ZipFile": blob(b"PK new")})),
        ("lambda:UpdateFunctionConfiguration", "PUT", "/2015-03-31/functions/f/configuration", json!({"Timeout": 9})),
        ("lambda:PublishVersion", "POST", "/2015-03-31/functions/f/versions", Value::Null),
        ("lambda:ListVersionsByFunction", "GET", "/2015-03-31/functions/f/versions", Value::Null),
        ("lambda:InvokeFunction", "POST", "/2015-03-31/functions/f/invocations", json!({})),
        ("lambda:GetFunctionCodeSigningConfig", "GET", "/2020-06-30/functions/f/code-signing-config", Value::Null),
        ("lambda:GetFunctionConcurrency", "GET", "/2019-09-30/functions/f/concurrency", Value::Null),
        ("lambda:AddPermission", "POST", "/2015-03-31/functions/f/policy", permission("s", "s3.amazonaws.com")),
        ("lambda:RemovePermission", "DELETE", "/2015-03-31/functions/f/policy/s", Value::Null),
        ("lambda:GetPolicy", "GET", "/2015-03-31/functions/f/policy", Value::Null),
        ("lambda:ListTags", "GET", tags, Value::Null),
        ("lambda:DeleteFunction", "DELETE", "/2015-03-31/functions/f", Value::Null),
    ]
}

#[tokio::test]
async fn every_operation_asks_before_it_does_or_reveals_anything() {
    let world = World::new().await;
    let before = world.created("f").await;
    world.packages_left(1).await;
    for (action, method, path, body) in operations() {
        world.permissions.denied.lock().insert("*".to_owned());
        world.permissions.asked.lock().clear();
        let answer = world.call(method, path, body.clone()).await;
        let (status, code, _, text) = answer.refusal();
        assert_eq!((status, code.as_str()), (403, "AccessDeniedException"), "{action}");
        assert!(text.starts_with(&format!("not authorized to perform: {action} ")), "{action}: {text}");
        let asked = world.permissions.asked.lock().clone();
        assert_eq!(asked[0].0, action);
        // Nor is anything revealed of what is not there.
        let none = path.replace("functions/f", "functions/none").replace("function%3Af", "function%3Anone");
        assert_eq!(world.call(method, &none, body).await.status, 403, "{action}");
        world.permissions.denied.lock().clear();
    }
    assert_eq!(world.configuration("f").await, before);
    assert_eq!(world.invoker.requests.lock().len(), 0);
    world.packages_left(1).await;
}

#[tokio::test]
async fn the_resource_asked_for_is_the_functions_arn_as_qualified_as_the_request() {
    let world = World::new().await;
    world.created("f").await;
    for (path, resource) in [
        ("/2015-03-31/functions/f", arn("f")),
        ("/2015-03-31/functions/f?Qualifier=1", arn("f:1")),
        ("/2015-03-31/functions/f:$LATEST", arn("f:$LATEST")),
    ] {
        world.permissions.asked.lock().clear();
        world.get(path).await;
        assert_eq!(*world.permissions.asked.lock(), [("lambda:GetFunction".to_owned(), resource)]);
    }
}

#[tokio::test]
async fn other_accounts_functions_are_out_of_reach() {
    let world = World::new().await;
    world.created("f").await;
    let auth = "AWS4-HMAC-SHA256 Credential=123456789012/20260112/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=00";
    let headers = [("authorization", auth), ("x-amz-date", "20260112T153712Z")];
    let own = world.send("GET", "/2015-03-31/functions/f", &headers, Bytes::new()).await.refusal();
    assert_eq!((own.0, own.3.as_str()), (404, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:f"));
    let path = format!("/2015-03-31/functions/{}", arn("f"));
    let (status, code, _, text) = world.send("GET", &path, &headers, Bytes::new()).await.refusal();
    assert_eq!((status, code.as_str()), (403, "AccessDeniedException"));
    assert_eq!(
        text,
        format!(
            "User: arn:aws:iam::123456789012:root is not authorized to perform: lambda:GetFunction on resource: {} because no resource-based policy allows the lambda:GetFunction action",
            arn("f")
        )
    );
}

#[tokio::test]
async fn malformed_json_is_refused() {
    let world = World::new().await;
    let answer = world.send("POST", "/2015-03-31/functions", &[], Bytes::from("{\"FunctionName\":")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("x-amzn-errortype"), Some("SerializationException"));
}
