//! Configurations of function URLs: as they are asked for, shown, listed and refused.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{ACCOUNT, Answer, World, arn, keys, refused, with};

const NOT_FOUND: &str = "ResourceNotFoundException";
const NONE: &str = "The resource you requested does not exist.";
const NO_FUNCTION: &str = "Function does not exist";

fn path(name: &str) -> String {
    format!("/2021-10-31/functions/{name}/url")
}

/// `name` may carry a query.
async fn ask(world: &World, method: &str, name: &str, body: Value) -> Answer {
    let (name, query) = name.split_once('?').map_or((name, String::new()), |(name, query)| (name, format!("?{query}")));
    world.call(method, &format!("{}{query}", path(name)), body).await
}

fn open() -> Value {
    json!({"AuthType": "NONE"})
}

async fn world_with_alias() -> World {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", json!({})).await.ok(201);
    let alias = json!({"Name": "live", "FunctionVersion": "1"});
    world.call("POST", "/2015-03-31/functions/f/aliases", alias).await.ok(201);
    world
}

/// The id in a URL of the path form: clients of the test world call it by a name that has no names beneath it.
fn id_of(shown: &Value) -> String {
    let url = shown["FunctionUrl"].as_str().expect("text");
    let id = url.strip_prefix("http://hearth.test:4566/_hearth/url/").and_then(|rest| rest.strip_suffix('/'));
    id.unwrap_or_else(|| panic!("{url}")).to_owned()
}

async fn list(world: &World, query: &str) -> Value {
    world.get(&format!("/2021-10-31/functions/f/urls{query}")).await.ok(200)
}

fn arns(shown: &Value) -> Vec<&str> {
    let configs = shown["FunctionUrlConfigs"].as_array().expect("a list");
    configs.iter().map(|config| config["FunctionArn"].as_str().expect("text")).collect()
}

#[tokio::test]
async fn what_is_asked_for_is_what_is_shown() {
    let world = World::new().await;
    world.created("f").await;
    let created = ask(&world, "POST", "f", open()).await.ok(201);
    assert_eq!(keys(&created), ["AuthType", "CreationTime", "FunctionArn", "FunctionUrl", "InvokeMode"]);
    assert_eq!((&created["AuthType"], &created["InvokeMode"]), (&json!("NONE"), &json!("BUFFERED")));
    assert_eq!(created["FunctionArn"], arn("f"));
    assert_eq!(created["CreationTime"], "2026-01-12T15:37:12.000Z");
    let id = id_of(&created);
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{id}");
    let shown = ask(&world, "GET", "f", Value::Null).await.ok(200);
    assert_eq!(shown, with(created, json!({"LastModifiedTime": "2026-01-12T15:37:12.000Z"})));

    world.clock.advance(5_000);
    let cors = json!({
        "AllowCredentials": true,
        "AllowHeaders": ["Date", "X-Custom-Header"],
        "AllowMethods": ["GET", "POST"],
        "AllowOrigins": ["https://www.example.com", "http://localhost:60905"],
        "ExposeHeaders": ["Keep-Alive"],
        "MaxAge": 86_400,
    });
    let updated = ask(&world, "PUT", "f", json!({"AuthType": "AWS_IAM", "Cors": cors})).await.ok(200);
    let expected = with(
        shown.clone(),
        json!({"AuthType": "AWS_IAM", "Cors": cors, "LastModifiedTime": "2026-01-12T15:37:17.000Z"}),
    );
    assert_eq!(updated, expected);
    let world = world.restart().await;
    assert_eq!(ask(&world, "GET", "f", Value::Null).await.ok(200), expected);
    // What is not named stays; a CORS without members takes it away.
    let other = ask(&world, "PUT", "f", json!({"InvokeMode": "RESPONSE_STREAM"})).await.ok(200);
    assert_eq!((&other["AuthType"], &other["Cors"]), (&json!("AWS_IAM"), &cors));
    assert_eq!(other["InvokeMode"], "RESPONSE_STREAM");
    let bare = ask(&world, "PUT", "f", json!({"Cors": {}})).await.ok(200);
    assert_eq!((bare.get("Cors"), id_of(&bare)), (None, id));
}

