//! A lying file is a loud failure: wrong data is never answered.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_store::{Entry, Epoch, Key, Mutation, OpenError, Shard, SqliteStore, Store, StoreError, scan_all};
use hearth_types::{AccountId, OsRandom, Partition, Random, Scope, SeededRandom};

fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None }
}

fn key(number: u64) -> Key {
    Key::new(&scope(), "test.thing").part(format!("{number:05}"))
}

async fn put(store: &SqliteStore, number: u64, value: impl Into<Bytes>) {
    let mutations = vec![Mutation::Put(key(number), value.into())];
    store.commit(&Shard::new(&scope(), "test"), Epoch(0), vec![], mutations).await.expect("commits");
}

async fn everything(store: &SqliteStore) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    scan_all(store, &Key::root(), |entry| {
        entries.push(entry);
        Ok::<_, StoreError>(())
    })
    .await?;
    Ok(entries)
}

/// The files of a store, in memory.
#[derive(Clone)]
struct Image(BTreeMap<&'static str, Vec<u8>>);

const DATABASE: &str = "hearth.db";
const LOG: &str = "hearth.db-wal";
const WITNESS: &str = "witness";

impl Image {
    fn take(dir: &Path) -> Self {
        let files = [DATABASE, LOG, WITNESS].into_iter();
        Self(files.filter_map(|name| Some((name, fs::read(dir.join(name)).ok()?))).collect())
    }

    /// Replaces whatever is in `dir`.
    fn restore(&self, dir: &Path) {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir(dir).expect("makes");
        for (name, bytes) in &self.0 {
            fs::write(dir.join(name), bytes).expect("writes");
        }
    }

    fn with(&self, name: &'static str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut changed = self.clone();
        change(changed.0.get_mut(name).expect("exists"));
        changed
    }

    /// This one, with one file of the other.
    fn with_file(&self, name: &'static str, other: &Self) -> Self {
        let mut changed = self.clone();
        changed.0.insert(name, other.0[name].clone());
        changed
    }
}

struct Subject {
    _temporary: tempfile::TempDir,
    dir: PathBuf,
    expected: Vec<Entry>,
}

/// Rows of many sizes, some overwritten, some deleted.
async fn fill(store: &SqliteStore) {
    for number in 0..40 {
        put(store, number, vec![b'a' + (number % 26) as u8; 10 + (number as usize * 71) % 1_500]).await;
    }
    for number in (0..40).step_by(5) {
        put(store, number, format!("second {number}")).await;
    }
    for number in (0..40).step_by(7) {
        let deletion = vec![Mutation::Delete(key(number))];
        store.commit(&Shard::new(&scope(), "test"), Epoch(0), vec![], deletion).await.expect("commits");
    }
}

async fn subject() -> (Subject, SqliteStore) {
    let temporary = tempfile::tempdir().expect("temporary directory");
    let dir = temporary.path().join("store");
    let store = SqliteStore::open(&dir).expect("opens");
    fill(&store).await;
    let expected = everything(&store).await.expect("reads");
    (Subject { _temporary: temporary, dir, expected }, store)
}

#[derive(Debug, PartialEq)]
enum Verdict {
    RefusedToOpen,
    Noticed,
    AllRight,
}

/// Opens what `image` is and reads all of it, by scan and by key.
async fn judge(subject: &Subject, image: &Image, what: &str) -> Verdict {
    image.restore(&subject.dir);
    let Ok(store) = SqliteStore::open(&subject.dir) else {
        return Verdict::RefusedToOpen;
    };
    let mut verdict = Verdict::AllRight;
    match everything(&store).await {
        Ok(found) => assert_eq!(found, subject.expected, "{what}: wrong data from a scan"),
        Err(_) => verdict = Verdict::Noticed,
    }
    for expected in subject.expected.iter().step_by(9) {
        match store.get(&expected.key).await {
            Ok(found) => assert_eq!(found.as_ref(), Some(expected), "{what}: wrong data"),
            Err(_) => verdict = Verdict::Noticed,
        }
    }
    verdict
}

/// The file's header, some bytes of every page's header, and as many at random: `HEARTH_DAMAGE_FLIPS` raises these.
fn places(length: usize) -> Vec<(usize, u8)> {
    let count = std::env::var("HEARTH_DAMAGE_FLIPS").map_or(100, |text| text.parse().expect("is a number"));
    let mut seed = [0; 8];
    OsRandom.fill(&mut seed);
    let seed = u64::from_be_bytes(seed);
    println!("seed {seed}");
    let random = SeededRandom::new(seed);
    let headers = (0..length).step_by(4_096).flat_map(|page| [page, page + 3, page + 6, page + 9]);
    let mut places: Vec<(usize, u8)> = (0..100).step_by(3).chain(headers).map(|at| (at, 0x01)).collect();
    let mut bytes = [0; 8];
    for _ in 0..count {
        random.fill(&mut bytes);
        let at = u64::from_be_bytes(bytes) as usize % length;
        places.push((at, 1 << (bytes[0] % 8)));
    }
    places.retain(|(at, _)| *at < length);
    places
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_database_never_gives_wrong_data() {
    let (subject, store) = subject().await;
    drop(store);
    let whole = Image::take(&subject.dir);
    assert!(!whole.0.contains_key(LOG), "closing moved everything into the database");
    assert_eq!(judge(&subject, &whole, "untouched").await, Verdict::AllRight);
    let places = places(whole.0[DATABASE].len());
    let mut noticed = 0;
    for (at, bit) in &places {
        let image = whole.with(DATABASE, |bytes| bytes[*at] ^= bit);
        if judge(&subject, &image, &format!("bit {bit:#x} of byte {at}")).await != Verdict::AllRight {
            noticed += 1;
        }
    }
    // The rest hit unused space.
    assert!(noticed * 6 > places.len(), "{noticed} of {} flips were noticed", places.len());
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_log_never_gives_wrong_data() {
    let (subject, store) = subject().await;
    let whole = Image::take(&subject.dir);
    drop(store);
    assert_eq!(judge(&subject, &whole, "untouched").await, Verdict::AllRight);
    let places = places(whole.0[LOG].len());
    let mut refused = 0;
    for (at, bit) in &places {
        let image = whole.with(LOG, |bytes| bytes[*at] ^= bit);
        if judge(&subject, &image, &format!("bit {bit:#x} of byte {at}")).await == Verdict::RefusedToOpen {
            refused += 1;
        }
    }
    assert!(refused * 10 > places.len() * 9, "{refused} of {} flips were refused", places.len());
}

#[tokio::test]
async fn an_engine_behind_the_witness_is_refused_with_both_revisions() {
    let (subject, store) = subject().await;
    let before = Image::take(&subject.dir);
    put(&store, 1, "acknowledged").await;
    let after = Image::take(&subject.dir);
    drop(store);
    let log_length = after.0[LOG].len();
    let mut without_log = after.clone();
    without_log.0.remove(LOG);
    let cases = [
        ("the database and its log of before", before.with_file(WITNESS, &after)),
        ("the log of before", after.with_file(LOG, &before)),
        ("the log cut by a byte", after.with(LOG, |bytes| bytes.truncate(log_length - 1))),
        ("half of the log", after.with(LOG, |bytes| bytes.truncate(log_length / 2))),
        ("an empty log", after.with(LOG, Vec::clear)),
        ("no log", without_log),
    ];
    for (what, image) in cases {
        image.restore(&subject.dir);
        let error = SqliteStore::open(&subject.dir).err().unwrap_or_else(|| panic!("{what}: opened"));
        let OpenError::BehindWitness { engine, witness, .. } = error else {
            panic!("{what}: {error}");
        };
        assert!(engine < witness, "{what}");
        assert!(error.to_string().contains(&format!("revision {witness} was acknowledged")), "{error}");
    }
    // A witness behind the engine is what a crash between the two leaves.
    after.with_file(WITNESS, &before).restore(&subject.dir);
    drop(SqliteStore::open(&subject.dir).expect("opens"));
}

#[tokio::test]
async fn without_its_own_witness_a_store_does_not_open() {
    let (subject, store) = subject().await;
    drop(store);
    let whole = Image::take(&subject.dir);
    let elsewhere = tempfile::tempdir().expect("temporary directory");
    let other = elsewhere.path().join("store");
    drop(SqliteStore::open(&other).expect("opens"));
    let mut missing = whole.clone();
    missing.0.remove(WITNESS);
    let cases = [
        ("missing", missing),
        ("empty", whole.with(WITNESS, Vec::clear)),
        ("of another store", whole.with_file(WITNESS, &Image::take(&other))),
    ];
    for (what, image) in cases {
        image.restore(&subject.dir);
        let error = SqliteStore::open(&subject.dir).err().unwrap_or_else(|| panic!("{what}: opened"));
        assert!(matches!(error, OpenError::NoWitness { .. }), "{what}: {error}");
    }
}

/// A page that was written but never reached the disk: valid in itself, and old.
#[tokio::test]
async fn an_old_page_among_new_ones_is_refused() {
    const PAGE: usize = 8_192;
    let (subject, store) = subject().await;
    drop(store);
    let old = Image::take(&subject.dir);
    let store = SqliteStore::open(&subject.dir).expect("opens");
    put(&store, 3, "x".repeat(223)).await;
    drop(store);
    let new = Image::take(&subject.dir);
    let (old, length) = (&old.0[DATABASE], new.0[DATABASE].len());
    let differing: Vec<usize> = (PAGE..length.min(old.len()))
        .step_by(PAGE)
        .filter(|at| old[*at..at + PAGE] != new.0[DATABASE][*at..at + PAGE])
        .collect();
    assert!(differing.len() >= 2, "the row's page and the state's page: {differing:?}");
    for at in differing {
        let image = new.with(DATABASE, |bytes| bytes[at..at + PAGE].copy_from_slice(&old[at..at + PAGE]));
        image.restore(&subject.dir);
        let error = SqliteStore::open(&subject.dir).err().unwrap_or_else(|| panic!("page at {at}: opened"));
        let is_loud = matches!(error, OpenError::Damaged { .. } | OpenError::BehindWitness { .. });
        assert!(is_loud, "page at {at}: {error}");
    }
}

fn flip_value(dir: &Path, text: &str) {
    let path = dir.join(DATABASE);
    let mut bytes = fs::read(&path).expect("reads");
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).expect("is in the file");
    bytes[at] ^= 0x20;
    fs::write(&path, bytes).expect("writes");
}

#[tokio::test]
async fn a_row_damaged_under_an_open_store_is_damaged_and_others_still_read() {
    let (subject, store) = subject().await;
    put(&store, 200, "precious").await;
    drop(store);
    let store = SqliteStore::open(&subject.dir).expect("opens");
    flip_value(&subject.dir, "precious");
    let error = store.get(&key(200)).await.expect_err("is damaged");
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    assert!(error.to_string().contains("00200"), "names the row: {error}");
    assert!(matches!(everything(&store).await, Err(StoreError::Damaged(_))));
    assert_eq!(store.get(&key(1)).await.expect("reads").as_ref(), subject.expected.first());
}

#[tokio::test]
async fn a_large_database_opens_at_once_and_is_verified_behind() {
    let temporary = tempfile::tempdir().expect("temporary directory");
    let dir = temporary.path().join("store");
    let store = SqliteStore::open(&dir).expect("opens");
    put(&store, 0, "first").await;
    for number in 1..40 {
        put(&store, number, vec![number as u8; 1 << 20]).await;
    }
    put(&store, 50, "precious").await;
    drop(store);
    // Whole: nothing is said.
    let store = SqliteStore::open(&dir).expect("opens");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(store.get(&key(0)).await.expect("reads").is_some());
    drop(store);
    flip_value(&dir, "precious");
    let store = SqliteStore::open(&dir).expect("opens");
    let patience = Instant::now();
    // Another row than the damaged one: the store as a whole is not believed any more.
    while store.get(&key(0)).await.is_ok() {
        assert!(patience.elapsed() < Duration::from_secs(20), "the damage was not noticed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(matches!(store.get(&key(0)).await, Err(StoreError::Damaged(_))));
    let refused = store.commit(&Shard::new(&scope(), "test"), Epoch(0), vec![], vec![]).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
}
