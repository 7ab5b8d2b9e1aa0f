//! Where a server keeps everything: one directory, one server.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
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
/// restoring/         a backup that is being restored     crates/backup
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
    #[error("a restore into {data} did not come to its end: empty that directory and run `hearth restore` again")]
    HalfRestored { data: PathBuf },
    #[error(
        "{data} is not empty: choose another directory (--data DIR), or move this one away first (mv {data} {data}.old)"
    )]
    NotEmpty { data: PathBuf },
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
        Self::open_with_keys(path, Self::keys_of(path))
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
        let keys = Self::keys_of(&root);
        Self::open_root(root, keys, Some(temporary))
    }

    fn open_root(root: PathBuf, keys: PathBuf, ephemeral: Option<TempDir>) -> Result<Self, DataDirError> {
        let io = |source| DataDirError::Io { path: root.clone(), source };
        disk::create_private_dir(&root).map_err(io)?;
        let lock = DirLock::acquire(&root, &root.join("lock"))?;
        if restoring(&root).exists() {
            return Err(DataDirError::HalfRestored { data: root });
        }
        // A fresh key would open none of the old secrets, and new ones would hide that the old are lost.
        if root.join("store").exists() && !keys.exists() {
            return Err(DataDirError::KeysMissing { data: root, keys });
        }
        // Before the store is: one without keys is always a loss, never an interrupted first start.
        KeyRing::open_or_create(&keys, &OsRandom)?;
        for name in ["blobs", "objects", "trees", "storage", "logs", "runtime", "runtimes"] {
            disk::create_private_dir(&root.join(name)).map_err(io)?;
        }
        Ok(Self { root, keys, _lock: lock, _ephemeral: ephemeral })
    }

    /// Where the embedded store of a data directory is, whether or not a server has it open.
    #[must_use]
    pub fn store_of(root: &Path) -> PathBuf {
        root.join("store")
    }

    /// In the place of the records of a data directory: which database has them, if one does.
    #[must_use]
    pub fn database_of(root: &Path) -> PathBuf {
        Self::store_of(root).join("postgres")
    }

    /// Where the blobs of a data directory are, whether or not a server has it open.
    #[must_use]
    pub fn blobs_of(root: &Path) -> PathBuf {
        root.join("blobs")
    }

    /// Where the files of objects are in a data directory, whether or not a server has it open.
    #[must_use]
    pub fn objects_of(root: &Path) -> PathBuf {
        root.join("objects")
    }

    /// Where the log segments of a data directory are, whether or not a server has it open.
    #[must_use]
    pub fn logs_of(root: &Path) -> PathBuf {
        root.join("logs")
    }

    /// Where the master keys of a data directory are, unless they are elsewhere.
    #[must_use]
    pub fn keys_of(root: &Path) -> PathBuf {
        root.join("keys").join("secrets.key")
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// For [`crate::SqliteStore::open`], which makes it.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        Self::store_of(&self.root)
    }

    #[must_use]
    pub fn objects(&self) -> PathBuf {
        Self::objects_of(&self.root)
    }

    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        Self::blobs_of(&self.root)
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
        Self::logs_of(&self.root)
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

    /// Where interpreters are installed in a data directory, one directory each, whether or not a server has it open.
    #[must_use]
    pub fn runtimes_of(root: &Path) -> PathBuf {
        root.join("runtimes")
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

/// What an ext4 disk of its own begins with.
const LOST_AND_FOUND: &str = "lost+found";

/// An empty data directory into which a backup is being restored. What is put into [`RestoringDir::path`] becomes the
/// data's all at once; dropped before, it leaves the directory empty. A server does not start on anything between.
#[derive(Debug)]
pub struct RestoringDir {
    root: PathBuf,
    is_done: bool,
    _lock: DirLock,
}

impl RestoringDir {
    /// Locks an empty or missing directory.
    ///
    /// # Errors
    /// [`DataDirError`]: it is in use, or there is something in it.
    pub fn begin(root: &Path) -> Result<Self, DataDirError> {
        let io = |source| DataDirError::Io { path: root.to_owned(), source };
        disk::create_private_dir(root).map_err(io)?;
        let lock = DirLock::acquire(root, &root.join("lock"))?;
        for entry in std::fs::read_dir(root).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            if name != "lock" && name != LOST_AND_FOUND {
                return Err(DataDirError::NotEmpty { data: root.to_owned() });
            }
        }
        disk::create_private_dir(&restoring(root)).map_err(io)?;
        Ok(Self { root: root.to_owned(), is_done: false, _lock: lock })
    }

    #[must_use]
    pub fn path(&self) -> PathBuf {
        restoring(&self.root)
    }

    /// Moves everything into its place. The mark that it is not all there goes last.
    ///
    /// # Errors
    /// The disk fails; the directory then cannot be used.
    pub fn finish(mut self) -> Result<(), DataDirError> {
        let io = |source| DataDirError::Io { path: self.root.clone(), source };
        let from = self.path();
        self.is_done = true;
        disk::sync_dir(&from).map_err(io)?;
        for entry in std::fs::read_dir(&from).map_err(io)? {
            let entry = entry.map_err(io)?;
            std::fs::rename(entry.path(), self.root.join(entry.file_name())).map_err(io)?;
        }
        let owner = std::fs::metadata(&self.root).map_err(io)?;
        for entry in std::fs::read_dir(&self.root).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entry.file_name() != LOST_AND_FOUND {
                give(&entry.path(), owner.uid(), owner.gid()).map_err(io)?;
            }
        }
        disk::sync_dir(&self.root).map_err(io)?;
        std::fs::remove_dir(&from).map_err(io)?;
        disk::sync_dir(&self.root).map_err(io)
    }
}

impl Drop for RestoringDir {
    fn drop(&mut self) {
        if !self.is_done
            && let Err(error) = disk::remove_tree(&restoring(&self.root))
        {
            tracing::warn!(%error, path = %self.root.display(), "a restore that failed could not be tidied up");
        }
    }
}

/// Whoever owns the directory, such as the server's user, owns what root restores into it.
fn give(path: &Path, user: u32, group: u32) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give(&entry?.path(), user, group)?;
        }
    }
    if metadata.uid() == user { Ok(()) } else { lchown(path, Some(user), Some(group)) }
}

fn restoring(root: &Path) -> PathBuf {
    root.join("restoring")
}
