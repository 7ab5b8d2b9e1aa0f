//! An image made of what this machine has: the Python that the probes are written in, the programs they start, and what
//! those are linked against.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const PYTHON: &str = "/usr/bin/python3";
const PROGRAMS: &[&str] = &["/usr/bin/env", "/usr/bin/sleep", "/usr/bin/su"];
const PASSWD: &str =
    "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:1051:1051::/home/sbx_user1051:/sbin/nologin\n";

/// Writes it as an unpacked tree. Without a Python there its functions do not start, which the test says.
pub(crate) fn write(tree: &Path) {
    fs::create_dir_all(tree.join("etc")).expect("directory");
    fs::write(tree.join("etc/passwd"), PASSWD).expect("accounts");
    let python = fs::canonicalize(PYTHON).expect("Python");
    let name = python.file_name().expect("a file").to_owned();
    let library = Path::new("/usr/lib").join(&name);
    let mut copied: BTreeSet<PathBuf> = PROGRAMS.iter().map(PathBuf::from).chain([python]).collect();
    let native = fs::read_dir(library.join("lib-dynload")).expect("modules").flatten().map(|entry| entry.path());
    let linked: Vec<PathBuf> = copied.iter().cloned().chain(native).collect();
    copied.extend(libraries(&linked));
    for path in copied {
        let to = tree.join(path.strip_prefix("/").expect("absolute"));
        fs::create_dir_all(to.parent().expect("below the tree")).expect("directory");
        fs::copy(&path, &to).expect("copied");
    }
    symlink(name, tree.join("usr/bin/python3")).expect("link");
    fs::create_dir_all(tree.join("usr/lib")).expect("directory");
    let status = Command::new("cp").arg("-a").arg(&library).arg(tree.join("usr/lib")).status();
    assert!(status.expect("cp").success(), "the standard library is copied");
}

/// What these files are linked against.
fn libraries(files: &[PathBuf]) -> Vec<PathBuf> {
    let listed = Command::new("ldd").args(files).output().expect("ldd").stdout;
    let listed = String::from_utf8(listed).expect("text");
    let paths = listed.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
    paths.map(PathBuf::from).collect()
}