#[tokio::test]
async fn a_function_and_an_alias_have_urls_of_their_own() {
    let world = world_with_alias().await;
    let own = ask(&world, "POST", "f", open()).await.ok(201);
    let of_alias = ask(&world, "POST", "f?Qualifier=live", json!({"AuthType": "AWS_IAM"})).await.ok(201);
    assert_eq!(of_alias["FunctionArn"], arn("f:live"));
    assert_ne!(id_of(&own), id_of(&of_alias));
    let full = arn("f:live").replace(':', "%3A");
    for name in ["f?Qualifier=live", "f:live", &full] {
        assert_eq!(id_of(&ask(&world, "GET", name, Value::Null).await.ok(200)), id_of(&of_alias), "{name}");
    }
    let changed = ask(&world, "PUT", "f:live", open()).await.ok(200);
    assert_eq!((&changed["AuthType"], id_of(&changed)), (&json!("NONE"), id_of(&of_alias)));
    for (name, shown) in [("f", "f"), ("f:live", "f:live")] {
        let text = format!(
            "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for this Lambda function",
            arn(shown)
        );
        refused(&ask(&world, "POST", name, open()).await, 409, "ResourceConflictException", &text);
    }

    let deleted = ask(&world, "DELETE", "f", Value::Null).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    refused(&ask(&world, "DELETE", "f", Value::Null).await, 404, NOT_FOUND, NONE);
    assert_eq!(arns(&list(&world, "").await), [arn("f:live")]);
    // It is a new one each time.
    assert_ne!(id_of(&ask(&world, "POST", "f", open()).await.ok(201)), id_of(&own));
}

#[tokio::test]
async fn a_url_goes_with_what_it_is_for() {
    let world = world_with_alias().await;
    for name in ["f", "f:live"] {
        ask(&world, "POST", name, open()).await.ok(201);
    }
    world.call("DELETE", "/2015-03-31/functions/f/aliases/live", Value::Null).await.ok(204);
    assert_eq!(arns(&list(&world, "").await), [arn("f")]);
    world.delete("f").await.ok(204);
    world.created("f").await;
    assert_eq!(list(&world, "").await, json!({"FunctionUrlConfigs": []}));
}

#[tokio::test]
async fn lists_have_pages() {
    let world = world_with_alias().await;
    let alias = json!({"Name": "beta", "FunctionVersion": "1"});
    world.call("POST", "/2015-03-31/functions/f/aliases", alias).await.ok(201);
    for name in ["f:live", "f", "f:beta"] {
        ask(&world, "POST", name, open()).await.ok(201);
    }
    let all = list(&world, "").await;
    assert_eq!(arns(&all), ["f", "f:beta", "f:live"].map(arn));
    assert_eq!(all["FunctionUrlConfigs"][1], ask(&world, "GET", "f:beta", Value::Null).await.ok(200));
    let first = list(&world, "?MaxItems=2").await;
    let marker = first["NextMarker"].as_str().expect("a next page");
    let rest = list(&world, &format!("?MaxItems=2&Marker={marker}")).await;
    assert_eq!((arns(&first).len(), arns(&rest), rest.get("NextMarker")), (2, vec![&*arn("f:live")], None));
    assert_eq!(world.get("/2021-10-31/functions/f/urls?Marker=!").await.refusal().1, "InvalidParameterValueException");
}

