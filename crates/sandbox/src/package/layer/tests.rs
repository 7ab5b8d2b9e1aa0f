//! Layers as image builders make them, and as somebody would who wants out.

use std::io::Write;
use std::os::unix::fs::MetadataExt;

use tar::{Builder, Header};

use super::*;

const PLENTY: Amount = Amount { bytes: 1 << 20, nodes: 1_000 };

/// One entry.
enum E<'a> {
    Dir(&'a str, u32),
    File(&'a str, &'a str),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
    Device(&'a str),
}

/// Names are put into the header as they are: the library refuses to write those that matter here.
fn header(kind: EntryType, name: &str, target: Option<&str>, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(1_000_000_000);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    if let Some(target) = target {
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    }
    header.set_cksum();
    header
}

fn layer(entries: &[E<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for entry in entries {
        let (header, content) = match entry {
            E::Dir(name, mode) => (header(EntryType::Directory, name, None, *mode, 0), ""),
            E::File(name, content) => (header(EntryType::Regular, name, None, 0o644, content.len() as u64), *content),
            E::Link(name, target) => (header(EntryType::Symlink, name, Some(target), 0o777, 0), ""),
            E::Hard(name, target) => (header(EntryType::Link, name, Some(target), 0o644, 0), ""),
            E::Device(name) => (header(EntryType::Char, name, None, 0o666, 0), ""),
        };
        builder.append(&header, content.as_bytes()).expect("into memory");
    }
    builder.into_inner().expect("into memory")
}

struct Ground {
    dir: tempfile::TempDir,
}

impl Ground {
    /// A tree with a neighbour that must stay as it is.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        fs::create_dir(dir.path().join("tree")).expect("directory");
        fs::create_dir(dir.path().join("outside")).expect("directory");
        fs::write(dir.path().join("outside/secret"), "secret").expect("file");
        Self { dir }
    }

    fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    fn apply(&self, entries: &[E<'_>]) -> Result<Applied, UnpackError> {
        apply(layer(entries).as_slice(), LayerCompression::None, &self.tree(), PLENTY)
    }

    fn with(layers: &[&[E<'_>]]) -> Self {
        let ground = Self::new();
        for entries in layers {
            ground.apply(entries).expect("a good layer");
        }
        ground
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.tree().join(path)).ok()
    }

    /// Nothing outside the tree has changed.
    #[track_caller]
    fn assert_contained(&self) {
        let mut outside: Vec<_> =
            fs::read_dir(self.dir.path()).expect("listed").map(|entry| entry.expect("entry").file_name()).collect();
        outside.sort();
        assert_eq!(outside, ["outside", "tree"]);
        assert_eq!(fs::read_dir(self.dir.path().join("outside")).expect("listed").count(), 1);
        assert_eq!(fs::read_to_string(self.dir.path().join("outside/secret")).expect("read"), "secret");
        assert_eq!(fs::metadata(self.dir.path().join("outside/secret")).expect("there").nlink(), 1);
    }
}

#[test]
fn layers_lie_over_each_other() {
    let ground = Ground::with(&[
        &[E::Dir("./", 0o755), E::Dir("a/", 0o755), E::File("a/x", "1"), E::File("./a/y", "1"), E::File("/b/c/z", "1")],
        &[E::File("a/x", "2"), E::File("a/new", "2")],
    ]);
    for (path, content) in [("a/x", "2"), ("a/y", "1"), ("b/c/z", "1"), ("a/new", "2")] {
        assert_eq!(ground.read(path).as_deref(), Some(content), "{path}");
    }
}

#[test]
fn a_whiteout_hides_what_earlier_layers_have_and_nothing_of_its_own() {
    let ground = Ground::with(&[
        &[E::File("a/x", "1"), E::File("a/y", "1"), E::File("d/e/f", "1"), E::File("k/old", "1")],
        &[
            E::File("a/.wh.x", ""),
            E::File(".wh.d", ""),
            E::File("k/new", "2"),
            E::File(".wh.k", ""),
            E::File("a/.wh.absent", ""),
            E::File("nowhere/.wh.x", ""),
        ],
    ]);
    assert_eq!(ground.read("a/x"), None);
    assert_eq!(ground.read("a/y").as_deref(), Some("1"));
    assert!(!ground.tree().join("d").exists());
    assert_eq!((ground.read("k/old"), ground.read("k/new")), (None, Some("2".to_owned())));
    assert!(!ground.tree().join("nowhere").exists());
}

#[test]
fn an_opaque_directory_shows_only_its_own_layer_wherever_the_mark_stands() {
    for at in [0, 1, 2] {
        let mut second = vec![E::File("a/new", "2"), E::File("a/sub/new", "2")];
        second.insert(at, E::File("a/.wh..wh..opq", ""));
        let ground =
            Ground::with(&[&[E::File("a/old", "1"), E::File("a/sub/old", "1"), E::File("b/old", "1")], &second]);
        assert_eq!((ground.read("a/old"), ground.read("a/sub/old")), (None, None), "{at}");
        assert_eq!(ground.read("a/new").as_deref(), Some("2"), "{at}");
        assert_eq!(ground.read("a/sub/new").as_deref(), Some("2"), "{at}");
        assert_eq!(ground.read("b/old").as_deref(), Some("1"), "{at}");
    }
}

#[test]
fn a_name_that_leads_through_a_link_stays_in_the_tree() {
    for target in ["/real", "real", "../../real", "/../real", "./x/../real"] {
        let ground = Ground::with(&[
            &[E::Dir("real/", 0o755), E::Dir("x/", 0o755), E::Link("link", target)],
            &[E::File("link/file", "through")],
        ]);
        assert_eq!(ground.read("real/file").as_deref(), Some("through"), "{target}");
        ground.assert_contained();
    }
}

#[test]
fn no_layer_writes_deletes_or_links_outside_the_tree() {
    let hostile: [&[E<'_>]; 12] = [
        &[E::File("../outside/evil", "x")],
        &[E::File("a/../../outside/evil", "x")],
        &[E::Link("out", "../outside"), E::File("out/evil", "x")],
        &[E::Link("out", "../outside"), E::File("out/.wh.secret", "")],
        &[E::Link("out", "../outside"), E::File("out/.wh..wh..opq", "")],
        &[E::File(".wh...", "")],
        &[E::Link("out", "../outside/secret"), E::File("out", "x")],
        &[E::Hard("mine", "../outside/secret")],
        &[E::Link("out", "../outside"), E::Hard("mine", "out/secret"), E::File("mine", "x")],
        &[E::Link("out", "../outside"), E::Dir("out", 0o777)],
        &[E::Link("out", "../outside"), E::Dir("out/evil", 0o777)],
        &[E::Link("a", "b"), E::Link("b", "a"), E::File("a/x", "x")],
    ];
    for (number, entries) in hostile.iter().enumerate() {
        let ground = Ground::new();
        // In the tree it may write whatever it likes.
        let _ = ground.apply(entries);
        ground.assert_contained();
        // And once more in a layer of its own.
        let _ = ground.apply(&entries[entries.len() - 1..]);
        ground.assert_contained();
        assert!(number != 0 || ground.apply(entries).is_err());
    }
}

#[test]
fn hard_links_are_second_names_of_files_in_the_tree() {
    let ground = Ground::with(&[&[E::File("a/x", "1"), E::Hard("b/y", "a/x")]]);
    assert_eq!(ground.read("b/y").as_deref(), Some("1"));
    // Another content for one name leaves the other alone.
    ground.apply(&[E::File("b/y", "2")]).expect("applied");
    assert_eq!(ground.read("a/x").as_deref(), Some("1"));
    for target in ["missing", "a", "c"] {
        let refused = ground.apply(&[E::Hard("c", target)]);
        assert!(matches!(refused, Err(UnpackError::Refused(Refusal::Link))), "{target}: {refused:?}");
    }
}

#[test]
fn modes_are_kept_but_for_those_that_lend_rights_and_devices_are_left_out() {
    let ground = Ground::with(&[&[E::Dir("d", 0o1777), E::Dir("closed", 0), E::Device("dev/null")]]);
    let mut archive = Builder::new(Vec::new());
    archive.append(&header(EntryType::Regular, "su", None, 0o6755, 0), io::empty()).expect("into memory");
    let bytes = archive.into_inner().expect("into memory");
    apply(bytes.as_slice(), LayerCompression::None, &ground.tree(), PLENTY).expect("applied");
    let mode = |path: &str| fs::metadata(ground.tree().join(path)).expect("there").mode() & 0o7777;
    assert_eq!((mode("d"), mode("closed"), mode("su")), (0o777, 0o700, 0o755));
    assert!(!ground.tree().join("dev/null").exists());
    assert_eq!(fs::metadata(ground.tree().join("su")).expect("there").mtime(), 1_000_000_000);
}

#[test]
fn every_compression_gives_the_same_tree_and_the_digest_of_what_was_compressed() {
    let bytes = layer(&[E::File("a", "content")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).expect("into memory");
    let zstd = zstd::encode_all(bytes.as_slice(), 1).expect("into memory");
    let diff_id: [u8; 32] = Sha256::digest(&bytes).into();
    for (compression, stream) in [
        (LayerCompression::None, bytes),
        (LayerCompression::Gzip, gzip.finish().expect("into memory")),
        (LayerCompression::Zstd, zstd),
    ] {
        let ground = Ground::new();
        let applied = apply(stream.as_slice(), compression, &ground.tree(), PLENTY).expect("applied");
        assert_eq!(applied, Applied { amount: Amount { bytes: 7, nodes: 1 }, diff_id }, "{compression:?}");
        assert_eq!(ground.read("a").as_deref(), Some("content"));
    }
}

#[test]
fn an_image_has_at_most_so_many_bytes_and_files_and_so_deep() {
    let entries = [E::File("a", "12345"), E::File("b", "12345")];
    let bytes = layer(&entries);
    let within = |max| apply(bytes.as_slice(), LayerCompression::None, &Ground::new().tree(), max);
    assert!(within(Amount { bytes: 10, nodes: 2 }).is_ok());
    assert!(matches!(within(Amount { bytes: 9, nodes: 2 }), Err(UnpackError::TooLarge { .. })));
    assert!(matches!(within(Amount { bytes: 10, nodes: 1 }), Err(UnpackError::Refused(Refusal::TooMany))));
    // A link leads deep, and a name from there deeper.
    let ground = Ground::new();
    let half = vec!["d"; DEPTH_MAX / 2 - 15].join("/");
    ground.apply(&[E::Dir(&half[..99.min(half.len())], 0o755)]).expect("deep");
    ground.apply(&[E::Link("l", &half)]).expect("link");
    let deeper = format!("l/{}", vec!["d"; 45].join("/"));
    ground.apply(&[E::Dir(&deeper, 0o755)]).expect("deeper");
    ground.apply(&[E::Link("m", &deeper)]).expect("link");
    let refused = ground.apply(&[E::Dir(&format!("m/{}", vec!["d"; 45].join("/")), 0o755)]);
    assert!(matches!(refused, Err(UnpackError::Refused(Refusal::TooMany))), "{refused:?}");
}

#[test]
fn a_damaged_layer_is_refused() {
    let bytes = layer(&[E::File("a", "content")]);
    for (compression, stream) in [
        (LayerCompression::Gzip, bytes.as_slice()),
        (LayerCompression::Zstd, &bytes),
        (LayerCompression::None, &bytes[..600]),
    ] {
        let refused = apply(stream, compression, &Ground::new().tree(), PLENTY);
        assert!(refused.is_err(), "{compression:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_layer_makes_the_reader_panic_or_leave_the_tree(
        entries in proptest::collection::vec((0_u8..8, "[a-c./]{1,9}", "[a-c./]{1,9}"), 0..12),
        cut in 0_usize..4_096,
    ) {
        let kinds = [EntryType::Regular, EntryType::Directory, EntryType::Symlink, EntryType::Link, EntryType::Char,
                     EntryType::XGlobalHeader, EntryType::GNULongName, EntryType::Regular];
        let mut builder = Builder::new(Vec::new());
        for (kind, name, target) in &entries {
            let name = if *kind == 7 { format!("{}/.wh.{target}", name.trim_matches('/')) } else { name.clone() };
            let header = header(kinds[usize::from(*kind)], &name, Some(target), 0o644, 0);
            builder.append(&header, io::empty()).expect("into memory");
        }
        let mut bytes = builder.into_inner().expect("into memory");
        let ground = Ground::new();
        let _ = apply(bytes.as_slice(), LayerCompression::None, &ground.tree(), PLENTY);
        ground.assert_contained();
        bytes.truncate(cut);
        let _ = apply(bytes.as_slice(), LayerCompression::None, &ground.tree(), PLENTY);
        ground.assert_contained();
    }
}
