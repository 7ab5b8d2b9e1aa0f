//! Provisioned concurrency: what is asked for, what is shown of it, and what the data plane is told to keep ready.

use std::sync::atomic::Ordering;

use hearth_ports::{Concurrency, FunctionCatalog, ProvisionStatus, Provisioned};
use hearth_types::{Qualifier, RequestContext, RequestId};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, Answer, World, arn, keys, refused};

const INVALID: &str = "InvalidParameterValueException";
const NOT_FOUND: &str = "ResourceNotFoundException";
const CONFLICT: &str = "ResourceConflictException";
const UNPUBLISHED: &str = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";

/// A function `f` with versions 1 and 2, an alias `live` of the first and an alias `newest` of `$LATEST`.
async fn world() -> World {
    let world = World::new().await;
    world.created("f").await;
    for memory in [128, 256] {
        let change = json!({"MemorySize": memory});
        world.call("PUT", "/2015-03-31/functions/f/configuration", change).await.ok(200);
        world.settled("f").await;
        world.publish("f", json!({})).await.ok(201);
    }
    for (name, version) in [("live", "1"), ("newest", "$LATEST")] {
        let alias = json!({"Name": name, "FunctionVersion": version});
        world.call("POST", "/2015-03-31/functions/f/aliases", alias).await.ok(201);
    }
    world
}

fn path(qualifier: &str) -> String {
    format!("/2019-09-30/functions/f/provisioned-concurrency?Qualifier={qualifier}")
}

async fn put(world: &World, qualifier: &str, count: u32) -> Answer {
    world.call("PUT", &path(qualifier), json!({"ProvisionedConcurrentExecutions": count})).await
}

async fn delete(world: &World, qualifier: &str) {
    let deleted = world.call("DELETE", &path(qualifier), Value::Null).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
}

/// What the data plane is to keep ready: qualifier, then version and count.
fn wanted(world: &World) -> Vec<(String, Vec<(String, u32)>)> {
    let provisions = world.keeper.provisions.lock();
    let of_function = provisions.values().flatten().map(|provision| {
        let parts = provision.parts.iter().map(|(version, count)| (version.version.to_string(), *count));
        (provision.qualifier.to_string(), parts.collect())
    });
    of_function.collect()
}

fn one(qualifier: &str, version: &str, count: u32) -> (String, Vec<(String, u32)>) {
    (qualifier.to_owned(), vec![(version.to_owned(), count)])
}

/// What the gate is told, and whether environments are kept for who calls so.
fn told(world: &World, qualifier: Option<&str>) -> (Concurrency, Option<String>) {
    let scope = hearth_types::Scope {
        partition: hearth_types::Partition::Aws,
        account: ACCOUNT.parse().expect("digits"),
        region: Some("us-east-1".into()),
    };
    let ctx = RequestContext::service(&scope, "test", RequestId::from("r"));
    let resolved = world.catalog.resolve(&ctx, "f", qualifier.map(Qualifier::parse).as_ref()).expect("there");
    (resolved.concurrency, resolved.provisioned.map(|qualifier| qualifier.to_string()))
}

