//! Nothing acknowledged is lost when the process is killed, and nothing is there by half.
//!
//! A kill leaves what the kernel has been given; losing power is another test. `HEARTH_CRASH_ROUNDS` raises the
//! number of kills.

mod writer;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_store::SqliteStore;
use hearth_types::{OsRandom, Random, SeededRandom};

use self::writer::{Said, WRITERS, audit, live, start};

const ROUNDS: u64 = 20;
/// A life is killed after fewer acknowledged commits than this.
const COMMITS_MAX: u64 = 400;
/// And less than this later.
const MOMENT_MS_MAX: u64 = 20;

fn check(dir: &Path, said: &Said) {
    audit(dir, said).expect("opens after a kill");
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_there() {
    let rounds = std::env::var("HEARTH_CRASH_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("is a number"));
    let mut seed = [0; 8];
    OsRandom.fill(&mut seed);
    let seed = u64::from_be_bytes(seed);
    println!("seed {seed}");
    let random = SeededRandom::new(seed);
    let below = |limit: u64| {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        u64::from_be_bytes(bytes) % limit
    };
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = dir.path().join("store");
    let (mut said, mut asked) = (Said::default(), 0);
    for round in 0..rounds {
        // Some lives end while the store is being made or opened.
        let commits = if below(4) == 0 { 0 } else { 1 + below(COMMITS_MAX) };
        live(&store, commits, Duration::from_millis(below(MOMENT_MS_MAX)), &mut said);
        asked += commits;
        // Now and then the next life recovers by itself.
        if below(3) > 0 || round + 1 == rounds {
            check(&store, &said);
        }
    }
    let commits: u64 = said.acknowledged.values().map(|(count, _)| count).sum();
    println!("{rounds} kills, {commits} acknowledged commits, epoch {}", said.epoch);
    assert!(commits >= asked, "{asked} were waited for");
}

/// The writer is another process, as a server is for `hearth backup`.
#[test]
fn a_copy_made_while_a_process_writes_is_whole_and_holds_what_was_acknowledged_before() {
    const COPIES: u32 = 8;
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = dir.path().join("store");
    let mut child = start(&store);
    let said = Arc::new(Mutex::new(Said::default()));
    let stdout = BufReader::new(child.stdout.take().expect("is piped"));
    let reader = std::thread::spawn({
        let said = said.clone();
        // The last line may be cut short by the kill.
        move || {
            let mut held: Option<String> = None;
            for line in stdout.lines() {
                if let Some(whole) = held.replace(line.expect("reads")) {
                    said.lock().expect("is whole").take(&whole);
                }
            }
        }
    });
    while said.lock().expect("is whole").acknowledged.len() < WRITERS as usize {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut revisions = Vec::new();
    for number in 0..COPIES {
        let before = said.lock().expect("is whole").clone();
        let copy = dir.path().join(format!("copy-{number}"));
        revisions.push(SqliteStore::copy(&store, &copy).expect("copies"));
        check(&copy, &before);
        std::thread::sleep(Duration::from_millis(30));
    }
    child.kill().expect("kills");
    child.wait().expect("ends");
    reader.join().expect("reads");
    assert!(revisions.is_sorted() && revisions[0] < revisions[COPIES as usize - 1], "{revisions:?}");
    // The writer was not disturbed, and a store that was left behind by a crash is copied as it is.
    let copy = dir.path().join("copy-of-the-dead");
    SqliteStore::copy(&store, &copy).expect("copies");
    check(&copy, &said.lock().expect("is whole"));
    check(&store, &said.lock().expect("is whole"));
}

#[test]
fn a_store_whose_making_was_interrupted_is_made_again() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, half) = (dir.path().join("store"), dir.path().join("store.new"));
    std::fs::create_dir(&half).expect("makes");
    std::fs::write(half.join("hearth.db"), b"half").expect("writes");
    drop(SqliteStore::open(&store).expect("opens"));
    assert!(!half.exists());
    drop(SqliteStore::open(&store).expect("opens again"));
}

/// The file size limit makes the kernel refuse to write: an I/O error, not a full disk.
#[test]
fn an_io_error_under_a_commit_ends_the_process_loudly_and_loses_nothing_acknowledged() {
    use std::os::unix::process::ExitStatusExt;
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = dir.path().join("store");
    // The signal that comes with the error is ignored, as a server would; no core dump of the expected abort.
    let script = "trap '' XFSZ; ulimit -c 0; ulimit -f 2000; exec \"$0\" \"$1\"";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_store-crash-writer")])
        .arg(&store)
        .output()
        .expect("runs");
    const SIGABRT: i32 = 6;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(SIGABRT), "{stderr}");
    assert!(stderr.contains("cannot write to its disk and ends the process"), "{stderr}");
    let mut said = Said::default();
    String::from_utf8_lossy(&output.stdout).lines().for_each(|line| said.take(line));
    assert!(!said.acknowledged.is_empty());
    check(&store, &said);
}
