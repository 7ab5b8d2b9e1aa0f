//! Probes that take more than one expression: what is tried in a sandbox and then looked at from outside of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_ports::{CodeDigest, CodePackages, PackageError};
use hearth_sandbox::package::{TreeStore, Unpacker};
use hearth_sandbox::{ExitCause, InvocationOutcome, ShutdownReason};
use hearth_types::limits::{INVOKE_RESPONSE_BYTES_MAX, SANDBOX_PROCESSES_MAX};
use hearth_types::{AccountId, Partition, Region, RequestContext, RequestId, Scope};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use crate::disks::{disk_of, write_limits};
use crate::prison::{MUTATIONS, Origin, Prison};
use crate::support::WRITE_PER_SECOND;
use crate::zips::{Entry, zip};

/// What was wrong.
pub(crate) type Verdict = Result<(), String>;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const FLOOD_MIB: usize = 192;
/// What a server may need more while a flood passes through it, and other tests beside this one.
const FLOOD_MEMORY_KIB_MAX: u64 = 96 << 10;

fn expect(what: &str, got: &Value, wanted: &Value) -> Verdict {
    if got == wanted { Ok(()) } else { Err(format!("{what}: {got} and not {wanted}")) }
}

/// A number that no other process on this machine has in its command line: seconds for `sleep`.
fn mark() -> String {
    static MARKS: AtomicU64 = AtomicU64::new(0);
    format!("4000.{}{:03}", std::process::id(), MARKS.fetch_add(1, Ordering::Relaxed))
}

/// Whether a process of this machine, whatever namespace it is in, has it in its command line.
fn runs(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("proc").flatten();
    let mut lines = processes.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.any(|line| line.contains(mark))
}

async fn wait_until(what: &str, done: impl Fn() -> bool) -> Verdict {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            return Err(what.to_owned());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Directories of the control groups of all slots.
fn groups(instance: &str) -> Vec<PathBuf> {
    fn find(dir: &Path, name: &str, found: &mut Vec<PathBuf>) {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if entry.file_name() == name {
                found.extend(fs::read_dir(entry.path()).into_iter().flatten().flatten().map(|slot| slot.path()));
            } else {
                find(&entry.path(), name, found);
            }
        }
    }
    let mut found = Vec::new();
    find(Path::new("/sys/fs/cgroup"), &format!("hearth-{instance}"), &mut found);
    found
}

/// The first process of the tried sandbox, as this machine numbers it.
fn hearth_init(prison: &Prison) -> Result<PathBuf, String> {
    let id = prison.cell.environment.id().to_string();
    let own = groups(&prison.instance).into_iter().filter(|group| group.ends_with(&id));
    let lists = own.filter_map(|group| fs::read_to_string(group.join("cgroup.procs")).ok()).collect::<String>();
    let mut processes = lists.lines().map(|pid| Path::new("/proc").join(pid));
    let is_init =
        |process: &PathBuf| fs::read_to_string(process.join("comm")).is_ok_and(|name| name == "hearth-init\n");
    processes.find(is_init).ok_or_else(|| "there is no hearth-init".to_owned())
}

/// What hearth-init keeps of the privileges, descriptors and memory of the spawner whose child it is.
pub(crate) async fn hearth_init_has_little(prison: &Prison) -> Verdict {
    let process = hearth_init(prison)?;
    let status = fs::read_to_string(process.join("status")).map_err(|error| error.to_string())?;
    // KILL, SETGID, SETUID, SETPCAP and SYS_PTRACE. Source: linux/capability.h.
    let (all, none) = ("00000000000801e0", "0000000000000000");
    let capabilities: Vec<&str> =
        status.lines().filter(|line| line.starts_with("Cap")).filter_map(|line| line.split('\t').nth(1)).collect();
    expect("capabilities (Inh, Prm, Eff, Bnd, Amb)", &json!(capabilities), &json!([none, all, all, all, none]))?;
    let environment = fs::read(process.join("environ")).map_err(|error| error.to_string())?;
    let names = String::from_utf8_lossy(&environment)
        .split_terminator('\0')
        .map(|variable| variable.split_once('=').map_or(variable, |(name, _)| name).to_owned())
        .filter(|name| name != MUTATIONS)
        .collect::<Vec<String>>();
    expect("its variables", &json!(names), &json!([]))?;
    let descriptors = fs::read_dir(process.join("fd")).map_err(|error| error.to_string())?.count();
    // Three on /dev/null; control socket, output, log records; that it is furnished; the end of children.
    expect("its descriptors", &json!(descriptors), &json!(8))?;
    // What may be dumped belongs to its user. Source: proc(5).
    let owner = fs::metadata(process.join("environ")).map_err(|error| error.to_string())?.uid();
    expect("whose its files in /proc are", &json!(owner), &json!(0))
}

