//! The own .NET runtime as a function sees it. Expected texts: AWS's documents, payloads recorded from the real service,
//! and what AWS's own client is known to do.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use hearth_runtime_api::Assignment;
use serde_json::{Value, json};
use support::identity;
use support::process::{REQUEST_ID, Records, RuntimeProcess, checkout, whole_context};
use tempfile::TempDir;

/// What setup could not have.
const MISSING: i32 = 2;

/// Compiles C#; `false` where there is no compiler.
fn compile(out: &Path, arguments: &[&str]) -> bool {
    let sources = checkout().join("crates/runtime-api/tests/dotnet");
    let mut command = Command::new(checkout().join("tools/compile-csharp.sh"));
    let status = command.arg(out).args(arguments).current_dir(sources).status().expect("script");
    assert!(status.success() || status.code() == Some(MISSING), "{arguments:?} does not compile");
    status.success()
}

/// The functions, compiled once. Nothing where this machine has no .NET: `make setup` installs one.
fn functions() -> Option<&'static Path> {
    static COMPILED: OnceLock<Option<TempDir>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| {
        let folder = tempfile::tempdir().expect("folder");
        let core = folder.path().join("Amazon.Lambda.Core.dll");
        if !compile(&core, &["Core.cs"]) {
            eprintln!("\nNOT TESTED: the .NET bootstrap, for there is no .NET in .tools (`make setup`)\n");
            return None;
        }
        let library = core.to_str().expect("path");
        compile(&folder.path().join("Shop.dll"), &["Shop.cs", "-r", library]);
        Some(folder)
    });
    compiled.as_ref().map(TempDir::path)
}

fn command() -> Vec<PathBuf> {
    let venv = std::fs::read_dir(checkout().join(".tools/dotnet/lib")).expect(".tools/dotnet");
    let packages = venv.map(|entry| entry.expect("entry").path()).find(|path| path.join("site-packages/dnv").is_dir());
    let dotnet = packages.expect("dnv").join("site-packages/dnv/net/runtime/.net/dotnet");
    vec![dotnet, "exec".into(), checkout().join("runtimes/dotnet/Bootstrap.dll")]
}

fn variables<'a>(task: &'a Path, handler: &'a str) -> [(&'a str, &'a str); 3] {
    let task = task.to_str().expect("path");
    [("_HANDLER", handler), ("LAMBDA_TASK_ROOT", task), ("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")]
}

async fn start(handler: &str) -> Option<RuntimeProcess> {
    Some(RuntimeProcess::start(&command(), &[], &variables(functions()?, handler)).await)
}

async fn start_with_records(handler: &str, more: &[(&str, &str)]) -> Option<(RuntimeProcess, Records)> {
    let variables = [&variables(functions()?, handler), more].concat();
    Some(RuntimeProcess::start_with_records(&command(), &[], &variables).await)
}

