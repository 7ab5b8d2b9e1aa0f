//! Immutable bytes under their own digest: code packages and everything too large for a record.
//!
//! A blob is `ab/cd/<digest>`; a write goes to `tmp/`, to disk, and only then under its name, so a name stands for
//! whole, durable bytes. Reads compute the digest again.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::disk;
use crate::limits::{BLOB_BYTES_MAX, BLOB_OPERATIONS_MAX};
use crate::store::StoreError;

/// Blobs by SHA-256. Deleting a blob that is being put again at the same moment is the caller's to avoid.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Durable when it returns. Putting what is there already is cheap.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::Full`], [`StoreError::Internal`].
    async fn put(&self, bytes: Bytes) -> Result<[u8; 32], StoreError>;

    /// # Errors
    /// [`StoreError::Damaged`] when the bytes do not have that digest; [`StoreError::Internal`].
    async fn get(&self, digest: &[u8; 32]) -> Result<Option<Bytes>, StoreError>;

    /// Deleting what is absent is no error. While a backup copies blobs ([`BlobHold`]) nothing is deleted: what stays is
    /// deleted when it is asked for again.
    ///
    /// # Errors
    /// [`StoreError::Internal`].
    async fn delete(&self, digest: &[u8; 32]) -> Result<(), StoreError>;

    /// Every digest, in order: for collecting what no record names.
    ///
    /// # Errors
    /// [`StoreError::Internal`].
    async fn list(&self) -> Result<Vec<[u8; 32]>, StoreError>;
}

/// Keeps the blobs of a directory from being deleted, by this process or another: a backup copies the records first, and
/// the blobs these name must still be there when their turn comes. Ends when dropped.
#[derive(Debug)]
pub struct BlobHold {
    root: PathBuf,
    _lock: File,
}

impl BlobHold {
    /// Waits for deletions that have begun, and for another hold to end.
    ///
    /// # Errors
    /// The lock file beside the directory cannot be opened.
    pub fn take(root: &Path) -> io::Result<Self> {
        let lock = open_lock(root)?;
        lock.lock()?;
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    /// The files of all blobs that are there. Each is named by the SHA-256 of its content, in hexadecimal.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        let files = Files { root: self.root.clone(), next_temporary: AtomicU64::new(0) };
        let mut digests = Vec::new();
        files.walk(&files.root, 0, &mut digests)?;
        digests.sort_unstable();
        Ok(digests.iter().map(|digest| files.path(digest)).collect())
    }

    /// The same of a directory of [`BlobFiles`](crate::BlobFiles), whose names say nothing of their content.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn object_files(&self) -> io::Result<Vec<PathBuf>> {
        Ok(crate::files::files_of(&self.root)?.into_iter().map(|(_, path)| path).collect())
    }
}

/// Held shared by whoever deletes blobs, and alone by whoever copies them.
pub(crate) fn open_lock(root: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(root.with_added_extension("lock"))
}

/// Blobs as files of one directory, which only one `DirBlobs` may use.
pub struct DirBlobs {
    files: Arc<Files>,
    operations: Arc<Semaphore>,
}

impl DirBlobs {
    /// Opens or makes the directory and removes what a crash left half written.
    ///
    /// # Errors
    /// [`StoreError::Internal`] with the reason.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let files = Files { root: root.to_owned(), next_temporary: AtomicU64::new(0) };
        files.prepare().map_err(|error| failure(root, &error))?;
        Ok(Self { files: Arc::new(files), operations: Arc::new(Semaphore::new(BLOB_OPERATIONS_MAX)) })
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Files) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.operations.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let files = self.files.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            operation(&files)
        });
        task.await.map_err(|error| StoreError::Internal(error.to_string()))?
    }
}

#[async_trait]
impl Blobs for DirBlobs {
    async fn put(&self, bytes: Bytes) -> Result<[u8; 32], StoreError> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge { what: "the blob", size: bytes.len(), max: BLOB_BYTES_MAX });
        }
        self.run(move |files| files.put(&bytes)).await
    }

    async fn get(&self, digest: &[u8; 32]) -> Result<Option<Bytes>, StoreError> {
        let digest = *digest;
        self.run(move |files| files.get(&digest)).await
    }

    async fn delete(&self, digest: &[u8; 32]) -> Result<(), StoreError> {
        let digest = *digest;
        self.run(move |files| files.delete(&digest)).await
    }

    async fn list(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        self.run(Files::list).await
    }
}

