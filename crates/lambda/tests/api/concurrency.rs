//! Reserved concurrency, and what an account may do and does.

use hearth_ports::{Concurrency, FunctionCatalog};
use hearth_types::{RequestContext, RequestId};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, Answer, World, arn, blob, keys};

const TOO_MUCH: &str = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].";

async fn put(world: &World, name: &str, count: u32) -> Answer {
    let path = format!("/2017-10-31/functions/{name}/concurrency");
    world.call("PUT", &path, json!({"ReservedConcurrentExecutions": count})).await
}

async fn delete(world: &World, name: &str) -> Answer {
    world.call("DELETE", &format!("/2017-10-31/functions/{name}/concurrency"), Value::Null).await
}

async fn get(world: &World, name: &str) -> Answer {
    world.get(&format!("/2019-09-30/functions/{name}/concurrency")).await
}

/// What the gate is told of `name`.
fn told(world: &World, name: &str) -> Concurrency {
    let scope = hearth_types::Scope {
        partition: hearth_types::Partition::Aws,
        account: ACCOUNT.parse().expect("digits"),
        region: Some("us-east-1".into()),
    };
    let ctx = RequestContext::service(&scope, "test", RequestId::from("r"));
    world.catalog.resolve(&ctx, name, None).expect("there").concurrency
}

#[tokio::test]
async fn a_reservation_is_made_shown_and_taken_back() {
    let world = World::new().await;
    for name in ["f", "g"] {
        world.created(name).await;
    }
    assert_eq!(get(&world, "f").await.ok(200), json!({}));
    assert_eq!(put(&world, "f", 7).await.ok(200), json!({"ReservedConcurrentExecutions": 7}));
    let world = world.restart().await;
    assert_eq!(get(&world, "f").await.ok(200), json!({"ReservedConcurrentExecutions": 7}));
    let whole = world.get("/2015-03-31/functions/f").await.ok(200);
    assert_eq!(whole["Concurrency"], json!({"ReservedConcurrentExecutions": 7}));
    assert_eq!(told(&world, "f"), Concurrency { reserved: Some(7), provisioned: 0, reserved_total: 7 });
    assert_eq!(told(&world, "g"), Concurrency { reserved: None, provisioned: 0, reserved_total: 7 });

    put(&world, "f", 3).await.ok(200);
    put(&world, "g", 0).await.ok(200);
    assert_eq!(told(&world, "g"), Concurrency { reserved: Some(0), provisioned: 0, reserved_total: 3 });
    for _ in 0..2 {
        let deleted = delete(&world, "f").await;
        assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    }
    assert_eq!(get(&world, "f").await.ok(200), json!({}));
    assert_eq!(world.get("/2015-03-31/functions/f").await.ok(200).get("Concurrency"), None);
    assert_eq!(told(&world, "f"), Concurrency { reserved: None, provisioned: 0, reserved_total: 0 });
}

#[tokio::test]
async fn a_hundred_stay_for_those_without_a_reservation() {
    let world = World::new().await;
    for name in ["f", "g"] {
        world.created(name).await;
    }
    let too_much = |answer: &Answer| {
        assert_eq!(answer.refusal(), (400, "InvalidParameterValueException".to_owned(), None, TOO_MUCH.to_owned()));
    };
    too_much(&put(&world, "f", 901).await);
    put(&world, "f", 900).await.ok(200);
    too_much(&put(&world, "g", 1).await);
    // Nothing at all can be had at any time.
    put(&world, "g", 0).await.ok(200);
    // One's own reservation does not count against oneself.
    put(&world, "f", 899).await.ok(200);
    put(&world, "g", 1).await.ok(200);
    too_much(&put(&world, "g", i32::MAX.unsigned_abs()).await);
    // With a function its reservation goes.
    world.delete("f").await.ok(204);
    put(&world, "g", 900).await.ok(200);
}

