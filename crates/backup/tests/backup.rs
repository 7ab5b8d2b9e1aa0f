//! What a backup promises: it holds what was acknowledged before it began, damage restores nothing, and nothing is
//! overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use hearth_backup::{BackupError, Journal, Progress, Restore, Restored, Take, Taken, restore, take};
use hearth_store::{
    Blobs as _, Codec, DataDir, DataDirError, DirBlobs, Epoch, Key, LockError, Mutation, Shard, SqliteStore, Store as _,
};
use hearth_types::{AccountId, Partition, Scope};

fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None }
}

fn key(number: u64) -> Key {
    Key::new(&scope(), "test.thing").part_u64(number)
}

async fn put(store: &SqliteStore, number: u64) {
    let mutations = vec![Mutation::Put(key(number), Bytes::from(format!("value {number}")))];
    store.commit(&Shard::new(&scope(), "test"), Epoch(0), vec![], mutations).await.expect("commits");
}

/// A data directory in use, with records, a blob and logs.
struct Server {
    dir: tempfile::TempDir,
    data: DataDir,
    store: Arc<SqliteStore>,
    blobs: Arc<DirBlobs>,
    blob: [u8; 32],
}

const PACKAGE: &[u8] = b"a package";

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let data = DataDir::open(dir.path().join("data")).expect("opens");
        Codec::open(&data.keys()).expect("opens");
        let store = Arc::new(SqliteStore::open(&data.store()).expect("opens"));
        let blobs = Arc::new(DirBlobs::open(&data.blobs()).expect("opens"));
        let blob = blobs.put(Bytes::from_static(PACKAGE)).await.expect("puts");
        for number in 0..100 {
            put(&store, number).await;
        }
        fs::write(data.logs().join("1.seg"), "one;two;thr").expect("writes");
        fs::write(data.logs().join("1.idx"), "made again").expect("writes");
        fs::create_dir(DataDir::tls_of(data.root())).expect("makes");
        fs::write(DataDir::tls_of(data.root()).join("authority.key"), "a key").expect("writes");
        Self { dir, data, store, blobs, blob }
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("backup.tar.zst")
    }

    fn elsewhere(&self) -> PathBuf {
        self.dir.path().join("elsewhere")
    }

    fn back_up(&self, with_keys: bool, progress: &dyn Progress) -> Result<Taken, BackupError> {
        let whole = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b';').map_or(0, |at| at + 1);
        take(
            &Take {
                data: self.data.root(),
                target: &self.target(),
                with_keys,
                journals: &[Journal { directory: "logs", extension: "seg", whole }],
                version: "1.2.3",
                now_ms: 1_700_000_000_000,
            },
            progress,
        )
    }

    fn restore(&self, keys: Option<&Path>) -> Result<Restored, BackupError> {
        restore(&Restore { source: &self.target(), data: &self.elsewhere(), keys }, &())
    }

    /// What lies in the directory of the target.
    fn beside(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.dir.path())
            .expect("lists")
            .map(|entry| entry.expect("lists").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        names
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_comes_back_whoever_writes_meanwhile() {
    let server = Server::start().await;
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(99)));
    let writer = tokio::spawn({
        let (store, stop, acknowledged) = (server.store.clone(), stop.clone(), acknowledged.clone());
        async move {
            for number in 100.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                put(&store, number).await;
                acknowledged.store(number, Ordering::SeqCst);
            }
        }
    });
    while acknowledged.load(Ordering::SeqCst) < 150 {
        tokio::task::yield_now().await;
    }
    let before = acknowledged.load(Ordering::SeqCst);
    let taken = tokio::task::block_in_place(|| server.back_up(true, &())).expect("backs up");
    stop.store(true, Ordering::SeqCst);
    writer.await.expect("writes");
    assert_eq!((taken.blobs, taken.blob_bytes), (1, PACKAGE.len() as u64));
    assert_eq!(fs::metadata(server.target()).expect("exists").permissions().mode() & 0o777, 0o600);
    assert_eq!(server.beside(), ["backup.tar.zst", "data"], "nothing else is left");

    let restored = server.restore(None).expect("restores");
    assert!(restored.has_keys);
    assert_eq!((restored.made_at_ms, restored.version.as_str()), (1_700_000_000_000, "1.2.3"));
    let data = DataDir::open(server.elsewhere()).expect("opens");
    assert_eq!(fs::read(data.keys()).expect("reads"), fs::read(server.data.keys()).expect("reads"));
    let store = SqliteStore::open(&data.store()).expect("opens");
    for number in 0..=before {
        let entry = store.get(&key(number)).await.expect("reads").expect("was acknowledged");
        assert_eq!(entry.value, format!("value {number}"));
    }
    put(&store, 1_000_000).await;
    let blobs = DirBlobs::open(&data.blobs()).expect("opens");
    assert_eq!(blobs.get(&server.blob).await, Ok(Some(Bytes::from_static(PACKAGE))));
    assert_eq!(fs::read_to_string(data.logs().join("1.seg")).expect("reads"), "one;two;", "up to the last whole entry");
    assert!(!data.logs().join("1.idx").exists());
}

