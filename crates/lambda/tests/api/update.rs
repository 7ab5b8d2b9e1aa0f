//! UpdateFunctionCode and UpdateFunctionConfiguration.

use bytes::Bytes;
use hearth_ports::FunctionCatalog;
use hearth_types::Version;
use serde_json::{Value, json};

use crate::lives::ctx;
use crate::world::{World, arn, blob, send};

/// `CodeSha256` of `PK new`: sha256sum, in base64.
const NEW_SHA256: &str = "orrXDHqQlzUqGaequPAfnNdseAoIiOB8ViZxkmxNF+k=";

#[tokio::test]
async fn an_update_is_in_progress_until_it_is_successful_and_the_old_code_serves_meanwhile() {
    let world = World::new().await;
    let before = world.created("f").await;
    let resolve = || world.catalog.resolve(&ctx(), "f", None).expect("active").version;
    let old = resolve();

    world.store.allow(1);
    world.clock.advance(1_000);
    let updated = world.update_code("f", json!({"ZipFile": blob(b"PK new")})).await.ok(200);
    assert_eq!(updated["State"], "Active");
    assert_eq!(updated["LastUpdateStatus"], "InProgress");
    assert_eq!(updated["LastUpdateStatusReason"], "The function is being created.");
    assert_eq!(updated["LastUpdateStatusReasonCode"], "Creating");
    assert_eq!(updated["CodeSha256"], NEW_SHA256);
    assert_eq!(updated["LastModified"], "2026-01-12T15:37:13.000+0000");
    assert_eq!(world.configuration("f").await, updated);
    assert_eq!(resolve().snapshot, old.snapshot);

    // A second one has to wait.
    for answer in [
        world.update_code("f", json!({"ZipFile": blob(b"PK other")})).await,
        world.update_configuration("f", json!({"Timeout": 9})).await,
        world.publish("f", Value::Null).await,
    ] {
        let refusal = answer.refusal();
        assert_eq!((refusal.0, refusal.1.as_str()), (409, "ResourceConflictException"));
        assert_eq!(
            refusal.3,
            format!(
                "The operation cannot be performed at this time. An update is in progress for resource: {}",
                arn("f")
            )
        );
    }

    world.store.open();
    let after = world.settled("f").await;
    assert_eq!(after["CodeSha256"], NEW_SHA256);
    assert_eq!(after.get("LastUpdateStatusReason"), None);
    let revisions = [&before, &updated, &after].map(|shown| shown["RevisionId"].clone());
    assert!(revisions[0] != revisions[1] && revisions[1] != revisions[2] && revisions[0] != revisions[2]);

    let new = resolve();
    assert_ne!(new.snapshot, old.snapshot);
    assert_ne!(new.code, old.code);
    // The old code goes away once its environments were told to.
    world.packages_left(1).await;
    let retired = world.keeper.retired.lock().clone();
    assert_eq!(retired, [(new.uid.clone(), Version::Latest, Some(new.snapshot.clone()))]);
}

#[tokio::test]
async fn a_pending_function_cannot_be_changed() {
    let world = World::new().await;
    world.store.allow(1);
    world.create(crate::world::function("f")).await.ok(201);
    for answer in [
        world.update_code("f", json!({"ZipFile": blob(b"PK other")})).await,
        world.update_configuration("f", json!({"Timeout": 9})).await,
        world.publish("f", Value::Null).await,
        world.invoke("f", &[], b"{}").await,
    ] {
        let refusal = answer.refusal();
        assert_eq!((refusal.0, refusal.1.as_str()), (409, "ResourceConflictException"));
        assert_eq!(
            refusal.3,
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        );
    }
    world.store.open();
}

