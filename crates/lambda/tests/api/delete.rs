//! DeleteFunction.

use bytes::Bytes;
use hearth_types::Version;
use serde_json::{Value, json};

use crate::world::{World, arn, blob, function, send, with};

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

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_a_deletion_half_way() {
    let world = World::new().await;
    world.created("f").await;
    world.store.allow(0);
    let front = world.front.clone();
    let request =
        tokio::spawn(async move { send(&front, "DELETE", "/2015-03-31/functions/f", &[], Bytes::new()).await.status });
    world.store.held().await;
    request.abort();
    assert!(request.await.expect_err("cancelled").is_cancelled());
    world.store.open();
    // Environments are told and the package goes, not only the record.
    world.packages_left(0).await;
    assert_eq!(world.get("/2015-03-31/functions/f").await.status, 404);
    assert_eq!(world.keeper.retired.lock().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_that_is_uploaded_while_it_is_deleted_is_there_afterwards() {
    let world = World::new().await;
    let same = function("same")["Code"].clone();
    let round = |name: &'static str| {
        let (front, code) = (world.front.clone(), same.clone());
        tokio::spawn(async move {
            for _ in 0..20 {
                let body = Bytes::from(with(function(name), json!({"Code": code})).to_string());
                assert_eq!(send(&front, "POST", "/2015-03-31/functions", &[], body).await.status, 201);
                let path = format!("/2015-03-31/functions/{name}");
                assert_eq!(send(&front, "DELETE", &path, &[], Bytes::new()).await.status, 204);
            }
            let body = Bytes::from(with(function(name), json!({"Code": code})).to_string());
            assert_eq!(send(&front, "POST", "/2015-03-31/functions", &[], body).await.status, 201);
        })
    };
    for round in ["a", "b", "c"].map(round) {
        round.await.expect("done");
    }
    for name in ["a", "b", "c"] {
        world.settled(name).await;
    }
    world.packages_left(1).await;
}

#[tokio::test]
async fn a_package_whose_function_is_not_committed_yet_is_kept() {
    let world = World::new().await;
    world.created("other").await;
    world.store.allow(0);
    let front = world.front.clone();
    let body = Bytes::from(function("f").to_string());
    let creation = tokio::spawn(async move { send(&front, "POST", "/2015-03-31/functions", &[], body).await.ok(201) });
    world.store.held().await;
    // A dry run makes the collector look without a commit.
    world.update_code("other", json!({"ZipFile": blob(b"PK tried"), "DryRun": true})).await.ok(200);
    world.packages_left(2).await;
    world.store.open();
    creation.await.expect("created");
    world.settled("f").await;
    world.packages_left(2).await;
}
