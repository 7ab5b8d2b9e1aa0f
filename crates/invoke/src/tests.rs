//! The data plane as its ports show it, over a scripted sandbox and in virtual time.

mod failures;
mod provisioned;
mod streaming;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use bytes::Bytes;
use hearth_ports::{
    EnvironmentKeeper, FunctionVersion, InvocationType, InvokeError, InvokeRequest, InvokeResponse, Invoker,
    ThrottleReason,
};
use hearth_sandbox::HostRoom;
use hearth_types::{Mebibytes, Millis, Qualifier, SnapshotId, Version};

use crate::testing::world::{World, config, context, request, text, with_handler};
use crate::testing::{function, scope};
use crate::{EngineConfig, Freezing};

#[tokio::test(start_paused = true)]
async fn an_invocation_answers_with_the_functions_own_bytes() {
    let world = World::new([function("f")]).await;
    let request = InvokeRequest { payload: " {\"a\": 1 } ".into(), ..request("f", "") };
    let response = world.engine.invoke(&context("r"), request).await;
    let want = InvokeResponse {
        executed_version: Some(Version::Latest),
        function_error: None,
        payload: Bytes::from_static(b" {\"a\": 1 } "),
        log_tail: None,
    };
    assert_eq!(response, Ok(want));
    assert_eq!(*world.gatekeeper.0.lock(), ["lambda:InvokeFunction arn:aws:lambda:us-east-1:000000000000:function:f"]);
}

#[tokio::test(start_paused = true)]
async fn fifty_parallel_invocations_run_in_fifty_environments_and_are_reused() {
    let world = Arc::new(World::new([with_handler("f", "init-sleeps:100")]).await);
    for round in 0..2 {
        let calls = (0..50).map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.answer("f", "sleep 1000").await })
        });
        let mut seen = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            seen.push(call.await.expect("no panic"));
        }
        seen.sort();
        seen.dedup();
        assert_eq!((seen.len(), world.environments()), (50, (50, 0)), "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_is_frozen_and_what_is_invoked_is_not() {
    let world = World::new([function("f")]).await;
    let frozen = || world.sandboxes.frozen.load(SeqCst);
    for served in 1..=3 {
        assert_eq!(world.answer("f", "id").await, format!("1:{served}:1"));
        assert_eq!(frozen(), 1, "as soon as it has answered");
    }
    let answer = tokio::join!(world.answer("f", "sleep 1000"), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(frozen(), 0, "in the middle of an invocation");
    });
    assert_eq!((answer.0.as_str(), frozen()), ("1", 1));
}

#[tokio::test(start_paused = true)]
async fn where_freezing_is_slow_it_waits_a_second_unless_it_must_be_strict() {
    for (freezing, at_once) in [(Freezing::Auto, 0), (Freezing::Strict, 1)] {
        let world = World::with(EngineConfig { freezing, ..config() }, Arc::default(), [function("f")]).await;
        world.sandboxes.is_freezing_slow.store(true, SeqCst);
        world.answer("f", "id").await;
        let frozen = || world.sandboxes.frozen.load(SeqCst);
        assert_eq!(frozen(), at_once, "{freezing:?}");
        world.pass(Millis(900)).await;
        assert_eq!(frozen(), at_once, "{freezing:?}");
        world.pass(Millis(700)).await;
        assert_eq!(frozen(), 1, "{freezing:?}");
        assert_eq!(world.answer("f", "id").await, "1:2:1");
    }
}

#[tokio::test(start_paused = true)]
async fn extensions_hear_that_the_runtime_is_done_before_they_have_to_be() {
    let world = World::new([with_handler("f", "listens")]).await;
    for served in 1..=2 {
        assert_eq!(world.answer("f", "id").await, format!("1:{served}:1"), "and no time-out");
    }
}

#[tokio::test(start_paused = true)]
async fn one_after_the_other_uses_the_same_environment() {
    let world = World::new([function("f")]).await;
    assert_eq!(world.answer("f", "id").await, "1:1:1");
    assert_eq!(world.answer("f", "id").await, "1:2:1");
}

