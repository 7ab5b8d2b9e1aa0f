//! What goes wrong inside an environment, and with the client: each has its answer, and the next invocation works.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use hearth_ports::{FunctionVersion, InvokeError, RuntimeVersion};
use hearth_types::Millis;

use crate::testing::function;
use crate::testing::sandbox::SCRIPTED_RUNTIMES;
use crate::testing::world::{World, text, with_handler};

#[tokio::test(start_paused = true)]
async fn a_time_out_answers_resets_and_the_next_invocation_works() {
    let world = World::new([function("f")]).await;
    world.answer("f", "id").await;
    let started = tokio::time::Instant::now();
    let response = world.invoke("f", "hang").await.expect("answers");
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    assert_eq!(response.function_error, Some("Unhandled"));
    assert_eq!(
        text(response),
        r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: req-1 Error: Task timed out after 3.00 seconds"}"#
    );
    let lines = world.sink.lines();
    assert_eq!(
        lines[lines.len() - 3..],
        [
            "hanging",
            "END RequestId: req-1",
            "REPORT RequestId: req-1\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 36 MB\tStatus: timeout"
        ]
    );
    assert_eq!(world.answer("f", "id").await, "1:3:2", "the same environment, restarted");
    assert_eq!(world.environments(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_crash_has_its_payload_and_leaves_a_working_environment() {
    let world = World::new([function("f")]).await;
    let exit =
        |text: &str| format!(r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: req-1 Error: {text}"}}"#);
    let table = [
        ("exit 0", exit("Runtime exited without providing a reason"), true),
        ("exit 1", exit("Runtime exited with error: exit status 1"), true),
        ("signal 6", exit("Runtime exited with error: signal: aborted"), true),
        ("oom", exit("Runtime exited with error: signal: killed"), true),
        (
            "large",
            r#"{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}"#
                .to_owned(),
            false,
        ),
        (
            "cut",
            r#"{"errorType":"Runtime.TruncatedResponse","errorMessage":"RequestId: req-1 Error: Runtime closed the connection before the end of the response"}"#
                .to_owned(),
            true,
        ),
        ("fail", r#"{"errorMessage":"no","errorType":"Exception"}"#.to_owned(), false),
    ];
    for (event, payload, resets) in table {
        let before = world.sandboxes.resets.load(SeqCst);
        let response = world.invoke("f", event).await.expect("answers");
        assert_eq!(response.function_error, Some("Unhandled"), "{event}");
        assert_eq!(text(response), payload);
        assert_eq!(world.sandboxes.resets.load(SeqCst) - before, usize::from(resets), "{event}");
        assert!(world.answer("f", "id").await.starts_with("1:"), "{event}");
    }
    assert_eq!(world.environments(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_cannot_be_reset_is_replaced() {
    let world = World::new([function("f")]).await;
    world.sandboxes.is_reset_broken.store(true, SeqCst);
    world.invoke("f", "exit 1").await.expect("answers");
    assert_eq!(world.answer("f", "id").await, "2:1:1");
    assert_eq!(world.environments(), (2, 1));
    assert_eq!(world.issuer.live.lock().len(), 1, "the first one's credentials are void");
}

#[tokio::test(start_paused = true)]
async fn an_init_over_ten_seconds_is_repeated_inside_the_invocation() {
    let mut slow = with_handler("f", "init-sleeps-once:60000");
    slow.timeout = Millis::from_secs(30);
    let world = World::new([slow]).await;
    let started = tokio::time::Instant::now();
    assert_eq!(world.answer("f", "id").await, "1:1:2");
    assert_eq!(started.elapsed(), Duration::from_secs(10));
    let lines = world.sink.lines();
    assert_eq!(
        lines[1..4],
        ["boot 1", "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout", "boot 2"]
    );
    assert_eq!(lines[4], "START RequestId: req-1 Version: $LATEST");
    assert!(!lines[6].contains("Init Duration"), "{}", lines[6]);
}

#[tokio::test(start_paused = true)]
async fn an_init_that_fails_answers_with_the_runtimes_own_body() {
    let world = World::new([with_handler("f", "init-error")]).await;
    for _ in 0..2 {
        let response = world.invoke("f", "echo").await.expect("answers");
        assert_eq!(response.function_error, Some("Unhandled"));
        assert_eq!(text(response), r#"{"init":"error"}"#);
    }
    let lines = world.sink.lines();
    let init_report = |line: &String, phase: &str| {
        line.starts_with("INIT_REPORT Init Duration: ")
            && line.ends_with(&format!(" ms\tPhase: {phase}\tStatus: error\tError Type: Runtime.ImportModuleError"))
    };
    assert!(init_report(&lines[2], "init") && init_report(&lines[4], "invoke"), "{lines:?}");
    assert_eq!(lines[5], "START RequestId: req-1 Version: $LATEST");
    assert!(lines[7].ends_with("Status: error\tError Type: Runtime.ImportModuleError"));
    assert_eq!(world.environments(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_init_that_fails_once_runs_the_function_the_second_time() {
    let world = World::new([with_handler("f", "init-error-once")]).await;
    assert_eq!(world.answer("f", "id").await, "1:1:2");
}

#[tokio::test(start_paused = true)]
async fn other_failures_of_the_init_have_their_payloads() {
    let world = World::new([
        with_handler("exits", "init-exits:3"),
        with_handler("hangs", "init-hangs"),
        with_handler("nothing", "init-cannot-launch"),
    ])
    .await;
    assert!(world.answer("exits", "echo").await.contains("Runtime exited with error: exit status 3"));
    assert!(world.answer("nothing", "echo").await.starts_with(r#"{"errorType":"Runtime.InvalidEntrypoint""#));
    let started = tokio::time::Instant::now();
    assert!(world.answer("hangs", "echo").await.contains("Task timed out after 3.00 seconds"));
    assert_eq!(started.elapsed(), Duration::from_secs(13), "ten seconds of init, then the function's own time-out");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_loses_neither_environment_nor_accounting() {
    let world = World::new([function("f")]).await;
    let gone = tokio::time::timeout(Duration::from_millis(100), world.invoke("f", "sleep 1000")).await;
    assert!(gone.is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(world.sink.lines().iter().any(|line| line.starts_with("REPORT RequestId: req-1\tDuration: 1000.00 ms")));
    assert_eq!(world.answer("f", "id").await, "1:2:1");
    assert_eq!(world.environments(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_during_a_cold_start_leaves_a_warm_environment() {
    let world = World::new([with_handler("f", "init-sleeps:1000")]).await;
    assert!(tokio::time::timeout(Duration::from_millis(100), world.invoke("f", "echo")).await.is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.answer("f", "id").await, "1:2:1");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_made_is_told_and_leaves_nothing_behind() {
    let world = World::new([function("f")]).await;
    *world.sandboxes.unsupported.lock() = Some("install python3.11".to_owned());
    assert_eq!(
        world.invoke("f", "echo").await,
        Err(InvokeError::InvalidRuntime { message: "install python3.11".to_owned() })
    );
    *world.sandboxes.unsupported.lock() = None;
    world.sandboxes.failures.store(1, SeqCst);
    assert!(matches!(world.invoke("f", "echo").await, Err(InvokeError::Internal { .. })));
    world.issuer.is_refusing.store(true, SeqCst);
    let message = "The role defined for the function cannot be assumed by Lambda.".to_owned();
    assert_eq!(world.invoke("f", "echo").await, Err(InvokeError::AccessDenied { message }));
    world.issuer.is_refusing.store(false, SeqCst);
    assert_eq!(*world.issuer.live.lock(), [""; 0], "no credentials are left");
    assert!(world.invoke("f", "echo").await.is_ok());
    assert_eq!(world.engine.core().environments.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_held_to_another_build_of_its_runtime_does_not_run() {
    let on = |origin: &str| {
        let version = function("f");
        let runtime_version = Some(RuntimeVersion::new(&version.runtime, version.architecture, origin));
        FunctionVersion { runtime_version, ..version }
    };
    let world = World::new([on("older")]).await;
    let refused = world.invoke("f", "echo").await;
    let Err(InvokeError::InvalidRuntime { message }) = &refused else { panic!("{refused:?}") };
    assert!(message.contains("arn:aws:lambda:us-east-1::runtime:"), "{message}");
    world.catalog.put(on(SCRIPTED_RUNTIMES));
    assert!(world.invoke("f", "echo").await.is_ok());
}
