//! Aliases: names of versions, with and without weights.

use hearth_ports::FunctionCatalog;
use hearth_types::{Qualifier, RequestContext, RequestId, Version};
use serde_json::{Value, json};

use crate::permission::permission;
use crate::world::{ACCOUNT, Answer, World, arn, keys, refused};

const MEMBERS: [&str; 5] = ["AliasArn", "Description", "FunctionVersion", "Name", "RevisionId"];
const STALE: &str = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id";

fn path(function: &str, alias: &str) -> String {
    format!("/2015-03-31/functions/{function}/aliases/{alias}")
}

async fn create(world: &World, function: &str, body: Value) -> Answer {
    world.call("POST", &format!("/2015-03-31/functions/{function}/aliases"), body).await
}

async fn update(world: &World, alias: &str, body: Value) -> Answer {
    world.call("PUT", &path("f", alias), body).await
}

async fn list(world: &World, query: &str) -> Value {
    world.get(&format!("/2015-03-31/functions/f/aliases{query}")).await.ok(200)
}

fn names(list: &Value) -> Vec<&str> {
    let aliases = list["Aliases"].as_array().expect("a list");
    aliases.iter().map(|alias| alias["Name"].as_str().expect("text")).collect()
}

/// A function `f` with the versions 1 and 2.
async fn world() -> World {
    let world = World::new().await;
    world.created("f").await;
    for description in ["first", "second"] {
        world.update_configuration("f", json!({"Description": description})).await.ok(200);
        world.settled("f").await;
        world.publish("f", json!({})).await.ok(201);
    }
    world
}

/// An alias of the version 1 with that part for version 2.
fn weighted(name: &str, weight: f64) -> Value {
    let routing = json!({"AdditionalVersionWeights": {"2": weight}});
    json!({"Name": name, "FunctionVersion": "1", "RoutingConfig": routing})
}

#[track_caller]
fn not_found(answer: &Answer, text: &str) {
    refused(answer, 404, "ResourceNotFoundException", text);
    assert_eq!(keys(&answer.json()), ["Message", "Type"]);
}

#[tokio::test]
async fn an_alias_is_made_shown_changed_and_deleted() {
    let world = world().await;
    let made = create(&world, "f", json!({"Name": "live", "FunctionVersion": "1", "Description": "d"})).await.ok(201);
    assert_eq!(keys(&made), MEMBERS);
    assert_eq!(
        (&made["AliasArn"], &made["Name"], &made["FunctionVersion"], &made["Description"]),
        (&json!(format!("{}:live", arn("f"))), &json!("live"), &json!("1"), &json!("d"))
    );
    assert_eq!(world.get(&path("f", "live")).await.ok(200), made);

    let moved = update(&world, "live", json!({"FunctionVersion": "2"})).await.ok(200);
    assert_eq!((&moved["FunctionVersion"], &moved["Description"]), (&json!("2"), &json!("d")));
    assert_ne!(moved["RevisionId"], made["RevisionId"]);
    refused(
        &update(&world, "live", json!({"RevisionId": made["RevisionId"]})).await,
        412,
        "PreconditionFailedException",
        STALE,
    );
    let described = json!({"Description": "", "RevisionId": moved["RevisionId"]});
    assert_eq!(update(&world, "live", described).await.ok(200)["Description"], "");

    let world = world.restart().await;
    assert_eq!(world.get(&path("f", "live")).await.ok(200)["FunctionVersion"], "2");
    let deleted = world.call("DELETE", &path("f", "live"), Value::Null).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    not_found(&world.get(&path("f", "live")).await, &format!("Cannot find alias arn: {}:live", arn("f")));
    world.call("DELETE", &path("f", "live"), Value::Null).await.ok(204);
}

#[tokio::test]
async fn without_a_description_it_is_empty_and_latest_may_have_a_name() {
    let world = world().await;
    let made = create(&world, "f", json!({"Name": "head", "FunctionVersion": "$LATEST"})).await.ok(201);
    assert_eq!((&made["FunctionVersion"], &made["Description"]), (&json!("$LATEST"), &json!("")));
    assert_eq!(keys(&made), MEMBERS);
}

