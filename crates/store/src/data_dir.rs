//! Where a server keeps everything: one directory, one server.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hearth_types::OsRandom;
use tempfile::TempDir;

use crate::disk;
use crate::lock::{DirLock, LockError};
use crate::record::{KeyRing, KeyRingError};

/// A locked data directory.
///
/// ```text
/// lock               names the server's process
/// store/             records                        crates/store
///                    (or which database has them    crates/hearth)
/// blobs/             uploaded packages by digest     crates/store
/// trees/             unpacked packages               crates/sandbox
/// logs/              log segments                    services/logs
/// audit/             who did what                    crates/audit
/// tls/               the authority for HTTPS         crates/tls
/// runtime/           sockets, and what a restart forgets
/// keys/secrets.key   master keys, unless they are elsewhere
/// ```
///
/// The master keys belong on another disk or under another owner where that is possible: a copy of the data without
/// them holds no readable secret. [`DataDir::open_with_keys`] says where.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    keys: PathBuf,
    _lock: DirLock,
    // Dropped after the lock: removes an ephemeral directory.
    _ephemeral: Option<TempDir>,
}

/// Why there is no data directory.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("the data in {data} is encrypted with the keys of {keys}, and that file is missing: put it back")]
    KeysMissing { data: PathBuf, keys: PathBuf },
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    #[error("the data directory {path} cannot be used: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl DataDir {
    /// Opens or makes a data directory, mode 0700, with the master keys inside.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataDirError> {
        let path = path.as_ref();
        Self::open_with_keys(path, path.join("keys").join("secrets.key"))
    }

    /// Opens or makes a data directory whose master keys are in the file `keys`.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open_with_keys(path: impl AsRef<Path>, keys: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        Self::open_root(path.as_ref().to_owned(), keys.into(), None)
    }

    /// A fresh directory that is removed when this is dropped. Everything else is the same.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn ephemeral() -> Result<Self, DataDirError> {
        let temporary = tempfile::Builder::new()
            .prefix("hearth-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|source| DataDirError::Io { path: std::env::temp_dir(), source })?;
        let root = temporary.path().to_owned();
        let keys = root.join("keys").join("secrets.key");
        Self::open_root(root, keys, Some(temporary))
    }

    fn open_root(root: PathBuf, keys: PathBuf, ephemeral: Option<TempDir>) -> Result<Self, DataDirError> {
        let io = |source| DataDirError::Io { path: root.clone(), source };
        disk::create_private_dir(&root).map_err(io)?;
        let lock = DirLock::acquire(&root, &root.join("lock"))?;
        // A fresh key would open none of the old secrets, and new ones would hide that the old are lost.
        if root.join("store").exists() && !keys.exists() {
            return Err(DataDirError::KeysMissing { data: root, keys });
        }
        // Before the store is: one without keys is always a loss, never an interrupted first start.
        KeyRing::open_or_create(&keys, &OsRandom)?;
        for name in ["blobs", "trees", "storage", "logs", "runtime"] {
            disk::create_private_dir(&root.join(name)).map_err(io)?;
        }
        Ok(Self { root, keys, _lock: lock, _ephemeral: ephemeral })
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// For [`crate::SqliteStore::open`], which makes it.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    #[must_use]
    pub fn trees(&self) -> PathBuf {
        self.root.join("trees")
    }

    /// What functions write to `/tmp`, in files without names.
    #[must_use]
    pub fn storage(&self) -> PathBuf {
        self.root.join("storage")
    }

    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    #[must_use]
    pub fn audit(&self) -> PathBuf {
        Self::audit_of(&self.root)
    }

    /// Where the audit log of a data directory is, whether or not a server has it open.
    #[must_use]
    pub fn audit_of(root: &Path) -> PathBuf {
        root.join("audit")
    }

    /// Where the authority of a data directory is, whether or not a server has it open.
    #[must_use]
    pub fn tls_of(root: &Path) -> PathBuf {
        root.join("tls")
    }

    /// The file in which the server remembers the images that are roots of runtimes.
    #[must_use]
    pub fn runtime_images(&self) -> PathBuf {
        self.root.join("runtime-images.json")
    }

    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.root.join("runtime")
    }

    /// The file of the master keys, for [`crate::Codec::open`].
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.keys.clone()
    }
}