/// The same, blocking.
struct Files {
    root: PathBuf,
    next_temporary: AtomicU64,
}

impl Files {
    fn prepare(&self) -> io::Result<()> {
        disk::create_private_dir(&self.root)?;
        // Made by the server, so that it is the server's.
        open_lock(&self.root)?;
        disk::remove_tree(&self.temporary_dir())?;
        disk::create_private_dir(&self.temporary_dir())
    }

    fn put(&self, bytes: &[u8]) -> Result<[u8; 32], StoreError> {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let path = self.path(&digest);
        let directory = disk::parent(&path);
        self.write(bytes, &path, directory).map_err(|error| failure(&path, &error))?;
        Ok(digest)
    }

    fn write(&self, bytes: &[u8], path: &Path, directory: &Path) -> io::Result<()> {
        // A file cut short by damage is written again.
        if fs::metadata(path).is_ok_and(|found| found.len() == bytes.len() as u64) {
            // Whoever put it first may still be about to make its name durable.
            return disk::sync_dir(directory);
        }
        disk::create_private_dir(directory)?;
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.temporary_dir().join(number.to_string());
        let written = write_durably(bytes, &temporary).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
            return written;
        }
        // A name that may not survive must not be found by the next put either.
        disk::sync_dir(directory).inspect_err(|_| {
            let _ = fs::remove_file(path);
        })
    }

    fn get(&self, digest: &[u8; 32]) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failure(&path, &error)),
        };
        let mut bytes = Vec::new();
        // One byte more than any blob has: a file that grew is damaged, not read to its end.
        let limit = BLOB_BYTES_MAX as u64 + 1;
        file.take(limit).read_to_end(&mut bytes).map_err(|error| failure(&path, &error))?;
        if Sha256::digest(&bytes).as_slice() != digest {
            return Err(StoreError::Damaged(format!("{} does not have the digest that names it", path.display())));
        }
        Ok(Some(bytes.into()))
    }

    fn delete(&self, digest: &[u8; 32]) -> Result<(), StoreError> {
        let path = self.path(digest);
        let lock = open_lock(&self.root).map_err(|error| failure(&self.root, &error))?;
        match lock.try_lock_shared() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(failure(&self.root, &error)),
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure(&path, &error)),
            _ => Ok(()),
        }
    }

    fn list(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        let mut digests = Vec::new();
        self.walk(&self.root, 0, &mut digests).map_err(|error| failure(&self.root, &error))?;
        digests.sort_unstable();
        Ok(digests)
    }

    fn walk(&self, directory: &Path, depth: u8, digests: &mut Vec<[u8; 32]>) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if depth < 2 {
                let is_fan_out = name.len() == 2;
                if is_fan_out && entry.file_type()?.is_dir() {
                    self.walk(&entry.path(), depth + 1, digests)?;
                }
                continue;
            }
            let mut digest = [0; 32];
            if hex::decode_to_slice(name.as_encoded_bytes(), &mut digest).is_ok() {
                digests.push(digest);
            }
        }
        Ok(())
    }

    fn path(&self, digest: &[u8; 32]) -> PathBuf {
        let name = hex::encode(digest);
        self.root.join(&name[..2]).join(&name[2..4]).join(name)
    }

    fn temporary_dir(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

fn write_durably(bytes: &[u8], path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(crate) fn failure(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Internal(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn store() -> (tempfile::TempDir, DirBlobs) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let blobs = DirBlobs::open(&dir.path().join("blobs")).expect("opens");
        (dir, blobs)
    }

    #[tokio::test]
    async fn what_was_put_is_found_under_its_sha256_by_the_next_life_too() {
        let (dir, blobs) = store();
        let digest = blobs.put(Bytes::from_static(b"abc")).await.expect("put");
        // Source: FIPS 180-2, example B.1.
        assert_eq!(hex::encode(digest), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        drop(blobs);
        let blobs = DirBlobs::open(&dir.path().join("blobs")).expect("opens again");
        assert_eq!(blobs.get(&digest).await, Ok(Some(Bytes::from_static(b"abc"))));
        assert_eq!(blobs.get(&[0; 32]).await, Ok(None));
        assert_eq!(blobs.list().await, Ok(vec![digest]));
        blobs.delete(&digest).await.expect("deletes");
        blobs.delete(&digest).await.expect("deletes nothing");
        assert_eq!(blobs.get(&digest).await, Ok(None));
        assert_eq!(blobs.list().await, Ok(vec![]));
    }

    #[tokio::test]
    async fn putting_the_same_bytes_again_writes_nothing() {
        use std::os::unix::fs::MetadataExt;
        let (_dir, blobs) = store();
        let digest = blobs.put(Bytes::from_static(b"abc")).await.expect("put");
        let before = fs::metadata(blobs.files.path(&digest)).expect("exists").ino();
        assert_eq!(blobs.put(Bytes::from_static(b"abc")).await, Ok(digest));
        assert_eq!(fs::metadata(blobs.files.path(&digest)).expect("exists").ino(), before);
    }

    #[tokio::test]
    async fn a_flipped_or_missing_byte_is_damage_and_never_data() {
        let (_dir, blobs) = store();
        let digest = blobs.put(Bytes::from_static(b"abcdef")).await.expect("put");
        for damaged in [&b"abcdeF"[..], b"abcde", b"", b"abcdefg"] {
            fs::write(blobs.files.path(&digest), damaged).expect("damages");
            assert!(matches!(blobs.get(&digest).await, Err(StoreError::Damaged(_))));
        }
        // Putting the true bytes again mends a file of another length.
        blobs.put(Bytes::from_static(b"abcdef")).await.expect("put");
        assert_eq!(blobs.get(&digest).await, Ok(Some(Bytes::from_static(b"abcdef"))));
    }

    #[tokio::test]
    async fn what_a_crashed_put_left_is_removed_at_open() {
        let (dir, blobs) = store();
        let leftover = blobs.files.temporary_dir().join("0");
        fs::write(&leftover, b"half").expect("writes");
        drop(blobs);
        let blobs = DirBlobs::open(&dir.path().join("blobs")).expect("opens again");
        assert!(!leftover.exists());
        assert_eq!(blobs.list().await, Ok(vec![]));
    }

    #[tokio::test]
    async fn while_they_are_held_no_blob_goes_and_afterwards_it_does() {
        let (_dir, blobs) = store();
        let digest = blobs.put(Bytes::from_static(b"abc")).await.expect("put");
        let hold = BlobHold::take(&blobs.files.root).expect("held");
        blobs.delete(&digest).await.expect("is not told");
        assert_eq!(blobs.get(&digest).await, Ok(Some(Bytes::from_static(b"abc"))));
        // Puts go on.
        let other = blobs.put(Bytes::from_static(b"def")).await.expect("put");
        drop(hold);
        blobs.delete(&digest).await.expect("deletes");
        assert_eq!(blobs.list().await, Ok(vec![other]));
    }

    #[tokio::test]
    async fn many_puts_of_one_blob_at_once_agree() {
        let (_dir, blobs) = store();
        let blobs = Arc::new(blobs);
        let bytes = Bytes::from(vec![7; 100_000]);
        let puts: Vec<_> = (0..32)
            .map(|_| {
                let (blobs, bytes) = (blobs.clone(), bytes.clone());
                tokio::spawn(async move { blobs.put(bytes).await })
            })
            .collect();
        let mut digests = Vec::new();
        for put in puts {
            digests.push(put.await.expect("runs").expect("puts"));
        }
        digests.dedup();
        assert_eq!(digests.len(), 1);
        assert_eq!(blobs.get(&digests[0]).await, Ok(Some(bytes)));
        let left = fs::read_dir(blobs.files.temporary_dir()).expect("lists").count();
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn files_and_directories_are_for_their_owner_only() {
        let (_dir, blobs) = store();
        let digest = blobs.put(Bytes::from_static(b"abc")).await.expect("put");
        let path = blobs.files.path(&digest);
        let mode = |path: &Path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(disk::parent(&path)), 0o700);
        assert_eq!(mode(&blobs.files.root), 0o700);
    }
}
