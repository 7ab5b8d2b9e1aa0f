//! One process per directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Held as long as this lives; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
}

/// Why a directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{path} is in use by process {pid}: stop that one or choose another directory")]
    Held { path: PathBuf, pid: String },
    #[error("{path} cannot be locked: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl DirLock {
    /// Locks `directory` by a file, which names this process for those who come too late.
    pub(crate) fn acquire(directory: &Path, lock_file: &Path) -> Result<Self, LockError> {
        let io = |source| LockError::Io { path: directory.to_owned(), source };
        // Not truncated on opening: the text belongs to the holder.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(lock_file).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(io)?;
                return Err(LockError::Held { path: directory.to_owned(), pid: pid.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}
