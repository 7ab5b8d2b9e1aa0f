//! The program that writes until it is killed, what it said it had done, and whether a store agrees.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hearth_store::{Key, KeyVersion, OpenError, SqliteStore, StoreError, scan_all};
use hearth_types::{AccountId, Partition, Scope};

/// As in the program.
pub(crate) const WRITERS: u64 = 8;
const KEPT: u64 = 20;

/// What lives that ended have said.
#[derive(Clone, Default)]
pub(crate) struct Said {
    pub(crate) epoch: u64,
    /// By writer: count and revision of the last acknowledgement.
    pub(crate) acknowledged: BTreeMap<u64, (u64, u64)>,
    /// By writer: the highest count that was read.
    seen: BTreeMap<u64, u64>,
}

impl Said {
    pub(crate) fn take(&mut self, line: &str) {
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

pub(crate) fn start(dir: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_store-crash-writer"));
    command.arg(dir).stdout(Stdio::piped()).spawn().expect("starts")
}

/// Runs one life until so many commits were acknowledged, however long that takes, and for a moment more; SIGKILL ends it.
/// Whole lines only are taken down.
pub(crate) fn live(dir: &Path, commits: u64, moment: Duration, said: &mut Said) {
    let mut child = start(dir);
    let stdout = child.stdout.take().expect("is piped");
    let (reached, reaches) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut lines = Vec::new();
        let mut stdout = BufReader::new(stdout);
        let (mut line, mut acknowledged) = (String::new(), 0);
        while stdout.read_line(&mut line).expect("reads") > 0 {
            if line.ends_with('\n') {
                acknowledged += u64::from(line.starts_with("ack "));
                lines.push(line.trim_end().to_owned());
            }
            line.clear();
            if acknowledged == commits {
                // Nobody listens any more when it is said again.
                let _ = reached.send(());
            }
        }
        lines
    });
    if commits > 0 {
        reaches.recv().expect("lives as long");
    }
    std::thread::sleep(moment);
    child.kill().expect("kills");
    child.wait().expect("ends");
    reader.join().expect("reads").iter().for_each(|line| said.take(line));
}

/// Opens the store, and panics when it is not what the program said.
pub(crate) fn audit(dir: &Path, said: &Said) -> Result<(), OpenError> {
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    let store = SqliteStore::open(dir)?;
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
    Ok(())
}