/// Deletes the blob whenever the backup begins something.
struct Deletes {
    blobs: Arc<DirBlobs>,
    blob: [u8; 32],
    runtime: tokio::runtime::Handle,
    times: AtomicU64,
}

impl Progress for Deletes {
    fn begin(&self, _: &'static str, _: u64) {
        self.times.fetch_add(1, Ordering::SeqCst);
        self.runtime.block_on(self.blobs.delete(&self.blob)).expect("is not refused");
    }

    fn advance(&self, _: u64) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_deleted_while_the_backup_runs_is_in_it_and_goes_afterwards() {
    let server = Server::start().await;
    let deletes = Deletes {
        blobs: server.blobs.clone(),
        blob: server.blob,
        runtime: tokio::runtime::Handle::current(),
        times: AtomicU64::new(0),
    };
    let taken = tokio::task::block_in_place(|| server.back_up(true, &deletes)).expect("backs up");
    assert!(deletes.times.load(Ordering::SeqCst) >= 2, "before the records are copied, and after");
    assert_eq!(taken.blobs, 1);
    server.restore(None).expect("restores");
    let blobs = DirBlobs::open(&DataDir::blobs_of(&server.elsewhere())).expect("opens");
    assert_eq!(blobs.get(&server.blob).await, Ok(Some(Bytes::from_static(PACKAGE))));
    server.blobs.delete(&server.blob).await.expect("deletes");
    assert_eq!(server.blobs.get(&server.blob).await, Ok(None));
}

#[tokio::test]
async fn without_its_keys_a_backup_holds_none_and_takes_only_its_own() {
    let server = Server::start().await;
    server.back_up(false, &()).expect("backs up");
    let restored = server.restore(None).expect("restores");
    assert!(!restored.has_keys);
    assert!(!server.elsewhere().join("keys").exists() && !server.elsewhere().join("tls").exists());
    let error = DataDir::open(server.elsewhere()).expect_err("no secret can be read");
    assert!(matches!(error, DataDirError::KeysMissing { .. }), "{error}");
    fs::remove_dir_all(server.elsewhere()).expect("removes");

    let other = Server::start().await;
    let error = server.restore(Some(&other.data.keys())).expect_err("keys of another server");
    assert!(matches!(error, BackupError::OtherKeys { .. }), "{error}");
    let restored = server.restore(Some(&server.data.keys())).expect("restores");
    assert!(restored.has_keys);
    drop(DataDir::open(server.elsewhere()).expect("opens"));
}

/// What each file has in it, but for the lock of whoever used the directory.
fn files_below(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("lists") {
        let path = entry.expect("lists").path();
        if path.is_dir() {
            files.append(&mut files_below(&path));
        } else if path.file_name().is_some_and(|name| name != "lock") {
            files.insert(path.clone(), fs::read(path).expect("reads"));
        }
    }
    files
}

#[tokio::test]
async fn a_damaged_or_cut_backup_restores_nothing_or_what_was_in_it() {
    let server = Server::start().await;
    server.back_up(true, &()).expect("backs up");
    let whole = fs::read(server.target()).expect("reads");
    server.restore(None).expect("restores");
    let right = files_below(&server.elsewhere());
    fs::remove_dir_all(server.elsewhere()).expect("removes");
    let is_refused = |bytes: &[u8], what: &str| {
        fs::write(server.target(), bytes).expect("writes");
        let error = match server.restore(None) {
            Err(error) => error,
            // Compressed, the same content can be said in several ways: a match of zeros, for example, may come from
            // other zeros.
            Ok(_) => {
                assert!(files_below(&server.elsewhere()) == right, "{what}: something else was restored");
                fs::remove_dir_all(server.elsewhere()).expect("removes");
                return false;
            }
        };
        let is_loud =
            matches!(error, BackupError::Damaged { .. } | BackupError::NoBackup(_) | BackupError::Newer { .. });
        assert!(is_loud, "{what}: {error}");
        let left: Vec<_> = fs::read_dir(server.elsewhere())
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("lists").file_name())
            .filter(|name| name != "lock")
            .collect();
        assert!(left.is_empty(), "{what}: left {left:?}");
        true
    };
    let refused = |bytes: &[u8], what: &str| assert!(is_refused(bytes, what), "{what}: restored");
    for part in 0..20 {
        refused(&whole[..whole.len() * part / 20], &format!("cut to {part} twentieths"));
    }
    refused(&whole[..whole.len() - 1], "cut by a byte");
    // Behind the header of the compressed frame, which has bits without a meaning.
    let places: Vec<_> = (6..whole.len()).step_by(whole.len() / 150 + 1).collect();
    let noticed = places.iter().filter(|at| {
        let mut damaged = whole.clone();
        damaged[**at] ^= 0x10;
        is_refused(&damaged, &format!("byte {at}"))
    });
    assert!(noticed.count() * 10 > places.len() * 9, "nearly every bit matters");
    refused(&[&whole[..], b"more"].concat(), "more behind its end");
    refused(b"It was a dark night", "no backup at all");
    fs::write(server.target(), &whole).expect("writes");
    server.restore(None).expect("the same directory takes a whole one");
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let server = Server::start().await;
    server.back_up(true, &()).expect("backs up");
    let error = server.back_up(true, &()).expect_err("is there already");
    assert!(matches!(error, BackupError::TargetExists(_)), "{error}");

