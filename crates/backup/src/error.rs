//! Why there is no backup, or nothing was restored. Each is one sentence with what to do.

use std::io;
use std::path::{Path, PathBuf};

use hearth_store::{DataDirError, KeyRingError, OpenError};

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("there is no data in {0}: give the server's data directory (--data DIR)")]
    NoData(PathBuf),
    #[error(
        "the data directory {0} holds no records: where a server keeps them in PostgreSQL, back that database up with \
         pg_dump and copy {0} beside it"
    )]
    NoStore(PathBuf),
    #[error("{0} is there already: choose another name, or move it away")]
    TargetExists(PathBuf),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("{0} changed while it was copied, or is damaged: its content is not what its name says")]
    DamagedBlob(PathBuf),
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("{0} is not a backup made by `hearth backup`")]
    NoBackup(PathBuf),
    #[error("{path} has format {format}, which this Hearth does not know: use a newer Hearth")]
    Newer { path: PathBuf, format: String },
    #[error("the backup {path} is damaged or not complete ({detail}): nothing was restored; use another copy of it")]
    Damaged { path: PathBuf, detail: String },
    #[error("the backup brings its master keys along: leave --keys away")]
    KeysTwice,
    #[error(
        "the secrets in this backup are encrypted with the master key {id}, which {path} does not hold: give the key file of the server that was backed up"
    )]
    OtherKeys { path: PathBuf, id: String },
    #[error("{path}: {source} (run this as the user the server runs as, or as root: sudo hearth …)")]
    Forbidden { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl BackupError {
    /// What went wrong at a path.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Forbidden { path, source },
            _ => Self::Io { path, source },
        }
    }
}
