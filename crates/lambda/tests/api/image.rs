//! Functions from container images. Which images there are the test's registry says; running them is not Lambda's.

use std::time::{Duration, Instant};

use hearth_ports::ImageError;
use serde_json::{Value, json};

use crate::world::{ROLE, World, function, keys, with};

const LIMIT: Duration = Duration::from_secs(10);
const URI: &str = "registry.example.com/app";

fn image(name: &str) -> Value {
    json!({"FunctionName": name, "Role": ROLE, "PackageType": "Image", "Code": {"ImageUri": URI}})
}

#[tokio::test]
async fn a_function_from_an_image_shows_its_digest_and_no_runtime() {
    let world = World::new().await;
    let created = world.create(image("f")).await.ok(201);
    assert_eq!((&created["State"], &created["PackageType"]), (&json!("Pending"), &json!("Image")));
    let shown = world.settled("f").await;
    for absent in ["Runtime", "Handler", "RuntimeVersionConfig", "ImageConfigResponse", "Layers"] {
        assert!(!keys(&shown).contains(&absent), "{absent}");
    }
    let digest = shown["CodeSha256"].as_str().expect("a text");
    assert!(digest.len() == 64 && digest.bytes().all(|digit| digit.is_ascii_hexdigit()), "{digest}");
    assert_eq!(shown["CodeSize"], 0);
    let code = world.get("/2015-03-31/functions/f").await.ok(200)["Code"].clone();
    let resolved = format!("{URI}@sha256:{digest}");
    assert_eq!(code, json!({"RepositoryType": "ECR", "ImageUri": URI, "ResolvedImageUri": resolved}));
}

#[tokio::test]
async fn zip_members_and_image_members_exclude_each_other() {
    let world = World::new().await;
    let zip = function("z")["Code"]["ZipFile"].clone();
    let layer = "arn:aws:lambda:us-east-1:000000000000:layer:l:1";
    // The first text and those of updates are the real service's.
    let members = "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.";
    for (body, text) in [
        (with(image("f"), json!({"Runtime": "python3.11"})), members),
        (with(image("f"), json!({"Handler": "a.b"})), members),
        (with(image("f"), json!({"Layers": [layer]})), members),
        (
            with(image("f"), json!({"Code": {"ZipFile": zip}})),
            "Please provide ImageUri when creating a function with packageType Image.",
        ),
        (
            with(image("f"), json!({"Code": {"ZipFile": zip, "ImageUri": URI}})),
            "Please don't provide ZipFile when creating a function with packageType Image.",
        ),
        (
            with(function("f"), json!({"Code": {"ZipFile": zip, "ImageUri": URI}})),
            "Please don't provide ImageUri when creating a function with packageType Zip.",
        ),
        (
            with(function("f"), json!({"ImageConfig": {"Command": ["x"]}})),
            "Please don't provide ImageConfig when the intended function PackageType is Zip.",
        ),
    ] {
        let (status, code, _, message) = world.create(body).await.refusal();
        assert_eq!((status, code.as_str(), message.as_str()), (400, "InvalidParameterValueException", text));
    }
    world.create(image("f")).await.ok(201);
    world.settled("f").await;
    let update = world.update_code("f", json!({"ZipFile": zip})).await.refusal();
    assert_eq!(update.3, "Please provide ImageUri when updating a function with packageType Image.");
    let update = world.update_configuration("f", json!({"Handler": "a.b"})).await.refusal();
    assert_eq!(update.3, members);
}

#[tokio::test]
async fn a_source_image_that_is_not_there_is_refused_at_once() {
    let world = World::new().await;
    for (uri, status, code, text) in [
        (
            "registry.example.com/absent",
            400,
            "InvalidParameterValueException",
            "Source image registry.example.com/absent does not exist. Provide a valid source image.",
        ),
        (
            "registry.example.com/private",
            403,
            "AccessDeniedException",
            "Lambda does not have permission to access the ECR image. Check the ECR permissions.",
        ),
    ] {
        let refused = world.create(with(image("f"), json!({"Code": {"ImageUri": uri}}))).await.refusal();
        assert_eq!((refused.0, refused.1.as_str(), refused.3.as_str()), (status, code, text));
    }
    assert_eq!(world.get("/2015-03-31/functions/f").await.status, 404);
}

