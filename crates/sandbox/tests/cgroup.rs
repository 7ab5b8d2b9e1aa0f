//! Control groups of this machine, with real processes. Needs root and writable cgroups; without root the tests say so
//! and check what they can.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hearth_sandbox::cgroup::{Cgroup, CgroupHandle, CgroupLimits, CgroupRoot};
use hearth_types::Mebibytes;

const LIMITS: CgroupLimits = CgroupLimits { memory: Mebibytes(64), processes_max: 32 };

/// A root of its own per test, removed at the end. `None` without root.
struct Root(Option<CgroupRoot>);

impl Root {
    fn make(test: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: cgroups need root");
            return None;
        }
        let root = CgroupRoot::detect(&format!("test-{test}-{}", std::process::id())).expect("cgroups of this machine");
        assert_eq!(root.missing(), [], "every limit can be enforced");
        Some(Self(Some(root)))
    }

    fn get(&self) -> &CgroupRoot {
        self.0.as_ref().expect("until drop")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.0.take().map(CgroupRoot::remove).transpose().expect("nothing is left behind");
    }
}

/// A shell that moves into the group, then does `script`. Returns when it is inside.
fn run(group: &Cgroup, script: &str) -> Child {
    let mut arguments: Vec<PathBuf> = vec!["-c".into()];
    arguments.push(format!("for d; do echo $$ > $d/cgroup.procs; done; echo >&2; {script}").into());
    arguments.push("sh".into());
    arguments.extend_from_slice(group.directories());
    let mut child = Command::new("/bin/sh")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh");
    child.stderr.as_mut().expect("piped").read_exact(&mut [0]).expect("it is inside");
    child
}

fn python(group: &Cgroup, script: &str) -> Child {
    run(group, &format!("exec python3 -c '{script}'"))
}

fn wait_exit(child: &mut Child) -> std::process::ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("own child") {
            return status;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "the process should have ended");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &mut Child) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&wait_exit(child))
}

#[test]
fn a_memory_hog_is_killed_and_counted() {
    let Some(root) = Root::make("oom") else { return };
    let group = root.get().create(1, &LIMITS).expect("created");
    assert_eq!(group.handle().expect("open").oom_kills().expect("readable"), 0);
    let mut hog = python(&group, "x = bytearray(200 << 20); print(len(x))");
    assert_eq!(signal(&mut hog), Some(libc::SIGKILL));
    assert_eq!(group.handle().expect("open").oom_kills().expect("readable"), 1);
    assert_eq!(group.handle().expect("open").memory_used_max(LIMITS.memory).expect("readable"), LIMITS.memory);
    assert!(group.handle().expect("open").limit_was_hit());
    group.remove().expect("removed");
}

