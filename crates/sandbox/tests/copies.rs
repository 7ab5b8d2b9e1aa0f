//! Copies of a process that waits: they end, fail, are replaced and leave as little as any other process, and so does what
//! they are copied from. What a function sees in one is in `pooled.rs`, what it must not do in `isolation`.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_sandbox::process::PoolConfig;
use hearth_sandbox::{Backend, Environment, EnvironmentSpec, ExitCause, InvocationOutcome};
use hearth_types::Mebibytes;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use support::{Collected, Machine, Setup, children, invocation, spec, value};

const FUNCTION: &str = "
import os, signal
def handler(event, context):
    if event == 'exit': os._exit(3)
    if event == 'signal': os.kill(os.getpid(), signal.SIGKILL)
    if event == 'memory': return len(bytearray(400 << 20))
    return [os.getpid(), os.getppid(), id(object())]
";

/// One machine at a time, so that a test knows whose originals there are.
static ONE: Mutex<()> = Mutex::const_new(());

/// A machine whose functions get copies; `None`, loudly, where there are none.
async fn machine(instance: &str) -> Option<(Machine, EnvironmentSpec, MutexGuard<'static, ()>)> {
    let one = ONE.lock().await;
    let pool = Some(PoolConfig { depth_max: 0, ..PoolConfig::default() });
    let instance = Some(format!("test-copies-{instance}-{}", std::process::id()));
    let machine = Machine::start_with(Setup { pool, instance, ..Setup::default() }).await?;
    let mut spec = spec("python3.11", machine.package(&[("app.py", FUNCTION)]));
    if let Err(missing) = machine.backend.check(&spec.runtime, spec.architecture) {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    spec.memory = Mebibytes(128);
    machine.wait_for_copies(&spec).await;
    Some((machine, spec, one))
}

async fn copy(machine: &Machine, spec: &EnvironmentSpec) -> (Arc<dyn Environment>, Arc<Collected>) {
    let copies = machine.backend.copies();
    let output = Arc::new(Collected::default());
    let environment = machine.backend.create(spec.clone(), output.clone()).await.expect("created");
    environment.ready().await.unwrap_or_else(|error| panic!("{error:?}; {}", output.text()));
    assert!(machine.backend.copies() > copies, "it is a copy");
    (environment, output)
}

async fn outcome(environment: &Arc<dyn Environment>, event: &str) -> InvocationOutcome {
    environment.invoke(invocation(json!(event).to_string())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_a_copy_ends_is_told_and_a_new_process_takes_its_place() {
    let Some((machine, spec, _one)) = machine("ends").await else { return };
    for (event, cause) in [
        ("exit", ExitCause::Exited(3)),
        ("signal", ExitCause::Signaled(libc::SIGKILL)),
        ("memory", ExitCause::OutOfMemory),
    ] {
        let (environment, output) = copy(&machine, &spec).await;
        // hearth-init took it in.
        assert_eq!(value(&environment, &json!("")).await[1], json!(1), "{}", output.text());
        assert_eq!(outcome(&environment, event).await, InvocationOutcome::Exited(cause), "{}", output.text());
        environment.reset().await.expect("reset");
        environment.ready().await.expect("ready");
        assert_eq!(value(&environment, &json!("")).await[1], json!(1));
        environment.destroy().await;
    }
    machine.backend.shutdown().await;
}

/// How many processes wait in slots of this program's that have their runtime process.
fn waiting_beside_a_runtime() -> usize {
    let spawners = children(std::process::id(), "hearth-spawner").into_iter();
    let slots = spawners.flat_map(|spawner| children(spawner, "hearth-init"));
    let waiting = |slot: u32| match children(slot, "python3.11").len() {
        0 => 0,
        _ => children(slot, "hearth-init").len(),
    };
    slots.map(waiting).sum()
}

/// The slots of the pool have a process that waits to become the runtime's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_takes_the_place_of_the_process_that_waits_in_its_slot() {
    let _one = ONE.lock().await;
    let pool = Some(PoolConfig { depth_min: 1, depth_max: 1, ..PoolConfig::default() });
    let instance = Some(format!("test-copies-pooled-{}", std::process::id()));
    let Some(machine) = Machine::start_with(Setup { pool, instance, ..Setup::default() }).await else { return };
    let spec = spec("python3.11", machine.package(&[("app.py", FUNCTION)]));
    if let Err(missing) = machine.backend.check(&spec.runtime, spec.architecture) {
        return eprintln!("SKIPPED: {missing}");
    }
    let enough = Instant::now() + Duration::from_secs(30);
    let mut addresses = Vec::new();
    while addresses.len() < 3 {
        assert!(Instant::now() < enough, "slots of the pool get copies");
        machine.wait_for_pool().await;
        // The first one finds a process that waits, the second one an empty slot of the pool.
        let mut environments = Vec::new();
        for _ in 0..2 {
            let (copies, taken) = (machine.backend.copies(), machine.backend.pool_taken());
            let (environment, _) = support::started(&machine, spec.clone()).await;
            if machine.backend.copies() > copies && machine.backend.pool_taken() > taken {
                addresses.push(value(&environment, &json!("")).await[2].clone());
            }
            environments.push(environment);
        }
        assert_eq!(waiting_beside_a_runtime(), 0);
        for environment in environments {
            environment.destroy().await;
        }
    }
    // Copies share their address layout; a process that had to be started instead would have its own.
    assert!(addresses.iter().all(|address| *address == addresses[0]), "{addresses:?}");
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_copied_at_once_and_each_answers_for_itself() {
    let Some((machine, spec, _one)) = machine("many").await else { return };
    let copies = machine.backend.copies();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (backend, spec) = (Arc::clone(&machine.backend), spec.clone());
        all.spawn(async move {
            let output = Arc::new(Collected::default());
            let environment = backend.create(spec, output.clone()).await.expect("created");
            environment.ready().await.unwrap_or_else(|error| panic!("{error:?}; {}", output.text()));
            assert_eq!(value(&environment, &json!("")).await[1], json!(1), "{}", output.text());
            environment
        });
    }
    let all = all.join_all().await;
    assert_eq!(machine.backend.copies() - copies, 12);
    for environment in &all {
        environment.destroy().await;
    }
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_that_is_killed_is_replaced() {
    let Some((machine, spec, _one)) = machine("killed").await else { return };
    let spawners = children(std::process::id(), "hearth-spawner");
    let ours: Vec<u32> = spawners.iter().flat_map(|spawner| children(*spawner, "python3.11")).collect();
    assert!(!ours.is_empty());
    for original in &ours {
        // Fails only when it has just ended.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*original as i32), nix::sys::signal::Signal::SIGKILL);
    }
    let copies = machine.backend.copies();
    let deadline = Instant::now() + Duration::from_secs(30);
    while machine.backend.copies() == copies {
        assert!(Instant::now() < deadline, "copies are made again");
        let environment =
            machine.backend.create(spec.clone(), Arc::new(Collected::default())).await.expect("created all the same");
        environment.ready().await.expect("ready");
        assert_eq!(value(&environment, &json!("")).await[1], json!(1));
        environment.destroy().await;
    }
    machine.backend.shutdown().await;
}