#[tokio::test(start_paused = true)]
async fn a_freed_environment_serves_before_a_slow_start_is_over() {
    let world = Arc::new(World::new([with_handler("f", "init-sleeps:2000")]).await);
    assert_eq!(world.answer("f", "id").await, "1:1:1");
    let first = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.answer("f", "sleep 500").await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    let asked = tokio::time::Instant::now();
    assert_eq!(world.answer("f", "id").await, "1:3:1", "the freed one, while the new one is still in its init");
    assert_eq!(asked.elapsed().as_millis(), 499);
    first.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn log_lines_stand_in_the_recorded_order_and_the_tail_is_complete() {
    let world = World::new([with_handler("f", "init-sleeps:80")]).await;
    let request = InvokeRequest { log_tail: true, ..request("f", "print hello") };
    let response = world.engine.invoke(&context("r1"), request).await;
    let tail = response.expect("runs").log_tail.expect("asked for");
    let want = [
        "START RequestId: r1 Version: $LATEST",
        "hello",
        "END RequestId: r1",
        "REPORT RequestId: r1\tDuration: 0.00 ms\tBilled Duration: 80 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\
         Init Duration: 80.00 ms\t",
    ];
    assert_eq!(String::from_utf8_lossy(&tail), want.map(|line| format!("{line}\n")).concat());
    let lines = world.sink.lines();
    assert!(lines[0].starts_with(
        "INIT_START Runtime Version: python:3.11.v1\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:"
    ));
    assert_eq!(lines[1], "boot 1");
    assert_eq!(lines[2..], want);
    assert_eq!(world.invoke("f", "echo").await.expect("runs").log_tail, None);
    assert!(world.sink.lines()[8].ends_with("Max Memory Used: 36 MB\t"), "no init duration when warm");
}

#[tokio::test(start_paused = true)]
async fn idle_environments_end_after_the_idle_time_out_with_their_credentials() {
    let world = World::new([function("f")]).await;
    world.answer("f", "id").await;
    world.pass(Millis::from_secs(500)).await;
    assert_eq!(world.environments(), (1, 0));
    world.pass(Millis::from_secs(200)).await;
    assert_eq!(world.environments(), (1, 1));
    assert_eq!(*world.issuer.live.lock(), [""; 0]);
    assert_eq!(world.answer("f", "id").await, "2:1:1");
}

#[tokio::test(start_paused = true)]
async fn an_environment_is_recycled_before_its_credentials_run_out() {
    let world = World::new([function("f")]).await;
    world.answer("f", "id").await;
    let ttl_ms = world.issuer.ttl_ms.load(SeqCst);
    for _ in 0..72 {
        world.clock.advance(600_000 - 1);
        world.answer("f", "id").await;
    }
    assert_eq!(world.environments().0, 1);
    world.clock.advance(100);
    world.answer("f", "id").await;
    assert_eq!(world.environments().0, 2, "twelve hours old");
    assert!(ttl_ms > 12 * 3_600_000 + 3_000 + 10_000);
}

#[tokio::test(start_paused = true)]
async fn retired_environments_end_at_once_when_idle_and_after_their_invocation_when_busy() {
    let world = Arc::new(World::new([function("f")]).await);
    world.answer("f", "id").await;
    let busy = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.answer("f", "sleep 1000").await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    world.answer("f", "id").await;
    let updated = FunctionVersion { snapshot: SnapshotId::from("new"), ..function("f") };
    let (uid, keep) = (updated.uid.clone(), updated.snapshot.clone());
    world.catalog.put(updated);
    world.engine.retire(&context("r"), &uid, Version::Latest, Some(&keep)).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(world.environments(), (2, 1), "the idle one is gone");
    assert_eq!(world.answer("f", "id").await, "3:1:1", "new code in a new environment");
    assert_eq!(busy.await.expect("no panic"), "1", "what runs ends where it began");
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(world.environments(), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn beyond_the_account_limit_invocations_are_throttled() {
    let world = Arc::new(
        World::with(EngineConfig { account_concurrency: 1, ..config() }, Arc::default(), [function("f")]).await,
    );
    let running = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.answer("f", "sleep 1000").await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let throttled = Err(InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded });
    assert_eq!(world.invoke("f", "echo").await, throttled);
    running.await.expect("no panic");
    assert!(world.invoke("f", "echo").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_full_machine_evicts_idle_environments_of_others_and_throttles_what_does_not_fit() {
    let config = EngineConfig { environment_memory: Mebibytes(256), ..config() };
    let world = Arc::new(World::with(config, Arc::default(), ["f", "g", "h", "i"].map(function)).await);
    // Idle, each counts the 36 MiB it holds, and 8.
    for name in ["f", "g", "h"] {
        world.answer(name, "id").await;
    }
    assert_eq!(world.environments(), (3, 0));
    assert_eq!(world.answer("i", "id").await, "4:1:1");
    assert_eq!(world.environments(), (4, 1), "f was used least recently");
    let busy: Vec<_> = ["g", "h"]
        .map(|name| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.answer(name, "sleep 1000").await })
        })
        .into();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let throttled = Err(InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded });
    assert_eq!(world.invoke("f", "echo").await, throttled);
    for call in busy {
        call.await.expect("no panic");
    }
    assert!(world.invoke("f", "echo").await.is_ok());
}

