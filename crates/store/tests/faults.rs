//! The disk is full, lies, or cannot be tidied up: refused clearly, noticed loudly, or lived with.

mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_store::{Epoch, Key, Mutation, OpenError, Shard, SqliteStore, Store, StoreError};
use hearth_types::{AccountId, OsRandom, Partition, Random, Scope, SeededRandom};

use self::writer::{Said, audit, live};

const MIB: usize = 1 << 20;

fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None }
}

fn key(number: u64) -> Key {
    Key::new(&scope(), "test.thing").part_u64(number)
}

async fn put(store: &SqliteStore, number: u64, bytes: usize) -> Result<(), StoreError> {
    let mutations = vec![Mutation::Put(key(number), Bytes::from(vec![number as u8; bytes]))];
    store.commit(&Shard::new(&scope(), "test"), Epoch(0), vec![], mutations).await.map(|_| ())
}

// A full disk -----------------------------------------------------------------------------------------------------------

/// A disk of its own in memory. Mounting one takes root.
struct SmallDisk {
    at: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(mebibytes: usize) -> Option<Self> {
        let at = tempfile::tempdir().expect("temporary directory");
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at.path()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self { at });
        }
        eprintln!("NOT TESTED: no small disk can be mounted here (not root)");
        None
    }

    fn filler(&self) -> PathBuf {
        self.at.path().join("filler")
    }

    /// Leaves no room at all.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.filler()).expect("opens");
        for chunk in [64 * 1024, 4 * 1024, 64, 1] {
            while file.write(&vec![0; chunk]).is_ok_and(|count| count == chunk) {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).expect("removes");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.at.path()).status();
    }
}

#[tokio::test]
async fn on_a_full_disk_commits_are_refused_reads_answered_and_room_is_all_it_takes() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let dir = disk.at.path().join("store");
    let mut store = SqliteStore::open(&dir).expect("opens");
    let mut stored = 0;
    for round in 0..6 {
        for _ in 0..8 {
            put(&store, stored, 60_000).await.expect("there is room");
            stored += 1;
        }
        disk.fill();
        // What the log had already taken of the disk is used up first.
        let mut refusals = 0;
        for _ in 0..200 {
            match put(&store, stored, 60_000).await {
                Ok(()) => stored += 1,
                Err(error) => {
                    assert_eq!(error, StoreError::Full, "round {round}");
                    refusals += 1;
                }
            }
        }
        assert!(refusals >= 50, "round {round}: {refusals}");
        if round % 2 == 1 {
            // Killed or stopped on the full disk, it starts there and still reads.
            drop(store);
            store = SqliteStore::open(&dir).expect("opens on a full disk");
        }
        for number in 0..stored {
            let entry = store.get(&key(number)).await.expect("reads").expect("was acknowledged");
            assert_eq!(entry.value, vec![number as u8; 60_000], "round {round}");
        }
        assert_eq!(store.get(&key(stored)).await, Ok(None), "what was refused is not there");
        disk.make_room();
        put(&store, stored, 60_000).await.expect("there is room again");
        stored += 1;
        // Room for the next round.
        let deletions = (0..stored).map(|number| Mutation::Delete(key(number))).collect();
        store.commit(&Shard::new(&scope(), "test"), Epoch(0), vec![], deletions).await.expect("deletes");
        stored = 0;
    }
}

// A disk that lies --------------------------------------------------------------------------------------------------------

const DATABASE: &str = "hearth.db";
const LOG: &str = "hearth.db-wal";

fn copy_files(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).expect("makes");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
    }
}

