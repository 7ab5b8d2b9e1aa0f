//! Takes the walls of a sandbox away, one after the other, and sees to it that a probe notices each. In a build with the
//! feature `mutations` only: `make mutate-sandbox`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hearth_sandbox::mutation::{Control, VARIABLE};
use hearth_sandbox::seccomp::table::REFUSED;

use crate::prison::{NETWORK_POLICY, Origin, Prison};
use crate::probes::PROBES;

/// Rows with these numbers take seconds: they are tried only where a mutation is there for them.
const SLOW: &[u8] = &[27, 28, 29, 37, 40, 41];
/// Names rows that the helper is to try although they are slow.
const ALSO: &str = "HEARTH_MUTATION_PROBES";
/// Stands for a row: there is no sandbox at all then, which is as good as a refusal.
const NO_SANDBOX: &str = "no sandbox is made";
/// A sandbox that lacks a namespace configures the one it is in: each mutation runs in some of its own. Of the network
/// there, the interface is down at first, and the machine has no address that others could know.
const APART: &str = "ip link set lo up && ip address add 10.77.0.1/32 dev lo && exec \"$@\"";
/// One mutation, at most.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is in front of all walls is tried by `tests/spawner.rs`.
const DOOR: &[&str] = &[
    "request-limits",
    "tree-resolution",
    "one-slot-per-id",
    "one-function-per-slot",
    "own-mounts-only",
    "class-archive-of-nobody",
];

struct Mutation {
    /// [`Control`]s by name, and `call:NAME`.
    without: &'static str,
    /// Rows of the table that must fail then.
    noticed_by: &'static [&'static str],
}

