//! Layers: their versions, who may use them, and the functions that do.

use hearth_ports::FunctionCatalog;
use hearth_types::{RequestContext, RequestId};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, Answer, World, arn, blob, function, keys, refused, with};

const INVALID: &str = "InvalidParameterValueException";
const NOT_FOUND: &str = "ResourceNotFoundException";
const NONE: &str = "The resource you requested does not exist.";

fn layer_arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:{ACCOUNT}:layer:{name}")
}

fn path(name: &str, rest: &str) -> String {
    format!("/2018-10-31/layers/{name}/versions{rest}")
}

fn content(text: &str) -> Value {
    json!({"Content": {"ZipFile": blob(format!("PK {text}").as_bytes())}})
}

async fn publish(world: &World, name: &str, body: Value) -> Answer {
    world.call("POST", &path(name, ""), body).await
}

/// Publishes versions; the package of each is its own.
async fn published(world: &World, name: &str, count: usize) {
    for number in 1..=count {
        let shown = publish(world, name, content(&format!("{name} {number}"))).await.ok(201);
        assert_eq!(shown["Version"], number);
    }
}

async fn delete(world: &World, name: &str, number: u64) {
    world.call("DELETE", &path(name, &format!("/{number}")), Value::Null).await.ok(204);
}

fn using(name: &str, layers: &[String]) -> Value {
    with(function(name), json!({"Layers": layers}))
}

#[tokio::test]
async fn a_layer_version_is_published_and_shown() {
    let world = World::new().await;
    let plain = publish(&world, "l", content("x")).await.ok(201);
    assert_eq!(keys(&plain), ["Content", "CreatedDate", "Description", "LayerArn", "LayerVersionArn", "Version"]);
    assert_eq!(keys(&plain["Content"]), ["CodeSha256", "CodeSize", "Location"]);
    assert_eq!((&plain["Description"], &plain["Version"]), (&json!(""), &json!(1)));
    assert_eq!(plain["CreatedDate"], "2026-01-12T15:37:12.000+0000");
    assert_eq!(plain["LayerArn"], layer_arn("l"));
    assert_eq!(plain["LayerVersionArn"], format!("{}:1", layer_arn("l")));
    assert_eq!(plain["Content"]["CodeSize"], "PK x".len());

    let more = json!({
        "Description": "d",
        "LicenseInfo": "MIT",
        "CompatibleRuntimes": ["python3.11", "python3.12"],
        "CompatibleArchitectures": ["arm64"],
    });
    let full = publish(&world, "l", with(content("y"), more.clone())).await.ok(201);
    assert_eq!(full["Version"], 2);
    for (member, value) in more.as_object().expect("an object") {
        assert_eq!(full[member], *value, "{member}");
    }
    let world = world.restart().await;
    for (by, mut expected) in [
        (path("l", "/1"), plain.clone()),
        (path(&layer_arn("l"), "/2"), full.clone()),
        (format!("/2018-10-31/layers?find=LayerVersion&Arn={}:2", layer_arn("l")), full),
    ] {
        let mut shown = world.get(&by).await.ok(200);
        let location = shown["Content"]["Location"].take();
        assert!(location.as_str().expect("a URL").starts_with("http://hearth.test:4566/_hearth/code/"), "{location}");
        expected["Content"]["Location"].take();
        assert_eq!(shown, expected);
    }
}

