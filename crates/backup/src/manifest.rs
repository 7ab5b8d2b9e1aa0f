//! What is in a backup, to the byte.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

/// The first entry: says what this is.
pub(crate) const MARK: &str = "hearth-backup";
/// What the mark holds.
pub(crate) const FORMAT: &str = "format 1\n";
/// The last entry.
pub(crate) const NAME: &str = "manifest.json";

/// What a backup may hold.
const DIRECTORIES: [&str; 7] = ["store", "blobs", "objects", "logs", "audit", "keys", "tls"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The Hearth that made it.
    pub(crate) version: String,
    /// When it began, of the wall clock, milliseconds since the epoch.
    pub(crate) made_at_ms: i64,
    /// Of the store's copy.
    pub(crate) revision: u64,
    /// Names of the master keys that open its secrets.
    pub(crate) master_keys: Vec<String>,
    pub(crate) files: BTreeMap<String, FileEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    pub(crate) bytes: u64,
    /// Hexadecimal.
    pub(crate) sha256: String,
}

/// Whether a file of that name belongs into a data directory: nothing leads out of it.
pub(crate) fn is_allowed(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let starts_well = parts.next().is_some_and(|first| DIRECTORIES.iter().any(|known| first.as_os_str() == *known));
    let mut inside = parts.peekable();
    starts_well && inside.peek().is_some() && inside.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_the_data_directory() {
        for name in ["store/hearth.db", "blobs/ab/cd/abcd", "keys/secrets.key", "logs/0.seg"] {
            assert!(is_allowed(name), "{name}");
        }
        for name in ["", "store", "/etc/passwd", "../x", "store/../../x", "logs/../x", "lock", "trees/x", "/store/x"] {
            assert!(!is_allowed(name), "{name}");
        }
    }
}
