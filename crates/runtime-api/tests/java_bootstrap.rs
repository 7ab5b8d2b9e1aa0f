//! The own Java runtime as a function sees it. Expected texts: AWS's documents, payloads recorded from the real service,
//! and what AWS's own client is known to do.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use support::process::{REQUEST_ID, Records, RuntimeProcess, checkout, program, whole_context};
use tempfile::TempDir;

/// Their classes, compiled once. Nothing where this machine has no Java: `make setup` installs one.
fn functions() -> Option<&'static Path> {
    static COMPILED: OnceLock<Option<TempDir>> = OnceLock::new();
    let compile = || {
        let javac = program(&["/usr/bin/javac", "javac"], "javac ");
        if javac.is_none() {
            eprintln!("\nNOT TESTED: the Java bootstrap, for there is no javac on this machine (`make setup`)\n");
        }
        let folder = tempfile::tempdir().expect("folder");
        let sources = checkout().join("crates/runtime-api/tests/java");
        let files = std::fs::read_dir(sources).expect("sources").map(|entry| entry.expect("source").path());
        let status = Command::new(javac?)
            .args(["--release", "8", "-Xlint:-options", "-encoding", "UTF-8", "-cp"])
            .arg(archive())
            .arg("-d")
            .arg(folder.path())
            .args(files)
            .status();
        assert!(status.expect("javac").success());
        Some(folder)
    };
    COMPILED.get_or_init(compile).as_ref().map(TempDir::path)
}

fn archive() -> PathBuf {
    checkout().join("runtimes/java/bootstrap.jar")
}

fn command() -> Vec<PathBuf> {
    let java = program(&["/usr/bin/java", "java"], "openjdk ").expect("where there is javac, there is java");
    vec![java, "-XX:TieredStopAtLevel=1".into(), "-XX:+UseSerialGC".into(), "-jar".into(), archive()]
}

async fn start_in(task: &Path, handler: &str, variables: &[(&str, &str)]) -> RuntimeProcess {
    let own = [("_HANDLER", handler), ("LAMBDA_TASK_ROOT", task.to_str().expect("path"))];
    RuntimeProcess::start(&command(), &[], &[&own, variables].concat()).await
}

async fn start(handler: &str) -> Option<RuntimeProcess> {
    Some(start_in(functions()?, handler, &[]).await)
}

async fn start_with_records(handler: &str, variables: &[(&str, &str)]) -> Option<(RuntimeProcess, Records)> {
    let own = [("_HANDLER", handler), ("LAMBDA_TASK_ROOT", functions()?.to_str().expect("path"))];
    Some(RuntimeProcess::start_with_records(&command(), &[], &[&own, variables].concat()).await)
}

