//! What only the process backend promises.

mod support;

use std::sync::Arc;
use std::time::Instant;

use hearth_sandbox::Backend;
use support::{BOOTSTRAP, Collected, Machine, body, invocation, spec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_runtime_is_created_and_invoked() {
    let Some(machine) = Machine::start().await else { return };
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", "def handle(event): return event")]);
    let sink = Arc::new(Collected::default());
    let started = Instant::now();
    let environment = machine.backend.create(spec("provided.al2023", code), sink.clone()).await.expect("created");
    eprintln!("created {:?}", started.elapsed());
    environment.ready().await.unwrap_or_else(|error| panic!("{error:?} {}", sink.text()));
    eprintln!("ready {:?}", started.elapsed());
    assert_eq!(body(environment.invoke(invocation(r#"{"a": 1}"#)).await), r#"{"a": 1}"#);
    eprintln!("answered {:?}", started.elapsed());
    environment.destroy().await;
    machine.backend.shutdown().await;
}
