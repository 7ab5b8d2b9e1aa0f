//! What only the process backend promises: the runtimes of this machine, and what surrounds them.

mod support;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_sandbox::runtimes::{Interpreter, Language, Root, Search};
use hearth_sandbox::{Backend, EnvironmentSpec, ExitCause, InitFailure, InvocationOutcome};
use hearth_types::Mebibytes;
use serde_json::json;
use support::{BOOTSTRAP, Collected, ECHO, Machine, Setup, invocation, spec, started, value};

/// Says so where this machine has no such interpreter.
fn has(machine: &Machine, root: Root) -> bool {
    let has = machine.backend.roots().contains(&root);
    if !has {
        eprintln!("SKIPPED: {}", hearth_sandbox::runtimes::missing(root));
    }
    has
}

const PYTHON: &str = "
import asyncio, ctypes, importlib.util, json, os, socket, sqlite3, ssl, sys, traceback, zoneinfo
def handler(event, context):
    print('seen', event)
    return {'prefix': sys.prefix, 'executable': sys.executable, 'strange': [p for p in sys.path if not p.startswith(('/var', '/opt'))],
            'certificates': len(ssl.create_default_context().get_ca_certs()) > 0,
            'zone': str(zoneinfo.ZoneInfo('Europe/Paris')), 'sqlite': sqlite3.connect(':memory:').execute('select 6 * 7').fetchone()[0],
            'shared': ctypes.CDLL(None).getpid(), 'directory': os.getcwd(), 'runtime': os.environ['AWS_EXECUTION_ENV'],
            'compiled': open('/var/runtime/bootstrap', 'rb').read(4) == importlib.util.MAGIC_NUMBER,
            'traced': 'in _run' in traceback.format_stack()[-2] and 'handler(event, context)' in traceback.format_stack()[-2]}
";

async fn python_works(machine: &Machine, minor: u8) {
    // Zones are newer than 3.8.
    let source = if minor < 9 {
        PYTHON.replace(", zoneinfo", "").replace("str(zoneinfo.ZoneInfo('Europe/Paris'))", "'Europe/Paris'")
    } else {
        PYTHON.to_owned()
    };
    let code = machine.package(&[("app.py", &source)]);
    let (environment, output) = started(machine, spec(&format!("python3.{minor}"), code)).await;
    let answer = value(&environment, &json!({"n": 1})).await;
    let expected = json!({
        "prefix": "/var/lang", "executable": format!("/var/lang/bin/python3.{minor}"), "strange": [], "certificates": answer["certificates"],
        "zone": "Europe/Paris", "sqlite": 42, "shared": answer["shared"], "directory": "/var/task",
        "runtime": format!("AWS_Lambda_python3.{minor}"), "compiled": true, "traced": true,
    });
    assert_eq!(answer, expected);
    assert!(output.text().contains("seen {'n': 1}"), "{}", output.text());
    environment.destroy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_has_its_whole_standard_library_and_nothing_of_the_machines() {
    let Some(machine) = Machine::start().await else { return };
    let mut pythons = 0;
    for root in machine.backend.roots() {
        if let Some(Language::Python { minor }) = root.language() {
            python_works(&machine, minor).await;
            pythons += 1;
        }
    }
    eprintln!("{pythons} versions of Python here");
    machine.backend.shutdown().await;
}

/// The spawner keeps views of code mounted for whoever comes next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_was_deleted_and_installed_again_is_there_again() {
    let Some(machine) = Machine::start().await else { return };
    if has(&machine, support::PYTHON) {
        let code = machine.package(&[("app.py", "def handler(event, context): return 0")]);
        for answer in 1..4 {
            machine.replace(code, "app.py", &format!("def handler(event, context): return {answer}"));
            for _ in 0..2 {
                let (environment, _) = started(&machine, spec("python3.11", code)).await;
                assert_eq!(value(&environment, &json!(null)).await, json!(answer));
                environment.destroy().await;
            }
        }
    }
    machine.backend.shutdown().await;
}

/// Each within its own limit, and yet together too much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_for_the_common_limit_is_told_from_who_ends_for_its_own() {
    let setup = Setup { memory: Some(Mebibytes(200)), ..Setup::default() };
    let Some(machine) = Machine::start_with(setup).await else { return };
    if has(&machine, support::PYTHON) {
        let code = machine.package(&[("app.py", "def handler(event, context): return len(b'x' * (event << 20))")]);
        for (memory, cause) in [(128, ExitCause::OutOfMemory), (512, ExitCause::OutOfHostMemory)] {
            let spec = EnvironmentSpec { memory: Mebibytes(memory), ..spec("python3.11", code) };
            let (environment, _) = started(&machine, spec).await;
            let outcome = environment.invoke(invocation("300".to_owned())).await;
            assert_eq!(outcome, InvocationOutcome::Exited(cause));
            environment.destroy().await;
        }
    }
    machine.backend.shutdown().await;
}