#[test]
fn all_groups_together_stay_below_the_common_limit() {
    let Some(root) = Root::make("sum") else { return };
    root.get().limit_memory(Mebibytes(96).bytes()).expect("limited");
    let groups = [1, 2].map(|slot| root.get().create(slot, &LIMITS).expect("created"));
    // Each stays below its own limit of 64 MiB.
    let hog = "x = b\"x\" * (46 << 20); import time; time.sleep(3)";
    let handles = [0, 1].map(|number: usize| groups[number].handle().expect("open"));
    let all = CgroupHandle::new(root.get().knobs().expect("open"));
    let mut hogs = [0, 1].map(|number: usize| python(&groups[number], hog));
    let started = Instant::now();
    // The one that is left keeps its memory for three seconds.
    while handles.iter().all(|group| group.oom_kills().expect("readable") == 0) {
        assert!(started.elapsed() < Duration::from_secs(20), "one of them has to go");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(handles.iter().all(|group| !group.limit_was_hit()), "it was not for its own limit");
    let held_mib = all.memory_held().expect("readable") >> 20;
    assert!((46..=96).contains(&held_mib), "{held_mib}");
    let killed = hogs.iter_mut().filter_map(signal).collect::<Vec<_>>();
    assert_eq!(killed, [libc::SIGKILL], "one of them had to go");
}

#[test]
fn another_sigkill_is_not_counted_as_out_of_memory() {
    let Some(root) = Root::make("kill") else { return };
    let group = root.get().create(1, &LIMITS).expect("created");
    let mut child = run(&group, "sleep 60");
    group.kill_all().expect("killed");
    assert_eq!(signal(&mut child), Some(libc::SIGKILL));
    assert_eq!(group.handle().expect("open").oom_kills().expect("readable"), 0);
}

#[test]
fn memory_used_sees_a_short_peak_and_no_page_cache() {
    let Some(root) = Root::make("peak") else { return };
    let limits = CgroupLimits { memory: Mebibytes(512), ..LIMITS };
    let file = tempfile::NamedTempFile::new().expect("file");
    let path = file.path().display();

    let group = root.get().create(1, &limits).expect("created");
    let mut cache = run(&group, &format!("head -c 100000000 /dev/zero > {path}; cat {path} > /dev/null"));
    assert!(wait_exit(&mut cache).success());
    let used = group.handle().expect("open").memory_used_max(limits.memory).expect("readable");
    assert!(used < Mebibytes(20), "100 MB of page cache are not memory used, got {used}");
    group.remove().expect("removed");

    let group = root.get().create(1, &limits).expect("created");
    let mut peak = python(&group, "x = bytearray(100 << 20); del x");
    assert!(wait_exit(&mut peak).success());
    let used = group.handle().expect("open").memory_used_max(limits.memory).expect("readable");
    assert!((Mebibytes(98)..Mebibytes(125)).contains(&used), "100 MiB were used between the samples, got {used}");
}

#[test]
fn processes_over_the_limit_cannot_start() {
    let Some(root) = Root::make("pids") else { return };
    let group = root.get().create(1, &CgroupLimits { processes_max: 5, ..LIMITS }).expect("created");
    let mut bomb = run(&group, "for i in 1 2 3 4 5 6 7 8 9; do sleep 30 & done; wait");
    // dash gives up at the fork that fails.
    assert!(!wait_exit(&mut bomb).success());
    group.remove().expect("removed");
}

#[test]
fn a_group_gets_the_processor_share_of_its_memory() {
    let Some(root) = Root::make("cpu") else { return };
    let group = root.get().create(1, &LIMITS).expect("created");
    group.handle().expect("open").set_cpu(Mebibytes(177)).expect("set");
    // A tenth of a vCPU: 50 ms of work take about 500.
    let spin = "import time\nw = time.monotonic()\nc = time.process_time()\nwhile time.process_time() - c < 0.05: pass\nprint(time.monotonic() - w)";
    let slow = seconds(python(&group, spin));
    assert!(slow > 0.3, "limited: {slow} s");
    group.set_cpu_unlimited().expect("set");
    let fast = seconds(python(&group, spin));
    assert!(fast < slow / 2.0, "unlimited: {fast} s, limited: {slow} s");
}

fn seconds(child: Child) -> f64 {
    let output = child.wait_with_output().expect("own child");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

#[test]
fn a_frozen_group_stands_still_and_is_killed_all_the_same() {
    let Some(root) = Root::make("freeze") else { return };
    let group = root.get().create(1, &LIMITS).expect("created");
    let file = tempfile::NamedTempFile::new().expect("file");
    let mut child = run(&group, &format!("while :; do echo x >> {}; sleep 0.01; done", file.path().display()));
    let size = || file.as_file().metadata().expect("metadata").len();
    wait_until(|| size() > 3);
    group.handle().expect("open").freeze().expect("frozen");
    std::thread::sleep(Duration::from_millis(50));
    let frozen = size();
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(size(), frozen, "nothing runs");
    group.thaw().expect("thawed");
    wait_until(|| size() > frozen);
    group.handle().expect("open").freeze().expect("frozen");
    group.remove().expect("a frozen group is removed");
    assert_eq!(signal(&mut child), Some(libc::SIGKILL));
}

fn wait_until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(10), "the condition should hold by now");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_sweep_ends_what_an_earlier_life_left_frozen() {
    let Some(root) = Root::make("sweep") else { return };
    let mut children = Vec::new();
    for slot in [1, 2] {
        let group = root.get().create(slot, &LIMITS).expect("created");
        children.push(run(&group, "sleep 60 & sleep 60; :"));
        wait_until(|| processes(&group) == 3);
        group.handle().expect("open").freeze().expect("frozen");
    }
    let swept = root.get().sweep().expect("swept");
    assert_eq!((swept.groups, swept.processes), (2, 6));
    for child in &mut children {
        assert_eq!(signal(child), Some(libc::SIGKILL));
    }
    assert_eq!(root.get().sweep().expect("swept").groups, 0);
}

fn processes(group: &Cgroup) -> usize {
    group.processes().expect("readable").len()
}

#[test]
fn creating_over_a_frozen_leftover_does_not_hang() {
    let Some(root) = Root::make("reuse") else { return };
    let group = root.get().create(7, &LIMITS).expect("created");
    let mut left = run(&group, "sleep 60");
    group.handle().expect("open").freeze().expect("frozen");
    drop(group);
    let group = root.get().create(7, &LIMITS).expect("created again");
    assert_eq!(signal(&mut left), Some(libc::SIGKILL));
    let mut fresh = run(&group, "exit 3");
    assert_eq!(wait_exit(&mut fresh).code(), Some(3), "the new group is not frozen");
}
