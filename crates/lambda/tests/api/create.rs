//! CreateFunction.

use bytes::Bytes;
use hearth_ports::FunctionCatalog;
use serde_json::{Value, json};

use crate::world::{ROLE, World, arn, blob, function, keys, send, with};

const CREATED_KEYS: [&str; 23] = [
    "Architectures",
    "CodeSha256",
    "CodeSize",
    "Description",
    "EphemeralStorage",
    "FunctionArn",
    "FunctionName",
    "Handler",
    "LastModified",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "RevisionId",
    "Role",
    "Runtime",
    "RuntimeVersionConfig",
    "SnapStart",
    "State",
    "StateReason",
    "StateReasonCode",
    "Timeout",
    "TracingConfig",
    "Version",
];

#[tokio::test]
async fn the_answer_has_the_recorded_shape_and_defaults() {
    let world = World::new().await;
    let zip = b"PK f";
    let created = world.create(function("f")).await.ok(201);
    assert_eq!(keys(&created), CREATED_KEYS);
    let runtime = created["RuntimeVersionConfig"]["RuntimeVersionArn"].as_str().expect("an ARN");
    let id = runtime.strip_prefix("arn:aws:lambda:us-east-1::runtime:").expect("a runtime ARN");
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(created["RevisionId"].as_str().expect("text").len(), 36);
    let expected = json!({
        "Architectures": ["x86_64"],
        // sha256sum of the zip, in base64.
        "CodeSha256": "LLvt+HVs1a88Kv+G+H6O6TWjhAR4Yi0wGSD2vcsPJfc=",
        "CodeSize": zip.len(),
        "Description": "",
        "EphemeralStorage": {"Size": 512},
        "FunctionArn": arn("f"),
        "FunctionName": "f",
        "Handler": "index.handler",
        "LastModified": "2026-01-12T15:37:12.000+0000",
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
        "MemorySize": 128,
        "PackageType": "Zip",
        "RevisionId": created["RevisionId"],
        "Role": ROLE,
        "Runtime": "python3.11",
        "RuntimeVersionConfig": {"RuntimeVersionArn": runtime},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
        "Timeout": 3,
        "TracingConfig": {"Mode": "PassThrough"},
        "Version": "$LATEST",
    });
    assert_eq!(created, expected);
}

