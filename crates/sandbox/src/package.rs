//! Code packages on disk: every uploaded zip and every image is unpacked once, into a directory named by its digest, and
//! mounted read-only into each environment that runs it. What lives here: the store of those trees. What is inside a tree is
//! never looked at again.
//!
//! ```text
//! <dir>/<64 hex digits>/     a complete tree
//! <dir>/empty/               the tree of a function without layers
//! <dir>/.<anything>/         being made or being deleted; removed at start
//! ```
//!
//! A tree appears by one rename after its content is on disk, and disappears by one rename before it is deleted: it is
//! there as a whole or not at all, whenever the machine stops.

pub mod in_process;
mod layer;
mod plan;
mod unpack;
mod unpacker;

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_ports::{CodeDigest, CodePackages, ImageError, Images, InstalledPackage, PackageError, PinnedImage};
use hearth_types::RequestContext;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use layer::Amount;
pub use unpacker::Unpacker;
pub(crate) use unpacker::main_if_requested as unpacker_main_if_requested;

/// Archives unpacked at the same time: each fills a core and the disk.
const UNPACKED_AT_ONCE_MAX: usize = 4;
/// Images fetched and unpacked at the same time. They wait for registries, and zips must not wait with them.
const FETCHED_AT_ONCE_MAX: usize = 4;
const EMPTY: &str = "empty";

/// The trees below one directory. One process at a time owns a directory.
#[derive(Clone, Debug)]
pub struct TreeStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    unpacker: Unpacker,
    /// Makes the names of temporary directories unique.
    sequence: AtomicU64,
    trees: Mutex<HashMap<CodeDigest, Tree>>,
    unpacking: Arc<Semaphore>,
    fetching: Semaphore,
}

/// What is known about a tree in this life of the process.
#[derive(Debug, Default)]
struct Tree {
    /// Held while the tree is made or deleted. Holds the unpacked bytes once known.
    gate: Arc<tokio::sync::Mutex<Option<u64>>>,
    holds: usize,
    /// No function names it any more: whoever lets go of it last deletes it.
    unwanted: bool,
    /// It stays, whether a function names it or not.
    kept: bool,
}

/// Keeps a tree from being deleted for as long as an environment uses it.
#[derive(Debug)]
pub struct TreeHold {
    inner: Arc<Inner>,
    digest: CodeDigest,
}

impl TreeStore {
    /// Opens or makes the directory and removes what a crash left half-done.
    ///
    /// # Errors
    /// I/O errors of the directory.
    pub fn open(dir: &Path, unpacker: Unpacker) -> io::Result<Self> {
        // Customers' code: for nobody else on this machine. Sandboxes get at it by mounts, not by path.
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let empty = dir.join(EMPTY);
        DirBuilder::new().recursive(true).create(&empty)?;
        fs::set_permissions(&empty, fs::Permissions::from_mode(0o755))?;
        let inner = Inner {
            dir: dir.to_owned(),
            unpacker,
            sequence: AtomicU64::new(0),
            trees: Mutex::new(HashMap::new()),
            unpacking: Arc::new(Semaphore::new(UNPACKED_AT_ONCE_MAX)),
            fetching: Semaphore::new(FETCHED_AT_ONCE_MAX),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where the tree of a package is, once installed.
    #[must_use]
    pub fn path(&self, digest: &CodeDigest) -> PathBuf {
        self.inner.path(digest)
    }

    /// A tree with nothing in it.
    #[must_use]
    pub fn empty(&self) -> PathBuf {
        self.inner.dir.join(EMPTY)
    }

    /// Says whether a tree stays that no function names: the root of a runtime. Not remembered over a restart.
    pub fn keep(&self, digest: &CodeDigest, kept: bool) {
        self.inner.trees.lock().entry(*digest).or_default().kept = kept;
    }

    /// Reserves a tree for an environment; `None` when it is not installed.
    #[must_use]
    pub fn hold(&self, digest: &CodeDigest) -> Option<TreeHold> {
        let mut trees = self.inner.trees.lock();
        if !self.inner.path(digest).is_dir() {
            return None;
        }
        trees.entry(*digest).or_default().holds += 1;
        Some(TreeHold { inner: Arc::clone(&self.inner), digest: *digest })
    }
}

impl TreeHold {
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.inner.path(&self.digest)
    }
}

impl Drop for TreeHold {
    fn drop(&mut self) {
        let last_of_unwanted = self.inner.trees.lock().get_mut(&self.digest).is_some_and(|tree| {
            tree.holds = tree.holds.saturating_sub(1);
            tree.holds == 0 && tree.unwanted
        });
        if last_of_unwanted {
            let (inner, digest) = (Arc::clone(&self.inner), self.digest);
            // A tree can have many files: never on the thread that ends an environment.
            std::thread::spawn(move || {
                if let Err(error) = inner.delete(&digest, Reason::Unwanted) {
                    tracing::warn!(?digest, %error, "an unused code tree could not be deleted; the next start tries again");
                }
            });
        }
    }
}

#[async_trait]
impl CodePackages for TreeStore {
    async fn install(
        &self,
        _: &RequestContext,
        digest: CodeDigest,
        zip: Bytes,
    ) -> Result<InstalledPackage, PackageError> {
        let gate = self.inner.gate(&digest);
        let mut known = gate.lock_owned().await;
        let permit = Arc::clone(&self.inner.unpacking).acquire_owned().await.map_err(internal)?;
        let inner = Arc::clone(&self.inner);
        // Gate and permit go along: a caller that goes away does not let a second one start meanwhile.
        let work = move || {
            let _permit = permit;
            let unpacked_bytes = inner.install(&digest, &zip, *known)?;
            *known = Some(unpacked_bytes);
            Ok(InstalledPackage { digest, unpacked_bytes })
        };
        tokio::task::spawn_blocking(work).await.map_err(internal)?
    }