#[tokio::test]
async fn overrides_are_shown_and_replaced_as_a_whole() {
    let world = World::new().await;
    let config = json!({"EntryPoint": ["/x"], "Command": ["a", "b"], "WorkingDirectory": "/w"});
    world.create(with(image("f"), json!({"ImageConfig": config}))).await.ok(201);
    assert_eq!(world.settled("f").await["ImageConfigResponse"], json!({"ImageConfig": config}));
    for (given, shown) in
        [(json!({"Command": ["c"]}), json!({"ImageConfig": {"Command": ["c"]}})), (json!({}), Value::Null)]
    {
        world.update_configuration("f", json!({"ImageConfig": given})).await.ok(200);
        assert_eq!(world.settled("f").await["ImageConfigResponse"], shown);
    }
    let long = json!({"ImageConfig": {"Command": ["x".repeat(16_385)]}});
    assert_eq!(world.update_configuration("f", long).await.refusal().0, 400);
}

#[tokio::test]
async fn an_update_names_another_image_and_versions_keep_theirs() {
    let world = World::new().await;
    world.create(with(image("f"), json!({"Publish": true}))).await.ok(201);
    let first = world.settled("f").await["CodeSha256"].clone();
    let dry = json!({"ImageUri": "registry.example.com/other", "DryRun": true});
    let other = world.update_code("f", dry).await.ok(200)["CodeSha256"].clone();
    assert_ne!(other, first);
    assert_eq!(world.configuration("f").await["CodeSha256"], first);
    world.update_code("f", json!({"ImageUri": "registry.example.com/other"})).await.ok(200);
    assert_eq!(world.settled("f").await["CodeSha256"], other);
    let version = world.get("/2015-03-31/functions/f?Qualifier=1").await.ok(200);
    assert_eq!(version["Configuration"]["CodeSha256"], first);
    assert_eq!(version["Code"]["ImageUri"], URI);
    // Two trees, and none when nothing names them.
    let trees = || world.trees.installed.lock().len();
    assert_eq!(trees(), 2);
    world.delete("f").await;
    let started = Instant::now();
    while trees() > 0 {
        assert!(started.elapsed() < LIMIT, "images nobody names stay");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_image_that_does_not_come_says_why_and_an_update_mends_it() {
    let world = World::new().await;
    let uri = || URI.to_owned();
    for (error, code) in [
        (ImageError::NotFound { uri: uri() }, "ImageDeleted"),
        (ImageError::AccessDenied { why: String::new() }, "ImageAccessDenied"),
        (ImageError::Invalid { uri: uri(), why: String::new() }, "InvalidImage"),
        (ImageError::MediaType { uri: uri(), found: String::new() }, "InvalidImage"),
    ] {
        *world.registry.broken.lock() = Some(error.clone());
        world.create(image("f")).await.ok(201);
        let failed = world.until("f", "State", "Failed").await;
        assert_eq!(failed["StateReasonCode"], code);
        assert!(failed["StateReason"].as_str().is_some_and(|text| !text.is_empty()));
        let invoked = world.call("POST", "/2015-03-31/functions/f/invocations", json!({})).await.refusal();
        assert_eq!((invoked.0, invoked.1.as_str()), (409, "ResourceConflictException"));
        // Neither published nor served before it is whole.
        assert_eq!(world.publish("f", json!({})).await.refusal().0, 409);
        *world.registry.broken.lock() = None;
        world.update_code("f", json!({"ImageUri": URI})).await.ok(200);
        world.settled("f").await;
        // And of an update that fails the former image goes on.
        *world.registry.broken.lock() = Some(error);
        world.update_code("f", json!({"ImageUri": "registry.example.com/other"})).await.ok(200);
        let failed = world.until("f", "LastUpdateStatus", "Failed").await;
        assert_eq!((&failed["State"], &failed["LastUpdateStatusReasonCode"]), (&json!("Active"), &json!(code)));
        *world.registry.broken.lock() = None;
        world.update_configuration("f", json!({"Description": "again"})).await.ok(200);
        world.settled("f").await;
        world.delete("f").await;
    }
}

#[tokio::test]
async fn an_image_on_its_way_is_fetched_after_a_restart() {
    let world = World::new().await;
    *world.registry.broken.lock() = Some(ImageError::Unreachable { uri: URI.to_owned(), why: String::new() });
    world.create(image("f")).await.ok(201);
    let world = world.restart().await;
    world.settled("f").await;
}
