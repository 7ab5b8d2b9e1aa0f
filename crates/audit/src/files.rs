//! The files of the log: their names and their order.

use std::path::{Path, PathBuf};

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

/// A file of the log, by the moment of its first record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogFile {
    pub(crate) start_ms: i64,
    pub(crate) path: PathBuf,
}

/// Where a file that begins now goes.
pub(crate) fn path(directory: &Path, start_ms: i64) -> PathBuf {
    directory.join(format!("{PREFIX}{start_ms:015}{SUFFIX}"))
}

/// Oldest first. Other files are not touched.
pub(crate) fn list(directory: &Path) -> std::io::Result<Vec<LogFile>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let start = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
        if let Some(start_ms) = start {
            files.push(LogFile { start_ms, path: entry.path() });
        }
    }
    files.sort();
    Ok(files)
}
