//! Asynchronous invocations through the engine, in virtual time.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use hearth_ports::{Concurrency, EventTerms, FunctionVersion, InvocationType, InvokeError, InvokeRequest, Invoker};
use hearth_store::SqliteStore;
use hearth_types::{FunctionUid, Millis};

use crate::EngineConfig;
use crate::logs::FLUSH_INTERVAL;
use crate::testing::world::{World, config, context, request};
use crate::testing::{MemoryStore, function, scope};

async fn send(world: &World, id: &str, event: &str) -> Result<(), InvokeError> {
    let event = InvokeRequest { invocation_type: InvocationType::Event, ..request("f", event) };
    let response = world.engine.invoke(&context(id), event).await?;
    assert_eq!((response.executed_version, response.payload.len()), (None, 0));
    Ok(())
}

/// Lets everything that is due now run.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn starts(world: &World, id: &str) -> usize {
    let start = format!("START RequestId: {id} Version: $LATEST");
    world.sink.lines().iter().filter(|line| **line == start).count()
}

/// Events in the store.
fn queued(world: &World) -> usize {
    world.store.count(&scope(), "delivery.due")
}

#[tokio::test(start_paused = true)]
async fn an_accepted_event_is_stored_first_then_run_then_gone() {
    let world = World::new([function("f")]).await;
    send(&world, "e1", "sleep 2000").await.expect("accepted");
    assert_eq!((queued(&world), starts(&world, "e1")), (1, 0));
    tokio::time::sleep(2 * FLUSH_INTERVAL).await;
    assert_eq!((queued(&world), starts(&world, "e1")), (1, 1), "in the store while it runs");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((queued(&world), starts(&world, "e1")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_stored_is_not_accepted() {
    let world = World::new([function("f")]).await;
    world.store.is_down.store(true, SeqCst);
    assert!(matches!(send(&world, "e1", "echo").await, Err(InvokeError::Internal { .. })));
    settle().await;
    assert_eq!(starts(&world, "e1"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_client_went_away_while_it_was_stored_runs_nevertheless() {
    let world = World::new([function("f")]).await;
    settle().await;
    assert!(tokio::time::timeout(Duration::ZERO, send(&world, "e1", "echo")).await.is_err());
    settle().await;
    assert_eq!((queued(&world), starts(&world, "e1")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_function_error_is_retried_after_one_and_two_minutes_under_the_same_id() {
    let world = World::new([function("f")]).await;
    send(&world, "e1", "fail").await.expect("accepted");
    settle().await;
    assert_eq!(starts(&world, "e1"), 1);
    world.pass(Millis::from_secs(59)).await;
    assert_eq!(starts(&world, "e1"), 1);
    world.pass(Millis::from_secs(2)).await;
    assert_eq!(starts(&world, "e1"), 2);
    world.pass(Millis::from_secs(118)).await;
    assert_eq!(starts(&world, "e1"), 2);
    world.pass(Millis::from_secs(4)).await;
    assert_eq!((starts(&world, "e1"), queued(&world)), (3, 0));
    world.pass(Millis::from_secs(1_000)).await;
    assert_eq!(starts(&world, "e1"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_event_backs_off_and_does_not_lose_its_retries() {
    let world = World::with(
        EngineConfig { account_concurrency: 1, ..config() },
        Arc::default(),
        [FunctionVersion { timeout: Millis::from_secs(60), ..function("f") }],
    )
    .await;
    let world = Arc::new(world);
    let busy = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.answer("f", "sleep 5000").await }
    });
    settle().await;
    send(&world, "e1", "fail").await.expect("accepted");
    settle().await;
    assert_eq!((starts(&world, "e1"), queued(&world)), (0, 1));
    for _ in 0..80 {
        world.pass(Millis(100)).await;
    }
    busy.await.expect("no panic");
    // Tried after 0, 1, 3 and 7 seconds.
    assert_eq!(starts(&world, "e1"), 1);
    for _ in 0..20 {
        world.pass(Millis::from_secs(10)).await;
    }
    assert_eq!((starts(&world, "e1"), queued(&world)), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn events_survive_a_restart_with_their_place_in_the_retries() {
    let store = Arc::<MemoryStore>::default();
    let world = World::with(config(), Arc::clone(&store), [function("f")]).await;
    send(&world, "e1", "fail").await.expect("accepted");
    send(&world, "e2", "sleep 100000").await.expect("accepted");
    settle().await;
    world.engine.shutdown(Duration::ZERO).await;
    // The codec of a world is always the same, so a new one reads what the old one wrote.
    let again = World::with(config(), Arc::clone(&store), [function("f")]).await;
    again.pass(Millis::from_secs(2)).await;
    assert_eq!((starts(&again, "e1"), starts(&again, "e2")), (0, 1), "e1 is due in a minute, e2 was not over");
    again.pass(Millis::from_secs(61)).await;
    assert_eq!(starts(&again, "e1"), 1);
    again.pass(Millis::from_secs(121)).await;
    assert_eq!(starts(&again, "e1"), 2, "the third attempt of all");
    again.pass(Millis::from_secs(1_000)).await;
    assert_eq!(starts(&again, "e1"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_deleted_function_is_dropped_also_when_the_name_lives_again() {
    let world = World::new([function("f")]).await;
    send(&world, "e1", "fail").await.expect("accepted");
    settle().await;
    world.catalog.put(FunctionVersion { uid: FunctionUid::from("another life"), ..function("f") });
    world.pass(Millis::from_secs(61)).await;
    assert_eq!((starts(&world, "e1"), queued(&world)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn many_events_all_run_with_bounded_concurrency() {
    let world = World::with(EngineConfig { event_concurrency: 7, ..config() }, Arc::default(), [function("f")]).await;
    for number in 0..300 {
        send(&world, &format!("e{number}"), "sleep 100").await.expect("accepted");
    }
    for _ in 0..60 {
        world.pass(Millis(100)).await;
    }
    assert_eq!(queued(&world), 0);
    assert_eq!((0..300).filter(|number| starts(&world, &format!("e{number}")) == 1).count(), 300);
    assert_eq!(world.sandboxes.created.load(SeqCst), 7);
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_does_not_read_the_store() {
    let world = World::new([function("f")]).await;
    send(&world, "e1", "echo").await.expect("accepted");
    settle().await;
    let reads = world.store.reads.load(SeqCst);
    world.pass(Millis::from_secs(100_000)).await;
    assert!(world.store.reads.load(SeqCst) - reads <= 2, "the usage of that one invocation only");
}

#[tokio::test(start_paused = true)]
async fn an_event_over_its_own_limit_is_refused() {
    let world = World::new([function("f")]).await;
    let refused = send(&world, "e1", &"x".repeat(1_048_576)).await;
    assert_eq!(refused, Err(InvokeError::PayloadTooLarge { max: 1_048_576 }));
}

#[test]
fn what_was_accepted_runs_after_a_kill_from_the_real_store() {
    let directory = tempfile::TempDir::new().expect("temp dir");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ids: Vec<String> = (1..20).map(|number| format!("e{number}")).collect();
    let first_life = runtime();
    first_life.block_on(async {
        let store = Arc::new(SqliteStore::open(directory.path()).expect("opens"));
        let world = World::over(store, EngineConfig { event_concurrency: 1, ..config() }, [function("f")]).await;
        for id in &ids {
            send(&world, id, "sleep 1000").await.expect("accepted");
        }
        assert_eq!(ids.iter().filter(|id| starts(&world, id) > 0).count(), 0, "at most the first has begun");
    });
    // All tasks are dropped where they stand, as by a kill.
    first_life.shutdown_background();
    runtime().block_on(async {
        let store = Arc::new(SqliteStore::open(directory.path()).expect("opens"));
        let world = World::over(store, config(), [function("f")]).await;
        let all_ran = async {
            while !ids.iter().all(|id| starts(&world, id) == 1) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all_ran).await.expect("every accepted event runs");
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_set_for_the_function_decides_about_retries() {
    let world = World::new([function("f")]).await;
    *world.catalog.terms.lock() = EventTerms { retries_max: 1, ..EventTerms::default() };
    send(&world, "e1", "fail").await.expect("accepted");
    settle().await;
    assert_eq!((starts(&world, "e1"), queued(&world)), (1, 1));
    world.pass(Millis::from_secs(61)).await;
    assert_eq!((starts(&world, "e1"), queued(&world)), (2, 0));
    *world.catalog.terms.lock() = EventTerms { retries_max: 0, ..EventTerms::default() };
    send(&world, "e2", "fail").await.expect("accepted");
    settle().await;
    assert_eq!((starts(&world, "e2"), queued(&world)), (1, 0));
    // A retry that would come too late is not waited for.
    *world.catalog.terms.lock() = EventTerms { age_max: Millis::from_secs(59), ..EventTerms::default() };
    send(&world, "e3", "fail").await.expect("accepted");
    settle().await;
    assert_eq!((starts(&world, "e3"), queued(&world)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn events_of_a_function_that_is_off_are_not_tried() {
    let world = World::new([function("f")]).await;
    *world.catalog.concurrency.lock() = Concurrency { reserved: Some(0), ..Concurrency::default() };
    send(&world, "e1", "echo").await.expect("accepted");
    settle().await;
    assert_eq!((starts(&world, "e1"), queued(&world)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_destination_is_told_how_an_event_ended() {
    let world = World::new([function("f"), function("on-success"), function("on-failure")]).await;
    let arn = |name: &str| Some(function(name).arn);
    // What is told has no destination itself: nobody would know when it ends.
    *world.catalog.terms_of.lock() = Some((
        "f".to_owned(),
        EventTerms {
            retries_max: 0,
            on_success: arn("on-success"),
            on_failure: arn("on-failure"),
            ..EventTerms::default()
        },
    ));
    send(&world, "e1", "echo").await.expect("accepted");
    settle().await;
    settle().await;
    send(&world, "e2", "fail").await.expect("accepted");
    settle().await;
    settle().await;
    assert_eq!(queued(&world), 0);
    let lines = world.sink.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("START ")).count(), 4, "{lines:?}");
    let asked = world.gatekeeper.0.lock().clone();
    let asked: Vec<_> = asked.iter().filter(|asked| asked.contains("function:on-")).collect();
    assert_eq!(asked.len(), 2, "the role is asked for: {asked:?}");
    assert!(asked[0].ends_with(":on-success") && asked[1].ends_with(":on-failure"));
}

#[tokio::test(start_paused = true)]
async fn an_event_too_many_in_a_chain_is_not_run_and_its_end_is_told() {
    let world = World::new([function("f"), function("on-failure")]).await;
    let on_failure = Some(function("on-failure").arn);
    *world.catalog.terms_of.lock() = Some(("f".to_owned(), EventTerms { on_failure, ..EventTerms::default() }));
    let event = InvokeRequest { invocation_type: InvocationType::Event, ..request("f", "echo") };
    let mut ctx = context("e1");
    ctx.trace = Some("Root=1-634604a2-0123456789abcdef01234567;Lineage=1:uidf:15".into());
    world.engine.invoke(&ctx, event).await.expect("accepted");
    settle().await;
    settle().await;
    assert_eq!((starts(&world, "e1"), queued(&world)), (0, 0));
    let lines = world.sink.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("START ")).count(), 1, "who is told: {lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_not_there_does_not_hold_the_event() {
    let world = World::new([function("f")]).await;
    world.catalog.terms.lock().on_success = Some(function("gone").arn);
    send(&world, "e1", "echo").await.expect("accepted");
    settle().await;
    assert_eq!((starts(&world, "e1"), queued(&world)), (1, 0));
}