const fn without(without: &'static str, noticed_by: &'static [&'static str]) -> Mutation {
    Mutation { without, noticed_by }
}

/// Where one wall stands behind another, the row is one that looks at the wall itself, or all of them go at once.
#[rustfmt::skip]
const MUTATIONS: &[Mutation] = &[
    without(NETWORK_POLICY, &["the host's loopback by the network", "the host's address"]),
    without("pid-namespace", &["kill a process of the host", "namespaces of the host"]),
    without("network-namespace", &["the host's loopback", "an abstract socket of the host", "namespaces of the host"]),
    without("ipc-namespace", &["another sandbox's shared memory", "namespaces of the host"]),
    without("uts-namespace", &["namespaces of the host"]),
    without("cgroup-namespace", &["control groups", "namespaces of the host"]),
    // The root that all share is one of the spawner's own, in which it mounts nothing.
    without("mount-namespace", &[NO_SANDBOX]),
    without("user-namespace", &["a user of one's own outside", "namespaces of the host"]),
    without("user-namespace-limit", &["user namespaces there may be"]),
    without("user-namespace-limit call:unshare", &["unshare users"]),
    without("user-namespace-limit call:clone", &["clone into a user namespace"]),
    without("user-per-slot", &["another sandbox's user"]),
    without("read-only-mounts", &["write the root", "mounts that may be written"]),
    without("nosuid-mounts", &["mounts that heed set-user-id bits"]),
    without("nodev-mounts", &["where devices could be"]),
    without("hidden-processes", &["see other processes"]),
    without("masked-proc", &["masked parts of /proc"]),
    without("faces", &["memory and processors are the function's"]),
    without("closed-descriptors", &["descriptors at start", "what hearth-init has"]),
    without("empty-environment", &["what hearth-init has"]),
    without("init-capabilities", &["what hearth-init has"]),
    without("init-not-dumpable", &["what hearth-init has"]),
    without("function-capabilities", &["capabilities"]),
    without("function-user", &["who am I", "become root", "kill hearth-init"]),
    // System call filter and landlock ask for it by themselves.
    without("no-new-privs landlock seccomp", &["no_new_privs"]),
    without("landlock", &["landlock"]),
    without("seccomp", &["the filter of system calls", "AF_VSOCK", "clone3", "ptrace, for the filter"]),
    without("unlisted-calls", &["clone3"]),
    without("resource-limits", &["limits"]),
    without("process-limit", &["processes in the control group"]),
    without("process-limit resource-limits", &["fork bomb"]),
    without("memory-limit", &["a memory hog"]),
    without("storage-limit", &["fill /tmp"]),
    without("storage-rate", &["the pace of /tmp"]),
    without("call:clone", &["clone into a user namespace"]),
    without("call:unshare call:setns", &["setns, for the filter", "unshare users"]),
    without("call:mount call:umount2", &["mount, for the filter", "unmount, for the filter"]),
    without("call:open_tree call:mount_setattr", &["the new mount calls, for the filter"]),
    without("call:mknod call:mknodat", &["make a device, for the filter"]),
    without("call:chroot", &["chroot, for the filter"]),
    without("call:open_by_handle_at call:name_to_handle_at", &["name_to_handle_at, for the filter"]),
    without("call:ptrace", &["ptrace, for the filter"]),
    without("call:process_vm_readv call:pidfd_getfd", &["read another process's memory", "take another process's descriptor"]),
    without("call:bpf", &["bpf, for the filter"]),
    without("call:perf_event_open", &["perf_event_open"]),
    without("call:userfaultfd", &["userfaultfd"]),
    without("call:io_uring_setup", &["io_uring"]),
    without("call:add_key call:keyctl", &["add_key", "keyctl"]),
    without("call:settimeofday call:adjtimex", &["set the clock, for the filter", "adjust the clock, for the filter"]),
    without("call:personality", &["an older personality of Linux"]),
    without("call:ioctl", &["typing into a terminal"]),
    without("call:socket", &[
        "AF_VSOCK", "a family that nobody knows yet", "a netlink protocol besides routing", "AF_ALG",
        "raw socket of a kind that is not there",
    ]),
];

/// One prison with what [`VARIABLE`] says; prints which rows noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started for each mutation"]
async fn mutation_helper() {
    let also = std::env::var(ALSO).unwrap_or_default();
    let Some(prison) = Prison::start(Origin::Unpooled, "mutation").await else { return };
    match prison {
        Err(why) => println!("NOTICED\t{NO_SANDBOX}\t{why}"),
        Ok(prison) => {
            for probe in PROBES {
                let is_slow = probe.number.is_some_and(|number| SLOW.contains(&number));
                if is_slow && !also.split('\t').any(|name| name == probe.name) {
                    continue;
                }
                if let Err(what) = probe.attempt(&prison).await {
                    println!("NOTICED\t{}\t{what}", probe.name);
                }
            }
            prison.end().await;
        }
    }
    println!("FINISHED");
}

/// Which rows notice, with what they say.
fn noticed(without: &str, also: &[&str]) -> Result<BTreeMap<String, String>, String> {
    let mut helper = Command::new("unshare")
        .args(["--net", "--uts", "--ipc", "sh", "-c", APART, "sh"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "--nocapture", "mutations::mutation_helper"])
        .env(VARIABLE, without)
        .env(ALSO, also.join("\t"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("helper");
    let started = Instant::now();
    while helper.try_wait().expect("a child").is_none() {
        if started.elapsed() > PATIENCE {
            helper.kill().expect("killed");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = helper.wait_with_output().expect("its output");
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.lines().any(|line| line.ends_with("FINISHED")) {
        return Err(format!("the helper did not come to its end:\n{text}"));
    }
    let lines = text.lines().filter_map(|line| line.split_once("NOTICED\t"));
    Ok(lines.filter_map(|(_, line)| line.split_once('\t')).map(|(row, what)| (row.into(), what.into())).collect())
}

#[test]
#[ignore = "minutes: make mutate-sandbox"]
fn every_wall_that_is_taken_away_is_noticed() {
    let only = std::env::var("ONLY").unwrap_or_default();
    // A probe that fails anyway notices nothing. Here the slow ones are tried, too.
    let slow = PROBES.iter().filter(|probe| probe.number.is_some_and(|number| SLOW.contains(&number)));
    let anyway = noticed("", &slow.map(|probe| probe.name).collect::<Vec<_>>()).expect("a run without any mutation");
    assert!(anyway.is_empty(), "{anyway:#?}");
    println!("  {:<58} nothing, as it must be", "(all walls stand)");
    let mut survived = Vec::new();
    for Mutation { without, noticed_by } in MUTATIONS.iter().filter(|mutation| mutation.without.contains(&only)) {
        match noticed(without, noticed_by) {
            Ok(noticed) => {
                let blind = noticed_by.iter().filter(|row| !noticed.contains_key(**row)).collect::<Vec<_>>();
                let rows = noticed.keys().map(String::as_str).collect::<Vec<_>>().join("; ");
                println!("  {without:<58} {} {rows}", if blind.is_empty() { "caught:" } else { "SURVIVED:" });
                if !blind.is_empty() {
                    survived.push(format!("without {without} these see nothing: {blind:?}; those do: {noticed:#?}"));
                }
            }
            Err(why) => survived.push(format!("without {without}: {why}")),
        }
    }
    assert!(survived.is_empty(), "{}", survived.join("\n"));
}

#[test]
fn every_control_has_its_mutation_and_every_name_is_one() {
    let tried = MUTATIONS.iter().flat_map(|mutation| mutation.without.split(' '));
    let off: BTreeSet<&str> = tried.chain(DOOR.iter().copied()).collect();
    let controls: BTreeSet<&str> = Control::ALL.iter().map(|control| control.name()).chain([NETWORK_POLICY]).collect();
    assert_eq!(off.iter().copied().filter(|name| !name.starts_with("call:")).collect::<BTreeSet<_>>(), controls);
    let refused: BTreeSet<&str> = REFUSED.iter().map(|(call, _)| call.name).collect();
    for call in off.iter().filter_map(|name| name.strip_prefix("call:")) {
        assert!(refused.contains(call), "{call}");
    }
    let rows: BTreeSet<&str> = PROBES.iter().map(|probe| probe.name).collect();
    assert_eq!(rows.len(), PROBES.len(), "each row has a name of its own");
    for row in MUTATIONS.iter().flat_map(|mutation| mutation.noticed_by) {
        assert!(rows.contains(row) || *row == NO_SANDBOX, "{row}");
    }
}
