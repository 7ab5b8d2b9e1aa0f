//! Event invoke configurations: how asynchronous invocations are retried.

use hearth_ports::{EventTerms, FunctionCatalog};
use hearth_types::{Millis, Qualifier, RequestContext, RequestId};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, Answer, NOW_MS, World, arn, keys, refused};

const INVALID: &str = "InvalidParameterValueException";
const NOT_FOUND: &str = "ResourceNotFoundException";

fn path(name: &str) -> String {
    format!("/2019-09-25/functions/{name}/event-invoke-config")
}

/// `name` may carry a query.
async fn ask(world: &World, method: &str, name: &str, body: Value) -> Answer {
    let (name, query) = name.split_once('?').map_or((name, String::new()), |(name, query)| (name, format!("?{query}")));
    world.call(method, &format!("{}{query}", path(name)), body).await
}

async fn put(world: &World, name: &str, body: Value) -> Answer {
    ask(world, "PUT", name, body).await
}

/// What the data plane goes by.
fn terms(world: &World, qualifier: Option<&str>) -> (u32, Millis) {
    let scope = hearth_types::Scope {
        partition: hearth_types::Partition::Aws,
        account: ACCOUNT.parse().expect("digits"),
        region: Some("us-east-1".into()),
    };
    let ctx = RequestContext::service(&scope, "test", RequestId::from("r"));
    let EventTerms { retries_max, age_max, .. } =
        world.catalog.event_terms(&ctx, "f", qualifier.map(Qualifier::parse).as_ref());
    (retries_max, age_max)
}

fn none(name: &str) -> String {
    format!("The function {} doesn't have an EventInvokeConfig", arn(name))
}