#[tokio::test]
async fn each_kind_of_handler_answers() {
    for (method, event, want) in [
        ("Maps", r#"{"a":[1,2.5,true,null]}"#, r#"{"a":[1,2.5,true,null]}"#),
        ("Text", "\"x\"", "\"x!\""),
        ("Number", "41", "42"),
        ("Bean", r#"{"name":"n","PARTS":[{"count":2}]}"#, r#"{"Name":"n","Count":1,"Parts":[{"Count":2}]}"#),
        ("Streams", "[1, \"é\"]", "[1, \"é\"]"),
        ("Later", "\"x\"", "\"x\""),
        ("LaterStill", "\"x\"", "\"x\""),
        ("Nothing", "1", ""),
        ("Own", "\"x\"", "<\"X\"!>"),
        ("System.String Text(System.String, Amazon.Lambda.Core.ILambdaContext)", "\"x\"", "\"x!\""),
    ] {
        let Some(runtime) = start(&format!("Shop::Shop.Handlers::{method}")).await else { return };
        assert_eq!(runtime.respond(event).await, want, "{method}");
        assert_eq!(runtime.respond(event).await, want, "{method}, again");
    }
    let Some(runtime) = start("Shop::Shop.Handlers::Streams").await else { return };
    let large = format!("\"{}\"", "é".repeat(2_000_000));
    assert!(runtime.respond(&large).await == large, "an event of many packets");
    let Some(runtime) = start("Shop::Shop.Handlers::Counts").await else { return };
    assert_eq!(
        (runtime.respond("1").await, runtime.respond("1").await),
        ("1".to_owned(), "2".to_owned()),
        "one instance"
    );
}

#[tokio::test]
async fn the_context_tells_of_function_and_invocation() {
    let Some(runtime) = start("Shop::Shop.Handlers::Context").await else { return };
    assert_eq!(runtime.context().await, whole_context());
    let second: Value = serde_json::from_str(&runtime.respond("{}").await).expect("JSON");
    assert_eq!((&second[7], &second[12]), (&Value::Null, &Value::Null), "of this invocation, not of the one before");
}

#[tokio::test]
async fn an_error_is_reported_with_its_causes_and_logged() {
    let Some((runtime, records)) = start_with_records("Shop::Shop.Handlers::Fails", &[]).await else { return };
    for _ in 0..2 {
        let error = runtime.fail("\"boom\"").await;
        assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("ArgumentException"), &json!("boom")));
        assert_eq!(error["stackTrace"][0], "at Shop.Handlers.Fails(String happening)");
        assert!(!error.to_string().contains("Hearth."), "no frame of the runtime: {error}");
        let cause = json!({ "errorType": "InvalidOperationException", "errorMessage": "below", "stackTrace": [] });
        assert_eq!(error["cause"], cause);
    }
    let (kind, text, _) = records.all().remove(0);
    assert_eq!(kind, 0xa55a_0017);
    let parts: Vec<&str> = text.splitn(4, '\t').collect();
    assert_eq!((parts[0].len(), parts[1], parts[2]), (24, REQUEST_ID, "fail"));
    assert!(
        parts[3].starts_with("System.ArgumentException: boom\n ---> System.InvalidOperationException: below"),
        "{text}"
    );
    let Some(runtime) = start("Shop::Shop.Handlers::FailsLater").await else { return };
    let want = json!({
        "errorType": "ArgumentException", "errorMessage": "boom",
        "stackTrace": ["at Shop.Handlers.FailsLater(String happening)"],
    });
    assert_eq!(runtime.fail("\"boom\"").await, want);
    let Some(runtime) = start("Shop::Shop.Handlers::Number").await else { return };
    assert_eq!(runtime.fail("\"no number\"").await["errorType"], "JsonException");
}

#[tokio::test]
async fn a_function_that_cannot_be_loaded_is_an_init_error() {
    let invalid = "LambdaValidationException";
    for (handler, kind, message) in [
        ("Shop::Shop.Unborn::Handle", "NotSupportedException", "at start"),
        ("Shop::Shop.Nowhere::X", invalid, "Unable to load type 'Shop.Nowhere' from assembly 'Shop'."),
        (
            "Shop::Shop.Handlers::Nowhere",
            invalid,
            "Unable to find method 'Nowhere' in type 'Shop.Handlers' from assembly 'Shop'.",
        ),
        ("Nowhere::X::Y", invalid, "Could not find the specified handler assembly with the file name 'Nowhere'."),
        (
            "Nowhere",
            invalid,
            "Invalid lambda function handler: 'Nowhere'. The valid format is 'ASSEMBLY::TYPE::METHOD'.",
        ),
    ] {
        let Some(mut runtime) = start(handler).await else { return };
        let error = runtime.json(&runtime.ready().await.expect_err("does not load").body);
        assert_eq!(error["errorType"], kind, "{handler}");
        assert!(error["errorMessage"].as_str().expect("text").starts_with(message), "{error}");
        assert_eq!(runtime.exit().await.code(), Some(1));
    }
}