#[tokio::test]
async fn two_reservations_at_once_cannot_take_the_same_permits() {
    let world = World::new().await;
    for name in ["f", "g"] {
        world.created(name).await;
    }
    let (f, g) = tokio::join!(put(&world, "f", 600), put(&world, "g", 600));
    let mut statuses = [f.status.as_u16(), g.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn what_has_no_concurrency_is_refused_as_recorded() {
    let world = World::new().await;
    world.created("f").await;
    let not_found = |name: &str| {
        (
            404,
            "ResourceNotFoundException".to_owned(),
            Some("User".to_owned()),
            format!("Function not found: {}", arn(name)),
        )
    };
    assert_eq!(put(&world, "nobody", 1).await.refusal(), not_found("nobody:$LATEST"));
    assert_eq!(get(&world, "nobody").await.refusal(), not_found("nobody"));
    assert_eq!(delete(&world, "nobody").await.refusal(), not_found("nobody"));
    let text = "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.";
    for answer in [put(&world, "f:1", 1).await, get(&world, "f:alias").await, delete(&world, "f:1").await] {
        assert_eq!(answer.refusal().3, text);
    }
    let negative =
        world.call("PUT", "/2017-10-31/functions/f/concurrency", json!({"ReservedConcurrentExecutions": -1}));
    assert_eq!(
        negative.await.refusal().3,
        "1 validation error detected: Value '-1' at 'reservedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 0"
    );
}

#[tokio::test]
async fn account_settings_are_what_is_there() {
    let world = World::new().await;
    let settings = async |world: &World| world.get("/2016-08-19/account-settings").await.ok(200);
    let fresh = settings(&world).await;
    assert_eq!(keys(&fresh), ["AccountLimit", "AccountUsage"]);
    // Source: "Lambda quotas".
    let limit = json!({
        "TotalCodeSize": 322_122_547_200_u64,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1_000,
        "UnreservedConcurrentExecutions": 1_000,
    });
    assert_eq!(fresh["AccountLimit"], limit);
    assert_eq!(fresh["AccountUsage"], json!({"FunctionCount": 0, "TotalCodeSize": 0}));

    for name in ["f", "g"] {
        world.created(name).await;
    }
    put(&world, "f", 150).await.ok(200);
    world.publish("f", json!({})).await.ok(201);
    let layer = json!({"Content": {"ZipFile": blob(b"PK layer")}});
    world.call("POST", "/2018-10-31/layers/l/versions", layer).await.ok(201);
    let used = settings(&world).await;
    // "PK f" twice, as `$LATEST` and as version 1, "PK g" and the layer's.
    assert_eq!(used["AccountUsage"], json!({"FunctionCount": 2, "TotalCodeSize": 3 * 4 + 8}));
    assert_eq!(used["AccountLimit"]["UnreservedConcurrentExecutions"], 850);
    world.delete("f").await.ok(204);
    let left = settings(&world).await;
    assert_eq!(left["AccountUsage"], json!({"FunctionCount": 1, "TotalCodeSize": 4 + 8}));
    assert_eq!(left["AccountLimit"], limit);
}

#[tokio::test]
async fn every_operation_on_concurrency_asks_whether_the_caller_may() {
    let world = World::new().await;
    world.created("f").await;
    put(&world, "f", 5).await.ok(200);
    for (action, method, path) in [
        ("PutFunctionConcurrency", "PUT", "/2017-10-31/functions/f/concurrency"),
        ("DeleteFunctionConcurrency", "DELETE", "/2017-10-31/functions/f/concurrency"),
        ("GetFunctionConcurrency", "GET", "/2019-09-30/functions/f/concurrency"),
        ("GetAccountSettings", "GET", "/2016-08-19/account-settings"),
    ] {
        world.permissions.denied.lock().insert(format!("lambda:{action}"));
        let answer = world.call(method, path, json!({"ReservedConcurrentExecutions": 1})).await;
        assert_eq!(answer.refusal().1, "AccessDeniedException", "{action}");
        assert!(answer.refusal().3.contains(&format!("lambda:{action}")), "{action}");
    }
    world.permissions.denied.lock().clear();
    assert_eq!(get(&world, "f").await.ok(200), json!({"ReservedConcurrentExecutions": 5}));
}
