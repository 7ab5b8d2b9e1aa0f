//! Any bytes as a code package or as a layer of an image: the first byte says which.
//!
//! Nothing may panic, nothing outside the tree may change, the tree holds directories, files and links only, and it is no
//! larger than allowed. Links of a code package lead nowhere but into it.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};

use hearth_ports::LayerCompression;
use hearth_sandbox::package::in_process::{apply_layer, unpack_zip};
use libfuzzer_sys::fuzz_target;

const BYTES_MAX: u64 = 64 * 1024;
const NODES_MAX: u64 = 200;
const OUTSIDE: &[u8] = b"not to be touched";

/// Bytes of all files below; panics at what must not be there.
fn bytes_of(directory: &Path, root: &Path, leads_out: bool) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        let metadata = fs::symlink_metadata(&path).expect("there");
        if metadata.is_dir() {
            bytes += bytes_of(&path, root, leads_out);
        } else if metadata.is_symlink() {
            let inside = path.canonicalize().map_or(true, |target| target.starts_with(root));
            assert!(leads_out || inside, "a link out of the tree: {path:?}");
        } else {
            assert!(metadata.is_file(), "neither file nor directory nor link: {path:?}");
            bytes += metadata.len();
        }
    }
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, archive)) = bytes.split_first() else { return };
    let place = std::env::temp_dir().join(format!("hearth-fuzz-archive-{}", std::process::id()));
    let root: PathBuf = place.join("root");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&root).expect("a directory");
    fs::write(place.join("outside"), OUTSIDE).expect("a file");
    let is_zip = which % 4 == 0;
    if is_zip {
        if let Ok(unpacked) = unpack_zip(archive, &root, BYTES_MAX) {
            assert!(unpacked <= BYTES_MAX);
        }
    } else {
        // What an earlier layer may have left: a link out of the tree, as images have them.
        std::os::unix::fs::symlink(place.join("outside"), root.join("link")).expect("a link");
        let compression =
            [LayerCompression::None, LayerCompression::Gzip, LayerCompression::Zstd][usize::from(which % 4 - 1)];
        if let Ok((held, nodes)) = apply_layer(archive, compression, &root, BYTES_MAX, NODES_MAX) {
            assert!(held <= BYTES_MAX && nodes <= NODES_MAX);
        }
    }
    assert_eq!(fs::read(place.join("outside")).expect("there"), OUTSIDE);
    assert_eq!(fs::read_dir(&place).expect("readable").count(), 2, "beside the tree");
    let root = root.canonicalize().expect("there");
    assert!(bytes_of(&root, &root, !is_zip) <= BYTES_MAX);
    fs::remove_dir_all(&place).expect("can be deleted");
});