#[tokio::test]
async fn each_kind_of_handler_answers() {
    let event = r#"{"a":[1,2.5,"é😀",true],"big":12345678901,"huge":123456789012345678901}"#;
    for (handler, event, want) in [
        ("shop.Handlers$Maps", event, event),
        ("shop.Handlers$Maps::handleRequest", event, event),
        ("shop.Handlers$Streams", event, event),
        ("shop.Handlers$Above", r#"{"name":"x"}"#, r#"{"name":"x","count":1}"#),
        ("shop.Handlers::text", "\"x\"", "\"x!\""),
        ("shop.Handlers::number", "\"41\"", "42"),
        ("shop.Handlers::list", "[1,2]", "3"),
        ("shop.Handlers::streams", "[1]", "[1]"),
        ("shop.Handlers::context", "1", "\"echo\""),
        ("shop.Handlers::nothing", "1", "null"),
        ("shop.Handlers::overloaded", "1", "\"event and context\""),
        ("shop.Handlers::constant", "\"RED\"", "\"RED\""),
    ] {
        let Some(runtime) = start(handler).await else { return };
        assert_eq!(runtime.respond(event).await, want, "{handler}");
        assert_eq!(runtime.respond(event).await, want, "{handler}, again");
    }
    let Some(runtime) = start("shop.Handlers$Maps").await else { return };
    let large = format!("{{\"a\":\"{}\"}}", "é".repeat(2_000_000));
    assert!(runtime.respond(&large).await == large, "an event of many packets");
}

#[tokio::test]
async fn objects_are_read_and_written_as_beans() {
    let Some(runtime) = start("shop.Handlers::bean").await else { return };
    let event = json!({
        "name": "n", "count": "3", "price": 1.25, "open": true, "colour": "RED", "when": 1_428_537_600_000_u64,
        "day": "2015-04-09", "data": "aGk=", "id": "5f0c7127-3be9-4488-b801-c7b6415b45e9", "URL": "u",
        "parts": [{ "name": "p" }], "byKey": { "k": { "name": "v" } }, "tags": "one", "numbers": [1, 2],
        "generic": { "value": { "name": "g" } }, "free": { "any": [1, null] }, "shown": "s",
        "unknown": 1, "nothing": null, "hidden": "not written",
    });
    let answer: Value = serde_json::from_str(&runtime.respond(&event.to_string()).await).expect("JSON");
    let want = json!({
        "name": "n", "count": 3, "price": 1.25, "open": true, "colour": "RED", "when": 1_428_537_600_000_u64,
        "day": [2015, 4, 9], "data": "aGk=", "id": "5f0c7127-3be9-4488-b801-c7b6415b45e9", "URL": "u",
        "parts": [{ "name": "p", "count": 0 }], "byKey": { "k": { "name": "v", "count": 0 } }, "tags": ["one"],
        "numbers": [1, 2], "generic": { "value": { "name": "g", "count": 0 } }, "free": { "any": [1, null] }, "shown": "s",
    });
    assert_eq!(answer, want);
    assert_eq!(runtime.respond(r#"{"colour":"BEIGE","when":""}"#).await, r#"{"count":0,"price":0.0,"open":false}"#);
}

#[tokio::test]
async fn an_event_class_of_aws_is_read_whatever_the_case_of_its_names() {
    let Some(runtime) = start("shop.Handlers::event").await else { return };
    let event =
        json!({ "Records": [{ "eventSourceARN": "arn", "Sns": "s", "detail-type": "t", "at": 1_428_537_600.5 }] });
    assert_eq!(runtime.respond(&event.to_string()).await, r#"["arn","s","t",1428537600500]"#);
    assert_eq!(runtime.respond("{}").await, r#"{"statusCode":200,"isBase64Encoded":true}"#);
}

#[tokio::test]
async fn the_context_tells_of_function_and_invocation() {
    let Some(runtime) = start("shop.Handlers::wholeContext").await else { return };
    assert_eq!(runtime.context().await, whole_context());
    let second: Value = serde_json::from_str(&runtime.respond("{}").await).expect("JSON");
    assert_eq!(second[12], Value::Null, "of this invocation, not of the one before");
}

#[tokio::test]
async fn an_error_is_reported_with_its_causes_and_logged() {
    let Some((runtime, records)) = start_with_records("shop.Handlers$Failing", &[]).await else { return };
    let frame = |line: u32| format!("shop.Handlers$Failing.handleRequest(Handlers.java:{line})");
    let error = runtime.fail("\"boom\"").await;
    let first = error["stackTrace"][0].as_str().expect("frame");
    let line: u32 = first.trim_end_matches(')').rsplit(':').next().expect("line").parse().expect("number");
    assert_eq!(first, frame(line));
    assert_eq!(
        (&error["errorMessage"], &error["errorType"], &error["cause"]["errorMessage"], &error["cause"]["errorType"]),
        (
            &json!("boom"),
            &json!("java.lang.RuntimeException"),
            &json!("below"),
            &json!("java.lang.IllegalStateException")
        )
    );
    assert!(!error.to_string().contains("hearth."), "no frame of the runtime: {error}");
    assert_eq!(runtime.fail("\"boom\"").await["errorMessage"], "boom", "the process goes on");
    let (kind, text, _) = records.all().remove(0);
    assert_eq!(kind, 0xa55a_0003);
    let start = format!("boom: java.lang.RuntimeException\njava.lang.RuntimeException: boom\n\tat {first}\n");
    assert!(text.starts_with(&start) && text.contains("Caused by: java.lang.IllegalStateException: below"), "{text}");
}

#[tokio::test]
async fn what_is_no_event_of_its_type_is_an_error() {
    for (handler, event) in
        [("shop.Handlers::number", "{\"a\":1}"), ("shop.Handlers$Maps", "1"), ("shop.Handlers::bean", "true")]
    {
        let Some(runtime) = start(handler).await else { return };
        let error = runtime.fail(event).await;
        assert_eq!(
            (&error["errorMessage"], &error["errorType"]),
            (&json!("An error occurred during JSON parsing"), &json!("java.lang.RuntimeException")),
        );
        assert!(error["cause"]["errorMessage"].is_string(), "{error}");
    }
    let Some(runtime) = start("shop.Handlers::endless").await else { return };
    let error = runtime.fail("1").await;
    assert_eq!(error["errorMessage"], "An error occurred during JSON serialization of response");
}

/// Source: Lambda developer guide, "Troubleshoot invocation issues".
#[tokio::test]
async fn a_handler_that_is_not_there_is_told_to_each_caller() {
    for (handler, message, kind) in [
        ("shop.Nowhere", "Class not found: shop.Nowhere", Some("java.lang.ClassNotFoundException")),
        (
            "shop.Handlers::nowhere",
            "No public method named nowhere with appropriate method signature found on class shop.Handlers",
            Some("java.lang.NoSuchMethodException"),
        ),
        ("shop.Handlers", "Class does not implement an appropriate handler interface: shop.Handlers", None),
        ("::x", "Invalid handler: `::x'", None),
    ] {
        let Some(runtime) = start(handler).await else { return };
        for _ in 0..2 {
            let error = runtime.fail("1").await;
            assert_eq!((error["errorMessage"].as_str(), error["errorType"].as_str()), (Some(message), kind));
        }
    }
}

#[tokio::test]
async fn a_function_that_fails_to_start_is_an_init_error() {
    for handler in ["shop.Handlers$Unborn", "shop.Handlers$Unborn::handleRequest", "shop.Handlers$NoClass"] {
        let Some(mut runtime) = start(handler).await else { return };
        let error = runtime.json(&runtime.ready().await.expect_err("does not start").body);
        assert_eq!(
            (&error["errorMessage"], &error["errorType"]),
            (&json!("at start"), &json!("java.lang.UnsupportedOperationException")),
            "{handler}"
        );
        assert_eq!(runtime.exit().await.code(), Some(1));
    }
}

#[tokio::test]
async fn an_error_of_the_machine_ends_the_process_after_it_is_told() {
    let Some(mut runtime) = start("shop.Handlers::deep").await else { return };
    assert_eq!(runtime.fail("1").await["errorType"], "java.lang.StackOverflowError");
    assert_eq!(runtime.exit().await.code(), Some(1));
}

#[tokio::test]
async fn lines_and_records_reach_the_log() {
    let Some(runtime) = start("shop.Handlers::logs").await else { return };
    runtime.respond("1").await;
    assert_eq!(runtime.output(), "é out\nline\nerr\nrecord[WARN] careful");
    let Some((runtime, records)) = start_with_records("shop.Handlers::logs", &[]).await else { return };
    runtime.respond("1").await;
    assert_eq!(runtime.output(), "é out\nline\nerr\n");
    let records: Vec<(u32, String)> = records.all().into_iter().map(|(kind, text, _)| (kind, text)).collect();
    assert_eq!(records, [(0xa55a_0003, "record".to_owned()), (0xa55a_0013, "[WARN] careful".to_owned())]);
}

#[tokio::test]
async fn json_records_are_json_frames_of_the_wanted_levels() {
    let variables = [("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "ERROR")];
    let Some((runtime, records)) = start_with_records("shop.Handlers::logs", &variables).await else { return };
    runtime.respond("1").await;
    let records = records.all();
    assert_eq!(records.len(), 1, "a warning is below the level: {records:?}");
    let record: Value = serde_json::from_str(&records[0].1).expect("JSON");
    assert_eq!(
        (records[0].0, &record["message"], &record["level"], &record["AWSRequestId"]),
        (0xa55a_0002, &json!("record"), &json!("UNDEFINED"), &json!(REQUEST_ID))
    );
}

#[tokio::test]
async fn archives_below_lib_are_found_and_an_own_serializer_is_used() {
    let Some(functions) = functions() else { return };
    let task = tempfile::tempdir().expect("task");
    let lib = task.path().join("lib");
    std::fs::create_dir_all(task.path().join("META-INF/services")).expect("folder");
    std::fs::create_dir(&lib).expect("folder");
    let service = task.path().join("META-INF/services/com.amazonaws.services.lambda.runtime.CustomPojoSerializer");
    std::fs::write(service, "shop.Handlers$Shouting\n").expect("service");
    let jar = Command::new("jar").arg("cf").arg(lib.join("shop.jar")).arg("-C").arg(functions).arg(".").status();
    assert!(jar.expect("jar comes with javac").success());
    let runtime = start_in(task.path(), "shop.Handlers::text", &[]).await;
    assert_eq!(runtime.respond("\"x\"").await, "<\"X\"!>");
}

/// The archive that is checked in is what its sources say.
#[test]
fn the_archive_is_built_from_the_sources_beside_it() {
    let folder = tempfile::tempdir().expect("folder");
    let built = folder.path().join("bootstrap.jar");
    let status = Command::new(checkout().join("tools/build-java-bootstrap.sh")).arg(&built).status().expect("script");
    if matches!(status.code(), Some(1 | 2 | 127)) && !built.exists() {
        eprintln!(
            "\nNOT TESTED: whether runtimes/java/bootstrap.jar is up to date, for javac 17 is not on this machine\n"
        );
        return;
    }
    let (built, checked_in) = (std::fs::read(built).expect("built"), std::fs::read(archive()).expect("checked in"));
    assert!(built == checked_in, "run tools/build-java-bootstrap.sh and check in what it makes");
}