#[tokio::test]
async fn weights_are_shown_changed_and_taken_away() {
    let world = world().await;
    let made = create(&world, "f", weighted("canary", 0.25)).await.ok(201);
    assert_eq!(made["RoutingConfig"], json!({"AdditionalVersionWeights": {"2": 0.25}}));
    let more = json!({"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}});
    let shown = update(&world, "canary", more).await.ok(200);
    assert_eq!(shown["RoutingConfig"], json!({"AdditionalVersionWeights": {"2": 0.5}}));
    // What is not named stays.
    assert!(update(&world, "canary", json!({"Description": "x"})).await.ok(200).get("RoutingConfig").is_some());
    for empty in [json!({}), json!({"AdditionalVersionWeights": {}})] {
        create(&world, "f", weighted("other", 0.5)).await.ok(201);
        let shown = update(&world, "other", json!({"RoutingConfig": empty})).await.ok(200);
        assert_eq!(keys(&shown), MEMBERS);
        world.call("DELETE", &path("f", "other"), Value::Null).await.ok(204);
    }
}

#[tokio::test]
async fn wrong_aliases_get_the_recorded_texts() {
    let world = world().await;
    create(&world, "f", json!({"Name": "custom", "FunctionVersion": "1"})).await.ok(201);
    const INVALID: &str = "InvalidParameterValueException";
    let weights = |version: &str, weights: Value| json!({"Name": "a", "FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": weights}});
    let value = "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]";
    let validation = |text: &str| (400, "ValidationException", format!("1 validation error detected: {text}"));
    let cases = [
        (
            json!({"Name": "custom", "FunctionVersion": "1"}),
            (409, "ResourceConflictException", format!("Alias already exists: {}:custom", arn("f"))),
        ),
        (
            json!({"Name": "a", "FunctionVersion": "10"}),
            (404, "ResourceNotFoundException", format!("Function not found: {}:10", arn("f"))),
        ),
        (
            weights("1", json!({"10": 0.5})),
            (404, "ResourceNotFoundException", format!("Function not found: {}:10", arn("f"))),
        ),
        (
            weights("1", json!({"1": 0.5, "2": 0.5})),
            (400, INVALID, "Number of items in AdditionalVersionWeights cannot be greater than 1".to_owned()),
        ),
        (
            weights("1", json!({"1": 0.5})),
            (
                400,
                INVALID,
                "Invalid function version 1. Function version 1 is already included in routing configuration."
                    .to_owned(),
            ),
        ),
        (
            weights("$LATEST", json!({"1": 0.5})),
            (400, INVALID, "$LATEST is not supported for an alias pointing to more than 1 version".to_owned()),
        ),
        (
            weights("1", json!({"2": 2.0})),
            validation(&format!(
                "Value '{{2=2.0}}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: {value}"
            )),
        ),
        (
            weights("1", json!({"2": -1.0})),
            validation(&format!(
                "Value '{{2=-1.0}}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: {value}"
            )),
        ),
        (
            weights("1", json!({"$LATEST": 0.5})),
            validation(
                "Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]",
            ),
        ),
        (
            json!({"Name": "2024", "FunctionVersion": "1"}),
            validation(
                "Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
            ),
        ),
    ];
    for (body, (status, code, text)) in cases {
        refused(&create(&world, "f", body).await, status, code, &text);
    }
    // Recorded: this refusal carries no `Type`.
    let untyped = create(&world, "f", weights("$LATEST", json!({"1": 0.5}))).await.json();
    assert_eq!(keys(&untyped), ["message"]);

    let missing = json!({"Name": "a", "FunctionVersion": "1"});
    not_found(&create(&world, "f-unknown", missing).await, &format!("Function not found: {}:1", arn("f-unknown")));
    not_found(&world.get(&path("nobody", "a")).await, &format!("Cannot find alias arn: {}:a", arn("nobody")));
    not_found(
        &update(&world, "non-existent", json!({"Description": "x"})).await,
        &format!("Alias not found: {}:non-existent", arn("f")),
    );
    let unlisted = world.get("/2015-03-31/functions/nobody/aliases").await;
    not_found(&unlisted, &format!("Function not found: {}", arn("nobody")));
    // An update ends with a state that a creation would have been refused for.
    create(&world, "f", weighted("canary", 0.5)).await.ok(201);
    refused(
        &update(&world, "canary", json!({"FunctionVersion": "2"})).await,
        400,
        INVALID,
        "Invalid function version 2. Function version 2 is already included in routing configuration.",
    );
    assert_eq!(names(&list(&world, "").await), ["canary", "custom"]);
}

#[tokio::test]
async fn listing_pages_in_order_and_filters_by_version() {
    let world = world().await;
    for (name, version) in [("c", "1"), ("a", "2"), ("b", "1")] {
        create(&world, "f", json!({"Name": name, "FunctionVersion": version})).await.ok(201);
    }
    create(&world, "f", weighted("d", 0.5)).await.ok(201);
    assert_eq!(names(&list(&world, "").await), ["a", "b", "c", "d"]);
    assert_eq!(names(&list(&world, "?FunctionVersion=1").await), ["b", "c", "d"]);
    // An alias that leads to it by weight counts, too.
    assert_eq!(names(&list(&world, "?FunctionVersion=2").await), ["a", "d"]);
    let first = list(&world, "?MaxItems=3").await;
    assert_eq!(names(&first), ["a", "b", "c"]);
    let marker = first["NextMarker"].as_str().expect("a next page");
    let rest = list(&world, &format!("?MaxItems=3&Marker={marker}")).await;
    assert_eq!((names(&rest), rest.get("NextMarker")), (vec!["d"], None));
}

#[tokio::test]
async fn a_function_is_shown_by_its_alias() {
    let world = world().await;
    create(&world, "f", json!({"Name": "live", "FunctionVersion": "1"})).await.ok(201);
    let shown = world.get("/2015-03-31/functions/f/configuration?Qualifier=live").await.ok(200);
    assert_eq!(shown["FunctionArn"], format!("{}:live", arn("f")));
    assert_eq!((&shown["Version"], &shown["Description"]), (&json!("1"), &json!("first")));
    let whole = world.get("/2015-03-31/functions/f:live").await.ok(200);
    assert_eq!(whole["Configuration"], shown);
    update(&world, "live", json!({"FunctionVersion": "2"})).await.ok(200);
    let shown = world.get("/2015-03-31/functions/f/configuration?Qualifier=live").await.ok(200);
    assert_eq!((&shown["Version"], &shown["Description"]), (&json!("2"), &json!("second")));
}

#[tokio::test]
async fn the_data_plane_is_told_both_versions_and_the_weight() {
    let world = world().await;
    create(&world, "f", weighted("canary", 0.25)).await.ok(201);
    let scope = hearth_types::Scope {
        partition: hearth_types::Partition::Aws,
        account: ACCOUNT.parse().expect("digits"),
        region: Some("us-east-1".into()),
    };
    let ctx = RequestContext::service(&scope, "test", RequestId::from("r"));
    let resolve = |qualifier: &str| world.catalog.resolve(&ctx, "f", Some(&Qualifier::parse(qualifier)));
    let resolved = resolve("canary").expect("there");
    assert_eq!(resolved.version.version, Version::Published(1));
    assert_eq!(resolved.invoked_arn, format!("{}:canary", arn("f")));
    let second = resolved.second.expect("a second version");
    assert_eq!((second.version.version, second.weight), (Version::Published(2), 0.25));
    assert!(resolve("1").expect("there").second.is_none());
    let missing = resolve("other").expect_err("not there").to_string();
    assert_eq!(missing, format!("Function not found: {}:other", arn("f")));

    let answer = world.invoke("f:canary", &[], b"{}").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-amz-executed-version")), (200, Some("1")));
    not_found(&world.invoke("f:other", &[], b"{}").await, &missing);
}

#[tokio::test]
async fn a_version_with_an_alias_is_not_deleted() {
    let world = world().await;
    create(&world, "f", json!({"Name": "live", "FunctionVersion": "1"})).await.ok(201);
    create(&world, "f", weighted("canary", 0.5)).await.ok(201);
    for (version, aliases) in [("1", "canary, live"), ("2", "canary")] {
        refused(
            &world.delete(&format!("f?Qualifier={version}")).await,
            409,
            "ResourceConflictException",
            &format!("Unable to delete version because the following aliases reference it: [{aliases}]"),
        );
    }
    refused(
        &world.delete("f?Qualifier=live").await,
        400,
        "InvalidParameterValueException",
        "Deletion of aliases is not currently supported.",
    );
    world.call("DELETE", &path("f", "canary"), Value::Null).await.ok(204);
    world.delete("f?Qualifier=2").await.ok(204);
    // With the function everything goes.
    world.delete("f").await.ok(204);
    world.created("f").await;
    assert_eq!(names(&list(&world, "").await), Vec::<&str>::new());
}

#[tokio::test]
async fn an_alias_has_a_policy_of_its_own_that_goes_with_it() {
    let world = world().await;
    create(&world, "f", json!({"Name": "live", "FunctionVersion": "1"})).await.ok(201);
    let policy = "/2015-03-31/functions/f/policy";
    let add = || world.call("POST", "/2015-03-31/functions/f/policy?Qualifier=live", permission("s", "*"));
    let statement = add().await.ok(201)["Statement"].as_str().expect("text").to_owned();
    let statement: Value = serde_json::from_str(&statement).expect("JSON");
    assert_eq!(statement["Resource"], format!("{}:live", arn("f")));
    world.get(&format!("{policy}?Qualifier=live")).await.ok(200);
    assert_eq!(world.get(policy).await.status, 404);
    world.call("DELETE", &format!("{policy}/s?Qualifier=live"), Value::Null).await.ok(204);
    assert_eq!(world.get(&format!("{policy}?Qualifier=live")).await.status, 404);

    add().await.ok(201);
    world.call("DELETE", &path("f", "live"), Value::Null).await.ok(204);
    create(&world, "f", json!({"Name": "live", "FunctionVersion": "2"})).await.ok(201);
    assert_eq!(world.get(&format!("{policy}?Qualifier=live")).await.status, 404, "a new alias inherits nothing");
}

#[tokio::test]
async fn every_operation_on_aliases_asks_whether_the_caller_may() {
    let world = world().await;
    create(&world, "f", json!({"Name": "live", "FunctionVersion": "1"})).await.ok(201);
    for (action, method, path, body) in [
        ("CreateAlias", "POST", "/2015-03-31/functions/f/aliases".to_owned(), weighted("more", 0.5)),
        ("ListAliases", "GET", "/2015-03-31/functions/f/aliases".to_owned(), Value::Null),
        ("GetAlias", "GET", path("f", "live"), Value::Null),
        ("UpdateAlias", "PUT", path("f", "live"), json!({"FunctionVersion": "2"})),
        ("DeleteAlias", "DELETE", path("f", "live"), Value::Null),
    ] {
        world.permissions.denied.lock().insert(format!("lambda:{action}"));
        let answer = world.call(method, &path, body).await;
        refused(
            &answer,
            403,
            "AccessDeniedException",
            &format!("not authorized to perform: lambda:{action} on resource: {}", arn("f")),
        );
    }
    world.permissions.denied.lock().clear();
    assert_eq!(world.get(&path("f", "live")).await.ok(200)["FunctionVersion"], "1");
    assert_eq!(names(&list(&world, "").await), ["live"]);
}