/// The other way an interpreter gets in: a version manager's build, a directory of its own with a shared library.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_managers_python_works_as_well() {
    let search = Search::from_environment();
    let versions = search.place("PYENV_ROOT", ".pyenv").map(|pyenv| pyenv.join("versions"));
    let entries = versions.and_then(|versions| std::fs::read_dir(versions).ok()).into_iter().flatten().flatten();
    let Some(prefix) = entries.map(|entry| entry.path()).find(|path| path.join("bin/python3.11").is_file()) else {
        return eprintln!("SKIPPED: pyenv has no Python 3.11 here");
    };
    let search = Search { prefixes: vec![prefix], ..Search::default() };
    assert!(
        matches!(search.interpreters().first(), Some((root, Interpreter::Prefix { .. })) if *root == support::PYTHON)
    );
    let Some(machine) = Machine::start_with(Setup { search: Some(search), ..Setup::default() }).await else { return };
    python_works(&machine, 11).await;
    let code = machine.package(&[("app.py", "def handler(event, context): return 7")]);
    let mut own_path = spec("python3.11", code);
    own_path.variables.push(("LD_LIBRARY_PATH".to_owned(), "/var/task/lib".to_owned()));
    let (environment, _) = started(&machine, own_path).await;
    assert_eq!(value(&environment, &json!({})).await, json!(7));
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_works() {
    let Some(machine) = Machine::start().await else { return };
    if has(&machine, support::NODE) {
        let source = "
            const crypto = require('node:crypto');
            exports.handler = async (event) => {
                console.log('seen', event.n);
                return { n: event.n + 1, program: process.execPath, hash: crypto.createHash('sha256').update('x').digest('hex').length,
                         version: process.versions.node.split('.')[0], uid: process.getuid(), zone: new Date(0).getTimezoneOffset() };
            };";
        let code = machine.package(&[("app.js", source)]);
        let (environment, output) = started(&machine, spec("nodejs20.x", code)).await;
        let answer = value(&environment, &json!({"n": 1})).await;
        let expected =
            json!({"n": 2, "program": "/var/lang/bin/node", "hash": 64, "version": "20", "uid": 1051, "zone": 0});
        assert_eq!(answer, expected);
        assert!(output.text().contains("seen 1"), "{}", output.text());
    }
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_this_machine_lacks_is_refused_with_what_to_do() {
    let nothing = Setup { search: Some(Search::default()), ..Setup::default() };
    let Some(machine) = Machine::start_with(nothing).await else { return };
    assert_eq!(machine.backend.roots().into_iter().collect::<Vec<_>>(), [Root::Provided]);
    for (runtime, command) in [("nodejs20.x", "nvm install 20"), ("python3.11", "pyenv install 3.11")] {
        let refused = {
            let spec = spec(runtime, hearth_ports::CodeDigest([0; 32]));
            machine.backend.check(&spec.runtime, spec.architecture).expect_err("refused")
        };
        assert!(refused.to_string().contains(command), "{refused}");
    }
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_script_is_a_runtime_too() {
    let Some(machine) = Machine::start().await else { return };
    let script = "#!/bin/sh\necho starting from $PWD as $(id -un)\nexec /usr/bin/python3 /var/task/real\n";
    let code = machine.package(&[("bootstrap", script), ("real", BOOTSTRAP), ("app.py", ECHO)]);
    let (environment, output) = started(&machine, spec("provided.al2", code)).await;
    assert_eq!(output.text(), "starting from /var/task as sbx_user1051\n");
    assert_eq!(value(&environment, &json!([1])).await, json!([1]));
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layers_lie_over_each_other_and_may_bring_the_runtime() {
    let Some(machine) = Machine::start().await else { return };
    let lower = machine.package(&[("bootstrap", BOOTSTRAP), ("who", "lower"), ("lower/only", "lower")]);
    let upper = machine.package(&[("who", "upper")]);
    let app = "def handle(event): return [open('/opt/who').read(), open('/opt/lower/only').read()]";
    let mut spec = spec("provided.al2023", machine.package(&[("app.py", app)]));
    spec.layers = vec![lower, upper];
    let (environment, _) = started(&machine, spec).await;
    assert_eq!(value(&environment, &json!({})).await, json!(["upper", "lower"]));
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_the_kernel_does_not_run_is_an_invalid_entrypoint() {
    let Some(machine) = Machine::start().await else { return };
    let cases = [("no interpreter line", "exec format error"), ("#!/no/such/thing\n", "no such file or directory")];
    for (content, text) in cases {
        let code = machine.package(&[("bootstrap", content)]);
        let environment = machine
            .backend
            .create(spec("provided.al2023", code), Arc::new(Collected::default()))
            .await
            .expect("created");
        let message = format!("fork/exec /var/task/bootstrap: {text}");
        let expected = InitFailure::Launch { error_type: "Runtime.InvalidEntrypoint", message };
        assert_eq!(environment.ready().await, Err(expected));
    }
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exec_wrapper_starts_the_runtime_and_a_missing_one_exits_127() {
    let Some(machine) = Machine::start().await else { return };
    if has(&machine, support::PYTHON) {
        let wrapper = "#!/bin/sh\necho wrapped $1\nexport BY=wrapper\nexec \"$@\"\n";
        let app = "import os\ndef handler(event, context): return os.environ['BY']";
        let code = machine.package(&[("app.py", app), ("wrapper.sh", wrapper)]);
        let mut wrapped = spec("python3.11", code);
        wrapped.variables.push(("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "/var/task/wrapper.sh".to_owned()));
        let (environment, output) = started(&machine, wrapped.clone()).await;
        assert_eq!(value(&environment, &json!({})).await, json!("wrapper"));
        assert_eq!(output.text(), "wrapped /var/lang/bin/python3.11\n");
        wrapped.variables.push(("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "/opt/missing".to_owned()));
        let output = Arc::new(Collected::default());
        let environment = machine.backend.create(wrapped, output.clone()).await.expect("created");
        assert_eq!(environment.ready().await, Err(InitFailure::Exited(ExitCause::Exited(127))));
        assert_eq!(output.text(), "/opt/missing: No such file or directory\n");
    }
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_is_not_installed_is_refused() {
    let Some(machine) = Machine::start().await else { return };
    let missing = spec("provided.al2023", hearth_ports::CodeDigest([9; 32]));
    let error = machine.backend.create(missing, Arc::new(Collected::default())).await.err().expect("refused");
    assert!(error.to_string().contains("is not installed"), "{error}");
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_background_process_is_gone_after_a_reset() {
    let Some(machine) = Machine::start().await else { return };
    let app = "
import os, subprocess
def handle(event):
    if event['do'] == 'leave': subprocess.Popen(['/usr/bin/sleep', '1000'], start_new_session=True)
    return sum(p.isdigit() for p in os.listdir('/proc'))
";
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", app)]);
    let (environment, _) = started(&machine, spec("provided.al2023", code)).await;
    assert_eq!(value(&environment, &json!({"do": "leave"})).await, json!(2));
    environment.reset().await.expect("reset");
    environment.ready().await.expect("ready");
    assert_eq!(value(&environment, &json!({"do": "count"})).await, json!(1));
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_output_arrives_whole_and_holds_nobody_up() {
    let Some(machine) = Machine::start().await else { return };
    let app = "
import os
def handle(event):
    for _ in range(64): os.write(1, b'x' * 65536)
    return 'done'
";
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", app)]);
    let (environment, output) = started(&machine, spec("provided.al2023", code)).await;
    assert_eq!(value(&environment, &json!({})).await, json!("done"));
    assert_eq!(output.len(), 64 * 65_536);
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_given_right_before_the_process_ends_counts() {
    let Some(machine) = Machine::start().await else { return };
    let script = BOOTSTRAP.replace(
        "    except Exception as error:\n        call(\"POST\", f",
        "        os._exit(0)\n    except Exception as error:\n        call(\"POST\", f",
    );
    assert_ne!(script, BOOTSTRAP);
    let code = machine.package(&[("bootstrap", &script), ("app.py", ECHO)]);
    for _ in 0..20 {
        let (environment, _) = started(&machine, spec("provided.al2023", code)).await;
        assert_eq!(value(&environment, &json!([7])).await, json!([7]));
        let next = environment.invoke(invocation("{}")).await;
        assert_eq!(next, InvocationOutcome::Exited(ExitCause::Exited(0)));
    }
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_environments_start_at_once_and_run_side_by_side() {
    let Some(machine) = Machine::start().await else { return };
    let app = "
import time
def handle(event):
    time.sleep(1)
    return event
";
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", app)]);
    let machine = Arc::new(machine);
    let one = |number: usize| {
        let machine = Arc::clone(&machine);
        async move {
            let (environment, _) = started(&machine, spec("provided.al2023", code)).await;
            (number, value(&environment, &json!(number)).await, environment.id())
        }
    };
    let all: Vec<_> = (0..50).map(|number| tokio::spawn(one(number))).collect();
    let mut ids = std::collections::HashSet::new();
    for task in all {
        let (number, answer, id) = task.await.expect("ran");
        assert_eq!(answer, json!(number));
        ids.insert(id);
    }
    assert_eq!(ids.len(), 50);
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cpu_limit_holds_after_init_and_not_during_it() {
    let Some(machine) = Machine::start().await else { return };
    let app = "
import time
def burn():
    start, rounds = time.monotonic(), 0
    while time.process_time() < 0.2 + burn.spent: rounds += 1
    burn.spent = time.process_time()
    return time.monotonic() - start
burn.spent = time.process_time()
init = burn()
def handle(event): return [init, burn()]
";
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", app)]);
    let mut spec = spec("provided.al2023", code);
    spec.memory = Mebibytes(256);
    let (environment, _) = started(&machine, spec).await;
    let answer = value(&environment, &json!({})).await;
    let (init, invoke) = (answer[0].as_f64().expect("number"), answer[1].as_f64().expect("number"));
    // A seventh of a processor: 0.2 s of work take 1.4 s. Init takes 0.2 s, more on a machine others use too.
    assert!(invoke > 1.0, "{answer}");
    assert!(init < invoke, "{answer}");
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_endpoints_listener_belongs_to_its_environment() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let on_endpoint: hearth_sandbox::process::EndpointHook = Arc::new(move |id, listener| {
        sender.lock().expect("lock").send((id, listener)).expect("sent");
        tokio::spawn(std::future::pending())
    });
    let Some(machine) = Machine::start_with(Setup { on_endpoint: Some(on_endpoint), ..Setup::default() }).await else {
        return;
    };
    let app = "
import os, urllib.request
def handle(event): return urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL']).read().decode()
";
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", app)]);
    let (environment, _) = started(&machine, spec("provided.al2023", code)).await;
    let (id, listener) = receiver.recv().expect("listener");
    assert_eq!(id, environment.id());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepted");
        let mut request = [0; 1_024];
        let _ = stream.read(&mut request).expect("request");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi").expect("answered");
    });
    assert_eq!(value(&environment, &json!({})).await, json!("hi"));
    server.join().expect("served");
    machine.backend.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_environments_of_a_size_nobody_had_before_start_at_once() {
    let Some(machine) = Machine::start().await else { return };
    let code = machine.package(&[("bootstrap", "#!/bin/sh\nexec sleep 1000\n")]);
    for memory in 200..300 {
        let starts = (0..4).map(|_| {
            let mut spec = spec("provided.al2023", code);
            spec.memory = Mebibytes(memory);
            let backend = machine.backend.clone();
            tokio::spawn(async move { backend.create(spec, Arc::new(Collected::default())).await })
        });
        for start in starts.collect::<Vec<_>>() {
            let environment = start.await.expect("no panic").unwrap_or_else(|error| panic!("{memory}: {error}"));
            environment.destroy().await;
        }
    }
    machine.backend.shutdown().await;
}

/// Loop devices that read and write an image below the machine's directory past the page cache.
fn bypassing(machine: &Machine) -> usize {
    let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let of = |device: &std::fs::DirEntry, file: &str| {
        std::fs::read_to_string(device.path().join("loop").join(file)).unwrap_or_default()
    };
    devices
        .filter(|device| Path::new(&of(device, "backing_file")).starts_with(machine.directory()))
        .filter(|device| of(device, "dio").trim() == "1")
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_made_ahead_of_need_bypasses_the_host_s_page_cache() {
    let Some(machine) = Machine::start().await else { return };
    let direct = OpenOptions::new().write(true).create(true).custom_flags(libc::O_DIRECT).mode(0o600).to_owned();
    if direct.open(machine.directory().join("probe")).is_err() {
        eprintln!("SKIPPED: the file system of the temporary directory knows no direct input and output");
        return;
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while bypassing(&machine) == 0 {
        assert!(Instant::now() < deadline, "no slot that waits has such a disk");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
