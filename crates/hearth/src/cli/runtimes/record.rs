//! What was installed, in a small file beside it, for people who want to know later: `hearth runtimes --json` shows it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Of the file.
const BYTES_MAX: u64 = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Where it is from: a package with the version that was asked for, or an image by digest.
    pub(super) from: String,
    /// What the interpreter says of itself; an image is not asked.
    pub(super) version: Option<String>,
    /// Of the interpreter's program, of the root's archive, or of the image's manifest.
    pub(super) sha256: String,
}

impl Record {
    /// Writes it beside what was installed.
    pub(super) fn write(&self, installed: &Path) -> io::Result<()> {
        fs::write(place(installed), serde_json::to_vec_pretty(self)?)
    }

    /// `None`: nobody has written one, or it is not what was written.
    pub(super) fn read(installed: &Path) -> Option<Self> {
        let place = place(installed);
        let is_small = fs::metadata(&place).is_ok_and(|file| file.len() <= BYTES_MAX);
        serde_json::from_slice(&fs::read(place).ok().filter(|_| is_small)?).ok()
    }

    /// Takes it away with what was installed.
    pub(super) fn remove(installed: &Path) -> io::Result<()> {
        match fs::remove_file(place(installed)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// `nodejs22.json`, `ruby3.3.oci.json`
fn place(installed: &Path) -> PathBuf {
    let mut name = installed.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().expect("directory");
        let installed = dir.path().join("ruby3.3.oci");
        let record = Record { from: "ruby3.3".to_owned(), version: Some("3.3.8".to_owned()), sha256: "ab".to_owned() };
        record.write(&installed).expect("written");
        assert!(dir.path().join("ruby3.3.oci.json").exists());
        assert_eq!(Record::read(&installed), Some(record));
        Record::remove(&installed).and_then(|()| Record::remove(&installed)).expect("removed, or not there");
        assert_eq!(Record::read(&installed), None);
    }
}