/// Memory held by environments, and left on the machine.
fn memory(held: u32, available: u32) -> Option<HostRoom> {
    let disk_available = Mebibytes(100_000);
    Some(HostRoom { memory_held: Mebibytes(held), memory_available: Mebibytes(available), disk_available })
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_ends_for_want_of_memory_is_throttled_and_its_environment_ends() {
    let config = EngineConfig { environment_memory: Mebibytes(1_000), ..config() };
    let world = Arc::new(World::with(config, Arc::default(), [function("f"), function("g")]).await);
    world.answer("g", "id").await;
    let calls = ["sleep 1000", "sleep 1001"].map(|event| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.invoke("f", event).await })
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    *world.sandboxes.room.lock() = memory(1_100, 60_000);
    tokio::time::sleep(Duration::from_millis(300)).await;
    *world.sandboxes.room.lock() = memory(500, 60_000);
    let [elder, younger] = calls;
    assert!(elder.await.expect("no panic").is_ok());
    let throttled = Err(InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded });
    assert_eq!(younger.await.expect("no panic"), throttled);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(world.environments(), (3, 2), "the idle one and the younger");
    let report = world.sink.lines().into_iter().find(|line| line.contains("Status: error")).expect("reported");
    assert!(report.contains("Error Type: Sandbox.Failure"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn whom_the_kernel_ends_for_the_machines_memory_is_throttled_too() {
    let world = World::new([function("f")]).await;
    let throttled = Err(InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded });
    assert_eq!(world.invoke("f", "host-oom").await, throttled);
    assert_eq!(world.answer("f", "id").await, "2:1:1", "in a new environment");
}

#[tokio::test(start_paused = true)]
async fn where_the_rest_of_the_machine_needs_its_memory_no_environment_is_added() {
    let world = Arc::new(World::new([function("f"), function("g")]).await);
    let running = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.answer("f", "sleep 1000").await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    *world.sandboxes.room.lock() = memory(36, 4_000);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let throttled = Err(InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded });
    assert_eq!(world.invoke("g", "id").await, throttled, "the reserve of 65,536 MiB is 4,096");
    assert_eq!(running.await.expect("no panic"), "1", "what runs goes on");
}

#[tokio::test(start_paused = true)]
async fn while_the_disk_is_nearly_full_no_environment_is_added_and_idle_ones_end() {
    let world = Arc::new(World::new([function("f"), function("g"), function("h")]).await);
    world.answer("f", "id").await;
    let running = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.answer("g", "sleep 900").await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let full = HostRoom { disk_available: Mebibytes(1_023), ..memory(100, 60_000).expect("some") };
    *world.sandboxes.room.lock() = Some(full);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let throttled = Err(InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded });
    assert_eq!(world.invoke("h", "id").await, throttled);
    assert_eq!(world.environments(), (2, 1), "the idle one frees its disk");
    assert_eq!(running.await.expect("no panic"), "2", "what runs goes on");
    assert_eq!(world.answer("g", "id").await, "2:2:1", "and serves on");
    *world.sandboxes.room.lock() = memory(100, 60_000);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.answer("h", "id").await, "3:1:1");
}

