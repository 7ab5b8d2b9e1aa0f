//! Nothing acknowledged is lost when the process is killed, and nothing is there by half.
//!
//! A kill leaves what the kernel has been given; losing power is another test. `HEARTH_CRASH_ROUNDS` raises the
//! number of kills.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hearth_store::{Key, KeyVersion, SqliteStore, StoreError, scan_all};
use hearth_types::{AccountId, OsRandom, Partition, Random, Scope, SeededRandom};

const ROUNDS: u64 = 20;
const LIFE_MS_MAX: u64 = 400;
/// As in the program.
const WRITERS: u64 = 8;
const KEPT: u64 = 20;

/// What lives that ended have said.
#[derive(Default)]
struct Said {
    epoch: u64,
    /// By writer: count and revision of the last acknowledgement.
    acknowledged: BTreeMap<u64, (u64, u64)>,
    /// By writer: the highest count that was read.
    seen: BTreeMap<u64, u64>,
}

impl Said {
    fn take(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().expect(line);
        match words[0] {
            "epoch" => {
                assert!(number(1) > self.epoch, "epoch {} was given out before", number(1));
                self.epoch = number(1);
            }
            "ack" => {
                self.acknowledged.insert(number(1), (number(2), number(3)));
            }
            "saw" => {
                let seen = self.seen.entry(number(1)).or_default();
                *seen = (*seen).max(number(2));
            }
            _ => panic!("unexpected line {line:?}"),
        }
    }
}

fn start(dir: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_store-crash-writer"));
    command.arg(dir).stdout(Stdio::piped()).spawn().expect("starts")
}

/// Runs one life, ended by SIGKILL after `life`, and takes down whole lines only.
fn live(dir: &Path, life: Duration, said: &mut Said) {
    let mut child = start(dir);
    let stdout = child.stdout.take().expect("is piped");
    let reader = std::thread::spawn(move || {
        let mut lines = Vec::new();
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        while stdout.read_line(&mut line).expect("reads") > 0 {
            if line.ends_with('\n') {
                lines.push(line.trim_end().to_owned());
            }
            line.clear();
        }
        lines
    });
    std::thread::sleep(life);
    child.kill().expect("kills");
    child.wait().expect("ends");
    reader.join().expect("reads").iter().for_each(|line| said.take(line));
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
    let mut said = Said::default();
    for round in 0..rounds {
        // Some lives end while the store is being made or opened.
        let life = if below(4) == 0 { below(20) } else { below(LIFE_MS_MAX) };
        live(&store, Duration::from_millis(life), &mut said);
        // Now and then the next life recovers by itself.
        if below(3) > 0 || round + 1 == rounds {
            check(&store, &said);
        }
    }
    let commits: u64 = said.acknowledged.values().map(|(count, _)| count).sum();
    println!("{rounds} kills, {commits} acknowledged commits, epoch {}", said.epoch);
    assert!(commits > rounds * 10, "too few commits to mean anything: {commits}");
}

fn check(dir: &Path, said: &Said) {
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    let store = SqliteStore::open(dir).expect("opens after a kill");
    let table = |name| Key::new(&Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None }, name);
    let mut rows: BTreeMap<Key, (Vec<u8>, KeyVersion)> = BTreeMap::new();
    let everything = Key::root();
    let read = scan_all(&store, &everything, |entry| {
        rows.insert(entry.key, (entry.value.to_vec(), entry.version));
        Ok::<_, StoreError>(())
    });
    runtime.block_on(read).expect("reads");
    // The whole state follows from the counters.
    let mut expected = 0;
    for writer in 0..WRITERS {
        let (acknowledged, revision) = said.acknowledged.get(&writer).copied().unwrap_or_default();
        let Some((count, version)) = rows.get(&table("crash.count").part_u64(writer)) else {
            assert_eq!(acknowledged, 0, "writer {writer} is gone");
            continue;
        };
        let count: u64 = std::str::from_utf8(count).expect("text").parse().expect("number");
        assert!(count >= acknowledged, "writer {writer}: {acknowledged} was acknowledged, {count} is there");
        assert!(count >= said.seen.get(&writer).copied().unwrap_or(0), "writer {writer}: seen before it was durable");
        assert!(version.0 >= revision, "writer {writer}: revision {revision} was acknowledged, {version:?} is there");
        let kept = count.saturating_sub(KEPT) + 1..=count;
        for number in kept.clone() {
            let side = |name| &rows[&table("crash.pair").part_u64(writer).part_u64(number).part(name)];
            let text = format!("{writer}:{number};").repeat(1 + (number as usize * 37) % 700);
            assert_eq!(String::from_utf8_lossy(&side("left").0), text, "writer {writer}, pair {number}");
            assert_eq!(side("left"), side("right"), "writer {writer}, pair {number}");
        }
        let last = &rows[&table("crash.pair").part_u64(writer).part_u64(count).part("left")];
        assert_eq!(last.1, *version, "writer {writer}: counter and pair of different commits");
        expected += 1 + 2 * kept.count();
    }
    assert_eq!(rows.len(), expected, "rows that no counter speaks of");
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