    let used = restore(&Restore { source: &server.target(), data: server.data.root(), keys: None }, &());
    let in_use = matches!(&used, Err(BackupError::DataDir(DataDirError::Lock(LockError::Held { .. }))));
    assert!(in_use, "{used:?}");
    fs::create_dir(server.elsewhere()).expect("makes");
    fs::write(server.elsewhere().join("novel.txt"), "It was a dark night").expect("writes");
    let error = server.restore(None).expect_err("there is something in it");
    assert!(matches!(error, BackupError::DataDir(DataDirError::NotEmpty { .. })), "{error}");
    assert!(error.to_string().contains("mv "), "says what to do: {error}");
    assert_eq!(fs::read_to_string(server.elsewhere().join("novel.txt")).expect("reads"), "It was a dark night");
}

#[tokio::test]
async fn a_restore_that_was_killed_is_no_data() {
    let server = Server::start().await;
    server.back_up(true, &()).expect("backs up");
    fs::create_dir_all(server.elsewhere().join("restoring/store")).expect("makes");
    let error = DataDir::open(server.elsewhere()).expect_err("only half of it is there");
    assert!(matches!(error, DataDirError::HalfRestored { .. }), "{error}");
    let error = server.restore(None).expect_err("is not empty");
    assert!(matches!(error, BackupError::DataDir(DataDirError::NotEmpty { .. })), "{error}");
}

#[tokio::test]
async fn what_cannot_be_backed_up_says_so_and_leaves_nothing() {
    let server = Server::start().await;
    let path = server.data.blobs().join(format!(
        "{0}/{1}/{2}",
        &hex(&server.blob)[..2],
        &hex(&server.blob)[2..4],
        hex(&server.blob)
    ));
    fs::write(path, b"a pockage").expect("damages");
    let error = server.back_up(true, &()).expect_err("a damaged package");
    assert!(matches!(error, BackupError::DamagedBlob(_)), "{error}");
    assert_eq!(server.beside(), ["data"]);

    let empty = tempfile::tempdir().expect("temporary directory");
    let nothing = |data: &Path| {
        let target = empty.path().join("target");
        let whole = |bytes: &[u8]| bytes.len();
        let journals = [Journal { directory: "logs", extension: "seg", whole }];
        take(&Take { data, target: &target, with_keys: false, journals: &journals, version: "1", now_ms: 0 }, &())
    };
    let error = nothing(&empty.path().join("no")).expect_err("no data");
    assert!(matches!(error, BackupError::NoData(_)), "{error}");
    let error = nothing(empty.path()).expect_err("no records");
    assert!(error.to_string().contains("pg_dump"), "{error}");
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