/// 27: also where the processes do not count for one user.
pub(crate) async fn processes_are_limited_by_the_control_group(prison: &Prison) -> Verdict {
    let id = prison.cell.environment.id().to_string();
    let own: Vec<PathBuf> = groups(&prison.instance).into_iter().filter(|group| group.ends_with(&id)).collect();
    let limit = own.iter().find_map(|group| fs::read_to_string(group.join("pids.max")).ok());
    expect("pids.max", &json!(limit.as_deref().map(str::trim)), &json!(SANDBOX_PROCESSES_MAX.to_string()))
}

/// 29: seen from outside, as the pace of a disk is no measure.
pub(crate) async fn a_disk_is_written_at_a_limited_pace(prison: &Prison) -> Verdict {
    let process = hearth_init(prison)?;
    let number = process.file_name().and_then(|name| name.to_str()?.parse().ok()).ok_or("no number")?;
    let limits = disk_of(number).and_then(|disk| write_limits(&disk, &prison.instance));
    // Where /tmp is memory, or nothing limits disks, the server says so.
    let Some(limits) = limits else { return Ok(()) };
    // Those of v1 have a mark in their last bits.
    let limits_mib: Vec<u64> = limits.iter().map(|bytes| bytes >> 20).collect();
    expect("MiB a second", &json!(limits_mib), &json!([WRITE_PER_SECOND.0]))
}

/// 28: killed, counted, and nobody else is hurt.
pub(crate) async fn a_memory_hog_is_killed(prison: &Prison) -> Verdict {
    let cell = &prison.cell;
    let outcome = cell.invoke(cell.invocation("hog()")).await;
    let killed = match prison.origin {
        Origin::Extension => {
            matches!(&outcome, InvocationOutcome::Extension(failure) if failure.message.contains("killed"))
        }
        _ => outcome == InvocationOutcome::Exited(ExitCause::OutOfMemory),
    };
    let used = cell.environment.memory_used_max();
    cell.reset().await;
    if !killed || used != crate::prison::MEMORY {
        return Err(format!("{outcome:?}, {used} used"));
    }
    expect("the neighbour", &prison.neighbour()?.run("'lives'").await, &json!("lives"))?;
    expect("the next invocation", &cell.run("'works'").await, &json!("works"))
}