/// The writer is killed, and of what it was told was on disk some is not: cut off, zero, or as it was a life before.
#[test]
fn what_an_acknowledged_sync_did_not_bring_to_the_disk_is_noticed_at_open() {
    const LIVES: u64 = 4;
    const LIES: usize = 40;
    const FIRST_COMMITS: u64 = 600;
    const COMMITS: u64 = 100;
    const MOMENT: Duration = Duration::from_millis(5);
    const BLOCK: usize = 4_096;
    let mut seed = [0; 8];
    OsRandom.fill(&mut seed);
    let seed = u64::from_be_bytes(seed);
    println!("seed {seed}");
    let random = SeededRandom::new(seed);
    let below = |limit: usize| {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        u64::from_be_bytes(bytes) as usize % limit.max(1)
    };
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, before, lying) = (dir.path().join("store"), dir.path().join("before"), dir.path().join("lying"));
    let mut said = Said::default();
    live(&store, FIRST_COMMITS, MOMENT, &mut said);
    let (mut noticed, mut harmless) = (0, 0);
    for life in 0..LIVES {
        copy_files(&store, &before);
        live(&store, COMMITS * (3 + life), MOMENT, &mut said);
        for lie in 0..LIES {
            copy_files(&store, &lying);
            let name = if lie % 3 == 0 { DATABASE } else { LOG };
            let mut bytes = fs::read(lying.join(name)).unwrap_or_default();
            if bytes.is_empty() {
                continue;
            }
            let at = below(bytes.len() / BLOCK) * BLOCK;
            let end = (at + BLOCK * (1 + below(4))).min(bytes.len());
            let old = fs::read(before.join(name)).unwrap_or_default();
            let what = match lie % 4 {
                0 => {
                    bytes.truncate(at + below(BLOCK));
                    "cut off"
                }
                1 => {
                    bytes[at..end].fill(0);
                    "zero"
                }
                2 => {
                    let end = end.min(old.len()).max(at);
                    if let Some(old) = old.get(at..end) {
                        bytes[at..end].copy_from_slice(old);
                    }
                    "of before"
                }
                _ => {
                    let bit = below(8);
                    bytes[at] ^= 1 << bit;
                    "a bit flipped"
                }
            };
            fs::write(lying.join(name), &bytes).expect("writes");
            // It panics when something acknowledged is silently gone or other than it was.
            match audit(&lying, &said) {
                Ok(()) => harmless += 1,
                // The last: a page that the file is too short for cannot be read.
                Err(
                    OpenError::BehindWitness { .. }
                    | OpenError::Damaged { .. }
                    | OpenError::Foreign { .. }
                    | OpenError::Io { .. },
                ) => noticed += 1,
                Err(error) => panic!("{name} from {at}: {what}: {error}"),
            }
        }
    }
    println!("{noticed} lies were noticed, {harmless} did no harm");
    assert!(noticed > harmless / 4, "{noticed} of {}", noticed + harmless);
    // The truth is still fine.
    audit(&store, &said).expect("opens");
}

// A log that cannot be tidied up ------------------------------------------------------------------------------------------

/// As a backup or a tool does that reads for long: the log cannot be moved into the database meanwhile.
#[tokio::test]
async fn a_reader_that_never_ends_does_not_stop_commits_and_the_log_shrinks_when_it_has_gone() {
    /// More than the commit thread lets the log grow to by itself.
    const COMMITS: u64 = 100;
    const COMMIT_MAX: Duration = Duration::from_secs(10);
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("store");
    let store = SqliteStore::open(&path).expect("opens");
    put(&store, 0, 10).await.expect("commits");
    let reader = rusqlite::Connection::open(path.join(DATABASE)).expect("opens");
    reader.execute_batch("BEGIN; SELECT * FROM state;").expect("reads");
    let mut slowest = Duration::ZERO;
    for number in 1..=COMMITS {
        let started = Instant::now();
        put(&store, number, MIB).await.expect("commits");
        slowest = slowest.max(started.elapsed());
    }
    let log_bytes = || fs::metadata(path.join(LOG)).map_or(0, |metadata| metadata.len() as usize);
    assert!(log_bytes() > COMMITS as usize * MIB, "nothing could be moved: {}", log_bytes());
    assert!(slowest < COMMIT_MAX, "{slowest:?}");
    assert_eq!(store.get(&key(COMMITS)).await.expect("reads").expect("exists").value.len(), MIB);
    drop(reader);
    // The next commits move it and begin it again.
    let patience = Instant::now();
    let mut number = COMMITS;
    while log_bytes() > 64 * MIB {
        assert!(patience.elapsed() < Duration::from_secs(60), "the log stays at {} bytes", log_bytes());
        number += 1;
        put(&store, number, 10).await.expect("commits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(store);
    let store = SqliteStore::open(&path).expect("opens");
    for number in 0..=number {
        assert!(store.get(&key(number)).await.expect("reads").is_some(), "{number}");
    }
}
