//! DeleteFunction.

use hearth_types::Version;
use serde_json::{Value, json};

use crate::world::{World, arn, function};

#[tokio::test]
async fn a_deleted_function_leaves_nothing() {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", Value::Null).await.ok(201);
    let answer = world.delete("f").await;
    assert_eq!(answer.status, 204);
    assert!(answer.body.is_empty());
    assert_eq!(world.get("/2015-03-31/functions/f").await.refusal().3, format!("Function not found: {}", arn("f")));
    assert_eq!(world.delete("f").await.status, 404);
    assert_eq!(world.get("/2015-03-31/functions").await.ok(200)["Functions"], json!([]));
    assert!(world.stored_bytes().await.is_empty());
    world.packages_left(0).await;
    let retired: Vec<Version> = world.keeper.retired.lock().iter().map(|(_, version, _)| *version).collect();
    assert_eq!(retired, [Version::Latest, Version::Published(1)]);
}

#[tokio::test]
async fn a_package_stays_while_another_function_has_it() {
    let world = World::new().await;
    let mut twin = function("b");
    twin["Code"] = function("a")["Code"].clone();
    world.created("a").await;
    world.create(twin).await.ok(201);
    world.settled("b").await;
    world.packages_left(1).await;
    world.delete("a").await.ok(204);
    world.settled("b").await;
    world.packages_left(1).await;
    world.delete("b").await.ok(204);
    world.packages_left(0).await;
}

#[tokio::test]
async fn one_version_can_be_deleted_and_its_number_is_not_given_again() {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", Value::Null).await.ok(201);
    world.delete("f?Qualifier=1").await.ok(204);
    assert_eq!(world.get("/2015-03-31/functions/f?Qualifier=1").await.status, 404);
    // Deleting what is not there is no error.
    world.delete("f?Qualifier=1").await.ok(204);
    assert_eq!(world.publish("f", Value::Null).await.ok(201)["Version"], "2");
    let retired: Vec<Version> = world.keeper.retired.lock().iter().map(|(_, version, _)| *version).collect();
    assert_eq!(retired, [Version::Published(1)]);
}

#[tokio::test]
async fn latest_cannot_be_deleted_alone() {
    let world = World::new().await;
    world.created("f").await;
    for name in ["f?Qualifier=$LATEST", "f:$LATEST"] {
        let (status, code, fault, text) = world.delete(name).await.refusal();
        assert_eq!((status, code.as_str(), fault.as_deref()), (400, "InvalidParameterValueException", Some("User")));
        assert_eq!(text, "$LATEST version cannot be deleted without deleting the function.");
    }
    world.configuration("f").await;
}

#[tokio::test]
async fn a_function_created_again_is_another_one() {
    let world = World::new().await;
    world.created("f").await;
    let uid = |world: &World| world.keeper.retired.lock().last().expect("retired").0.clone();
    world.publish("f", Value::Null).await.ok(201);
    world.delete("f").await.ok(204);
    let first = uid(&world);
    world.created("f").await;
    assert_eq!(world.get("/2015-03-31/functions/f?Qualifier=1").await.status, 404);
    assert_eq!(world.publish("f", Value::Null).await.ok(201)["Version"], "1");
    world.delete("f").await.ok(204);
    assert_ne!(uid(&world), first);
}