/// 33: of archives, before anything of them can run. Their unpacker is the same whatever process runs later.
pub(crate) async fn archives_write_nothing_but_their_tree() -> Verdict {
    let dir = tempfile::tempdir().expect("tempdir");
    fs::write(dir.path().join("canary"), "alive").expect("canary");
    let unpacker = Unpacker::new(env!("CARGO_BIN_EXE_hearth-spawner").into());
    let store = TreeStore::open(&dir.path().join("trees"), unpacker).expect("opened");
    let install = async |entries: &[Entry]| {
        let bytes = zip(entries);
        let scope =
            Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) };
        let context = RequestContext::service(&scope, "lambda.amazonaws.com", RequestId::from("test"));
        store.install(&context, CodeDigest(Sha256::digest(&bytes).into()), Bytes::from(bytes)).await
    };
    let file = |name: &str| Entry::file(name, b"evil");
    let large = |name: &str| Entry { claimed: Some(200_000_000), ..Entry::file(name, b"") };
    let unreadable = PackageError::Unreadable;
    let hostile = [
        ("a parent directory", vec![file("../canary")], &unreadable),
        ("an absolute name", vec![file("/tmp/hearth-evil")], &unreadable),
        ("a file through a link", vec![Entry::link("a", ".."), file("a/canary")], &unreadable),
        ("a link out", vec![Entry::link("a", "../canary")], &unreadable),
        ("a device", vec![Entry::new("null", b"", libc::S_IFCHR | 0o666)], &unreadable),
        ("a bomb", vec![large("a"), large("b")], &PackageError::TooLarge { max: 262_144_000 }),
    ];
    for (what, entries, refusal) in hostile {
        let installed = install(&entries).await;
        if installed.as_ref() != Err(refusal) {
            return Err(format!("{what}: {installed:?}"));
        }
    }
    // Archives have no hard links; what archivers write of one is a file of its own.
    let tame = [Entry::new("setuid", b"", libc::S_IFREG | 0o6755), file("twin"), file("other-twin")];
    let tree = store.path(&install(&tame).await.map_err(|error| error.to_string())?.digest);
    let metadata = |name: &str| fs::symlink_metadata(tree.join(name)).expect(name);
    expect("the mode of what was setuid", &json!(metadata("setuid").mode() & 0o7777), &json!(0o755))?;
    expect("links", &json!([metadata("twin").nlink(), metadata("other-twin").nlink()]), &json!([1, 1]))?;
    let canary = fs::read_to_string(dir.path().join("canary")).map_err(|error| error.to_string())?;
    expect("the canary", &json!([canary, Path::new("/tmp/hearth-evil").exists()]), &json!(["alive", false]))
}

/// 34: the Runtime API inside is one's own, and asks no other. That there is something to be found, too.
pub(crate) async fn a_neighbours_invocation_cannot_be_answered(prison: &Prison) -> Verdict {
    let findable = "[read('/tmp/neighbour'), shared(4711, False), connect(socket.AF_INET, ('127.0.0.1', NEIGHBOUR_PORT)), \
                    connect(socket.AF_UNIX, '\\0neighbour')]";
    let found = prison.neighbour()?.run(findable).await;
    expect("what the neighbour finds", &found, &json!(["x", "done", "done", "done"]))?;
    let waiting = prison.neighbour()?.invocation("time.sleep(0.5) or 'its own'");
    let forged = format!("answer('{}')", waiting.request_id);
    let (theirs, status) = tokio::join!(prison.neighbour()?.invoke(waiting), prison.cell.run(&forged));
    expect("an answer to the neighbour's invocation", &status, &json!(400))?;
    let own = InvocationOutcome::Response { body: Bytes::from_static(b"\"its own\"") };
    if theirs == own { Ok(()) } else { Err(format!("the neighbour's answer: {theirs:?}")) }
}

/// 34: what the kernel counts per user, it counts per sandbox.
pub(crate) async fn a_neighbour_is_another_user(prison: &Prison) -> Verdict {
    let outside = "[outside(), outside('/proc/self/gid_map')]";
    let (own, theirs) = (prison.cell.run(outside).await, prison.neighbour()?.run(outside).await);
    let differ = own[0].is_string() && theirs[0].is_string() && own[0] != theirs[0] && own[1] != theirs[1];
    if differ { Ok(()) } else { Err(format!("{own} and {theirs}")) }
}

/// 35: an answer counts for the invocation that waits for it, and for no other.
pub(crate) async fn answers_are_for_their_own_invocation(prison: &Prison) -> Verdict {
    let cell = &prison.cell;
    let unknown = cell.run("answer('00000000-0000-4000-8000-ffffffffffff')").await;
    expect("to an invocation that never was", &unknown, &json!(400))?;
    let earlier = cell.invocation("'early'");
    let again = format!("answer('{}')", earlier.request_id);
    cell.invoke(earlier).await;
    expect("to an invocation that was answered", &cell.run(&again).await, &json!(400))?;
    // One that nobody waits for any more.
    let late = cell.invoke(cell.invocation("time.sleep(0.3) or 'late'"));
    if timeout(Duration::from_millis(50), late).await.is_ok() {
        return Err("it did not wait".to_owned());
    }
    expect("after a late one", &cell.run("'mine'").await, &json!("mine"))
}