#[tokio::test]
async fn a_function_becomes_active_with_another_revision() {
    let world = World::new().await;
    let created = world.create(function("f")).await.ok(201);
    let active = world.settled("f").await;
    assert_ne!(created["RevisionId"], active["RevisionId"]);
    let expected: Vec<&str> = {
        let kept = CREATED_KEYS.iter().filter(|key| !matches!(**key, "StateReason" | "StateReasonCode"));
        let mut all: Vec<&str> = kept.copied().chain(["LastUpdateStatus"]).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(keys(&active), expected);
}

#[tokio::test]
async fn the_json_log_format_and_its_levels_are_set() {
    let world = World::new().await;
    for (name, asked, levels) in [
        ("a", json!({"LogFormat": "JSON"}), ["INFO", "INFO"]),
        (
            "b",
            json!({"LogFormat": "JSON", "ApplicationLogLevel": "FATAL", "SystemLogLevel": "DEBUG"}),
            ["FATAL", "DEBUG"],
        ),
    ] {
        world.create(with(function(name), json!({ "LoggingConfig": asked }))).await.ok(201);
        let shown = world.settled(name).await;
        let [application, system] = levels;
        let want = json!({
            "LogFormat": "JSON", "ApplicationLogLevel": application, "SystemLogLevel": system,
            "LogGroup": format!("/aws/lambda/{name}"),
        });
        assert_eq!(shown["LoggingConfig"], want);
        let snapshot = world.catalog.resolve(&crate::lives::ctx(), name, None).expect("active").version;
        let held = [snapshot.application_log_level.as_str(), snapshot.system_log_level.as_str()];
        assert_eq!((snapshot.log_format, held), (hearth_ports::LogFormat::Json, levels));
    }
    let level_of_text = with(function("c"), json!({"LoggingConfig": {"LogFormat": "Text", "SystemLogLevel": "WARN"}}));
    let (status, code, _, text) = world.create(level_of_text).await.refusal();
    let want = "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or \
                change the LogFormat to \"Json\" and try again.";
    assert_eq!((status, code.as_str(), text.as_str()), (400, "InvalidParameterValueException", want));
}

#[tokio::test]
async fn what_was_asked_for_is_what_is_set() {
    let world = World::new().await;
    let request = with(
        function("f"),
        json!({
            "Description": "d", "Timeout": 900, "MemorySize": 10240, "EphemeralStorage": {"Size": 10240},
            "Environment": {"Variables": {"KEY": "value"}}, "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/mine"},
            "Architectures": ["x86_64"], "Tags": {"team": "a"},
        }),
    );
    world.create(request).await.ok(201);
    let shown = world.settled("f").await;
    assert_eq!(shown["Description"], "d");
    assert_eq!(shown["Timeout"], 900);
    assert_eq!(shown["MemorySize"], 10240);
    assert_eq!(shown["EphemeralStorage"], json!({"Size": 10240}));
    assert_eq!(shown["Environment"], json!({"Variables": {"KEY": "value"}}));
    assert_eq!(shown["LoggingConfig"], json!({"LogFormat": "Text", "LogGroup": "/mine"}));

    // And what the data plane gets is the same.
    let snapshot = world.catalog.resolve(&crate::lives::ctx(), "f", None).expect("active").version;
    assert_eq!(snapshot.timeout.0, 900_000);
    assert_eq!(snapshot.memory.0, 10240);
    assert_eq!(snapshot.ephemeral_storage.0, 10240);
    assert_eq!(snapshot.environment["KEY"], "value");
    assert_eq!(snapshot.log_group, "/mine");
    assert_eq!(snapshot.role_arn, ROLE);
    assert_eq!(snapshot.handler, "index.handler");
    assert_eq!(&*snapshot.runtime.0, "python3.11");
}

#[tokio::test]
async fn an_environment_is_shown_only_if_sent() {
    let world = World::new().await;
    let without = world.create(function("a")).await.ok(201);
    assert_eq!(without.get("Environment"), None);
    let empty = world.create(with(function("b"), json!({"Environment": {"Variables": {}}}))).await.ok(201);
    assert_eq!(empty["Environment"], json!({"Variables": {}}));
}

#[tokio::test]
async fn publish_creates_version_one_under_the_unqualified_arn() {
    let world = World::new().await;
    let created = world.create(with(function("f"), json!({"Publish": true}))).await.ok(201);
    assert_eq!(created["Version"], "1");
    assert_eq!(created["FunctionArn"], arn("f"));
    assert_eq!(created["State"], "Pending");
    let latest = world.settled("f").await;
    let version = world.configuration("f:1").await;
    assert_eq!(version["FunctionArn"], arn("f:1"));
    assert_eq!(version["State"], "Active");
    assert_eq!(version["LastUpdateStatus"], "Successful");
    assert_ne!(version["RevisionId"], latest["RevisionId"]);
    assert_ne!(version["RevisionId"], created["RevisionId"]);
}

#[tokio::test]
async fn a_name_is_given_once() {
    let world = World::new().await;
    world.created("f").await;
    let (status, code, fault, text) = world.create(function("f")).await.refusal();
    assert_eq!((status, code.as_str(), fault.as_deref()), (409, "ResourceConflictException", Some("User")));
    assert_eq!(text, "Function already exist: f");
}