#[tokio::test]
async fn of_updates_decided_on_the_same_state_one_wins() {
    let world = World::new().await;
    world.created("f").await;
    world.store.allow(0);
    let update = |timeout: u32| {
        let front = world.front.clone();
        let body = Bytes::from(json!({"Timeout": timeout}).to_string());
        tokio::spawn(async move {
            send(&front, "PUT", "/2015-03-31/functions/f/configuration", &[], body).await.status.as_u16()
        })
    };
    let updates: Vec<_> = (10..18).map(update).collect();
    world.asked("lambda:UpdateFunctionConfiguration", 8).await;
    world.store.open();
    let mut statuses = Vec::new();
    for update in updates {
        statuses.push(update.await.expect("an answer"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![409; 7]].concat());
    let after = world.settled("f").await;
    assert!((10..18).contains(&after["Timeout"].as_u64().expect("a number")));
}

#[tokio::test]
async fn the_json_log_format_and_its_levels_are_updated() {
    let world = World::new().await;
    world.created("f").await;
    for (asked, want) in [
        (json!({"LogFormat": "JSON", "SystemLogLevel": "WARN"}), ["JSON", "INFO", "WARN"]),
        (json!({"ApplicationLogLevel": "DEBUG"}), ["JSON", "DEBUG", "WARN"]),
    ] {
        world.update_configuration("f", json!({ "LoggingConfig": asked })).await.ok(200);
        let shown = &world.settled("f").await["LoggingConfig"];
        assert_eq!([&shown["LogFormat"], &shown["ApplicationLogLevel"], &shown["SystemLogLevel"]], want);
        let snapshot = world.catalog.resolve(&ctx(), "f", None).expect("active").version;
        assert_eq!([snapshot.application_log_level.as_str(), snapshot.system_log_level.as_str()], want[1..]);
    }
    world.update_configuration("f", json!({"LoggingConfig": {"LogFormat": "Text"}})).await.ok(200);
    let shown = world.settled("f").await;
    assert_eq!(shown["LoggingConfig"], json!({"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}));
}

#[tokio::test]
async fn configuration_changes_what_it_names_and_nothing_else() {
    let world = World::new().await;
    let before = world.created("f").await;
    let change = json!({
        "Description": "d", "Timeout": 9, "MemorySize": 256, "EphemeralStorage": {"Size": 1024}, "Handler": "a.b",
        "Runtime": "provided.al2023", "Role": "arn:aws:iam::000000000000:role/other",
        "Environment": {"Variables": {"KEY": "1"}}, "LoggingConfig": {"LogGroup": "/mine"},
    });
    let updated = world.update_configuration("f", change.clone()).await.ok(200);
    assert_eq!(updated["LastUpdateStatus"], "InProgress");
    let after = world.settled("f").await;
    let Value::Object(members) = &change else { panic!("an object") };
    for (member, value) in members.iter().filter(|(member, _)| *member != "LoggingConfig") {
        assert_eq!(&after[member], value, "{member}");
    }
    assert_eq!(after["LoggingConfig"], json!({"LogFormat": "Text", "LogGroup": "/mine"}));
    assert_eq!(after["CodeSha256"], before["CodeSha256"]);

    let snapshot = world.catalog.resolve(&ctx(), "f", None).expect("active").version;
    assert_eq!((snapshot.timeout.0, snapshot.memory.0, snapshot.ephemeral_storage.0), (9_000, 256, 1024));
    assert_eq!((snapshot.handler.as_str(), &*snapshot.runtime.0), ("a.b", "provided.al2023"));
    assert_eq!(snapshot.role_arn, "arn:aws:iam::000000000000:role/other");
    assert_eq!((snapshot.environment["KEY"].as_str(), snapshot.log_group.as_str()), ("1", "/mine"));

    // The whole map is replaced; the rest stays.
    world.update_configuration("f", json!({"Environment": {"Variables": {"OTHER": "2"}}})).await.ok(200);
    let replaced = world.settled("f").await;
    assert_eq!(replaced["Environment"], json!({"Variables": {"OTHER": "2"}}));
    assert_eq!(replaced["Timeout"], 9);
}

#[tokio::test]
async fn wrong_members_of_an_update_change_nothing() {
    let world = World::new().await;
    let before = world.created("f").await;
    let cases = [
        (
            json!({"MemorySize": 10241}),
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240",
        ),
        (
            json!({"Timeout": 901}),
            "'Timeout' value failed to satisfy constraint: Member must have value less than or equal to 900",
        ),
        (
            json!({"Runtime": "go1.x"}),
            "The runtime parameter of go1.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.",
        ),
        (
            json!({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]}),
            "Layer version arn:aws:lambda:us-east-1:000000000000:layer:l:1 does not exist.",
        ),
        (
            json!({"MemorySize": 1}),
            "1 validation error detected: Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128",
        ),
    ];
    for (change, text) in cases {
        let refusal = world.update_configuration("f", change).await.refusal();
        assert_eq!((refusal.0, refusal.3.as_str()), (400, text));
    }
    let cases = [
        (json!({"ImageUri": "x"}), "Please don't provide ImageUri when updating a function with packageType Zip."),
        (json!({}), "Please provide a source for function code."),
        (
            json!({"ZipFile": blob(b"nope")}),
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
        (
            json!({"ZipFile": blob(b"PK x"), "Architectures": ["arm64"]}),
            "Hearth does not support Runtime python3.11 on arm64 yet: this machine is x86_64.",
        ),
    ];
    for (change, text) in cases {
        let refusal = world.update_code("f", change).await.refusal();
        assert_eq!((refusal.0, refusal.3.as_str()), (400, text));
    }
    assert_eq!(world.configuration("f").await, before);
    world.packages_left(1).await;
}

#[tokio::test]
async fn a_stale_revision_is_refused() {
    let world = World::new().await;
    let current = world.created("f").await["RevisionId"].clone();
    let stale = "00000000-0000-4000-8000-000000000000";
    for answer in [
        world.update_code("f", json!({"ZipFile": blob(b"PK new"), "RevisionId": stale})).await,
        world.update_configuration("f", json!({"Timeout": 9, "RevisionId": stale})).await,
        world.publish("f", json!({"RevisionId": stale})).await,
    ] {
        let refusal = answer.refusal();
        assert_eq!(
            (refusal.0, refusal.1.as_str(), refusal.2.as_deref()),
            (412, "PreconditionFailedException", Some("User"))
        );
        assert_eq!(
            refusal.3,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
        );
    }
    world.update_configuration("f", json!({"Timeout": 9, "RevisionId": current})).await.ok(200);
    let current = world.settled("f").await["RevisionId"].clone();
    world.update_code("f", json!({"ZipFile": blob(b"PK new"), "RevisionId": current})).await.ok(200);
}

#[tokio::test]
async fn a_dry_run_shows_the_outcome_and_changes_nothing() {
    let world = World::new().await;
    let before = world.created("f").await;
    let shown =
        world.update_code("f", json!({"ZipFile": blob(b"PK new"), "DryRun": true, "Publish": true})).await.ok(200);
    assert_eq!(shown["CodeSha256"], NEW_SHA256);
    assert_eq!(shown["Version"], "$LATEST");
    assert_eq!(world.configuration("f").await, before);
    world.packages_left(1).await;
    let refusal = world.update_code("f", json!({"ZipFile": blob(b"nope"), "DryRun": true})).await.refusal();
    assert_eq!(refusal.3, "Could not unzip uploaded file. Please check your file, then try to upload again.");
}

#[tokio::test]
async fn publishing_with_the_code_answers_the_pending_version() {
    let world = World::new().await;
    world.created("f").await;
    world.store.allow(1);
    let published = world.update_code("f", json!({"ZipFile": blob(b"PK new"), "Publish": true})).await.ok(200);
    // Recorded.
    assert_eq!(published["Version"], "1");
    assert_eq!(published["FunctionArn"], arn("f:1"));
    assert_eq!(published["State"], "Pending");
    assert_eq!(published.get("LastUpdateStatus"), None);
    assert_eq!(published["CodeSha256"], NEW_SHA256);
    let latest = world.configuration("f").await;
    assert_eq!((&latest["State"], &latest["LastUpdateStatus"]), (&json!("Active"), &json!("InProgress")));
    assert_ne!(latest["RevisionId"], published["RevisionId"]);
    assert_eq!(world.configuration("f:1").await, published);
    world.store.open();
    world.settled("f").await;
    let version = world.configuration("f:1").await;
    assert_eq!((&version["State"], &version["LastUpdateStatus"]), (&json!("Active"), &json!("Successful")));
}