#[tokio::test]
async fn what_is_asked_for_is_shown_listed_and_taken_back() {
    let world = world().await;
    refused(
        &world.get(&path("live")).await,
        404,
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
    );
    let shown = put(&world, "live", 3).await.ok(202);
    let mut want = json!({
        "RequestedProvisionedConcurrentExecutions": 3, "AvailableProvisionedConcurrentExecutions": 0,
        "AllocatedProvisionedConcurrentExecutions": 0, "Status": "IN_PROGRESS",
        "LastModified": "2026-01-12T15:37:12+0000",
    });
    assert_eq!(shown, want);
    assert_eq!(world.get(&path("live")).await.ok(200), want, "nothing is known of it yet");
    assert_eq!(wanted(&world), [one("live", "1", 3)]);
    let states = [
        (2, ProvisionStatus::InProgress, "IN_PROGRESS", None),
        (3, ProvisionStatus::Ready, "READY", None),
        (1, ProvisionStatus::Failed("why".to_owned()), "FAILED", Some("why")),
    ];
    for (ready, status, text, reason) in states {
        *world.keeper.provisioned.lock() = Some(Provisioned { ready, status });
        want["AvailableProvisionedConcurrentExecutions"] = ready.into();
        want["AllocatedProvisionedConcurrentExecutions"] = ready.into();
        want["Status"] = text.into();
        if let Some(reason) = reason {
            want["StatusReason"] = reason.into();
        }
        assert_eq!(world.get(&path("live")).await.ok(200), want);
    }
    *world.keeper.provisioned.lock() = None;
    assert_eq!(put(&world, "live", 5).await.ok(202)["RequestedProvisionedConcurrentExecutions"], 5);
    for _ in 0..2 {
        delete(&world, "live").await;
    }
    assert_eq!(wanted(&world), []);
    assert_eq!(world.get(&path("live")).await.refusal().0, 404);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = world().await;
    let list = "/2019-09-30/functions/f/provisioned-concurrency?List=ALL";
    assert_eq!(world.get(list).await.ok(200), json!({"ProvisionedConcurrencyConfigs": []}));
    put(&world, "live", 1).await.ok(202);
    put(&world, "2", 2).await.ok(202);
    let first = world.get(&format!("{list}&MaxItems=1")).await.ok(200);
    let item = &first["ProvisionedConcurrencyConfigs"][0];
    assert_eq!(
        keys(item),
        [
            "AllocatedProvisionedConcurrentExecutions",
            "AvailableProvisionedConcurrentExecutions",
            "FunctionArn",
            "LastModified",
            "RequestedProvisionedConcurrentExecutions",
            "Status",
        ]
    );
    assert_eq!((&item["FunctionArn"], &item["Status"]), (&json!(arn("f:2")), &json!("IN_PROGRESS")));
    let marker = first["NextMarker"].as_str().expect("there is more");
    let second = world.get(&format!("{list}&MaxItems=1&Marker={marker}")).await.ok(200);
    assert_eq!(second["ProvisionedConcurrencyConfigs"][0]["FunctionArn"], arn("f:live"));
    assert_eq!(second.get("NextMarker"), None);
    assert_eq!(world.get(&format!("{list}&Marker=!")).await.refusal().1, INVALID);
    let missing = world.get("/2019-09-30/functions/nobody/provisioned-concurrency?List=ALL").await;
    refused(&missing, 404, NOT_FOUND, &format!("Function not found: {}", arn("nobody")));
}

#[tokio::test]
async fn only_versions_and_aliases_of_versions_can_have_it() {
    let world = world().await;
    for qualifier in ["$LATEST", "newest"] {
        refused(&put(&world, qualifier, 1).await, 400, INVALID, UNPUBLISHED);
    }
    let only = "The function resource provided must be an alias or a published version.";
    for method in ["GET", "DELETE"] {
        refused(&world.call(method, &path("$LATEST"), Value::Null).await, 400, INVALID, only);
    }
    for method in ["GET", "DELETE", "PUT"] {
        let body = if method == "PUT" { json!({"ProvisionedConcurrentExecutions": 1}) } else { Value::Null };
        for qualifier in ["9", "nobody"] {
            let answer = world.call(method, &path(qualifier), body.clone()).await;
            let text = format!("Function not found: {}", arn(&format!("f:{qualifier}")));
            refused(&answer, 404, NOT_FOUND, &text);
        }
    }
    refused(
        &put(&world, "1", 0).await,
        400,
        "ValidationException",
        "1 validation error detected: Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1",
    );
    assert_eq!(wanted(&world), []);
}

#[tokio::test]
async fn an_alias_and_its_version_are_not_both_provisioned() {
    let world = world().await;
    let already = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version";
    put(&world, "1", 1).await.ok(202);
    refused(&put(&world, "live", 1).await, 409, CONFLICT, already);
    delete(&world, "1").await;
    put(&world, "live", 1).await.ok(202);
    refused(&put(&world, "1", 1).await, 409, CONFLICT, "Version is pointed by a Provisioned Concurrency alias");
    put(&world, "2", 1).await.ok(202);
    let alias = "/2015-03-31/functions/f/aliases/live";
    refused(&world.call("PUT", alias, json!({"FunctionVersion": "2"})).await, 409, CONFLICT, already);
    let weights = json!({"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}});
    refused(&world.call("PUT", alias, weights).await, 409, CONFLICT, already);
    refused(&world.call("PUT", alias, json!({"FunctionVersion": "$LATEST"})).await, 400, INVALID, UNPUBLISHED);
    delete(&world, "live").await;
    world.call("PUT", alias, json!({"FunctionVersion": "2"})).await.ok(200);
}

#[tokio::test]
async fn it_is_a_part_of_the_reservation_or_of_what_the_account_shares() {
    let world = world().await;
    let reserve = |count: u32| {
        let body = json!({"ReservedConcurrentExecutions": count});
        let world = &world;
        async move { world.call("PUT", "/2017-10-31/functions/f/concurrency", body).await }
    };
    let too_much = |unreserved: u32| {
        format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}]."
        )
    };
    let too_little_left = "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].";
    let answer = put(&world, "2", 1_001).await;
    refused(&answer, 400, INVALID, &too_much(1_000));
    assert_eq!(answer.refusal().2, None, "recorded without a type");
    let answer = put(&world, "2", 901).await;
    refused(&answer, 400, INVALID, too_little_left);
    assert_eq!(answer.refusal().2, None, "recorded without a type");
    put(&world, "live", 2).await.ok(202);
    refused(&put(&world, "2", 999).await, 400, INVALID, &too_much(998));
    refused(&put(&world, "2", 899).await, 400, INVALID, too_little_left);
    put(&world, "live", 900).await.ok(202);
    put(&world, "live", 2).await.ok(202);
    assert_eq!(
        told(&world, Some("live")),
        (Concurrency { reserved: None, provisioned: 2, reserved_total: 2 }, Some("live".to_owned()))
    );
    assert_eq!(told(&world, Some("1")).1, None, "who does not call by the alias has nothing of it");
    refused(
        &reserve(1).await,
        400,
        INVALID,
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].",
    );
    reserve(5).await.ok(200);
    assert_eq!(told(&world, None), (Concurrency { reserved: Some(5), provisioned: 2, reserved_total: 5 }, None));
    let greater =
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
    refused(&put(&world, "live", 6).await, 400, INVALID, greater);
    refused(&put(&world, "2", 4).await, 400, INVALID, greater);
    put(&world, "2", 3).await.ok(202);
    let settings = world.get("/2016-08-19/account-settings").await.ok(200);
    assert_eq!(settings["AccountLimit"]["UnreservedConcurrentExecutions"], 995);
}

