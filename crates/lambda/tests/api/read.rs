//! GetFunction, GetFunctionConfiguration, the lists, and the small reads that tools do.

use hearth_lambda::code_location;
use serde_json::{Value, json};

use crate::world::{ACCOUNT, World, arn, blob, function, keys, with};

#[tokio::test]
async fn get_function_has_configuration_and_code() {
    let world = World::new().await;
    world.created("f").await;
    let got = world.get("/2015-03-31/functions/f").await.ok(200);
    assert_eq!(keys(&got), ["Code", "Configuration"]);
    assert_eq!(keys(&got["Code"]), ["Location", "RepositoryType"]);
    assert_eq!(got["Code"]["RepositoryType"], "S3");
    assert_eq!(got["Configuration"], world.configuration("f").await);
}

#[tokio::test]
async fn tags_given_at_creation_are_shown() {
    let world = World::new().await;
    world.create(with(function("f"), json!({"Tags": {"team": "a"}}))).await.ok(201);
    assert_eq!(world.get("/2015-03-31/functions/f").await.ok(200)["Tags"], json!({"team": "a"}));
    let path = format!("/2017-03-31/tags/{}", arn("f").replace(':', "%3A"));
    assert_eq!(world.get(&path).await.ok(200), json!({"Tags": {"team": "a"}}));
    world.create(function("g")).await.ok(201);
    let path = format!("/2017-03-31/tags/{}", arn("g").replace(':', "%3A"));
    assert_eq!(world.get(&path).await.ok(200), json!({"Tags": {}}));
    let path = format!("/2017-03-31/tags/{}", arn("g:1").replace(':', "%3A"));
    assert_eq!(
        world.get(&path).await.refusal().3,
        "Tags on function aliases and versions are not supported. Please specify a function ARN."
    );
    let path = format!("/2017-03-31/tags/{}", arn("h").replace(':', "%3A"));
    assert_eq!(world.get(&path).await.refusal().3, format!("Function not found: {}", arn("h")));
}

#[tokio::test]
async fn the_code_location_gives_the_package_for_ten_minutes() {
    let world = World::new().await;
    world.created("f").await;
    let got = world.get("/2015-03-31/functions/f").await.ok(200);
    let location = got["Code"]["Location"].as_str().expect("a URL");
    let rest = location.strip_prefix("http://hearth.test:4566").expect("the host the client used");
    let (path, query) = rest.split_once('?').expect("a query");
    assert!(path.starts_with(code_location::PATH_PREFIX));

    let response = code_location::serve(&world.lambda, path, query).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body().bytes().expect("whole").as_ref(), b"PK f");

    // The URL stays that of the package it was made for.
    world.update_code("f", json!({"ZipFile": blob(b"PK new")})).await.ok(200);
    world.publish("f", Value::Null).await;
    let forged = query.replace("signature=", "signature=x");
    assert_eq!(code_location::serve(&world.lambda, path, &forged).await.status(), 403);
    world.settled("f").await;
    world.packages_left(1).await;
    assert_eq!(code_location::serve(&world.lambda, path, query).await.status(), 404);

    world.clock.advance(600_000);
    assert_eq!(code_location::serve(&world.lambda, path, query).await.status(), 403);
}

#[tokio::test]
async fn the_arn_shown_is_as_qualified_as_the_request() {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", Value::Null).await.ok(201);
    for (request, shown, version) in [
        ("f/configuration", "f", "$LATEST"),
        ("f/configuration?Qualifier=$LATEST", "f:$LATEST", "$LATEST"),
        ("f:$LATEST/configuration", "f:$LATEST", "$LATEST"),
        ("f/configuration?Qualifier=1", "f:1", "1"),
        ("f:1/configuration?Qualifier=1", "f:1", "1"),
    ] {
        let got = world.get(&format!("/2015-03-31/functions/{request}")).await.ok(200);
        assert_eq!(got["FunctionArn"], arn(shown), "{request}");
        assert_eq!(got["Version"], version, "{request}");
    }
}