#[tokio::test]
async fn put_replaces_and_update_merges() {
    let world = World::new().await;
    world.created("f").await;
    let default = (2, Millis::from_secs(21_600));
    assert_eq!(terms(&world, None), default);
    let shown = put(&world, "f", json!({"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})).await.ok(200);
    assert_eq!(
        keys(&shown),
        ["DestinationConfig", "FunctionArn", "LastModified", "MaximumEventAgeInSeconds", "MaximumRetryAttempts"]
    );
    assert_eq!(shown["FunctionArn"], arn("f:$LATEST"));
    assert_eq!(shown["DestinationConfig"], json!({"OnSuccess": {}, "OnFailure": {}}));
    assert_eq!(shown["LastModified"].as_f64().expect("seconds"), NOW_MS as f64 / 1_000.0);
    assert_eq!(ask(&world, "GET", "f", Value::Null).await.ok(200), shown);
    assert_eq!(ask(&world, "GET", "f?Qualifier=$LATEST", Value::Null).await.ok(200), shown);
    assert_eq!(terms(&world, None), (0, Millis::from_secs(60)));
    assert_eq!(terms(&world, Some("$LATEST")), (0, Millis::from_secs(60)));

    world.clock.advance(5_000);
    let merged = ask(&world, "POST", "f", json!({"MaximumRetryAttempts": 1})).await.ok(200);
    assert_eq!((&merged["MaximumRetryAttempts"], &merged["MaximumEventAgeInSeconds"]), (&json!(1), &json!(60)));
    assert_ne!(merged["LastModified"], shown["LastModified"]);
    let world = world.restart().await;
    assert_eq!(terms(&world, None), (1, Millis::from_secs(60)));
    let replaced = put(&world, "f", json!({"MaximumEventAgeInSeconds": 90})).await.ok(200);
    assert_eq!(replaced.get("MaximumRetryAttempts"), None);
    assert_eq!(terms(&world, None), (2, Millis::from_secs(90)));

    let deleted = ask(&world, "DELETE", "f", Value::Null).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    refused(&ask(&world, "GET", "f", Value::Null).await, 404, NOT_FOUND, &none("f:$LATEST"));
    assert_eq!(terms(&world, None), default);
}

#[tokio::test]
async fn versions_and_aliases_have_their_own() {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", json!({})).await.ok(201);
    let alias = json!({"Name": "live", "FunctionVersion": "1"});
    world.call("POST", "/2015-03-31/functions/f/aliases", alias).await.ok(201);
    for (name, retries) in [("f", 0), ("f?Qualifier=1", 1), ("f:live", 2)] {
        put(&world, name, json!({"MaximumRetryAttempts": retries})).await.ok(200);
    }
    for (qualifier, retries) in [(None, 0), (Some("1"), 1), (Some("live"), 2), (Some("$LATEST"), 0)] {
        assert_eq!(terms(&world, qualifier).0, retries, "{qualifier:?}");
    }
    let list = async |query: &str| world.get(&format!("{}/list{query}", path("f"))).await.ok(200);
    let arns = |shown: &Value| -> Vec<String> {
        let configs = shown["FunctionEventInvokeConfigs"].as_array().expect("a list");
        configs.iter().map(|config| config["FunctionArn"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(arns(&list("").await), ["f:$LATEST", "f:1", "f:live"].map(arn));
    let first = list("?MaxItems=2").await;
    let marker = first["NextMarker"].as_str().expect("a next page");
    let rest = list(&format!("?MaxItems=2&Marker={marker}")).await;
    assert_eq!((arns(&first).len(), arns(&rest)), (2, vec![arn("f:live")]));

    // With what it is for a configuration goes.
    world.call("DELETE", "/2015-03-31/functions/f/aliases/live", Value::Null).await.ok(204);
    world.delete("f?Qualifier=1").await.ok(204);
    assert_eq!(arns(&list("").await), [arn("f:$LATEST")]);
    world.delete("f").await.ok(204);
    world.created("f").await;
    assert_eq!(arns(&list("").await), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_wrong_is_refused_as_recorded() {
    let world = World::new().await;
    world.created("f").await;
    world.created("g").await;
    let nothing = "You must specify at least one of error handling or destination setting.";
    refused(&put(&world, "f", json!({})).await, 400, INVALID, nothing);
    let retries = json!({"MaximumRetryAttempts": 1});
    for name in ["nobody", "f:1221", "f?Qualifier=nobody"] {
        refused(&put(&world, name, retries.clone()).await, 404, NOT_FOUND, "The function doesn't exist.");
    }
    refused(&world.get(&format!("{}/list", path("nobody"))).await, 404, NOT_FOUND, "The function doesn't exist.");
    for (method, body) in [("GET", Value::Null), ("POST", retries.clone()), ("DELETE", Value::Null)] {
        for (name, shown) in
            [("f", "f:$LATEST"), ("f:1221", "f:1221"), ("f?Qualifier=nobody", "f:nobody"), ("nobody", "nobody:$LATEST")]
        {
            refused(&ask(&world, method, name, body.clone()).await, 404, NOT_FOUND, &none(shown));
        }
    }
    for (body, member, bound) in [
        (json!({"MaximumRetryAttempts": 3}), "'3' at 'maximumRetryAttempts'", "less than or equal to 2"),
        (json!({"MaximumEventAgeInSeconds": 59}), "'59' at 'maximumEventAgeInSeconds'", "greater than or equal to 60"),
        (
            json!({"MaximumEventAgeInSeconds": 21_601}),
            "'21601' at 'maximumEventAgeInSeconds'",
            "less than or equal to 21600",
        ),
    ] {
        let text = format!(
            "1 validation error detected: Value {member} failed to satisfy constraint: Member must have value {bound}"
        );
        refused(&put(&world, "f", body).await, 400, "ValidationException", &text);
    }
    refused(&ask(&world, "GET", "f", Value::Null).await, 404, NOT_FOUND, &none("f:$LATEST"));
}

#[tokio::test]
async fn destinations_that_cannot_be_told_are_refused_and_never_stored() {
    let world = World::new().await;
    world.created("f").await;
    world.created("g").await;
    let role = format!("arn:aws:iam:us-east-1:{ACCOUNT}:function:f");
    let queue = format!("arn:aws:sqs:us-east-1:{ACCOUNT}:q.fifo");
    let cases = [
        (json!({"OnFailure": {"Destination": arn("doesnotexist")}}), format!("The destination ARN {} is invalid.", arn("doesnotexist"))),
        (json!({"OnSuccess": {"Destination": arn("f")}}), "You can't specify the function as a destination for itself.".to_owned()),
        (
            json!({"OnSuccess": {"Destination": role}}),
            format!("The provided destination config DestinationConfig(onSuccess=OnSuccess(destination={role}), onFailure=null) is invalid."),
        ),
        // A bucket takes failures only.
        (
            json!({"OnSuccess": {"Destination": "arn:aws:s3:::bucket"}}),
            "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:s3:::bucket), onFailure=null) is invalid.".to_owned(),
        ),
        (json!({"OnFailure": {"Destination": queue}}), "Hearth does not support DestinationConfig.OnFailure yet: a destination is a function of the same account and region, a standard queue or topic, an event bus, or, of a failure, a bucket.".to_owned()),
        (
            json!({"OnSuccess": {"Destination": arn("g").replace("us-east-1", "eu-west-1")}}),
            "Hearth does not support DestinationConfig.OnSuccess yet: a destination is a function of the same account and region, a standard queue or topic, an event bus, or, of a failure, a bucket.".to_owned(),
        ),
    ];
    for (destinations, text) in cases {
        let body = json!({"MaximumRetryAttempts": 0, "DestinationConfig": destinations});
        refused(&put(&world, "f", body).await, 400, INVALID, &text);
    }
    refused(&ask(&world, "GET", "f", Value::Null).await, 404, NOT_FOUND, &none("f:$LATEST"));
    // What SDKs send to say "none".
    let empty = json!({"OnSuccess": {}, "OnFailure": {"Destination": ""}});
    let shown = put(&world, "f", json!({"MaximumRetryAttempts": 0, "DestinationConfig": empty})).await.ok(200);
    assert_eq!(shown["DestinationConfig"], json!({"OnSuccess": {}, "OnFailure": {}}));
}

#[tokio::test]
async fn an_event_bus_is_a_destination_if_the_role_may_put_events() {
    let world = World::new().await;
    world.created("f").await;
    let bus = format!("arn:aws:events:us-east-1:{ACCOUNT}:event-bus/b");
    let body = json!({"DestinationConfig": {"OnSuccess": {"Destination": bus}, "OnFailure": {"Destination": bus}}});
    world.permissions.denied.lock().insert("events:PutEvents".to_owned());
    let text = "The provided execution role does not have permissions to call PutEvents on EventBridge";
    refused(&put(&world, "f", body.clone()).await, 400, INVALID, text);
    world.permissions.denied.lock().clear();
    let shown = put(&world, "f", body).await.ok(200);
    assert_eq!(shown["DestinationConfig"]["OnSuccess"]["Destination"], bus.as_str());
}

#[tokio::test]
async fn functions_are_destinations() {
    let world = World::new().await;
    for name in ["f", "g", "h"] {
        world.created(name).await;
    }
    let to = |success: &str, failure: &str| json!({"DestinationConfig": {"OnSuccess": {"Destination": success}, "OnFailure": {"Destination": failure}}});
    let told = |world: &World| {
        let scope = hearth_types::Scope {
            partition: hearth_types::Partition::Aws,
            account: ACCOUNT.parse().expect("digits"),
            region: Some("us-east-1".into()),
        };
        let ctx = RequestContext::service(&scope, "test", RequestId::from("r"));
        let terms = world.catalog.event_terms(&ctx, "f", None);
        [terms.on_success, terms.on_failure].map(|arn| arn.map(|arn| arn.to_string()))
    };
    let shown = put(&world, "f", to(&arn("g"), &arn("h:1"))).await.ok(200);
    assert_eq!(
        shown["DestinationConfig"],
        json!({"OnSuccess": {"Destination": arn("g")}, "OnFailure": {"Destination": arn("h:1")}})
    );
    let world = world.restart().await;
    assert_eq!(told(&world), [Some(arn("g")), Some(arn("h:1"))]);
    let merged = ask(&world, "POST", "f", json!({"MaximumRetryAttempts": 1})).await.ok(200);
    assert_eq!(merged["DestinationConfig"], shown["DestinationConfig"]);
    ask(&world, "POST", "f", to("", &arn("g"))).await.ok(200);
    assert_eq!(told(&world), [None, Some(arn("g"))]);
    put(&world, "f", json!({"MaximumRetryAttempts": 1})).await.ok(200);
    assert_eq!(told(&world), [None, None]);
}

#[tokio::test]
async fn every_operation_on_event_invoke_configurations_asks_whether_the_caller_may() {
    let world = World::new().await;
    world.created("f").await;
    put(&world, "f", json!({"MaximumRetryAttempts": 1})).await.ok(200);
    world.permissions.denied.lock().insert("*".to_owned());
    let before = world.permissions.asked.lock().len();
    for method in ["PUT", "POST", "GET", "DELETE"] {
        let answer = ask(&world, method, "f", json!({"MaximumRetryAttempts": 0})).await;
        assert_eq!(answer.refusal().1, "AccessDeniedException", "{method}");
    }
    assert_eq!(world.get(&format!("{}/list", path("f"))).await.refusal().1, "AccessDeniedException");
    let asked: Vec<String> =
        world.permissions.asked.lock()[before..].iter().map(|(action, _)| action.clone()).collect();
    let expected = ["Put", "Update", "Get", "Delete"].map(|verb| format!("lambda:{verb}FunctionEventInvokeConfig"));
    assert_eq!(asked[..4], expected);
    assert_eq!(asked[4], "lambda:ListFunctionEventInvokeConfigs");
    world.permissions.denied.lock().clear();
    assert_eq!(terms(&world, None).0, 1);
}
