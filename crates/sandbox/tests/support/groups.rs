//! Control groups that are there.

use std::path::{Path, PathBuf};

/// Control group directories of an instance, with those of its slots.
pub(crate) fn groups(instance: &str) -> Vec<PathBuf> {
    fn find(dir: &Path, name: &str, found: &mut Vec<PathBuf>, inside: bool) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let inside = inside || entry.file_name() == name;
                if inside {
                    found.push(entry.path());
                }
                find(&entry.path(), name, found, inside);
            }
        }
    }
    let mut found = Vec::new();
    find(Path::new("/sys/fs/cgroup"), &format!("hearth-{instance}"), &mut found, false);
    found
}
