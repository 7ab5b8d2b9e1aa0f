//! TagResource, UntagResource and ListTags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{ACCOUNT, Answer, World, arn, function, keys, refused, with};

fn path(arn: &str) -> String {
    format!("/2017-03-31/tags/{}", arn.replace(':', "%3A"))
}

async fn tag(world: &World, arn: &str, tags: Value) -> Answer {
    world.call("POST", &path(arn), json!({"Tags": tags})).await
}

/// `keys` as they stand in a query.
async fn untag(world: &World, arn: &str, keys: &[&str]) -> Answer {
    let query: Vec<String> = keys.iter().map(|key| format!("tagKeys={key}")).collect();
    world.call("DELETE", &format!("{}?{}", path(arn), query.join("&")), Value::Null).await
}

async fn tags(world: &World, name: &str) -> Value {
    world.get(&path(&arn(name))).await.ok(200)["Tags"].clone()
}

fn many(count: usize) -> BTreeMap<String, String> {
    (0..count).map(|number| (format!("key-{number}"), "v".to_owned())).collect()
}

#[tokio::test]
async fn tags_are_given_changed_and_taken() {
    let world = World::new().await;
    let before = world.created("f").await;
    let tagged = tag(&world, &arn("f"), json!({"team": "a", "stage": "test"})).await;
    assert_eq!((tagged.status.as_u16(), tagged.body.len()), (204, 0));
    tag(&world, &arn("f"), json!({"team": "b", "empty": ""})).await.ok(204);
    let expected = json!({"team": "b", "stage": "test", "empty": ""});
    assert_eq!(tags(&world, "f").await, expected);
    assert_eq!(world.get("/2015-03-31/functions/f").await.ok(200)["Tags"], expected);
    assert_ne!(world.configuration("f").await["RevisionId"], before["RevisionId"]);
    let world = world.restart().await;
    let untagged = untag(&world, &arn("f"), &["team", "empty", "not-there"]).await;
    assert_eq!((untagged.status.as_u16(), untagged.body.len()), (204, 0));
    assert_eq!(tags(&world, "f").await, json!({"stage": "test"}));
    untag(&world, &arn("f"), &["stage"]).await.ok(204);
    assert_eq!(tags(&world, "f").await, json!({}));
    assert_eq!(world.get("/2015-03-31/functions/f").await.ok(200).get("Tags"), None);
}

#[tokio::test]
async fn a_function_has_at_most_fifty_tags() {
    const TOO_MANY: &str = "Number of tags exceeds resource tag limit.";
    const INVALID: &str = "InvalidParameterValueException";
    let world = World::new().await;
    world.created("f").await;
    refused(&tag(&world, &arn("f"), json!(many(51))).await, 400, INVALID, TOO_MANY);
    assert_eq!(tags(&world, "f").await, json!({}));
    tag(&world, &arn("f"), json!(many(50))).await.ok(204);
    refused(&tag(&world, &arn("f"), json!({"one": "more"})).await, 400, INVALID, TOO_MANY);
    tag(&world, &arn("f"), json!({"key-0": "changed"})).await.ok(204);
    assert_eq!(tags(&world, "f").await["key-0"], "changed");
    refused(&world.create(with(function("g"), json!({"Tags": many(51)}))).await, 400, INVALID, TOO_MANY);
    world.create(with(function("g"), json!({"Tags": many(50)}))).await.ok(201);
}

#[tokio::test]
async fn what_cannot_be_tagged_is_refused_as_recorded() {
    const INVALID: &str = "InvalidParameterValueException";
    const NOT_FOUND: &str = "ResourceNotFoundException";
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", json!({})).await.ok(201);
    let other = |resource: &str| format!("arn:aws:lambda:us-east-1:{ACCOUNT}:{resource}");
    let mapping = other("event-source-mapping:11111111-2222-3333-4444-555555555555");
    let signing = other("code-signing-config:csc-01234567890abcdef");
    let provider = other("capacity-provider:p");
    let cases = [
        (arn("nobody"), 404, NOT_FOUND, format!("Function not found: {}", arn("nobody"))),
        (
            arn("f:1"),
            400,
            INVALID,
            "Tags on function aliases and versions are not supported. Please specify a function ARN.".to_owned(),
        ),
        (mapping.clone(), 404, NOT_FOUND, format!("Event source mapping not found: {mapping}")),
        (provider.clone(), 404, NOT_FOUND, format!("Capacity provider not found: {provider}")),
        (signing.clone(), 404, NOT_FOUND, format!("The Lambda code signing configuration {signing} can not be found.")),
    ];
    for (resource, status, code, text) in &cases {
        refused(&tag(&world, resource, json!({"k": "v"})).await, *status, code, text);
        refused(&untag(&world, resource, &["k"]).await, *status, code, text);
        refused(&world.get(&path(resource)).await, *status, code, text);
    }
    // Recorded: this refusal carries no `Type`.
    assert_eq!(keys(&world.get(&path(&signing)).await.json()), ["Message"]);
    refused(
        &tag(&world, &arn("f"), json!({})).await,
        400,
        INVALID,
        "An error occurred and the request cannot be processed.",
    );
    refused(
        &world.call("DELETE", &path(&arn("f")), Value::Null).await,
        400,
        "ValidationException",
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null",
    );
    let (status, code, _, text) = tag(&world, &other("foobar:x"), json!({"k": "v"})).await.refusal();
    assert_eq!((status, code.as_str()), (400, "ValidationException"));
    assert!(text.starts_with(&format!(
        "1 validation error detected: Value '{}' at 'resource' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:",
        other("foobar:x")
    )));
    for tags in [json!({"aws:mine": "v"}), json!({"AWS:mine": "v"})] {
        assert_eq!(tag(&world, &arn("f"), tags.clone()).await.refusal().1, INVALID, "{tags}");
        assert_eq!(world.create(with(function("g"), json!({"Tags": tags}))).await.refusal().1, INVALID);
    }
    let (_, code, _, text) = tag(&world, &arn("f"), json!({"k".repeat(129): "v"})).await.refusal();
    assert_eq!(code, "ValidationException", "{text}");
    assert_eq!(tags(&world, "f").await, json!({}));
}

#[tokio::test]
async fn every_operation_on_tags_asks_whether_the_caller_may() {
    let world = World::new().await;
    world.created("f").await;
    tag(&world, &arn("f"), json!({"k": "v"})).await.ok(204);
    world.permissions.denied.lock().insert("*".to_owned());
    for answer in [
        tag(&world, &arn("f"), json!({"k": "w"})).await,
        untag(&world, &arn("f"), &["k"]).await,
        world.get(&path(&arn("f"))).await,
    ] {
        refused(&answer, 403, "AccessDeniedException", &answer.refusal().3);
        assert!(answer.refusal().3.contains(&arn("f")));
    }
    world.permissions.denied.lock().clear();
    assert_eq!(tags(&world, "f").await, json!({"k": "v"}));
}