#[tokio::test]
async fn every_form_of_a_name_finds_the_function() {
    let world = World::new().await;
    world.created("f").await;
    for name in ["f".to_owned(), format!("{ACCOUNT}:function:f"), arn("f"), "function:f".to_owned()] {
        let name = name.replace(':', "%3A");
        assert_eq!(world.configuration(&name).await["FunctionArn"], arn("f"), "{name}");
    }
}

#[tokio::test]
async fn what_is_not_there_gets_the_recorded_text() {
    let world = World::new().await;
    world.created("f").await;
    let not_found = |name: &str| format!("Function not found: {}", arn(name));
    let cases = [
        ("GET", "/2015-03-31/functions/none", not_found("none")),
        ("GET", "/2015-03-31/functions/none/configuration", not_found("none")),
        ("GET", "/2015-03-31/functions/none?Qualifier=1", not_found("none:1")),
        ("GET", "/2015-03-31/functions/f?Qualifier=10", not_found("f:10")),
        ("GET", "/2015-03-31/functions/f?Qualifier=alias", not_found("f:alias")),
        ("GET", "/2015-03-31/functions/none/versions", not_found("none")),
        ("POST", "/2015-03-31/functions/none/versions", not_found("none")),
        ("PUT", "/2015-03-31/functions/none/code", not_found("none")),
        ("PUT", "/2015-03-31/functions/none/configuration", not_found("none")),
        ("DELETE", "/2015-03-31/functions/none", not_found("none")),
        ("GET", "/2020-06-30/functions/none/code-signing-config", not_found("none")),
        ("GET", "/2019-09-30/functions/none/concurrency", not_found("none")),
        ("POST", "/2015-03-31/functions/none/invocations", not_found("none:$LATEST")),
        ("POST", "/2015-03-31/functions/f/invocations?Qualifier=10", not_found("f:10")),
        ("GET", "/2015-03-31/functions/none/policy", "The resource you requested does not exist.".to_owned()),
        ("GET", "/2015-03-31/functions/f/policy", "The resource you requested does not exist.".to_owned()),
        (
            "GET",
            "/2015-03-31/functions/arn:aws:lambda:ap-southeast-1:000000000000:function:f",
            "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')".to_owned(),
        ),
    ];
    for (method, path, text) in cases {
        let answer = world.call(method, path, Value::Null).await;
        let refusal = answer.refusal();
        assert_eq!((refusal.0, refusal.3.as_str()), (404, text.as_str()), "{method} {path}");
        assert_eq!((refusal.1.as_str(), refusal.2.as_deref()), ("ResourceNotFoundException", Some("User")));
        // Recorded: this shape carries its text under `Message`.
        assert_eq!(keys(&answer.json()), ["Message", "Type"], "{method} {path}");
    }
}

#[tokio::test]
async fn a_wrong_name_is_refused_with_the_recorded_text() {
    let world = World::new().await;
    world.created("f").await;
    let cases = [
        (
            "f:1?Qualifier=2",
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.".to_owned(),
        ),
        (
            "arn:aws:lambda:us-east-1:123400000000@function:myfn",
            "ValidationException",
            r"1 validation error detected: Value 'arn:aws:lambda:us-east-1:123400000000@function:myfn' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?".to_owned(),
        ),
        (
            "f?Qualifier=invalid-qualifier-with-%3F-char",
            "ValidationException",
            r"1 validation error detected: Value 'invalid-qualifier-with-?-char' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+".to_owned(),
        ),
    ];
    for (path, code, text) in cases {
        let refusal = world.get(&format!("/2015-03-31/functions/{path}")).await.refusal();
        assert_eq!((refusal.0, refusal.1.as_str(), refusal.3.as_str()), (400, code, text.as_str()), "{path}");
    }
    let foreign = world.get("/2015-03-31/functions/123456789012:function:f").await.refusal();
    assert_eq!((foreign.0, foreign.1.as_str()), (403, "AccessDeniedException"));
}

