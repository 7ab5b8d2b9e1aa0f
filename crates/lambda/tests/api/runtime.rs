//! Functions whose runtime is not on this machine, until it is.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::world::{World, function, with};

const REASON: &str = "The runtime java25 is not ready on this machine. To get it, run: hearth runtimes install java25";

/// A function that needs the runtime that is not there.
fn java(name: &str) -> Value {
    with(function(name), json!({"Runtime": "java25"}))
}

fn install_java(world: &World) {
    world.trees.has_java.store(true, Ordering::Relaxed);
    world.lambda.runtimes_changed();
}

#[tokio::test]
async fn a_function_fails_with_what_to_do_until_its_runtime_is_there() {
    let world = World::new().await;
    let created = world.create(with(java("f"), json!({"Publish": true}))).await.ok(201);
    assert_eq!((&created["State"], &created["Runtime"]), (&json!("Pending"), &json!("java25")));
    let failed = world.until("f", "State", "Failed").await;
    assert_eq!((&failed["StateReasonCode"], &failed["StateReason"]), (&json!("InvalidRuntime"), &json!(REASON)));
    let invoked = world.invoke("f", &[], b"{}").await.refusal();
    assert_eq!((invoked.0, invoked.1.as_str()), (409, "ResourceConflictException"));
    assert_eq!(world.publish("f", json!({})).await.refusal().0, 409);
    // Nothing changes by looking again.
    world.lambda.runtimes_changed();
    assert_eq!(world.configuration("f").await["RevisionId"], failed["RevisionId"]);

    install_java(&world);
    let active = world.settled("f").await;
    assert_eq!((&active["StateReason"], &active["StateReasonCode"]), (&Value::Null, &Value::Null));
    let version = world.get("/2015-03-31/functions/f/configuration?Qualifier=1").await.ok(200);
    assert_eq!(version["State"], "Active", "its versions, too");
}

#[tokio::test]
async fn an_update_to_a_runtime_that_is_not_there_leaves_the_former_code_serving() {
    let world = World::new().await;
    world.created("f").await;
    world.update_configuration("f", json!({"Runtime": "java25"})).await.ok(200);
    let failed = world.until("f", "LastUpdateStatus", "Failed").await;
    assert_eq!(
        (&failed["State"], &failed["LastUpdateStatusReasonCode"], &failed["LastUpdateStatusReason"]),
        (&json!("Active"), &json!("InvalidRuntime"), &json!(REASON))
    );
    world.invoke("f", &[], b"{}").await.ok(200);
    install_java(&world);
    assert_eq!(world.settled("f").await["Runtime"], "java25");
}

#[tokio::test]
async fn a_runtime_that_came_while_the_server_was_down_is_noticed_at_its_start() {
    let world = World::new().await;
    world.create(java("f")).await.ok(201);
    world.until("f", "State", "Failed").await;
    world.trees.has_java.store(true, Ordering::Relaxed);
    let world = world.restart().await;
    world.settled("f").await;
}

#[tokio::test]
async fn another_runtime_mends_a_function_as_well() {
    let world = World::new().await;
    world.create(java("f")).await.ok(201);
    world.until("f", "State", "Failed").await;
    world.update_configuration("f", json!({"Runtime": "python3.11"})).await.ok(200);
    world.settled("f").await;
}
