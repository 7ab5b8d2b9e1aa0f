//! Nothing is left behind: by environments that end, by a server that is killed, by a spawner that is killed.

#[path = "support/disks.rs"]
mod disks;
#[path = "support/groups.rs"]
mod groups;
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use disks::{disk_of, write_limits};
use groups::groups;
use hearth_sandbox::process::PoolConfig;
use hearth_sandbox::{Backend, EnvironmentSpec};
use hearth_types::Mebibytes;
use serde_json::json;
use support::{BOOTSTRAP, Collected, ECHO, Machine, Setup, WRITE_PER_SECOND, children, spec, started, value};

/// What may pile up: descriptors of server and spawner, processes, mounts, control groups.
fn belongings(spawner: u32, instance: &str) -> [usize; 5] {
    let count = |dir: String| std::fs::read_dir(dir).map_or(0, Iterator::count);
    let mounts = std::fs::read_to_string(format!("/proc/{spawner}/mountinfo")).map_or(0, |text| text.lines().count());
    [
        count("/proc/self/fd".to_owned()),
        count(format!("/proc/{spawner}/fd")),
        children(spawner, "hearth-init").len(),
        mounts,
        groups(instance).len(),
    ]
}

/// The same, when the spawner has made all that it makes ahead of need.
async fn at_rest(spawner: u32, instance: &str) -> [usize; 5] {
    let mut last = belongings(spawner, instance);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = belongings(spawner, instance);
        if now == std::mem::replace(&mut last, now) {
            return now;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_environments_leave_nothing() {
    // In a process of its own: the other tests open and close descriptors meanwhile.
    let helper = helper("leak_helper");
    let Some(output) = helper else { return };
    assert!(output.contains("nothing left"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by two_hundred_environments_leave_nothing"]
async fn leak_helper() {
    let instance = format!("test-leak-{}", std::process::id());
    let pool = Some(PoolConfig { depth_max: 0, ..PoolConfig::default() });
    let setup = Setup { instance: Some(instance.clone()), pool, ..Setup::default() };
    let Some(machine) = Machine::start_with(setup).await else { return };
    let code = machine.package(&[("bootstrap", "#!/bin/sh\nexec sleep 1000\n")]);
    // Where there is Python every third is a copy of one that waits.
    let python = machine.backend.roots().contains(&support::PYTHON);
    let copied = spec("python3.11", machine.package(&[("app.py", "def handler(event, context): return event\n")]));
    if python {
        machine.wait_for_copies(&copied).await;
    }
    let [spawner] = children(std::process::id(), "hearth-spawner")[..] else { panic!("one spawner") };
    let disks = Mutex::new(BTreeSet::new());
    let round = async |number: usize| {
        let spec = if python && number.is_multiple_of(3) { copied.clone() } else { spec("provided.al2023", code) };
        let environment = machine.backend.create(spec, Arc::new(Collected::default())).await.expect("created");
        let inits = children(spawner, "hearth-init");
        disks.lock().expect("whole").extend(inits.into_iter().filter_map(disk_of));
        // Every other one is only dropped.
        if number.is_multiple_of(2) {
            environment.destroy().await;
        }
    };
    round(0).await;
    let before = at_rest(spawner, &instance).await;
    for number in 0..200 {
        round(number).await;
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut after = belongings(spawner, &instance);
    let more = |after: [usize; 5]| after.iter().zip(before).any(|(after, before)| *after > before);
    while more(after) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
        after = belongings(spawner, &instance);
    }
    assert!(
        !more(after),
        "descriptors of the server, of the spawner, processes, mounts, control groups: {before:?}, then {after:?}"
    );
    machine.backend.shutdown().await;
    assert_eq!(groups(&instance), Vec::<PathBuf>::new());
    for disk in disks.into_inner().expect("whole") {
        wait_until("no device that shows nothing is limited", || is_lent(&disk) || !is_limited(&disk, &instance));
    }
    println!("nothing left");
}

fn is_limited(disk: &str, instance: &str) -> bool {
    write_limits(disk, instance).is_some_and(|limits| !limits.is_empty())
}

/// Whether a loop device shows anything.
fn is_lent(disk: &str) -> bool {
    Path::new("/sys/dev/block").join(disk).join("loop/backing_file").exists()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_is_limited_for_as_long_as_its_environment_lives() {
    let instance = format!("test-disk-{}", std::process::id());
    let pool = Some(PoolConfig { depth_max: 0, ..PoolConfig::default() });
    let setup = Setup { instance: Some(instance.clone()), pool, ..Setup::default() };
    let Some(machine) = Machine::start_with(setup).await else { return };
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", ECHO)]);
    for ephemeral_storage in [512, 1_024].map(Mebibytes) {
        let spec = EnvironmentSpec { ephemeral_storage, ..spec("provided.al2023", code) };
        let (environment, _) = started(&machine, spec).await;
        let spawners = children(std::process::id(), "hearth-spawner");
        let inits = spawners.iter().flat_map(|spawner| children(*spawner, "hearth-init"));
        let own = groups(&instance).into_iter().filter_map(|group| std::fs::read_to_string(group.join("tasks")).ok());
        let own = own.collect::<String>();
        let disk = inits.filter(|init| own.lines().any(|line| line == init.to_string())).find_map(disk_of);
        let Some(disk) = disk else { return eprintln!("SKIPPED: /tmp is memory here") };
        if write_limits(&disk, &instance).is_none() {
            return eprintln!("SKIPPED: nothing limits disks here");
        }
        wait_until("the disk is limited", || is_limited(&disk, &instance));
        let limits = write_limits(&disk, &instance).unwrap_or_default();
        // v1's have a mark in their last bits.
        let wanted: u64 = WRITE_PER_SECOND.0.into();
        assert!(limits.iter().all(|bytes| bytes >> 20 == wanted), "{limits:?}");
        environment.destroy().await;
        wait_until("the limit ends with the disk", || is_lent(&disk) || !is_limited(&disk, &instance));
    }
    machine.backend.shutdown().await;
}

/// Runs one ignored test of this program in a process of its own; `None` where it was skipped.
fn helper(name: &str) -> Option<String> {
    let program = std::env::current_exe().expect("this test");
    let output = Command::new(program).args(["--ignored", "--exact", "--nocapture", name]).output().expect("helper");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if text.contains("SKIPPED") {
        eprintln!("{text}");
        return None;
    }
    assert!(output.status.success(), "{text}");
    Some(text)
}

/// A server that has an environment and waits to be killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the tests that kill it"]
async fn doomed_helper() {
    let instance = std::env::var("INSTANCE").expect("INSTANCE");
    let setup = Setup { instance: Some(instance), ..Setup::default() };
    let Some(machine) = Machine::start_with(setup).await else { return };
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", ECHO)]);
    let (_environment, _) = started(&machine, spec("provided.al2023", code)).await;
    println!("up");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

struct Doomed {
    server: std::process::Child,
    spawner: u32,
    init: u32,
    dir: tempfile::TempDir,
}

fn doomed(instance: &str) -> Option<Doomed> {
    // What a killed process leaves in its temporary directory goes with ours.
    let dir = tempfile::tempdir().expect("tempdir");
    let mut server = Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "--nocapture", "doomed_helper"])
        .env("INSTANCE", instance)
        .env("TMPDIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("helper");
    let lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    if !lines.map_while(Result::ok).any(|line| line.ends_with("up")) {
        server.wait().expect("ended");
        return None;
    }
    let [spawner] = children(server.id(), "hearth-spawner")[..] else { panic!("one spawner") };
    let [init] = children(spawner, "hearth-init")[..] else { panic!("one environment") };
    Some(Doomed { server, spawner, init, dir })
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn exists(pid: u32) -> bool {
    // A zombie that nobody has fetched yet is no process any more.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_killed_server_leaves_no_process_and_no_control_group() {
    let instance = format!("test-kill-{}", std::process::id());
    let Some(Doomed { mut server, spawner, init, dir: _dir }) = doomed(&instance) else { return };
    server.kill().expect("killed");
    server.wait().expect("ended");
    wait_until("the spawner ends everything", || !exists(init) && !exists(spawner) && groups(&instance).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_spawner_leaves_the_next_one_ends() {
    let instance = format!("test-sweep-{}", std::process::id());
    let Some(Doomed { mut server, spawner, init, dir: _dir }) = doomed(&instance) else { return };
    let disk = disk_of(init);
    if let Some(disk) = disk.as_ref().filter(|disk| write_limits(disk, &instance).is_some()) {
        wait_until("there is a limit to sweep", || is_limited(disk, &instance));
    }
    Command::new("/bin/kill").args(["-9", &spawner.to_string()]).status().expect("kill");
    server.kill().expect("killed");
    server.wait().expect("ended");
    wait_until("the sandbox ends with its spawner", || !exists(init));
    assert!(!groups(&instance).is_empty(), "there is something to sweep");
    let setup = Setup { instance: Some(instance.clone()), ..Setup::default() };
    let machine = Machine::start_with(setup).await.expect("it worked a moment ago");
    if let Some(disk) = disk {
        assert!(is_lent(&disk) || !is_limited(&disk, &instance), "its number is somebody else's now");
    }
    let code = machine.package(&[("bootstrap", BOOTSTRAP), ("app.py", ECHO)]);
    let (environment, _) = started(&machine, spec("provided.al2023", code)).await;
    assert_eq!(value(&environment, &json!([1])).await, json!([1]));
    machine.backend.shutdown().await;
    assert_eq!(groups(&instance), Vec::<PathBuf>::new());
}