    async fn install_image(&self, image: &PinnedImage, images: Arc<dyn Images>) -> Result<(), ImageError> {
        let gate = self.inner.gate(&image.digest);
        let _installing = gate.lock_owned().await;
        let path = self.path(&image.digest);
        if path.is_dir() {
            return Ok(());
        }
        let _permit = self.inner.fetching.acquire().await.map_err(internal)?;
        let tree = TemporaryTree::create(self.inner.temporary()).map_err(failed)?;
        let filled = self.fill(&tree.path, image, &*images).await;
        // Publishing syncs, and a tree that is of no use has many files to delete.
        let finished = tokio::task::spawn_blocking(move || match filled {
            Ok(()) => tree.publish(&path).map_err(|error| failed(error).into()),
            Err(error) => Err(error),
        });
        finished.await.map_err(internal)?
    }

    fn is_installed(&self, digest: &CodeDigest) -> bool {
        self.path(digest).is_dir()
    }

    async fn retain(&self, keep: &[CodeDigest]) {
        let inner = Arc::clone(&self.inner);
        let keep = keep.to_vec();
        let work = move || inner.retain(&keep);
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "unused code trees could not be deleted; the next start tries again")
            }
            Err(error) => tracing::error!(%error, "deleting unused code trees ended early"),
        }
    }
}

impl TreeStore {
    /// Unpacks the layers of an image over each other.
    async fn fill(&self, tree: &Path, image: &PinnedImage, images: &dyn Images) -> Result<(), ImageError> {
        let invalid = |why: String| ImageError::Invalid { uri: image.uri.clone(), why };
        let mut left = Amount { bytes: unpacker::IMAGE_BYTES_MAX, nodes: unpacker::IMAGE_NODES_MAX };
        let layers = images.layers(image).await?;
        for (number, layer) in layers.iter().enumerate() {
            let (layer, number, of) = (*layer, number + 1, layers.len());
            tracing::info!(image = image.uri, bytes = layer.bytes, "fetching and unpacking layer {number} of {of}");
            let blob = images.fetch(image, &layer).await?;
            let (unpacker, root) = (self.inner.unpacker.clone(), tree.to_owned());
            let apply = move || unpacker.apply(blob, &layer, &root, left);
            let applied = match tokio::task::spawn_blocking(apply).await.map_err(internal)? {
                Err(PackageError::Unreadable) => return Err(invalid("a layer cannot be unpacked".to_owned())),
                Err(PackageError::TooLarge { max }) => return Err(invalid(format!("more than {max} bytes unpacked"))),
                applied => applied?,
            };
            if applied.diff_id != layer.diff_id.0 {
                return Err(invalid("a layer has another content than its configuration says".to_owned()));
            }
            left.bytes = left.bytes.saturating_sub(applied.amount.bytes);
            left.nodes = left.nodes.saturating_sub(applied.amount.nodes);
        }
        Ok(fs::set_permissions(tree, fs::Permissions::from_mode(0o755)).map_err(failed)?)
    }
}