#[tokio::test]
async fn each_line_of_the_console_is_a_record() {
    let Some((runtime, records)) = start_with_records("Shop::Shop.Handlers::Logs", &[]).await else { return };
    runtime.respond("1").await;
    assert_eq!(runtime.output(), "");
    let table = [
        (0xa55a_000f_u32, "info", "é out\nline"),
        (0xa55a_0017, "fail", "err"),
        (0xa55a_000f, "info", "2 parts"),
        (0xa55a_000f, "info", "record"),
        (0xa55a_0013, "warn", "careful"),
        (0xa55a_001b, "crit", "alarm"),
        (0xa55a_000f, "info", "unended"),
    ];
    let records = records.all();
    for ((want, level, message), (kind, text, micros)) in table.into_iter().zip(&records) {
        assert_eq!(*kind, want, "{message}");
        assert!(text.ends_with(&format!("Z\t{REQUEST_ID}\t{level}\t{message}")), "{text}");
        // Between 2026 and 2100.
        assert!((1_767_225_600_000_000..4_102_444_800_000_000).contains(micros), "{micros}");
    }
    assert_eq!(records.len(), table.len());
    let Some((runtime, _records)) = start_with_records("Shop::Shop.Handlers::Descriptor", &[]).await else { return };
    assert_eq!(runtime.respond("1").await, "\"unknown\"");
}

#[tokio::test]
async fn json_records_are_json_frames_of_the_wanted_levels() {
    let more = [("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "WARN")];
    let Some((runtime, records)) = start_with_records("Shop::Shop.Handlers::Logs", &more).await else { return };
    runtime.respond("1").await;
    let seen = records.all().into_iter().map(|(kind, text, _)| {
        let record: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(record["requestId"], REQUEST_ID);
        (kind, record["level"].clone(), record["message"].clone())
    });
    let want = [
        (0xa55a_0016, json!("Error"), json!("err")),
        (0xa55a_0012, json!("Warning"), json!("careful")),
        (0xa55a_001a, json!("Critical"), json!("alarm")),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), want);
}

/// A function whose handler is an assembly's name is a program that talks to the Runtime API itself.
#[tokio::test]
async fn an_assembly_without_a_method_is_run_as_a_program() {
    if functions().is_none() {
        return;
    }
    let task = tempfile::tempdir().expect("task");
    assert!(compile(&task.path().join("Own.dll"), &["Own.cs", "--program"]));
    let config = checkout().join("runtimes/dotnet/Bootstrap.runtimeconfig.json");
    std::fs::copy(config, task.path().join("Own.runtimeconfig.json")).expect("copied");
    let runtime = RuntimeProcess::start(&command(), &[], &variables(task.path(), "Own")).await;
    assert_eq!(runtime.respond("1").await, "\"of its own\"");
}

/// The assembly that is checked in is what its sources say.
#[test]
fn the_assembly_is_built_from_the_sources_beside_it() {
    let folder = tempfile::tempdir().expect("folder");
    let built = folder.path().join("Bootstrap.dll");
    let status = Command::new(checkout().join("tools/build-dotnet-bootstrap.sh")).arg(&built).status().expect("script");
    if status.code() == Some(MISSING) {
        eprintln!(
            "\nNOT TESTED: whether runtimes/dotnet/Bootstrap.dll is up to date, for its compiler is not in .tools\n"
        );
        return;
    }
    let checked_in = std::fs::read(checkout().join("runtimes/dotnet/Bootstrap.dll")).expect("checked in");
    assert!(
        std::fs::read(built).expect("built") == checked_in,
        "run tools/build-dotnet-bootstrap.sh and check in what it makes"
    );
}

#[tokio::test]
async fn a_process_that_waits_becomes_the_function_it_is_given() {
    let Some(task) = functions() else { return };
    let stale = [("STALE", "x"), ("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")];
    let runtime = RuntimeProcess::start_prepared(&command(), &[], &stale).await;
    let own = [("OWN", "ü"), ("AWS_LAMBDA_FUNCTION_NAME", "given")];
    let environment = [&variables(task, "Shop::Shop.Handlers::Given")[..], &own].concat();
    let address = ("AWS_LAMBDA_RUNTIME_API".to_owned(), runtime.server.address.to_string());
    let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = environment.chain([address]).collect();
    runtime.server.api.assign(Assignment { identity: identity(), environment }).expect("assigned");
    let seen: Value = serde_json::from_str(&runtime.respond("{}").await).expect("JSON");
    assert_eq!(seen, json!(["ü", null, null, "given"]));
}
