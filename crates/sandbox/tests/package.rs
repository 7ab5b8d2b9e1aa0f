//! Code packages: what is unpacked, what is refused, and that nothing is left behind.

mod zips;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::Bytes;
use hearth_ports::{CodeDigest, CodePackages, InstalledPackage, PackageError};
use hearth_sandbox::package::{TreeStore, Unpacker};
use hearth_types::{AccountId, Partition, Region, RequestContext, RequestId, Scope};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zips::{DEFLATED, ENCRYPTED, Entry, zip};

fn context() -> RequestContext {
    let scope =
        Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) };
    RequestContext::service(&scope, "lambda.amazonaws.com", RequestId::from("test"))
}

fn digest(bytes: &[u8]) -> CodeDigest {
    CodeDigest(Sha256::digest(bytes).into())
}

async fn install(store: &TreeStore, zip: Vec<u8>) -> Result<InstalledPackage, PackageError> {
    store.install(&context(), digest(&zip), Bytes::from(zip)).await
}

/// A store in a directory of its own, beside a file that nothing may touch.
struct Place {
    dir: TempDir,
    store: TreeStore,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().expect("temporary directory");
        fs::write(dir.path().join("canary"), "alive").expect("canary");
        let store =
            TreeStore::open(&dir.path().join("trees"), Unpacker::new(env!("CARGO_BIN_EXE_hearth-spawner").into()))
                .expect("opened");
        Self { dir, store }
    }

    /// The names in the store, besides the empty tree.
    fn trees(&self) -> Vec<String> {
        let mut names = names(&self.dir.path().join("trees"));
        names.retain(|name| name != "empty");
        names
    }

    fn assert_untouched_outside(&self) {
        assert_eq!(names(self.dir.path()), ["canary", "trees"]);
        assert_eq!(fs::read(self.dir.path().join("canary")).expect("readable"), b"alive");
        assert_eq!(names(&self.store.empty()), [""; 0]);
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("exists").permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_package_becomes_a_readable_tree() {
    let place = Place::new();
    let bytes = zip(&[
        Entry::new("bootstrap", b"#!/bin/sh\n", 0o100_700),
        Entry::file("lib/deep/module.py", b"x = 1\n"),
        Entry::new("lib/", b"", libc::S_IFDIR | 0o500),
        Entry::link("lib/current", "deep/module.py"),
        Entry::new("from-windows.js", b"1", 0),
        Entry::new("setuid", b"2", 0o106_755),
    ]);
    let installed = install(&place.store, bytes.clone()).await.expect("installed");
    assert_eq!(installed.digest, digest(&bytes));
    assert_eq!(installed.unpacked_bytes, 10 + 6 + 14 + 1 + 1);

    let tree = place.store.path(&installed.digest);
    assert_eq!(tree, place.dir.path().join("trees").join(installed.digest.hex()));
    assert_eq!(fs::read(tree.join("lib/current")).expect("through the link"), b"x = 1\n");
    for (path, expected) in [
        ("", 0o755),
        ("lib", 0o755),
        ("lib/deep", 0o755),
        ("bootstrap", 0o744),
        ("lib/deep/module.py", 0o644),
        ("from-windows.js", 0o644),
        ("setuid", 0o755),
    ] {
        assert_eq!(mode(&tree.join(path)), expected, "{path}");
    }
    place.assert_untouched_outside();
}

#[tokio::test]
async fn archives_of_common_archivers_are_read() {
    let place = Place::new();
    let mut deflated = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    deflated.start_file("a.txt", zip::write::SimpleFileOptions::default()).expect("started");
    deflated.write_all(&b"again ".repeat(1_000)).expect("written");
    let deflated = deflated.finish().expect("finished").into_inner();
    let installed = install(&place.store, deflated.clone()).await.expect("deflate");
    assert_eq!(installed.unpacked_bytes, 6_000);

    let mut with_prefix = b"#!/usr/bin/env python3\n".to_vec();
    with_prefix.extend(&deflated);
    assert!(install(&place.store, with_prefix).await.is_ok(), "zipapp: a line before the archive");

    let mut umlaut = Entry::file("", b"x");
    umlaut.name = "grün.txt".as_bytes().to_vec();
    let umlaut = install(&place.store, zip(&[umlaut])).await.expect("UTF-8 without the flag");
    assert_eq!(names(&place.store.path(&umlaut.digest)), ["grün.txt"]);
}

#[tokio::test]
async fn installing_again_changes_nothing_and_tells_the_same() {
    let place = Place::new();
    let bytes = zip(&[Entry::file("a/b", b"12345"), Entry::link("l", "a/b")]);
    let first = install(&place.store, bytes.clone()).await.expect("installed");
    assert_eq!(install(&place.store, bytes.clone()).await, Ok(first));
    let reopened =
        TreeStore::open(&place.dir.path().join("trees"), Unpacker::new(env!("CARGO_BIN_EXE_hearth-spawner").into()))
            .expect("reopened");
    assert_eq!(install(&reopened, bytes).await, Ok(first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_installs_of_one_package_make_one_tree() {
    let place = Place::new();
    let bytes = zip(&(0..200).map(|n| Entry::file(&format!("d{n}/f"), &[b'x'; 1_000])).collect::<Vec<_>>());
    let installs: Vec<_> = (0..8)
        .map(|_| {
            let (store, bytes) = (place.store.clone(), bytes.clone());
            tokio::spawn(async move { install(&store, bytes).await })
        })
        .collect();
    for done in installs {
        assert_eq!(done.await.expect("no panic").expect("installed").unpacked_bytes, 200_000);
    }
    assert_eq!(place.trees(), [digest(&bytes).hex()]);
}

#[tokio::test]
async fn bytes_that_are_not_the_digest_are_not_installed() {
    let place = Place::new();
    let bytes = zip(&[Entry::file("a", b"1")]);
    let other = CodeDigest([7; 32]);
    let refused = place.store.install(&context(), other, Bytes::from(bytes)).await;
    assert!(matches!(refused, Err(PackageError::Internal(_))));
    assert!(place.trees().is_empty());
}

#[tokio::test]
async fn hostile_and_damaged_archives_are_refused_and_leave_nothing() {
    let file = |name| Entry::file(name, b"evil");
    let good = zip(&[Entry::file("a", b"hello"), Entry::file("b", b"world")]);
    let archive = |entries: &[Entry]| zip(entries);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("no zip", b"this is not a zip file".to_vec()),
        ("cut off", good[..good.len() - 30].to_vec()),
        ("without its start", good[20..].to_vec()),
        ("only the end record", archive(&[])[..10].to_vec()),
        ("parent directory", archive(&[file("../canary")])),
        ("parent directory further in", archive(&[file("a/../../canary")])),
        ("absolute", archive(&[file("/tmp/hearth-evil")])),
        ("backslashes", archive(&[file("..\\canary")])),
        ("leading backslash", archive(&[file("\\canary")])),
        ("NUL", archive(&[file("a\0b")])),
        ("empty name", archive(&[file("")])),
        ("only a dot", archive(&[file(".")])),
        ("overlong name", archive(&[file(&"n".repeat(300))])),
        ("too deep", archive(&[file(&"d/".repeat(400))])),
        ("same name twice", archive(&[file("a"), file("a")])),
        ("same path twice", archive(&[file("a"), file("./a")])),
        ("file below a file", archive(&[file("a"), file("a/b")])),
        ("file through a link", archive(&[Entry::link("a", "b"), file("a/canary")])),
        ("file through a link out", archive(&[Entry::link("a", ".."), file("a/canary")])),
        ("link over a directory", archive(&[file("a/b"), Entry::link("a", "..")])),
        ("link out", archive(&[Entry::link("a", "../canary")])),
        ("absolute link", archive(&[Entry::link("a", "/etc/passwd")])),
        (
            "link out behind a link",
            archive(&[file("z/f"), Entry::link("a/b/up", "../../z"), Entry::link("l", "a/b/up/../..")]),
        ),
        ("links in a circle", archive(&[Entry::link("a", "b"), Entry::link("b", "a")])),
        ("character device", archive(&[Entry::new("null", b"", libc::S_IFCHR | 0o666)])),
        ("block device", archive(&[Entry::new("sda", b"", libc::S_IFBLK | 0o666)])),
        ("pipe", archive(&[Entry::new("pipe", b"", libc::S_IFIFO | 0o666)])),
        ("socket", archive(&[Entry::new("socket", b"", libc::S_IFSOCK | 0o666)])),
        ("directory with content", archive(&[Entry::new("d/", b"content", libc::S_IFDIR | 0o755)])),
        ("encrypted", archive(&[Entry { flags: ENCRYPTED, ..Entry::file("a", &[0; 64]) }])),
        ("unknown compression", archive(&[Entry { method: 99, ..file("a") }])),
        ("not deflated", archive(&[Entry { method: DEFLATED, ..Entry::file("a", &[0xff; 50]) }])),
        ("wrong checksum", archive(&[Entry { crc: Some(1), ..file("a") }])),
        ("smaller than claimed", archive(&[Entry { claimed: Some(1_000), ..file("a") }])),
        ("larger than claimed", archive(&[Entry { claimed: Some(1), ..file("a") }])),
        ("overlapping", archive(&[file("aa"), Entry { offset: Some(0), ..file("bb") }])),
        ("outside of the archive", archive(&[Entry { offset: Some(1 << 30), ..file("a") }])),
    ];
    let place = Place::new();
    for (case, bytes) in cases {
        assert_eq!(install(&place.store, bytes).await, Err(PackageError::Unreadable), "{case}");
        assert!(place.trees().is_empty(), "{case} left {:?}", place.trees());
        place.assert_untouched_outside();
    }
}

#[tokio::test]
async fn a_bomb_is_refused_with_the_limit_of_the_real_service() {
    const MAX: u64 = 262_144_000;
    let place = Place::new();
    let too_large = Err(PackageError::TooLarge { max: MAX });

    let claims = [("a", 200_000_000), ("b", 62_144_001)];
    let claims: Vec<Entry> =
        claims.iter().map(|(name, size)| Entry { claimed: Some(*size), ..Entry::file(name, b"") }).collect();
    assert_eq!(install(&place.store, zip(&claims)).await, too_large, "the headers admit it");

    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    bomb.start_file("zeros", zip::write::SimpleFileOptions::default()).expect("started");
    let zeros = vec![0; 1 << 20];
    (0..251).for_each(|_| bomb.write_all(&zeros).expect("written"));
    let bomb = bomb.finish().expect("finished").into_inner();
    assert!(bomb.len() < 1 << 20);
    assert_eq!(install(&place.store, bomb.clone()).await, too_large);

    let honest = (251_u32 << 20).to_le_bytes();
    let mut liar = bomb;
    let sizes: Vec<usize> = (0..liar.len() - 4).filter(|at| liar[*at..*at + 4] == honest).collect();
    assert!(!sizes.is_empty());
    for at in sizes {
        liar[at..at + 4].copy_from_slice(&1_000_u32.to_le_bytes());
    }
    assert_eq!(install(&place.store, liar).await, Err(PackageError::Unreadable), "the headers deny it");
    assert!(place.trees().is_empty());
}

#[tokio::test]
async fn an_archive_of_countless_entries_is_refused() {
    let place = Place::new();
    // Zip64 apart, 65,535 entries are the most an archive has; deep paths make more directories of them.
    let deep = "d/".repeat(100);
    let entries: Vec<Entry> = (0..2_500).map(|n| Entry::file(&format!("{n}/{deep}f"), b"")).collect();
    assert_eq!(install(&place.store, zip(&entries)).await, Err(PackageError::Unreadable));
    assert!(place.trees().is_empty());
}

#[tokio::test]
async fn what_a_crash_left_half_done_is_gone_after_opening() {
    let place = Place::new();
    let bytes = zip(&[Entry::file("a", b"1")]);
    let installed = install(&place.store, bytes).await.expect("installed");
    let left = place.dir.path().join("trees/.3");
    fs::create_dir_all(left.join("deep/er")).expect("made");
    fs::write(left.join("deep/file"), "half").expect("written");
    TreeStore::open(&place.dir.path().join("trees"), Unpacker::new(env!("CARGO_BIN_EXE_hearth-spawner").into()))
        .expect("reopened");
    assert_eq!(place.trees(), [installed.digest.hex()]);
}

#[tokio::test]
async fn unused_trees_are_deleted_and_used_ones_are_not() {
    let place = Place::new();
    let mut digests = Vec::new();
    for content in [b"1", b"2", b"3"] {
        digests.push(install(&place.store, zip(&[Entry::file("a", content)])).await.expect("installed").digest);
    }
    let [kept, held, unused] = digests[..] else { panic!("three") };
    let hold = place.store.hold(&held).expect("installed");
    place.store.retain(&[kept]).await;
    let mut expected = [kept.hex(), held.hex()];
    expected.sort();
    assert_eq!(place.trees(), expected);
    assert!(place.store.hold(&unused).is_none());
    assert!(hold.path().join("a").exists());

    // The last user deletes it, without anybody asking again.
    drop(hold);
    for _ in 0..500 {
        if place.trees() == [kept.hex()] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(place.trees(), [kept.hex()]);
    let again = install(&place.store, zip(&[Entry::file("a", b"3")])).await.expect("installed again");
    assert_eq!(again.digest, unused);
    place.assert_untouched_outside();
}

#[tokio::test]
async fn a_tree_that_is_wanted_again_outlives_its_earlier_users() {
    let place = Place::new();
    let digest = install(&place.store, zip(&[Entry::file("a", b"1")])).await.expect("installed").digest;
    let hold = place.store.hold(&digest).expect("installed");
    place.store.retain(&[]).await;
    install(&place.store, zip(&[Entry::file("a", b"1")])).await.expect("installed again");
    drop(hold);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(place.trees(), [digest.hex()]);
}

#[tokio::test]
async fn a_tree_that_is_kept_outlives_its_functions_until_it_is_let_go() {
    let place = Place::new();
    let digest = install(&place.store, zip(&[Entry::file("a", b"1")])).await.expect("installed").digest;
    place.store.keep(&digest, true);
    let hold = place.store.hold(&digest).expect("installed");
    place.store.retain(&[]).await;
    drop(hold);
    place.store.retain(&[]).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(place.trees(), [digest.hex()]);
    place.store.keep(&digest, false);
    place.store.retain(&[]).await;
    assert!(place.trees().is_empty());
}

/// Whatever was installed, nothing is outside, and inside nothing leads out.
fn check_harmless(place: &Place, bytes: Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let result = runtime.block_on(install(&place.store, bytes.clone()));
    place.assert_untouched_outside();
    match result {
        Ok(installed) => {
            let tree = place.store.path(&installed.digest);
            check_tree(&tree, &tree);
            fs::remove_dir_all(&tree).expect("removed");
        }
        Err(PackageError::Internal(message)) => panic!("blames us: {message}"),
        Err(_) => {}
    }
    assert!(place.trees().is_empty());
}

fn check_tree(root: &Path, dir: &Path) {
    for entry in fs::read_dir(dir).expect("readable") {
        let path = entry.expect("entry").path();
        let kind = fs::symlink_metadata(&path).expect("exists").file_type();
        if kind.is_dir() {
            assert_eq!(mode(&path), 0o755);
            check_tree(root, &path);
        } else if kind.is_symlink() {
            if let Ok(target) = fs::canonicalize(&path) {
                assert!(target.starts_with(fs::canonicalize(root).expect("root")), "{path:?} leads to {target:?}");
            }
        } else {
            assert!(kind.is_file());
            assert!(matches!(mode(&path) & 0o7666, 0o644), "{path:?}");
        }
    }
}

fn hostile_name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["..", ".", "", "a", "b", "c", "\\", "..\\", "/", "canary", "trees"]);
    prop::collection::vec(part, 1..6).prop_map(|parts| parts.join("/"))
}

fn hostile_entry() -> impl Strategy<Value = Entry> {
    let kinds = vec![
        0,
        libc::S_IFREG | 0o644,
        libc::S_IFREG | 0o7777,
        libc::S_IFDIR | 0o755,
        libc::S_IFLNK | 0o777,
        libc::S_IFLNK | 0o777,
        libc::S_IFCHR | 0o666,
    ];
    (hostile_name(), hostile_name(), prop::sample::select(kinds))
        .prop_map(|(name, content, mode)| Entry::new(&name, content.as_bytes(), mode))
}

/// Names that are fine by themselves, so that links get to point at each other.
fn tame_entry() -> impl Strategy<Value = Entry> {
    let part = || prop::sample::select(vec!["a", "b", "c"]);
    let target = prop::collection::vec(prop::sample::select(vec!["..", "a", "b", "c"]), 1..6);
    (prop::collection::vec(part(), 1..4), target, any::<bool>()).prop_map(|(name, target, link)| {
        let name = name.join("/");
        if link { Entry::link(&name, &target.join("/")) } else { Entry::file(&name, b"content") }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        check_harmless(&Place::new(), bytes);
    }

    #[test]
    fn hostile_names_do_no_harm(entries in prop::collection::vec(hostile_entry(), 1..5)) {
        check_harmless(&Place::new(), zip(&entries));
    }

    #[test]
    fn links_among_each_other_do_no_harm(entries in prop::collection::vec(tame_entry(), 1..8)) {
        check_harmless(&Place::new(), zip(&entries));
    }

    #[test]
    fn mutated_archives_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = zip(&[
            Entry::directory("d/"),
            Entry::file("d/f", b"some content"),
            Entry::link("d/l", "f"),
            Entry { method: DEFLATED, ..Entry::file("e", &[0x4b, 0x4c, 0x04, 0x00]) },
        ]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check_harmless(&Place::new(), bytes);
    }
}