#[tokio::test(start_paused = true)]
async fn the_function_is_told_who_calls_it_and_how() {
    let world = World::new([function("f")]).await;
    let mut ctx = context("r9");
    ctx.trace = Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1".into());
    let named = InvokeRequest {
        qualifier: Some(Qualifier::parse("$LATEST")),
        client_context: Some("eyJhIjoxfQ==".to_owned()),
        ..request("f", "context")
    };
    let answer = text(world.engine.invoke(&ctx, named).await.expect("runs"));
    assert_eq!(
        answer,
        "r9 arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST \
         Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage=1:uidf:0 {\"a\":1}"
    );
    assert!(world.answer("f", "context").await.contains(" Root=1-69651528-"), "a trace of its own, dated now");
    let asked = world.gatekeeper.0.lock().clone();
    assert_eq!(asked[0], "lambda:InvokeFunction arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
}

#[tokio::test(start_paused = true)]
async fn lambda_s_own_work_needs_nobody_s_leave_and_looks_like_no_client_s() {
    use hearth_types::{Caller, Proof};
    let world = World::new([function("f")]).await;
    let ctx = |principal, proof| {
        let caller = Caller::Service { principal, source_arn: None, source_account: None };
        // The gatekeeper refuses whoever comes from there.
        let source_ip = [192, 0, 2, 1].into();
        hearth_types::RequestContext { caller, proof, source_ip, ..context("r") }
    };
    let own = ctx("lambda.amazonaws.com", Proof::Internal);
    assert!(world.engine.invoke(&own, request("f", "echo")).await.is_ok());
    for other in [
        ctx("lambda.amazonaws.com", Proof::Unsigned),
        ctx("lambda.amazonaws.com", Proof::Key("AKIA".into())),
        ctx("lambda.amazonaws.com", Proof::UnknownKey("AKIA".into())),
        ctx("sns.amazonaws.com", Proof::Internal),
    ] {
        let refused = world.engine.invoke(&other, request("f", "echo")).await;
        assert!(matches!(refused, Err(InvokeError::AccessDenied { .. })), "{other:?}: {refused:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_comes_back_too_often_is_stopped() {
    let world = World::new([function("f")]).await;
    let with_runs = |runs: u32| {
        let mut ctx = context("r");
        ctx.trace = Some(format!("Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=1:uidf:{runs}").into());
        ctx
    };
    assert!(world.engine.invoke(&with_runs(14), request("f", "echo")).await.is_ok(), "the sixteenth run");
    let stopped = world.engine.invoke(&with_runs(15), request("f", "echo")).await;
    assert_eq!(stopped, Err(InvokeError::RecursiveLoop));
    // An event is taken and never run.
    let event = InvokeRequest { invocation_type: InvocationType::Event, ..request("f", "echo") };
    let before = world.sink.lines().len();
    world.engine.invoke(&with_runs(15), event).await.expect("accepted");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.sink.lines().len(), before);
    *world.catalog.allows_loops.lock() = true;
    let allowed = world.engine.invoke(&with_runs(15), request("f", "echo")).await;
    assert!(allowed.is_ok(), "the function lets it go on: {allowed:?}");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_invoke_learns_nothing_about_the_function() {
    let world = World::new([function("f")]).await;
    let mut ctx = context("r");
    ctx.source_ip = [192, 0, 2, 1].into();
    let denied = Err(InvokeError::AccessDenied { message: "denied".to_owned() });
    assert_eq!(world.engine.invoke(&ctx, request("f", "echo")).await, denied);
    assert_eq!(world.engine.invoke(&ctx, request("missing", "echo")).await, denied);
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:missing:$LATEST".to_owned();
    assert_eq!(world.invoke("missing", "echo").await, Err(InvokeError::FunctionNotFound { arn }));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_checks_and_runs_nothing() {
    let world = World::new([function("f")]).await;
    let dry = InvokeRequest { invocation_type: InvocationType::DryRun, ..request("f", "echo") };
    let response = world.engine.invoke(&context("r"), dry).await.expect("may run");
    assert_eq!((response.executed_version, response.payload), (None, Bytes::new()));
    assert_eq!(world.environments(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_lets_invocations_finish_and_ends_everything() {
    let world = Arc::new(World::new([function("f"), function("idle")]).await);
    world.answer("idle", "echo").await;
    let running = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.answer("f", "sleep 1000").await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    world.engine.shutdown(Duration::from_secs(5)).await;
    assert!(running.is_finished());
    assert_eq!(running.await.expect("no panic"), "2");
    assert_eq!(world.environments(), (2, 2));
    assert_eq!(*world.issuer.live.lock(), [""; 0]);
    assert!(matches!(world.invoke("f", "echo").await, Err(InvokeError::Internal { .. })));
    assert_eq!(world.store.count(&scope(), "lambda.usage"), 2, "the usage is written");
}

#[tokio::test(start_paused = true)]
async fn an_invocation_ended_by_a_shutdown_is_a_fault_of_the_server_not_of_the_function() {
    let world = Arc::new(World::new([function("f")]).await);
    let running = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.invoke("f", "hang").await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let started = tokio::time::Instant::now();
    world.engine.shutdown(Duration::from_secs(1)).await;
    assert_eq!(started.elapsed(), Duration::from_secs(1));
    assert!(matches!(running.await.expect("no panic"), Err(InvokeError::Internal { .. })));
}

#[tokio::test(start_paused = true)]
async fn warm_invocations_do_not_touch_the_store() {
    let world = World::new([function("f")]).await;
    world.answer("f", "echo").await;
    let reads = world.store.reads.load(SeqCst);
    for _ in 0..100 {
        world.answer("f", "echo").await;
    }
    assert_eq!(world.store.reads.load(SeqCst), reads);
}