#[tokio::test]
async fn numbers_are_never_given_out_twice() {
    let world = World::new().await;
    published(&world, "l", 2).await;
    delete(&world, "l", 2).await;
    assert_eq!(publish(&world, "l", content("again")).await.ok(201)["Version"], 3);
    delete(&world, "l", 1).await;
    delete(&world, "l", 3).await;
    let world = world.restart().await;
    let layers = world.get("/2018-10-31/layers").await.ok(200);
    assert_eq!(layers["Layers"], json!([]), "a layer without versions is not listed");
    assert_eq!(publish(&world, "l", content("later")).await.ok(201)["Version"], 4);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_wrong_gets_the_recorded_text() {
    let world = World::new().await;
    published(&world, "l", 1).await;
    refused(&world.get(&path("l", "/2")).await, 404, NOT_FOUND, NONE);
    refused(&world.get(&path("nobody", "/1")).await, 404, NOT_FOUND, NONE);
    refused(&world.get(&path("nobody", "")).await, 404, NOT_FOUND, NONE);
    let by_arn = format!("/2018-10-31/layers?find=LayerVersion&Arn={}:9", layer_arn("l"));
    refused(&world.get(&by_arn).await, 404, NOT_FOUND, NONE);
    let elsewhere = layer_arn("l").replace("us-east-1", "eu-west-1");
    let by_arn = format!("/2018-10-31/layers?find=LayerVersion&Arn={elsewhere}:1");
    refused(&world.get(&by_arn).await, 404, NOT_FOUND, NONE);
    for (method, rest) in [("GET", "/0"), ("GET", "/-1"), ("DELETE", "/0"), ("GET", "/0/policy")] {
        let answer = world.call(method, &path("l", rest), Value::Null).await;
        refused(&answer, 400, INVALID, "Layer Version Cannot be less than 1");
    }
    let without_version = format!("/2018-10-31/layers?find=LayerVersion&Arn={}", layer_arn("l"));
    let (status, code, _, text) = world.get(&without_version).await.refusal();
    assert_eq!((status, code.as_str()), (400, "ValidationException"), "{text}");
    // Deleting what is not there is no error.
    delete(&world, "l", 9).await;
    delete(&world, "nobody", 1).await;

    let wrong = json!({"CompatibleRuntimes": ["invalidruntime"], "CompatibleArchitectures": ["invalidarch"]});
    refused(
        &publish(&world, "l", with(content("x"), wrong)).await,
        400,
        "ValidationException",
        "2 validation errors detected: Value '[invalidruntime]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2]; Value '[invalidarch]' at 'compatibleArchitectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
    );
    for (list, text) in [(
        "?CompatibleArchitecture=archdoesnotexist",
        "1 validation error detected: Value 'archdoesnotexist' at 'compatibleArchitecture' failed to satisfy constraint: Member must satisfy enum value set: [x86_64, arm64]",
    )] {
        for path in [format!("/2018-10-31/layers{list}"), path("l", list)] {
            refused(&world.get(&path).await, 400, "ValidationException", text);
        }
    }
    let too_many: Vec<&str> = std::iter::repeat_n("python3.11", 16).collect();
    let (status, code, _, text) =
        publish(&world, "l", with(content("x"), json!({"CompatibleRuntimes": too_many}))).await.refusal();
    assert_eq!((status, code.as_str()), (400, "ValidationException"));
    assert!(text.ends_with("Member must have length less than or equal to 15"), "{text}");
    refused(
        &publish(&world, "l", json!({"Content": {"ZipFile": blob(b"no zip")}})).await,
        400,
        INVALID,
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    );
    refused(
        &publish(&world, "l", json!({"Content": {"ZipFile": blob(b"PK-bomb")}})).await,
        400,
        INVALID,
        "Unzipped size must be smaller than 262144000 bytes",
    );
    world.packages_left(1).await;
}

#[tokio::test]
async fn lists_page_and_filter_by_what_a_version_is_for() {
    let world = World::new().await;
    for (name, members) in [
        ("b", json!({"CompatibleRuntimes": ["python3.11"]})),
        ("a", json!({"CompatibleRuntimes": ["nodejs20.x"], "CompatibleArchitectures": ["arm64"]})),
        ("b", json!({"CompatibleRuntimes": ["nodejs20.x"], "CompatibleArchitectures": ["x86_64", "arm64"]})),
        ("c", json!({})),
    ] {
        publish(&world, name, with(content("x"), members)).await.ok(201);
    }
    let layers = |shown: &Value| -> Vec<(String, u64)> {
        let layers = shown["Layers"].as_array().expect("a list");
        let of = |layer: &Value| {
            assert_eq!(keys(layer), ["LatestMatchingVersion", "LayerArn", "LayerName"]);
            let number = layer["LatestMatchingVersion"]["Version"].as_u64().expect("a number");
            (layer["LayerName"].as_str().expect("text").to_owned(), number)
        };
        layers.iter().map(of).collect()
    };
    let named = |expected: &[(&str, u64)]| -> Vec<(String, u64)> {
        expected.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
    };
    for (query, expected) in [
        ("", vec![("a", 1), ("b", 2), ("c", 1)]),
        ("?CompatibleRuntime=python3.11", vec![("b", 1)]),
        ("?CompatibleRuntime=nodejs20.x", vec![("a", 1), ("b", 2)]),
        ("?CompatibleArchitecture=arm64", vec![("a", 1), ("b", 2)]),
        ("?CompatibleArchitecture=x86_64", vec![("b", 2), ("c", 1)]),
        ("?CompatibleRuntime=python3.11&CompatibleArchitecture=arm64", vec![]),
    ] {
        let shown = world.get(&format!("/2018-10-31/layers{query}")).await.ok(200);
        assert_eq!(layers(&shown), named(&expected), "{query}");
    }
    let first = world.get("/2018-10-31/layers?MaxItems=2").await.ok(200);
    assert_eq!(layers(&first), named(&[("a", 1), ("b", 2)]));
    let marker = first["NextMarker"].as_str().expect("a next page");
    let rest = world.get(&format!("/2018-10-31/layers?MaxItems=2&Marker={marker}")).await.ok(200);
    assert_eq!((layers(&rest), rest.get("NextMarker")), (named(&[("c", 1)]), None));

    let versions = |shown: &Value| -> Vec<u64> {
        let versions = shown["LayerVersions"].as_array().expect("a list");
        versions.iter().map(|version| version["Version"].as_u64().expect("a number")).collect()
    };
    publish(&world, "b", content("x")).await.ok(201);
    let all = world.get(&path("b", "")).await.ok(200);
    assert_eq!(versions(&all), [3, 2, 1], "the newest first");
    assert_eq!(keys(&all["LayerVersions"][0]), ["CreatedDate", "Description", "LayerVersionArn", "Version"]);
    assert_eq!(versions(&world.get(&path("b", "?CompatibleRuntime=python3.11")).await.ok(200)), [1]);
    assert_eq!(versions(&world.get(&path("b", "?CompatibleArchitecture=arm64")).await.ok(200)), [2]);
    let first = world.get(&path("b", "?MaxItems=2")).await.ok(200);
    assert_eq!(versions(&first), [3, 2]);
    let marker = first["NextMarker"].as_str().expect("a next page");
    let rest = world.get(&path("b", &format!("?MaxItems=2&Marker={marker}"))).await.ok(200);
    assert_eq!((versions(&rest), rest.get("NextMarker")), (vec![1], None));
}

#[tokio::test]
async fn a_layer_s_policy_is_added_to_shown_and_taken_away() {
    let world = World::new().await;
    published(&world, "l", 1).await;
    let policy = path("l", "/1/policy");
    let statement = |sid: &str, principal: &str| json!({"StatementId": sid, "Action": "lambda:GetLayerVersion", "Principal": principal});
    refused(&world.get(&policy).await, 404, NOT_FOUND, "No policy is associated with the given resource.");
    let added = world.call("POST", &policy, statement("s1", "*")).await.ok(201);
    assert_eq!(keys(&added), ["RevisionId", "Statement"]);
    let shown: Value = serde_json::from_str(added["Statement"].as_str().expect("text")).expect("JSON");
    let version = format!("{}:1", layer_arn("l"));
    let expected = json!({
        "Sid": "s1", "Effect": "Allow", "Principal": "*", "Action": "lambda:GetLayerVersion", "Resource": version,
    });
    assert_eq!(shown, expected);
    let whole = world.get(&policy).await.ok(200);
    assert_eq!((keys(&whole), &whole["RevisionId"]), (vec!["Policy", "RevisionId"], &added["RevisionId"]));
    let document: Value = serde_json::from_str(whole["Policy"].as_str().expect("text")).expect("JSON");
    assert_eq!(document, json!({"Version": "2012-10-17", "Id": "default", "Statement": [expected]}));

    refused(
        &world.call("POST", &policy, statement("s1", "*")).await,
        409,
        "ResourceConflictException",
        "The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement.",
    );
    let stale = "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id";
    let wrong = path("l", "/1/policy?RevisionId=wrong");
    refused(&world.call("POST", &wrong, statement("s2", "*")).await, 412, "PreconditionFailedException", stale);
    let wrong = path("l", "/1/policy/s1?RevisionId=wrong");
    refused(&world.call("DELETE", &wrong, Value::Null).await, 412, "PreconditionFailedException", stale);
    let organisation = with(statement("s2", "*"), json!({"OrganizationId": "o-1234567890"}));
    let query = format!("/1/policy?RevisionId={}", added["RevisionId"].as_str().expect("text"));
    let added = world.call("POST", &path("l", &query), organisation).await.ok(201);
    let shown: Value = serde_json::from_str(added["Statement"].as_str().expect("text")).expect("JSON");
    assert_eq!(shown["Condition"], json!({"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}));

    refused(
        &world.call("POST", &policy, json!({"StatementId": "s", "Action": "*", "Principal": "*"})).await,
        400,
        "ValidationException",
        "1 validation error detected: Value '*' at 'action' failed to satisfy constraint: Member must satisfy regular expression pattern: lambda:GetLayerVersion",
    );
    for (method, rest, body) in [
        ("POST", "/2/policy", statement("s", "*")),
        ("GET", "/2/policy", Value::Null),
        ("DELETE", "/2/policy/s", Value::Null),
    ] {
        let answer = world.call(method, &path("l", rest), body).await;
        refused(&answer, 404, NOT_FOUND, &format!("Layer version {}:2 does not exist.", layer_arn("l")));
    }
    let answer = world.call("DELETE", &path("l", "/1/policy/non-existent"), Value::Null).await;
    refused(&answer, 404, NOT_FOUND, "Statement non-existent is not found in resource policy.");
    for sid in ["s1", "s2"] {
        world.call("DELETE", &path("l", &format!("/1/policy/{sid}")), Value::Null).await.ok(204);
    }
    let world = world.restart().await;
    refused(&world.get(&policy).await, 404, NOT_FOUND, "No policy is associated with the given resource.");
}

#[tokio::test]
async fn a_function_shows_and_runs_its_layers_in_order() {
    let world = World::new().await;
    for name in ["a", "b"] {
        published(&world, name, 2).await;
    }
    let layers = [format!("{}:2", layer_arn("b")), format!("{}:1", layer_arn("a"))];
    let created = world.create(using("f", &layers)).await.ok(201);
    let expected = json!([
        {"Arn": layers[0], "CodeSize": "PK b 2".len()},
        {"Arn": layers[1], "CodeSize": "PK a 1".len()},
    ]);
    assert_eq!(created["Layers"], expected);
    assert_eq!(world.settled("f").await["Layers"], expected);
    let scope = hearth_types::Scope {
        partition: hearth_types::Partition::Aws,
        account: ACCOUNT.parse().expect("digits"),
        region: Some("us-east-1".into()),
    };
    let ctx = RequestContext::service(&scope, "test", RequestId::from("r"));
    let digest = |text: &str| {
        use sha2::Digest;
        hearth_ports::CodeDigest(sha2::Sha256::digest(text).into())
    };
    let runs = |world: &World| world.catalog.resolve(&ctx, "f", None).expect("there").version.layers.clone();
    assert_eq!(runs(&world), [digest("PK b 2"), digest("PK a 1")]);
    let world = world.restart().await;
    assert_eq!(runs(&world), [digest("PK b 2"), digest("PK a 1")]);

    // What is not named stays; a version keeps what it was published with.
    world.update_configuration("f", json!({"Description": "x"})).await.ok(200);
    assert_eq!(world.settled("f").await["Layers"], expected);
    world.publish("f", json!({})).await.ok(201);
    let other = json!({"Layers": [format!("{}:1", layer_arn("b"))]});
    world.update_configuration("f", other).await.ok(200);
    world.settled("f").await;
    assert_eq!(runs(&world), [digest("PK b 1")]);
    assert_eq!(world.publish("f", json!({})).await.ok(201)["Version"], "2", "other layers make another version");
    world.update_configuration("f", json!({"Layers": []})).await.ok(200);
    assert_eq!(world.settled("f").await.get("Layers"), None);
    let first = world.get("/2015-03-31/functions/f/configuration?Qualifier=1").await.ok(200);
    assert_eq!(first["Layers"], expected);
}

#[tokio::test]
async fn a_deleted_layer_version_goes_on_working_for_the_functions_that_have_it() {
    let world = World::new().await;
    published(&world, "l", 1).await;
    let layer = format!("{}:1", layer_arn("l"));
    world.create(using("f", std::slice::from_ref(&layer))).await.ok(201);
    world.settled("f").await;
    delete(&world, "l", 1).await;
    let world = world.restart().await;
    world.update_configuration("f", json!({"Timeout": 9})).await.ok(200);
    assert_eq!(world.settled("f").await["Layers"][0]["Arn"], layer);
    world.packages_left(2).await;
    refused(
        &world.create(using("g", std::slice::from_ref(&layer))).await,
        400,
        INVALID,
        &format!("Layer version {layer} does not exist."),
    );
    // With its last name the package goes.
    world.update_configuration("f", json!({"Layers": []})).await.ok(200);
    world.settled("f").await;
    world.packages_left(1).await;
}

#[tokio::test]
async fn a_package_is_kept_for_as_long_as_a_layer_names_it() {
    let world = World::new().await;
    published(&world, "l", 2).await;
    world.created("f").await;
    world.delete("f").await.ok(204);
    world.packages_left(2).await;
    delete(&world, "l", 1).await;
    world.packages_left(1).await;
}

#[tokio::test]
async fn layers_a_function_cannot_have_are_refused_as_recorded() {
    let world = World::new().await;
    published(&world, "l", 2).await;
    world.created("f").await;
    let version = |number: u64| format!("{}:{number}", layer_arn("l"));
    let elsewhere = version(1).replace("us-east-1", "eu-west-1");
    let twice = |first: u64, second: u64| {
        format!(
            "Two different versions of the same layer are not allowed to be referenced in the same function. {} and {} are versions of the same layer.",
            version(first),
            version(second)
        )
    };
    let cases = [
        (vec![version(9)], format!("Layer version {} does not exist.", version(9))),
        (
            vec![format!("{}:1", layer_arn("doesnotexist"))],
            format!("Layer version {}:1 does not exist.", layer_arn("doesnotexist")),
        ),
        (
            vec![elsewhere],
            "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."
                .to_owned(),
        ),
        (vec![version(1), version(2)], twice(1, 2)),
        (vec![version(1), version(1)], twice(1, 1)),
        (
            (1..=6).map(|number| format!("{}:1", layer_arn(&format!("l{number}")))).collect(),
            "Cannot reference more than 5 layers.".to_owned(),
        ),
    ];
    for (layers, text) in cases {
        refused(&world.create(using("g", &layers)).await, 400, INVALID, &text);
        refused(&world.update_configuration("f", json!({"Layers": layers})).await, 400, INVALID, &text);
    }
    let bare = layer_arn("l");
    refused(
        &world.create(using("g", std::slice::from_ref(&bare))).await,
        400,
        "ValidationException",
        &format!(
            "1 validation error detected: Value '[{bare}]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{{2}}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{{1}}:\\d{{12}}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+), Member must not be null]"
        ),
    );
    assert_eq!(world.configuration("f").await.get("Layers"), None);
    assert_eq!(world.get("/2015-03-31/functions/g").await.status, 404);
}

#[tokio::test]
async fn code_and_layers_together_have_a_limit() {
    let world = World::new().await;
    // Unpacked sizes as the trees' fake tells them.
    for (name, megabytes) in [("a", 150), ("b", 90)] {
        publish(&world, name, content(&format!("unpacked={} {name}", megabytes * 1_000_000))).await.ok(201);
    }
    let layers = ["a", "b"].map(|name| format!("{}:1", layer_arn(name)));
    let code = |bytes: u64| json!({"ZipFile": blob(format!("PK unpacked={bytes} code").as_bytes())});
    let text = |bytes: u64| {
        format!(
            "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is {bytes} bytes."
        )
    };
    let exactly = 262_144_000 - 240_000_000;
    let too_large = with(using("f", &layers), json!({"Code": code(exactly + 1)}));
    refused(&world.create(too_large).await, 400, INVALID, &text(262_144_001));
    world.create(with(using("f", &layers), json!({"Code": code(exactly)}))).await.ok(201);
    world.settled("f").await;
    refused(&world.update_code("f", code(exactly + 2)).await, 400, INVALID, &text(262_144_002));
    publish(&world, "c", content("unpacked=3 c")).await.ok(201);
    let more = [&layers[..], &[format!("{}:1", layer_arn("c"))]].concat();
    refused(&world.update_configuration("f", json!({"Layers": more})).await, 400, INVALID, &text(262_144_003));
    world.packages_left(4).await;
}

#[tokio::test]
async fn every_operation_on_layers_asks_whether_the_caller_may() {
    let world = World::new().await;
    published(&world, "l", 1).await;
    let (layer, version) = (layer_arn("l"), format!("{}:1", layer_arn("l")));
    let statement = json!({"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*"});
    world.call("POST", &path("l", "/1/policy"), statement.clone()).await.ok(201);
    for (action, resource, method, path, body) in [
        ("PublishLayerVersion", &layer, "POST", path("l", ""), content("new")),
        ("GetLayerVersion", &version, "GET", path("l", "/1"), Value::Null),
        (
            "GetLayerVersion",
            &version,
            "GET",
            format!("/2018-10-31/layers?find=LayerVersion&Arn={version}"),
            Value::Null,
        ),
        ("ListLayerVersions", &layer, "GET", path("l", ""), Value::Null),
        ("ListLayers", &layer_arn("*"), "GET", "/2018-10-31/layers".to_owned(), Value::Null),
        ("DeleteLayerVersion", &version, "DELETE", path("l", "/1"), Value::Null),
        ("AddLayerVersionPermission", &version, "POST", path("l", "/1/policy"), statement),
        ("GetLayerVersionPolicy", &version, "GET", path("l", "/1/policy"), Value::Null),
        ("RemoveLayerVersionPermission", &version, "DELETE", path("l", "/1/policy/s"), Value::Null),
        // Who may not look at a layer may not use it either.
        (
            "GetLayerVersion",
            &version,
            "POST",
            "/2015-03-31/functions".to_owned(),
            using("f", std::slice::from_ref(&version)),
        ),
    ] {
        world.permissions.denied.lock().insert(format!("lambda:{action}"));
        let text = format!("not authorized to perform: lambda:{action} on resource: {resource}");
        refused(&world.call(method, &path, body).await, 403, "AccessDeniedException", &text);
        world.permissions.denied.lock().clear();
    }
    assert_eq!(world.get(&path("l", "")).await.ok(200)["LayerVersions"].as_array().expect("a list").len(), 1);
    world.get(&path("l", "/1/policy")).await.ok(200);
}

#[tokio::test]
async fn a_layer_of_another_account_needs_a_policy_that_lets_the_function_s_in() {
    let world = World::new().await;
    let (owner, other) = ("111122223333", "arn:aws:lambda:us-east-1:111122223333:layer:l");
    // The key of a client that signs as that account.
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential={owner}/20260112/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=0"
    );
    let headers = [("authorization", credential.as_str()), ("x-amz-date", "20260112T153712Z")];
    let body = content("theirs").to_string();
    world.send("POST", &path("l", ""), &headers, body.into()).await.ok(201);
    let version = format!("{other}:1");
    let denied = world.create(using("f", std::slice::from_ref(&version))).await;
    assert_eq!((denied.status.as_u16(), denied.refusal().1.as_str()), (403, "AccessDeniedException"));
    let statement = json!({"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": ACCOUNT}).to_string();
    world.send("POST", &path("l", "/1/policy"), &headers, statement.into()).await.ok(201);
    let created = world.create(using("f", std::slice::from_ref(&version))).await.ok(201);
    assert_eq!(created["Layers"][0]["Arn"], version);
    assert_eq!(created["FunctionArn"], arn("f"));
}
