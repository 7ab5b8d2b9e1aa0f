//! Java functions start from an archive of the classes of Hearth's client that their Java has made; where there is none, or
//! where they say themselves how Java starts, they run as they would without.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hearth_sandbox::runtimes::Search;
use hearth_sandbox::{Backend, EnvironmentSpec};
use serde_json::{Value, json};
use support::{Machine, Setup, java_look, spec, started, value};

const ARCHIVE: &str = "/var/runtime/bootstrap.jsa";
const JAVAS: [&str; 3] = ["java17", "java21", "java25"];
/// Has nothing but itself, and gives back its event.
const SAMPLE: &str = "hearth.Preparation$Sample";

/// What a function sees of itself; it prints nothing unless it is `loud`.
async fn seen(machine: &Machine, spec: EnvironmentSpec, loud: bool) -> Value {
    let (environment, output) = started(machine, spec).await;
    let seen = value(&environment, &json!({})).await;
    assert!(loud || output.text().is_empty(), "{}", output.text());
    environment.destroy().await;
    seen
}

fn has(list: &Value, wanted: &str) -> bool {
    list.as_array().expect("a list").iter().any(|item| item.as_str().is_some_and(|item| item.contains(wanted)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_starts_from_an_archive_of_the_client_s_classes_unless_the_function_says_how_it_starts() {
    let Some(look) = java_look() else { return eprintln!("SKIPPED: no javac on this machine") };
    let Some(machine) = Machine::start().await else { return };
    let code = machine.package_of(&[("app/handler.class", &look)]);
    for runtime in JAVAS {
        let usual = spec(runtime, code);
        if let Err(missing) = machine.backend.check(&usual.runtime, usual.architecture) {
            eprintln!("SKIPPED: {missing}");
            continue;
        }
        let before = seen(&machine, usual.clone(), false).await;
        assert!(!has(&before["files"], ARCHIVE), "{runtime}: {}", before["files"]);
        assert!(machine.wait_for_class_archive(runtime).await, "{runtime}");
        let after = seen(&machine, usual.clone(), false).await;
        assert!(has(&after["files"], ARCHIVE), "{runtime}: {}", after["files"]);
        assert!(has(&after["files"], "/classes"), "{runtime}, its own archive: {}", after["files"]);
        for name in ["environ", "properties", "fds", "mounts", "threads", "collectors", "heap", "tmp", "here"] {
            assert_eq!(before[name], after[name], "{runtime} {name}");
        }
        let mut own = usual;
        own.variables.push(("JAVA_TOOL_OPTIONS".to_owned(), "-Xss2m".to_owned()));
        own.variables.push(("JDK_JAVA_OPTIONS".to_owned(), "-Dmine=1".to_owned()));
        let own = seen(&machine, own, true).await;
        assert!(!has(&own["files"], ARCHIVE), "{runtime}: {}", own["files"]);
        assert_eq!(own["properties"]["mine"], "1");
    }
    machine.backend.shutdown().await;
}

/// A Java of this machine that needs nothing of its configuration in `/etc`, which sandboxes do not see there.
fn complete_java() -> Option<(PathBuf, String)> {
    fs::read_dir("/usr/lib/jvm").ok()?.flatten().find_map(|entry| {
        let home = fs::canonicalize(entry.path()).ok()?;
        let jvm = fs::symlink_metadata(home.join("lib/jvm.cfg")).ok()?;
        let release = fs::read_to_string(home.join("release")).ok()?;
        let is_known = JAVAS.iter().any(|java| release.contains(&format!("JAVA_VERSION=\"{}.", &java[4..])));
        (jvm.is_file() && is_known).then_some((home, release))
    })
}

/// One that is the same but for what it does when it is to write an archive.
fn java_that_writes(dir: &Path, home: &Path, release: &str, script: &str) -> Search {
    let java = dir.join("javas/java");
    for directory in ["bin", "lib"] {
        fs::create_dir_all(java.join(directory)).expect("directory");
    }
    fs::write(java.join("release"), release).expect("file");
    fs::write(java.join("lib/modules"), "").expect("file");
    let program = java.join("bin/java");
    let cases = format!("for a; do case $a in -XX:ArchiveClassesAtExit=*) f=${{a#*=}}; {script};; esac; done");
    fs::write(&program, format!("#!/bin/sh\n{cases}\nexec {} \"$@\"\n", home.join("bin/java").display()))
        .expect("file");
    for path in [&dir.join("javas"), &java, &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("mode");
    }
    Search { javas: vec![dir.join("javas")], ..Search::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_run_where_java_makes_no_archive_or_one_that_it_does_not_take() {
    let Some((home, release)) = complete_java() else { return eprintln!("SKIPPED: no such Java on this machine") };
    let runtime =
        JAVAS.into_iter().find(|java| release.contains(&format!("JAVA_VERSION=\"{}.", &java[4..]))).expect("one");
    for script in ["exit 1", "exit 0", "echo none > $f; exit 0", "mkdir $f; exit 0", "ln -s /dev/zero $f; exit 0"] {
        let dir = tempfile::tempdir().expect("tempdir");
        let search = java_that_writes(dir.path(), &home, &release, script);
        let Some(machine) = Machine::start_with(Setup { search: Some(search), ..Setup::default() }).await else {
            return;
        };
        let mut spec = spec(runtime, machine.package(&[]));
        spec.handler = SAMPLE.to_owned();
        machine.backend.check(&spec.runtime, spec.architecture).expect("it is found");
        assert!(!machine.wait_for_class_archive(runtime).await, "{script}");
        let (environment, output) = started(&machine, spec).await;
        let event = json!({"text": "a", "more": {"b": 1}});
        assert_eq!(value(&environment, &event).await, event, "{script}");
        assert_eq!(output.text(), "", "{script}");
        machine.backend.shutdown().await;
    }
}