#[tokio::test]
async fn what_is_wrong_is_refused_as_recorded() {
    let world = world_with_alias().await;
    for (method, body) in [("GET", Value::Null), ("DELETE", Value::Null), ("PUT", open())] {
        for name in ["f", "f:live", "f?Qualifier=nobody", "nobody"] {
            refused(&ask(&world, method, name, body.clone()).await, 404, NOT_FOUND, NONE);
        }
    }
    for name in ["nobody", "f?Qualifier=nobody"] {
        refused(&ask(&world, "POST", name, open()).await, 404, NOT_FOUND, NO_FUNCTION);
    }
    refused(&world.get("/2021-10-31/functions/nobody/urls").await, 404, NOT_FOUND, NO_FUNCTION);
    let constraint = |value: &str, member: &str, constraint: &str| {
        format!("1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}")
    };
    for qualifier in ["1", "$LATEST"] {
        let pattern = r"Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)";
        for (method, body) in [("GET", Value::Null), ("DELETE", Value::Null), ("PUT", open()), ("POST", open())] {
            let answer = ask(&world, method, &format!("f?Qualifier={qualifier}"), body).await;
            refused(&answer, 400, "ValidationException", &constraint(qualifier, "qualifier", pattern));
        }
    }
    let enum_set = "Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]";
    let answer = ask(&world, "POST", "f", json!({"AuthType": "NONE", "InvokeMode": "UNKNOWN"})).await;
    refused(&answer, 400, "ValidationException", &constraint("UNKNOWN", "invokeMode", enum_set));
    // Bounds of the model.
    for (body, member) in [
        (json!({"AuthType": "IAM"}), "authType"),
        (json!({}), "authType"),
        (json!({"AuthType": "NONE", "Cors": {"MaxAge": 86_401}}), "cors.maxAge"),
        (json!({"AuthType": "NONE", "Cors": {"AllowMethods": ["OPTIONS"]}}), "cors.allowMethods"),
        (json!({"AuthType": "NONE", "Cors": {"AllowOrigins": [""]}}), "cors.allowOrigins"),
        (
            json!({"AuthType": "NONE", "Cors": {"AllowMethods": ["A", "B", "C", "D", "E", "F", "G"]}}),
            "cors.allowMethods",
        ),
        (json!({"AuthType": "NONE", "Cors": {"AllowHeaders": vec!["x"; 101]}}), "cors.allowHeaders"),
        (json!({"AuthType": "NONE", "Cors": {"ExposeHeaders": ["x".repeat(1_025)]}}), "cors.exposeHeaders"),
    ] {
        let (status, code, _, text) = ask(&world, "POST", "f", body.clone()).await.refusal();
        assert_eq!((status, code.as_str()), (400, "ValidationException"), "{body}: {text}");
        assert!(text.contains(&format!("'{member}")), "{body}: {text}");
    }
    assert_eq!(list(&world, "").await, json!({"FunctionUrlConfigs": []}));
}

#[tokio::test]
async fn every_operation_on_urls_asks_whether_the_caller_may() {
    let world = World::new().await;
    world.created("f").await;
    ask(&world, "POST", "f", open()).await.ok(201);
    world.permissions.denied.lock().insert("*".to_owned());
    let before = world.permissions.asked.lock().len();
    for method in ["POST", "PUT", "GET", "DELETE"] {
        let answer = ask(&world, method, "f", open()).await;
        assert_eq!(answer.refusal().1, "AccessDeniedException", "{method}");
    }
    assert_eq!(world.get("/2021-10-31/functions/f/urls").await.refusal().1, "AccessDeniedException");
    let asked: BTreeSet<String> =
        world.permissions.asked.lock()[before..].iter().map(|(action, _)| action.clone()).collect();
    let expected = [
        "CreateFunctionUrlConfig",
        "UpdateFunctionUrlConfig",
        "GetFunctionUrlConfig",
        "DeleteFunctionUrlConfig",
        "ListFunctionUrlConfigs",
    ];
    assert_eq!(asked, expected.map(|name| format!("lambda:{name}")).into());
    world.permissions.denied.lock().clear();
    assert_eq!(arns(&list(&world, "").await), [format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:f")]);
}