#[tokio::test]
async fn of_concurrent_creations_exactly_one_succeeds() {
    let world = World::new().await;
    let attempts = (0..16).map(|at| {
        let front = world.front.clone();
        let code = json!({"Code": {"ZipFile": blob(format!("PK {at}").as_bytes())}});
        let body = Bytes::from(with(function("f"), code).to_string());
        tokio::spawn(async move { send(&front, "POST", "/2015-03-31/functions", &[], body).await.status.as_u16() })
    });
    let mut statuses = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        statuses.push(attempt.await.expect("an answer"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![201], vec![409; 15]].concat());
    // The packages of the others are gone.
    world.settled("f").await;
    world.packages_left(1).await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_a_whole_function_behind() {
    let world = World::new().await;
    world.store.allow(0);
    let front = world.front.clone();
    let body = Bytes::from(function("f").to_string());
    let request = tokio::spawn(async move { send(&front, "POST", "/2015-03-31/functions", &[], body).await.status });
    world.store.held().await;
    request.abort();
    assert!(request.await.expect_err("cancelled").is_cancelled());
    world.store.open();
    while world.get("/2015-03-31/functions/f/configuration").await.status != 200 {
        tokio::task::yield_now().await;
    }
    world.settled("f").await;
    world.packages_left(1).await;
}

#[tokio::test]
async fn a_bad_package_is_refused_and_leaves_nothing_behind() {
    let world = World::new().await;
    let cases: [(&[u8], u16, &str, &str); 3] = [
        (
            b"not a zip",
            400,
            "InvalidParameterValueException",
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
        (b"PK-bomb", 400, "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes"),
        (b"", 400, "InvalidParameterValueException", "Uploaded file must be a non-empty zip"),
    ];
    for (zip, status, code, text) in cases {
        let answer = world.create(with(function("f"), json!({"Code": {"ZipFile": blob(zip)}}))).await;
        let refusal = answer.refusal();
        assert_eq!((refusal.0, refusal.1.as_str(), refusal.3.as_str()), (status, code, text));
    }
    let large = vec![b'P'; 52_428_801];
    let answer = world.create(with(function("f"), json!({"Code": {"ZipFile": blob(&large)}}))).await;
    let (status, code, fault, text) = answer.refusal();
    assert_eq!((status, code.as_str(), fault), (413, "RequestEntityTooLargeException", None));
    assert_eq!(text, "Zipped size must be smaller than 52428800 bytes");
    assert_eq!(world.get("/2015-03-31/functions/f").await.status, 404);
    world.packages_left(0).await;
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused_with_the_recorded_text() {
    let world = World::new().await;
    let body = Bytes::from(vec![b' '; 70_167_212]);
    let answer = world.send("POST", "/2015-03-31/functions", &[], body).await;
    let (status, code, _, text) = answer.refusal();
    assert_eq!((status, code.as_str()), (413, "RequestEntityTooLargeException"));
    assert_eq!(text, "Request must be smaller than 70167211 bytes for the CreateFunction operation");
}

#[tokio::test]
async fn wrong_members_get_the_recorded_texts() {
    let large = "x".repeat(4096);
    let long_name = "a".repeat(65);
    let ve = "ValidationException";
    let ipv = "InvalidParameterValueException";
    let tags: Value = (0..51).map(|at| (format!("k{at}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    let cases: Vec<(Value, &str, String)> = vec![
        (
            json!({"Role": "r1"}),
            ve,
            r"1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+".to_owned(),
        ),
        (
            json!({"Runtime": "non-existent-runtime"}),
            ipv,
            "Value non-existent-runtime at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2] or be a valid ARN".to_owned(),
        ),
        (
            json!({"Architectures": ["x86_64", "arm64"]}),
            ve,
            "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1".to_owned(),
        ),
        (
            json!({"Architectures": ["X86_64"]}),
            ve,
            "1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]".to_owned(),
        ),
        (
            json!({"Runtime": "java8"}),
            ipv,
            "The runtime parameter of java8 is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.".to_owned(),
        ),
        (
            json!({"Environment": {"Variables": {"LARGE_VAR": large}}}),
            ipv,
            format!("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {{\"LARGE_VAR\":\"{large}\"}}"),
        ),
        (
            json!({"Environment": {"Variables": {"AWS_REGION": "x"}}}),
            ipv,
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION".to_owned(),
        ),
        (
            json!({"FunctionName": long_name}),
            ipv,
            format!("1 validation error detected: Value '{long_name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"),
        ),
        (
            json!({"FunctionName": "invalid:function:name"}),
            ve,
            r"1 validation error detected: Value 'invalid:function:name' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?".to_owned(),
        ),
        (
            json!({"SnapStart": {"ApplyOn": "invalidOption"}}),
            ve,
            "1 validation error detected: Value 'invalidOption' at 'snapStart.applyOn' failed to satisfy constraint: Member must satisfy enum value set: [PublishedVersions, None]".to_owned(),
        ),
        (json!({"Tags": tags}), ipv, "Number of tags exceeds resource tag limit.".to_owned()),
        (json!({"Runtime": null}), ipv, "Runtime and Handler are mandatory parameters for functions created with deployment packages.".to_owned()),
        (json!({"Code": {}}), ipv, "Please provide a source for function code.".to_owned()),
        (
            json!({"Runtime": "java21"}),
            ipv,
            "Hearth does not support Runtime java21 on x86_64 yet: available are provided.al2023, python3.11.".to_owned(),
        ),
        (
            json!({"Architectures": ["arm64"]}),
            ipv,
            "Hearth does not support Runtime python3.11 on arm64 yet: this machine is x86_64.".to_owned(),
        ),
    ];
    let world = World::new().await;
    for (change, code, text) in cases {
        let refusal = world.create(with(function("f"), change.clone())).await.refusal();
        assert_eq!((refusal.0, refusal.1.as_str(), refusal.3.as_str()), (400, code, text.as_str()), "{change}");
        let fault = (code == ipv).then_some("User");
        assert_eq!(refusal.2.as_deref(), fault, "{change}");
    }
    assert_eq!(world.get("/2015-03-31/functions").await.ok(200)["Functions"], json!([]));
    world.packages_left(0).await;
}

#[tokio::test]
async fn too_large_an_environment_is_shown_in_the_order_it_came() {
    let world = World::new().await;
    let variables = format!(r#"{{"SMALL_VAR":"ok","LARGE_VAR":"{}"}}"#, "x".repeat(4096));
    let body = with(function("f"), json!({"Environment": {"Variables": "HERE"}})).to_string();
    let body = Bytes::from(body.replace("\"HERE\"", &variables));
    let refusal = world.send("POST", "/2015-03-31/functions", &[], body).await.refusal();
    assert_eq!(
        refusal.3,
        format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {variables}"
        )
    );
}

#[tokio::test]
async fn the_caller_must_be_allowed_to_pass_the_role() {
    let world = World::new().await;
    world.permissions.denied.lock().insert("iam:PassRole".to_owned());
    let (status, code, _, text) = world.create(function("f")).await.refusal();
    assert_eq!((status, code.as_str()), (403, "AccessDeniedException"));
    assert_eq!(text, format!("not authorized to perform: iam:PassRole on resource: {ROLE}"));
    // The same rule holds when the role is changed.
    world.permissions.denied.lock().clear();
    world.created("f").await;
    world.permissions.denied.lock().insert("iam:PassRole".to_owned());
    assert_eq!(world.update_configuration("f", json!({"Role": ROLE})).await.status, 403);
    world.update_configuration("f", json!({"Timeout": 4})).await.ok(200);
}

#[tokio::test]
async fn secrets_are_not_in_the_store_as_text() {
    let world = World::new().await;
    let secret = "correct-horse-battery-staple";
    world.create(with(function("f"), json!({"Environment": {"Variables": {"TOKEN": secret}}}))).await.ok(201);
    world.settled("f").await;
    let stored = world.stored_bytes().await;
    let needle = secret.as_bytes();
    assert!(!stored.is_empty());
    assert!(!stored.windows(needle.len()).any(|window| window == needle));
}