impl Inner {
    /// Of a tree that is to be there.
    fn gate(&self, digest: &CodeDigest) -> Arc<tokio::sync::Mutex<Option<u64>>> {
        let mut trees = self.trees.lock();
        let tree = trees.entry(*digest).or_default();
        tree.unwanted = false;
        Arc::clone(&tree.gate)
    }

    fn path(&self, digest: &CodeDigest) -> PathBuf {
        self.dir.join(digest.hex())
    }

    fn temporary(&self) -> PathBuf {
        self.dir.join(format!(".{}", self.sequence.fetch_add(1, Ordering::Relaxed)))
    }

    fn install(&self, digest: &CodeDigest, zip: &[u8], known: Option<u64>) -> Result<u64, PackageError> {
        if Sha256::digest(zip)[..] != digest.0 {
            return Err(PackageError::Internal(format!("the bytes of code package {digest:?} have another digest")));
        }
        let path = self.path(digest);
        if path.is_dir() {
            return known.map_or_else(|| tree_bytes(&path), Ok).map_err(failed);
        }
        let tree = TemporaryTree::create(self.temporary()).map_err(failed)?;
        let unpacked_bytes = self.unpacker.unpack(zip, &tree.path)?;
        tree.publish(&path).map_err(failed)?;
        Ok(unpacked_bytes)
    }

    fn retain(&self, keep: &[CodeDigest]) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let Some(digest) = name.to_str().and_then(parse_digest) else { continue };
            if !keep.contains(&digest) {
                self.delete(&digest, Reason::NotKept)?;
            }
        }
        Ok(())
    }

    fn delete(&self, digest: &CodeDigest, reason: Reason) -> io::Result<()> {
        match self.withdraw(digest, reason)? {
            Some(withdrawn) => fs::remove_dir_all(withdrawn),
            None => Ok(()),
        }
    }

    /// Takes a tree out of sight, unless it is just being installed or used; then its last user deletes it.
    fn withdraw(&self, digest: &CodeDigest, reason: Reason) -> io::Result<Option<PathBuf>> {
        let mut trees = self.trees.lock();
        // Whoever installs has a second reference to the gate, from before the lock until the tree is there.
        // Installed once more since it was found unwanted: it stays.
        if reason == Reason::Unwanted && !trees.get(digest).is_some_and(|tree| tree.unwanted) {
            return Ok(None);
        }
        if let Some(tree) = trees.get_mut(digest) {
            if tree.kept {
                return Ok(None);
            }
            let installing = Arc::strong_count(&tree.gate) > 1;
            tree.unwanted = tree.holds > 0 && !installing;
            if tree.holds > 0 || installing {
                return Ok(None);
            }
        }
        let deleted = self.temporary();
        fs::rename(self.path(digest), &deleted)?;
        trees.remove(digest);
        Ok(Some(deleted))
    }
}

/// Why a tree is deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    NotKept,
    /// Its last user has let go of it.
    Unwanted,
}

/// A directory that vanishes unless it is published.
struct TemporaryTree {
    path: PathBuf,
}

impl TemporaryTree {
    fn create(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    fn publish(self, path: &Path) -> io::Result<()> {
        // One call for all files of the tree, however many.
        rustix::fs::syncfs(File::open(&self.path)?)?;
        fs::rename(&self.path, path)?;
        match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Drop for TemporaryTree {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.path) {
            Ok(()) => {}
            // Published.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %self.path.display(), %error, "left behind until the next start"),
        }
    }
}

/// The bytes of all files of a tree that an earlier life installed.
fn tree_bytes(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { tree_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

fn parse_digest(name: &str) -> Option<CodeDigest> {
    let mut digest = [0; 32];
    hex::decode_to_slice(name, &mut digest).ok()?;
    Some(CodeDigest(digest))
}

fn failed(error: io::Error) -> PackageError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PackageError::DiskFull,
        _ => internal(error),
    }
}

fn internal(error: impl std::fmt::Display) -> PackageError {
    PackageError::Internal(format!("cannot install a code package: {error}"))
}
