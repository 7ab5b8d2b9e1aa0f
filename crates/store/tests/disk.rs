//! Room, ownership and privacy of the files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hearth_store::{
    Codec, DataDir, DataDirError, DirBlobs, Epoch, Key, LockError, Mutation, OpenError, Shard, SqliteStore, Store,
    StoreError, StoreOptions,
};
use hearth_types::{AccountId, Partition, Scope};

fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None }
}

fn key(number: u64) -> Key {
    Key::new(&scope(), "test.thing").part_u64(number)
}

async fn put(store: &SqliteStore, number: u64, bytes: usize) -> Result<(), StoreError> {
    let mutations = vec![Mutation::Put(key(number), Bytes::from(vec![7; bytes]))];
    store.commit(&Shard::new(&scope(), "test"), Epoch(0), vec![], mutations).await.map(|_| ())
}

fn small_store(dir: &Path) -> SqliteStore {
    let options = StoreOptions { database_bytes_max: Some(1 << 20), ..StoreOptions::default() };
    SqliteStore::open_with(&dir.join("store"), options).expect("opens")
}

#[tokio::test]
async fn a_full_store_refuses_writes_keeps_reading_and_recovers() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = small_store(dir.path());
    let mut stored = 0;
    let refusal = loop {
        match put(&store, stored, 50_000).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 100, "the limit is not enforced");
    };
    assert_eq!(refusal, StoreError::Full);
    assert!(stored > 10, "{stored}");
    for number in 0..stored {
        assert_eq!(store.get(&key(number)).await.expect("reads").expect("exists").value.len(), 50_000);
    }
    assert_eq!(store.get(&key(stored)).await, Ok(None), "what was refused is not there");
    let deletion = vec![Mutation::Delete(key(0)), Mutation::Delete(key(1))];
    store.commit(&Shard::new(&scope(), "test"), Epoch(0), vec![], deletion).await.expect("makes room");
    put(&store, stored, 50_000).await.expect("there is room again");
    drop(store);
    let store = small_store(dir.path());
    assert_eq!(store.get(&key(stored)).await.expect("reads").expect("exists").value.len(), 50_000);
}

/// Files made before pages had the size they are made with now.
#[tokio::test]
async fn a_file_with_pages_of_another_size_goes_on_as_it_is_and_within_its_limit() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let database = dir.path().join("store/hearth.db");
    let store = small_store(dir.path());
    put(&store, 1, 50_000).await.expect("commits");
    drop(store);
    let file = rusqlite::Connection::open(&database).expect("opens");
    file.execute_batch("PRAGMA journal_mode = delete; PRAGMA page_size = 4096; VACUUM; PRAGMA journal_mode = wal")
        .expect("makes other pages");
    drop(file);
    let store = small_store(dir.path());
    assert_eq!(store.get(&key(1)).await.expect("reads").expect("exists").value.len(), 50_000);
    let mut stored = 1;
    while put(&store, stored + 1, 50_000).await.is_ok() {
        stored += 1;
        assert!(stored < 100, "the limit is not enforced");
    }
    assert!(stored > 10, "{stored} of 50,000 bytes go into a mebibyte");
    drop(store);
    let file = rusqlite::Connection::open(&database).expect("opens");
    let pages = file.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).expect("says");
    assert_eq!(pages, 4_096);
}

#[tokio::test]
async fn a_commit_that_does_not_fit_fails_alone() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = Arc::new(small_store(dir.path()));
    for _ in 0..10 {
        let requests: Vec<_> = (0..20)
            .map(|number| {
                let store = store.clone();
                let bytes = if number == 7 { 1_900_000 } else { 10 };
                tokio::spawn(async move { put(&store, number, bytes).await })
            })
            .collect();
        for (number, request) in requests.into_iter().enumerate() {
            let expected = if number == 7 { Err(StoreError::Full) } else { Ok(()) };
            assert_eq!(request.await.expect("runs"), expected, "request {number}");
        }
    }
}

#[test]
fn one_process_per_directory_and_the_error_names_it() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let data = DataDir::open(dir.path()).expect("opens");
    let error = DataDir::open(dir.path()).expect_err("is taken");
    let pid = std::process::id().to_string();
    assert!(matches!(&error, DataDirError::Lock(LockError::Held { pid: held, .. }) if *held == pid), "{error}");
    assert!(error.to_string().contains(&format!("in use by process {pid}")), "{error}");
    let store = SqliteStore::open(&data.store()).expect("opens");
    let error = SqliteStore::open(&data.store()).err().expect("is taken");
    assert!(matches!(&error, OpenError::Lock(LockError::Held { .. })), "{error}");
    drop((store, data));
    let data = DataDir::open(dir.path()).expect("is free again");
    SqliteStore::open(&data.store()).expect("is free again");
}

#[tokio::test]
async fn everything_in_a_data_directory_is_for_its_owner_only() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let data = DataDir::open(parent.path().join("deep/data")).expect("opens");
    let store = SqliteStore::open(&data.store()).expect("opens");
    let _blobs = DirBlobs::open(&data.blobs()).expect("opens");
    let _codec = Codec::open(&data.keys()).expect("opens");
    put(&store, 1, 100).await.expect("commits");
    let mut seen = 0;
    walk(data.root(), &mut |path, metadata| {
        let mode = metadata.permissions().mode() & 0o777;
        assert_eq!(mode, if metadata.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        seen += 1;
    });
    assert!(seen > 12, "{seen} files and directories");
}

fn walk(path: &Path, see: &mut dyn FnMut(&Path, &fs::Metadata)) {
    let metadata = fs::symlink_metadata(path).expect("exists");
    see(path, &metadata);
    if metadata.is_dir() {
        for entry in fs::read_dir(path).expect("lists") {
            walk(&entry.expect("lists").path(), see);
        }
    }
}

#[tokio::test]
async fn an_ephemeral_directory_is_gone_with_its_owner() {
    let data = DataDir::ephemeral().expect("opens");
    let store = SqliteStore::open(&data.store()).expect("opens");
    put(&store, 1, 100).await.expect("commits");
    let root = data.root().to_owned();
    assert!(root.join("store/hearth.db").is_file());
    drop((store, data));
    assert!(!root.exists());
}

#[test]
fn data_without_its_keys_is_refused_and_keys_may_be_elsewhere() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (path, keys) = (dir.path().join("data"), dir.path().join("elsewhere/secrets.key"));
    let data = DataDir::open_with_keys(&path, &keys).expect("opens");
    Codec::open(&data.keys()).expect("opens");
    drop(SqliteStore::open(&data.store()).expect("opens"));
    assert!(keys.is_file() && !path.join("keys").exists());
    drop(data);
    drop(DataDir::open_with_keys(&path, &keys).expect("opens again"));
    let error = DataDir::open(&path).expect_err("the keys are not there");
    assert!(matches!(error, DataDirError::KeysMissing { .. }), "{error}");
}

#[test]
fn a_directory_with_other_things_in_it_is_not_a_store() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = dir.path().join("store");
    fs::create_dir(&store).expect("makes");
    fs::write(store.join("novel.txt"), "It was a dark night").expect("writes");
    assert!(matches!(SqliteStore::open(&store), Err(OpenError::Foreign { .. })));
    assert!(store.join("novel.txt").exists());
    fs::remove_file(store.join("novel.txt")).expect("removes");
    SqliteStore::open(&store).expect("an empty directory will do");
}
