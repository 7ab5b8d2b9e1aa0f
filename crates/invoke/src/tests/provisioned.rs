//! Provisioned concurrency: environments that are there before the invocations.

use hearth_ports::{Provision, ProvisionStatus, Provisioned};

use super::*;

const QUALIFIER: &str = "live";

fn provision(world: &World, version: &FunctionVersion, count: u32) {
    world.catalog.is_provisioned.store(true, SeqCst);
    let parts = vec![(Arc::new(version.clone()), count)];
    world.engine.provision(&version.uid, vec![Provision { qualifier: QUALIFIER.into(), parts }]);
}

fn state(world: &World, version: &FunctionVersion) -> (u32, ProvisionStatus) {
    let Provisioned { ready, status } = world.engine.provisioned(&version.uid, QUALIFIER).expect("provisioned");
    (ready, status)
}

fn qualified(event: &str) -> InvokeRequest {
    InvokeRequest { qualifier: Some(Qualifier::Alias(QUALIFIER.to_owned())), ..request("f", event) }
}

async fn call(world: &World, event: &str) -> Result<String, InvokeError> {
    world.engine.invoke(&context("r"), qualified(event)).await.map(text)
}

#[tokio::test(start_paused = true)]
async fn environments_are_initialised_ahead_and_serve_who_calls_by_the_qualifier() {
    let version = with_handler("f", "init-sleeps:2000");
    let world = World::new([version.clone()]).await;
    provision(&world, &version, 2);
    assert_eq!(state(&world, &version), (0, ProvisionStatus::InProgress));
    world.pass(Millis(2_100)).await;
    assert_eq!(state(&world, &version), (2, ProvisionStatus::Ready));
    let asked = tokio::time::Instant::now();
    call(&world, "id").await.expect("runs");
    assert_eq!(asked.elapsed().as_millis(), 0, "no cold start");
    assert_eq!(world.environments(), (2, 0));
    // Without the qualifier it is another matter.
    world.answer("f", "id").await;
    assert_eq!(asked.elapsed().as_millis(), 2_000);
    assert_eq!(world.environments(), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn the_init_is_told_by_itself_and_not_billed_with_an_invocation() {
    let version = with_handler("f", "init-sleeps:2000");
    let world = World::new([version.clone()]).await;
    provision(&world, &version, 1);
    world.pass(Millis(2_100)).await;
    call(&world, "id").await.expect("runs");
    let lines = world.sink.lines();
    assert!(lines.contains(&"INIT_REPORT Init Duration: 2000.00 ms\tPhase: init\t".to_owned()), "{lines:?}");
    let report = lines.iter().find(|line| line.starts_with("REPORT")).expect("a report");
    assert!(report.contains("Billed Duration: 1 ms") && !report.contains("Init Duration"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn when_all_run_an_invocation_spills_over_to_one_made_on_demand() {
    let version = with_handler("f", "init-sleeps:500");
    let world = Arc::new(World::new([version.clone()]).await);
    provision(&world, &version, 1);
    world.pass(Millis(600)).await;
    let first = tokio::spawn({
        let world = Arc::clone(&world);
        async move { call(&world, "sleep 1000").await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    let asked = tokio::time::Instant::now();
    call(&world, "id").await.expect("runs");
    assert_eq!(asked.elapsed().as_millis(), 500, "a cold start");
    first.await.expect("no panic").expect("runs");
    assert_eq!(state(&world, &version), (1, ProvisionStatus::Ready));
}

// Source: Lambda developer guide, "Understanding Lambda function scaling": ten requests a second for each unit.
#[tokio::test(start_paused = true)]
async fn more_than_ten_requests_a_second_for_each_provisioned_environment_spill_over() {
    let version = with_handler("f", "init-sleeps:500");
    let world = World::new([version.clone()]).await;
    provision(&world, &version, 1);
    world.pass(Millis(600)).await;
    let asked = tokio::time::Instant::now();
    for _ in 0..10 {
        call(&world, "id").await.expect("runs");
    }
    assert_eq!(world.environments(), (1, 0), "all of them by the one that is kept");
    call(&world, "id").await.expect("runs");
    assert_eq!(asked.elapsed().as_millis(), 500, "a cold start");
    assert_eq!(world.environments(), (2, 0));
    // A second later they may be asked again as often.
    world.pass(Millis(1_000)).await;
    let asked = tokio::time::Instant::now();
    call(&world, "id").await.expect("runs");
    assert_eq!(asked.elapsed().as_millis(), 0);
}

#[tokio::test(start_paused = true)]
async fn provisioned_environments_take_no_permit() {
    let version = function("f");
    let world =
        World::with(EngineConfig { account_concurrency: 1, ..config() }, Arc::default(), [version.clone()]).await;
    provision(&world, &version, 1);
    world.pass(Millis(100)).await;
    let (on_demand, provisioned, refused) =
        tokio::join!(world.invoke("f", "sleep 1000"), call(&world, "sleep 1000"), async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            call(&world, "id").await
        });
    assert!(on_demand.is_ok() && provisioned.is_ok());
    let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
    assert_eq!(refused, Err(InvokeError::Throttled { reason }), "what spills over does");
}

#[tokio::test(start_paused = true)]
async fn an_init_that_fails_is_told_and_not_tried_again_until_it_is_provisioned_anew() {
    let version = with_handler("f", "init-error");
    let world = World::new([version.clone()]).await;
    provision(&world, &version, 1);
    world.pass(Millis(100)).await;
    assert_eq!(state(&world, &version), (0, ProvisionStatus::Failed("FUNCTION_ERROR_INIT_FAILURE".to_owned())));
    world.pass(Millis::from_secs(60)).await;
    assert_eq!(world.environments(), (1, 1));
    provision(&world, &version, 1);
    assert_eq!(state(&world, &version), (0, ProvisionStatus::InProgress));
    world.pass(Millis(100)).await;
    assert_eq!(world.environments(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_fails_at_is_tried_again_by_itself() {
    let version = function("f");
    let world = World::new([version.clone()]).await;
    world.sandboxes.failures.store(1, SeqCst);
    provision(&world, &version, 1);
    world.pass(Millis(100)).await;
    assert_eq!(state(&world, &version), (0, ProvisionStatus::Failed("An internal error occurred.".to_owned())));
    world.pass(Millis::from_secs(6)).await;
    assert_eq!(state(&world, &version), (1, ProvisionStatus::Ready));
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_is_not_there_is_told_as_it_is() {
    let version = function("f");
    let world = World::new([version.clone()]).await;
    *world.sandboxes.unsupported.lock() = Some("no such runtime here".to_owned());
    provision(&world, &version, 1);
    world.pass(Millis(100)).await;
    assert_eq!(state(&world, &version), (0, ProvisionStatus::Failed("no such runtime here".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn an_init_may_take_longer_than_on_demand() {
    let version = with_handler("f", "init-sleeps:100000");
    let world = World::new([version.clone()]).await;
    provision(&world, &version, 1);
    world.pass(Millis::from_secs(101)).await;
    assert_eq!(state(&world, &version), (1, ProvisionStatus::Ready));
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_told_and_comes_when_there_is_some() {
    let (version, other) = (function("f"), function("g"));
    let config = EngineConfig { environments_max: 2, ..config() };
    let world = Arc::new(World::with(config, Arc::default(), [version.clone(), other]).await);
    let runs = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.answer("g", "sleep 2000").await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    provision(&world, &version, 2);
    world.pass(Millis(100)).await;
    let (ready, status) = state(&world, &version);
    assert!(ready == 1 && matches!(&status, ProvisionStatus::Failed(why) if why.contains("no room")), "{status:?}");
    runs.await.expect("no panic");
    world.pass(Millis::from_secs(6)).await;
    assert_eq!(state(&world, &version), (2, ProvisionStatus::Ready), "the idle one of the other function had to go");
}

#[tokio::test(start_paused = true)]
async fn one_that_breaks_is_replaced_and_all_end_when_nothing_is_provisioned_any_more() {
    let version = function("f");
    let world = World::new([version.clone()]).await;
    provision(&world, &version, 2);
    world.pass(Millis(100)).await;
    world.pass(Millis::from_secs(3_600)).await;
    assert_eq!(world.environments(), (2, 0), "however long they are idle");
    // It outlives a time-out: its processes are started again.
    let refused = call(&world, "sleep 10000").await.expect("answers");
    assert!(refused.contains("Task timed out"), "{refused}");
    world.pass(Millis(100)).await;
    assert_eq!(state(&world, &version).1, ProvisionStatus::Ready);
    world.engine.provision(&version.uid, Vec::new());
    world.pass(Millis(100)).await;
    assert_eq!(world.engine.provisioned(&version.uid, QUALIFIER), None);
    let (created, destroyed) = world.environments();
    assert_eq!(created, destroyed);
}