/// 36: in bytes, quotes and all.
pub(crate) async fn a_response_over_6_mb_is_refused(prison: &Prison) -> Verdict {
    let cell = &prison.cell;
    let mut invocation = cell.invocation(&format!("'x' * {INVOKE_RESPONSE_BYTES_MAX}"));
    if prison.origin == Origin::Extension {
        // Which answers no invocation by itself, but may do what it wants with the function's Runtime API.
        let answer = format!("answer('{}', 'x' * {})", invocation.request_id, INVOKE_RESPONSE_BYTES_MAX + 1);
        invocation.payload = cell.invocation(&answer).payload;
    }
    let outcome = cell.invoke(invocation).await;
    let next = cell.run("'works'").await;
    match outcome {
        InvocationOutcome::TooLarge { size } if size > INVOKE_RESPONSE_BYTES_MAX => {
            expect("the next invocation", &next, &json!("works"))
        }
        other => Err(format!("{other:?}").chars().take(200).collect()),
    }
}

fn memory_kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number")
}

/// 37: it passes through, and the server keeps nothing of it.
pub(crate) async fn a_flood_of_output_is_bounded(prison: &Prison) -> Verdict {
    let written = prison.cell.output.bytes();
    let (now, most) = (memory_kib("VmRSS"), memory_kib("VmHWM"));
    expect("the flood", &prison.cell.run(&format!("flood({FLOOD_MIB})")).await, &json!("done"))?;
    let grown = memory_kib("VmHWM");
    if grown > most.max(now + FLOOD_MEMORY_KIB_MAX) {
        return Err(format!("the server had {now} KiB and needed {grown}"));
    }
    let arrived = prison.cell.output.bytes() - written;
    expect("bytes that arrived", &json!(arrived), &json!(FLOOD_MIB << 20))
}

/// 40: of another function, whose environment is gone, in one that is made afterwards, and in this one.
pub(crate) async fn nothing_of_another_function_is_left(prison: &Prison) -> Verdict {
    let mark = mark();
    let other = prison.another().await?;
    let left = format!("[write('/tmp/left'), background('{mark}'), shared(4712, True)]");
    expect("what is left", &other.run(&left).await, &json!(["done", "done", "done"]))?;
    if !runs(&mark) {
        return Err("the process it should leave does not run".to_owned());
    }
    other.environment.destroy().await;
    let next = prison.another().await?;
    for (whose, cell) in [("this one", &prison.cell), ("the next one", &next)] {
        let found = cell.run("['left' in os.listdir('/tmp'), len(pids()), own()]").await;
        expect(whose, &found, &json!([false, 1, true]))?;
        expect(whose, &cell.run("shared(4712, False)").await, &json!("ENOENT"))?;
    }
    expect("the next one's /tmp", &next.run("os.listdir('/tmp')").await, &json!([]))?;
    next.environment.destroy().await;
    wait_until("its process outlives it", || !runs(&mark)).await
}

/// 41: whatever it does to get away.
pub(crate) async fn a_background_process_ends_with_a_time_out(prison: &Prison) -> Verdict {
    let (cell, mark) = (&prison.cell, mark());
    let hanging = cell.invoke(cell.invocation(&format!("background('{mark}') and time.sleep(100)")));
    let started = async { wait_until("it does not start", || runs(&mark)).await };
    tokio::select! {
        outcome = hanging => return Err(format!("it did not hang: {outcome:?}")),
        started = started => started?,
    }
    // What the engine does when time is up.
    cell.environment.shut_down(ShutdownReason::Timeout).await;
    cell.reset().await;
    if runs(&mark) {
        return Err("it runs on".to_owned());
    }
    expect("processes", &cell.run("[len(pids()), own()]").await, &json!([1, true]))
}
