//! Log records over the descriptor that managed runtimes have for them: from a real interpreter in its sandbox to the
//! sink.

mod support;

use std::sync::Arc;

use hearth_sandbox::process::PoolConfig;
use hearth_sandbox::runtimes::Root;
use hearth_sandbox::{Backend, Environment, InvocationOutcome};
use serde_json::json;
use support::{BOOTSTRAP, Collected, Machine, Setup, invocation, spec, started, value};

/// Says so where this machine has no such interpreter.
fn has(machine: &Machine, root: Root) -> bool {
    let has = machine.backend.roots().contains(&root);
    if !has {
        eprintln!("SKIPPED: {}", hearth_sandbox::runtimes::missing(root));
    }
    has
}

/// What the sink gets while a Python handler runs this.
async fn logged(machine: &Machine, body: &str) -> (Arc<dyn Environment>, Arc<Collected>) {
    let code =
        machine.package(&[("app.py", &format!("import logging, os, sys\ndef handler(event, context):\n{body}"))]);
    let (environment, output) = started(machine, spec("python3.11", code)).await;
    environment.invoke(invocation("{}")).await;
    (environment, output)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_traceback_is_one_record_and_is_there_before_the_answer() {
    let Some(machine) = Machine::start().await else { return };
    if has(&machine, support::PYTHON) {
        let (_environment, output) = logged(
            &machine,
            "    print('one')\n    logging.warning('two\\nlines')\n    print('three')\n    raise ValueError('no')\n",
        )
        .await;
        let text = output.text();
        let nbsp = "\u{a0}";
        let traceback = format!(
            "<ERROR text [ERROR] ValueError: no\nTraceback (most recent call last):\n\
             {nbsp}{nbsp}File \"/var/task/app.py\", line 6, in handler\n\
             {nbsp}{nbsp}{nbsp}{nbsp}raise ValueError('no')\n>"
        );
        assert!(text.ends_with(&traceback), "{text}");
        assert!(text.contains("<WARN text [WARNING]\t") && text.contains("\ttwo\nlines\n>"), "{text}");
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
        assert!(at("one\n") < at("<WARN"), "what was printed before a record stands before it: {text}");
        assert!(at("three\n") < at("<ERROR"), "{text}");
    }
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_error_is_one_record() {
    let Some(machine) = Machine::start().await else { return };
    if has(&machine, support::NODE) {
        let code = "exports.handler = async () => { console.error(new TypeError('no')); console.log('{}'); };";
        let code = machine.package(&[("app.js", code)]);
        let (environment, output) = started(&machine, spec("nodejs20.x", code)).await;
        assert_eq!(value(&environment, &json!({})).await, json!(null));
        let text = output.text();
        let records: Vec<&str> = text.split_inclusive('>').collect();
        assert_eq!(records.len(), 2, "{text}");
        assert!(records[0].starts_with("<ERROR text 20"), "{text}");
        assert!(records[0].contains("\tERROR\tTypeError: no\n    at exports.handler"), "{text}");
        assert!(records[1].starts_with("<INFO text 20") && records[1].ends_with("\tINFO\t{}>"), "{text}");
    }
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_waited_for_its_function_writes_records_too() {
    let pool = Some(PoolConfig::default());
    let Some(machine) = Machine::start_with(Setup { pool, ..Setup::default() }).await else { return };
    if has(&machine, support::PYTHON) {
        machine.wait_for_started("python3.11").await;
        let (_environment, output) = logged(&machine, "    logging.error('pooled')\n").await;
        assert_eq!(machine.backend.pool_hits(), 1);
        assert!(output.text().starts_with("<ERROR text [ERROR]\t"), "{}", output.text());
    }
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_runtime_and_the_programs_of_a_managed_one_have_no_such_descriptor() {
    let Some(machine) = Machine::start().await else { return };
    let custom = "import os\ndef handle(event): return [sorted(os.listdir('/proc/self/fd'), key=int)[:3], os.path.exists('/proc/self/fd/62'), os.environ.get('_LAMBDA_TELEMETRY_LOG_FD')]";
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", custom)]);
    let (environment, _) = started(&machine, spec("provided.al2023", code)).await;
    assert_eq!(value(&environment, &json!({})).await, json!([["0", "1", "2"], false, null]));
    if has(&machine, support::PYTHON) {
        let managed = "
import os, subprocess
def handler(event, context):
    child = subprocess.run(['/bin/ls', '/proc/self/fd'], capture_output=True, text=True, close_fds=False)
    return ['62' in child.stdout.split(), os.path.exists('/proc/self/fd/62'), os.environ.get('_LAMBDA_TELEMETRY_LOG_FD')]
";
        let code = machine.package(&[("app.py", managed)]);
        let (environment, _) = started(&machine, spec("python3.11", code)).await;
        assert_eq!(value(&environment, &json!({})).await, json!([false, true, null]));
    }
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_function_writes_to_the_descriptor_itself_harms_nobody() {
    let Some(machine) = Machine::start().await else { return };
    if has(&machine, support::PYTHON) {
        let body = "
    if event.get('whole'):
        logging.error('whole')
        return 'fine'
    os.write(62, b'no frame at all')
    os.write(62, bytes.fromhex('a55a000f') + (20_000_000).to_bytes(4, 'big') + bytes(8))
    block = b'x' * 100_000
    for _ in range(200): assert os.write(62, block) == len(block)
    # A frame that announces more than will come.
    os.write(62, bytes.fromhex('a55a0017') + b'\\xff' * 12 + b'cut off')
    os._exit(3)
";
        let (environment, output) = logged(&machine, body).await;
        environment.reset().await.expect("reset");
        environment.ready().await.expect("ready");
        let answer = environment.invoke(invocation(json!({"whole": true}).to_string())).await;
        assert_eq!(answer, InvocationOutcome::Response { body: "\"fine\"".into() });
        let text = output.text();
        assert!(text.starts_with("no frame at all<INFO text xxx"), "{}", &text[..60]);
        let written = text.replace("<INFO text ", "").replace("<ERROR text ", "");
        assert_eq!(written.matches('x').count(), 20_000_000, "all of it, in pieces");
        let (_, end) = text.split_once("<ERROR text cut off>").expect("what came of it");
        assert!(end.starts_with("<ERROR text [ERROR]\t") && end.ends_with("\twhole\n>"), "{end}");
    }
    machine.backend.shutdown().await;
}