#[tokio::test]
async fn reads_that_tools_always_do_answer_as_for_a_plain_function() {
    let world = World::new().await;
    world.created("f").await;
    assert_eq!(world.get("/2020-06-30/functions/f/code-signing-config").await.ok(200), json!({}));
    assert_eq!(world.get("/2019-09-30/functions/f/concurrency").await.ok(200), json!({}));
}

fn names(list: &Value) -> Vec<String> {
    let text = |entry: &Value| entry["FunctionName"].as_str().expect("a name").to_owned();
    list["Functions"].as_array().expect("a list").iter().map(text).collect()
}

#[tokio::test]
async fn functions_are_listed_in_pages_by_name() {
    let world = World::new().await;
    for at in (0..101).rev() {
        let same = json!({"Code": {"ZipFile": blob(b"PK same")}});
        world.create(with(function(&format!("f{at:03}")), same)).await.ok(201);
    }
    let mut all = Vec::new();
    let mut sizes = Vec::new();
    let mut path = "/2015-03-31/functions?MaxItems=10000".to_owned();
    loop {
        let page = world.get(&path).await.ok(200);
        sizes.push(names(&page).len());
        all.extend(names(&page));
        let Some(marker) = page.get("NextMarker").and_then(Value::as_str) else { break };
        path = format!("/2015-03-31/functions?MaxItems=10000&Marker={marker}");
    }
    assert_eq!(sizes, [50, 50, 1]);
    assert_eq!(all, (0..101).map(|at| format!("f{at:03}")).collect::<Vec<_>>());

    let exact = world.get("/2015-03-31/functions?MaxItems=2").await.ok(200);
    assert_eq!(names(&exact), ["f000", "f001"]);
    let refusal = world.get("/2015-03-31/functions?Marker=nonsense").await.refusal();
    assert_eq!((refusal.0, refusal.1.as_str()), (400, "InvalidParameterValueException"));
    let refusal = world.get("/2015-03-31/functions?MasterRegion=ALL").await.refusal();
    assert_eq!(refusal.3, "Hearth does not support MasterRegion yet: leave it out.");
}

#[tokio::test]
async fn lists_leave_out_what_changes_by_itself() {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", Value::Null).await.ok(201);
    // Recorded.
    let listed = [
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
        "SnapStart",
        "Timeout",
        "TracingConfig",
        "Version",
    ];
    let functions = world.get("/2015-03-31/functions").await.ok(200);
    assert_eq!(keys(&functions), ["Functions"]);
    assert_eq!(keys(&functions["Functions"][0]), listed);
    assert_eq!(functions["Functions"][0]["FunctionArn"], arn("f"));
    let versions = world.get("/2015-03-31/functions/f/versions").await.ok(200);
    assert_eq!(keys(&versions["Versions"][1]), listed);
}

#[tokio::test]
async fn all_versions_of_all_functions_are_listed_in_pages() {
    let world = World::new().await;
    for name in ["a", "b"] {
        world.created(name).await;
        for description in ["1", "2"] {
            world.update_configuration(name, json!({"Description": description})).await.ok(200);
            world.settled(name).await;
            world.publish(name, Value::Null).await.ok(201);
        }
    }
    let mut arns = Vec::new();
    let mut path = "/2015-03-31/functions?FunctionVersion=ALL&MaxItems=2".to_owned();
    loop {
        let page = world.get(&path).await.ok(200);
        let entries = page["Functions"].as_array().expect("a list");
        assert!(entries.len() <= 2);
        arns.extend(entries.iter().map(|entry| entry["FunctionArn"].as_str().expect("an ARN").to_owned()));
        let Some(marker) = page.get("NextMarker").and_then(Value::as_str) else { break };
        path = format!("/2015-03-31/functions?FunctionVersion=ALL&MaxItems=2&Marker={marker}");
    }
    let expected = ["a:$LATEST", "a:1", "a:2", "b:$LATEST", "b:1", "b:2"].map(arn);
    assert_eq!(arns, expected);
    let refusal = world.get("/2015-03-31/functions?FunctionVersion=invalid").await.refusal();
    assert_eq!(
        refusal.3,
        "1 validation error detected: Value 'invalid' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]"
    );
}
