//! Large immutable bytes as files, written and read as streams: objects and their parts.
//!
//! A file is `ab/<id>` below its directory, in blocks with a checksum behind each, so that a part of it is read and
//! compared without the rest. A write goes to `tmp/`, to disk, and only then under its name. An id is never used twice, and
//! whoever keeps bytes twice keeps two ids ([`BlobFiles::link`]): so a file belongs to one record, and goes with it.

mod reader;
mod writer;

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use hearth_types::Random;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::blobs::{failure, open_lock};
use crate::disk;
use crate::limits::FILE_OPERATIONS_MAX;
use crate::store::StoreError;

pub use reader::FileReader;
pub use writer::FileWriter;

/// Bytes of content between two checksums.
pub(crate) const BLOCK_BYTES: usize = 64 * 1024;
pub(crate) const CHECKSUM_BYTES: usize = 4;

/// The name of a file: random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileId([u8; 16]);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<FileId> for String {
    fn from(id: FileId) -> Self {
        id.to_string()
    }
}

impl FromStr for FileId {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).map(|()| Self(id))
    }
}

impl TryFrom<String> for FileId {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Files of one directory, which only one `BlobFiles` may use.
#[derive(Clone)]
pub struct BlobFiles(Arc<Inner>);

pub(crate) struct Inner {
    root: PathBuf,
    random: Arc<dyn Random>,
    operations: Arc<Semaphore>,
    readers: Mutex<Readers>,
}

/// Who reads what: a file goes when nobody does any more.
#[derive(Default)]
struct Readers {
    counts: HashMap<FileId, usize>,
    /// Deleted while they were read, or while a backup held them.
    doomed: Vec<FileId>,
}

impl BlobFiles {
    /// Opens or makes the directory and removes what a crash left half written.
    ///
    /// # Errors
    /// [`StoreError::Internal`] with the reason.
    pub fn open(root: &Path, random: Arc<dyn Random>) -> Result<Self, StoreError> {
        let prepare = || {
            disk::create_private_dir(root)?;
            open_lock(root)?;
            disk::remove_tree(&root.join("tmp"))?;
            disk::create_private_dir(&root.join("tmp"))
        };
        prepare().map_err(|error| failure(root, &error))?;
        Ok(Self(Arc::new(Inner {
            root: root.to_owned(),
            random,
            operations: Arc::new(Semaphore::new(FILE_OPERATIONS_MAX)),
            readers: Mutex::default(),
        })))
    }

    /// A new file, not there before [`FileWriter::finish`].
    ///
    /// # Errors
    /// The store's.
    pub async fn create(&self) -> Result<FileWriter, StoreError> {
        FileWriter::create(self).await
    }

    /// The same bytes under another id, durable when it returns; nothing is copied.
    ///
    /// # Errors
    /// The store's.
    pub async fn link(&self, id: FileId) -> Result<FileId, StoreError> {
        let new = self.new_id();
        self.run(move |inner| {
            let (from, to) = (inner.path(id), inner.path(new));
            let directory = disk::parent(&to);
            let linked = disk::create_private_dir(directory)
                .and_then(|()| fs::hard_link(&from, &to))
                .and_then(|()| disk::sync_dir(directory));
            linked.map_err(|error| failure(&from, &error))
        })
        .await?;
        Ok(new)
    }

    /// The content from `offset`, `length` bytes of it, as it is read. The file stays until the reader is dropped.
    #[must_use]
    pub fn read(&self, id: FileId, offset: u64, length: u64) -> FileReader {
        FileReader::new(self, id, offset, length)
    }

    /// Keeps files from being deleted until it is dropped: of an object whose files are read one after the other.
    #[must_use]
    pub fn pin(&self, ids: Vec<FileId>) -> Pin {
        let mut readers = self.0.readers.lock();
        for id in &ids {
            *readers.counts.entry(*id).or_default() += 1;
        }
        Pin { files: self.clone(), ids }
    }

    /// What is read at the moment, or held by a backup, goes later: [`BlobFiles::sweep`]. Deleting what is absent is no
    /// error.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete(&self, ids: Vec<FileId>) -> Result<(), StoreError> {
        self.0.readers.lock().doomed.extend(ids);
        self.sweep().await
    }

    /// Deletes what could not be deleted before.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let ready = {
            let mut readers = self.0.readers.lock();
            let doomed = std::mem::take(&mut readers.doomed);
            let (read, ready) = doomed.into_iter().partition(|id| readers.counts.contains_key(id));
            readers.doomed = read;
            ready
        };
        let ready: Vec<FileId> = ready;
        if ready.is_empty() {
            return Ok(());
        }
        self.run(move |inner| inner.remove(ready)).await
    }

    /// Every file that is there: for collecting what no record names.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> Result<Vec<FileId>, StoreError> {
        self.run(|inner| {
            let files = files_of(&inner.root).map_err(|error| failure(&inner.root, &error))?;
            Ok(files.into_iter().map(|(id, _)| id).collect())
        })
        .await
    }

    fn new_id(&self) -> FileId {
        let mut id = [0; 16];
        self.0.random.fill(&mut id);
        FileId(id)
    }

    /// Runs what blocks on a thread of its own.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.0.operations.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let inner = self.0.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            operation(&inner)
        });
        task.await.map_err(|error| StoreError::Internal(error.to_string()))?
    }
}

impl Inner {
    fn path(&self, id: FileId) -> PathBuf {
        let name = id.to_string();
        self.root.join(&name[..2]).join(name)
    }

    fn temporary(&self, id: FileId) -> PathBuf {
        self.root.join("tmp").join(id.to_string())
    }

    fn remove(&self, ids: Vec<FileId>) -> Result<(), StoreError> {
        let lock = open_lock(&self.root).map_err(|error| failure(&self.root, &error))?;
        match lock.try_lock_shared() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                self.readers.lock().doomed.extend(ids);
                return Ok(());
            }
            Err(TryLockError::Error(error)) => return Err(failure(&self.root, &error)),
        }
        for id in ids {
            let path = self.path(id);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failure(&path, &error)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The files of such a directory, in order.
pub(crate) fn files_of(root: &Path) -> io::Result<Vec<(FileId, PathBuf)>> {
    let mut files = Vec::new();
    for fan in fs::read_dir(root)? {
        let fan = fan?;
        if fan.file_name().len() != 2 || !fan.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(fan.path())? {
            let entry = entry?;
            if let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                files.push((id, entry.path()));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// See [`BlobFiles::pin`].
pub struct Pin {
    files: BlobFiles,
    ids: Vec<FileId>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut readers = self.files.0.readers.lock();
        for id in &self.ids {
            if let Some(count) = readers.counts.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    readers.counts.remove(id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
