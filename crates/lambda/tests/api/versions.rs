//! PublishVersion and ListVersionsByFunction.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::world::{World, arn, blob, send};

#[tokio::test]
async fn a_version_of_an_active_function_is_active_at_once() {
    let world = World::new().await;
    let latest = world.created("f").await;
    let version = world.publish("f", json!({"Description": "first"})).await.ok(201);
    assert_eq!(version["Version"], "1");
    assert_eq!(version["FunctionArn"], arn("f:1"));
    assert_eq!((&version["State"], &version["LastUpdateStatus"]), (&json!("Active"), &json!("Successful")));
    assert_eq!(version["Description"], "first");
    assert_eq!(version["CodeSha256"], latest["CodeSha256"]);
    assert_ne!(version["RevisionId"], latest["RevisionId"]);
    assert_eq!(world.configuration("f:1").await, version);
    assert_eq!(world.configuration("f").await["Description"], "");
}

#[tokio::test]
async fn publishing_what_did_not_change_answers_the_last_version() {
    let world = World::new().await;
    world.created("f").await;
    let first = world.publish("f", json!({"Description": "first"})).await.ok(201);
    assert_eq!(world.publish("f", json!({"Description": "other"})).await.ok(201), first);

    world.update_configuration("f", json!({"Timeout": 9})).await.ok(200);
    world.settled("f").await;
    assert_eq!(world.publish("f", Value::Null).await.ok(201)["Version"], "2");

    // Another package with another configuration undone: still something new.
    world.update_code("f", json!({"ZipFile": blob(b"PK new")})).await.ok(200);
    world.settled("f").await;
    assert_eq!(world.publish("f", Value::Null).await.ok(201)["Version"], "3");
    assert_eq!(world.configuration("f:1").await, first);
}

#[tokio::test]
async fn the_digest_given_must_be_the_current_one() {
    let world = World::new().await;
    let current = world.created("f").await["CodeSha256"].clone();
    let (status, code, fault, text) =
        world.publish("f", json!({"CodeSha256": "somenonexistentsha256"})).await.refusal();
    assert_eq!((status, code.as_str(), fault.as_deref()), (400, "InvalidParameterValueException", Some("User")));
    let actual = current.as_str().expect("text");
    assert_eq!(
        text,
        format!(
            "CodeSHA256 (somenonexistentsha256) is different from current CodeSHA256 in $LATEST ({actual}). Please try again with the CodeSHA256 in $LATEST."
        )
    );
    world.publish("f", json!({"CodeSha256": current})).await.ok(201);
}

#[tokio::test]
async fn racing_publications_of_the_same_state_give_one_version() {
    let world = World::new().await;
    world.created("f").await;
    world.store.allow(0);
    let publications: Vec<_> = (0..16)
        .map(|_| {
            let front = world.front.clone();
            tokio::spawn(async move {
                send(&front, "POST", "/2015-03-31/functions/f/versions", &[], Bytes::new()).await.ok(201)
            })
        })
        .collect();
    world.asked("lambda:PublishVersion", 16).await;
    world.store.open();
    let mut answers = Vec::new();
    for publication in publications {
        answers.push(publication.await.expect("an answer"));
    }
    let stored = world.configuration("f:1").await;
    assert_eq!(answers, vec![stored; 16]);
    let list = world.get("/2015-03-31/functions/f/versions").await.ok(200);
    assert_eq!(list["Versions"].as_array().expect("a list").len(), 2);
}

#[tokio::test]
async fn versions_are_listed_in_pages_latest_first() {
    let world = World::new().await;
    world.created("f").await;
    for number in 1..=51 {
        world.update_configuration("f", json!({"Description": number.to_string()})).await.ok(200);
        world.settled("f").await;
        assert_eq!(world.publish("f", Value::Null).await.ok(201)["Version"], number.to_string());
    }
    let first = world.get("/2015-03-31/functions/f/versions").await.ok(200);
    let marker = first["NextMarker"].as_str().expect("a marker");
    let second = world.get(&format!("/2015-03-31/functions/f/versions?Marker={marker}")).await.ok(200);
    assert_eq!(second.get("NextMarker"), None);
    let shown: Vec<Value> = [first, second]
        .iter()
        .flat_map(|page| page["Versions"].as_array().expect("a list").clone())
        .map(|version| version["Version"].clone())
        .collect();
    let expected: Vec<Value> =
        std::iter::once(json!("$LATEST")).chain((1..=51).map(|number| json!(number.to_string()))).collect();
    assert_eq!(shown, expected);
    let two = world.get("/2015-03-31/functions/f/versions?MaxItems=2").await.ok(200);
    assert_eq!(two["Versions"].as_array().expect("a list").len(), 2);
}