#[tokio::test]
async fn the_data_plane_follows_the_alias_its_weights_and_its_end() {
    let world = world().await;
    put(&world, "live", 10).await.ok(202);
    let alias = "/2015-03-31/functions/f/aliases/live";
    let weights = json!({"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}});
    world.call("PUT", alias, weights).await.ok(200);
    let parts = vec![("1".to_owned(), 7), ("2".to_owned(), 3)];
    assert_eq!(wanted(&world), [("live".to_owned(), parts)], "a quarter, rounded up");
    let ended = json!({"FunctionVersion": "2", "RoutingConfig": {}});
    world.call("PUT", alias, ended).await.ok(200);
    assert_eq!(wanted(&world), [one("live", "2", 10)]);
    let told = world.keeper.told.load(Ordering::Relaxed);
    let tags = json!({"Tags": {"a": "b"}});
    world.call("POST", &format!("/2017-03-31/tags/{}", arn("f")), tags).await.ok(204);
    assert_eq!(world.keeper.told.load(Ordering::Relaxed), told, "of what is none of its business it is not told");
    let world = world.restart().await;
    assert_eq!(wanted(&world), [one("live", "2", 10)], "a new server keeps what an earlier one was asked for");
    world.call("DELETE", alias, Value::Null).await.ok(204);
    assert_eq!(wanted(&world), []);
    put(&world, "1", 1).await.ok(202);
    world.call("DELETE", "/2015-03-31/functions/f?Qualifier=1", Value::Null).await.ok(204);
    assert_eq!(wanted(&world), []);
    put(&world, "2", 1).await.ok(202);
    world.call("DELETE", "/2015-03-31/functions/f", Value::Null).await.ok(204);
    assert_eq!(wanted(&world), []);
}

#[tokio::test]
async fn every_operation_asks_for_its_own_action() {
    let world = world().await;
    world.permissions.denied.lock().insert("*".to_owned());
    let list = "/2019-09-30/functions/f/provisioned-concurrency?List=ALL";
    let calls = [
        ("Get", "GET", path("1"), Value::Null),
        ("Delete", "DELETE", path("1"), Value::Null),
        ("Put", "PUT", path("1"), json!({"ProvisionedConcurrentExecutions": 1})),
        ("List", "GET", list.to_owned(), Value::Null),
    ];
    for (verb, method, path, body) in calls {
        let (status, code, _, text) = world.call(method, &path, body).await.refusal();
        assert_eq!((status, code.as_str()), (403, "AccessDeniedException"));
        assert!(text.contains(&format!("lambda:{verb}ProvisionedConcurrencyConfig")), "{text}");
    }
}

#[tokio::test]
async fn an_alias_with_weights_is_not_provisioned() {
    let world = world().await;
    let alias = "/2015-03-31/functions/f/aliases/live";
    let weights = |weights: Value| json!({"RoutingConfig": {"AdditionalVersionWeights": weights}});
    world.call("PUT", alias, weights(json!({"2": 0.5}))).await.ok(200);
    refused(
        &put(&world, "live", 1).await,
        400,
        INVALID,
        "Alias with weights can not be used with Provisioned Concurrency",
    );
    assert_eq!(wanted(&world), []);
    world.call("PUT", alias, weights(json!({}))).await.ok(200);
    put(&world, "live", 1).await.ok(202);
}
