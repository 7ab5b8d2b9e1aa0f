//! From the bytes of an image's layer to a changed tree. Source: OCI image specification, "Image Layer Filesystem
//! Changeset".
//!
//! A layer's names lead through links of earlier entries, as they do in a container, and never out of the tree: each name
//! is resolved here, link by link, into one without links, with the tree as its root.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flate2::bufread::MultiGzDecoder;
use hearth_ports::LayerCompression;
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use super::plan::{DEPTH_MAX, LINKS_FOLLOWED_MAX, PATH_BYTES_MAX, Refusal};
use super::unpack::UnpackError;

const BUFFER_BYTES: usize = 64 << 10;
/// What of a layer's stream is not content: a header for each entry, and names.
const HEADERS_BYTES_MAX: u64 = 2 << 30;
/// A file that stands for the absence of another, or of all others.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other names that begin so mean something to aufs only.
const RESERVED: &[u8] = b".wh..wh.";
/// Whoever owns the tree must be able to read and to delete it.
const FILE_MODE_LEAST: u32 = 0o400;
const DIRECTORY_MODE_LEAST: u32 = 0o700;
const DIRECTORY_MODE: u32 = 0o755;
const PERMISSIONS: u32 = 0o777;

/// How much an image may still hold, or how much a layer held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) bytes: u64,
    pub(super) nodes: u64,
}

/// What a layer turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) amount: Amount,
    /// SHA-256 of the layer, uncompressed.
    pub(super) diff_id: [u8; 32],
}

/// Applies a layer to the tree at `root`. After an error the tree is of no use.
pub(super) fn apply(
    layer: impl Read,
    compression: LayerCompression,
    root: &Path,
    max: Amount,
) -> Result<Applied, UnpackError> {
    let buffered = BufReader::with_capacity(BUFFER_BYTES, layer);
    let stream: Box<dyn Read + '_> = match compression {
        LayerCompression::None => Box::new(buffered),
        LayerCompression::Gzip => Box::new(MultiGzDecoder::new(buffered)),
        LayerCompression::Zstd => Box::new(zstd::Decoder::with_buffer(buffered).map_err(UnpackError::Content)?),
    };
    let mut hashed = Hashed { stream, hash: Sha256::new(), left: max.bytes.saturating_add(HEADERS_BYTES_MAX) };
    let mut tree = Tree { root, touched: BTreeSet::new(), parent: None, left: max };
    let mut archive = Archive::new(&mut hashed);
    for entry in archive.entries().map_err(UnpackError::Content)? {
        tree.apply(&mut entry.map_err(UnpackError::Content)?)?;
    }
    // What follows the end of the archive belongs to the digest.
    io::copy(&mut hashed, &mut io::sink()).map_err(UnpackError::Content)?;
    let amount = Amount { bytes: max.bytes - tree.left.bytes, nodes: max.nodes - tree.left.nodes };
    Ok(Applied { amount, diff_id: hashed.hash.finalize().into() })
}

/// A stream that is hashed as it is read, and ends in an error when it is too long.
struct Hashed<R> {
    stream: R,
    hash: Sha256,
    left: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other("the layer is too long"))?;
        Ok(read)
    }
}

struct Tree<'a> {
    root: &'a Path,
    /// What this layer has made or confirmed; whiteouts are about what was there before.
    touched: BTreeSet<PathBuf>,
    /// The last parent and what it resolved to: entries of one directory follow each other.
    parent: Option<(PathBuf, PathBuf)>,
    left: Amount,
}

impl Tree<'_> {
    fn apply<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), UnpackError> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let name = plain(&entry.path_bytes())?;
        let Some(file_name) = name.file_name().map(OsStr::to_owned) else {
            // The root itself, as in `./`: its mode is the platform's.
            return if kind.is_dir() { Ok(()) } else { Err(Refusal::Name.into()) };
        };
        let parent = name.parent().unwrap_or(Path::new(""));
        if file_name.as_bytes().starts_with(WHITEOUT) {
            return self.hide(parent, file_name.as_bytes());
        }
        let path = self.parent(parent, true)?.ok_or(Refusal::Collision)?.join(&file_name);
        check_length(&path)?;
        let mode = entry.header().mode().map_err(UnpackError::Content)? & PERMISSIONS;
        match kind {
            EntryType::Directory => self.directory(&path, mode)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => self.file(&path, mode, entry)?,
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or(Refusal::Link)?.into_owned();
                self.vacate(&path)?;
                symlink(OsString::from_vec(target), self.at(&path)).map_err(written)?;
                self.parent = None;
            }
            EntryType::Link => {
                let target = plain(&entry.link_name_bytes().ok_or(Refusal::Link)?)?;
                self.link(&path, &target)?;
            }
            // Devices and pipes: a sandbox has its own, and none elsewhere.
            _ => return Ok(()),
        }
        self.touched.insert(path);
        Ok(())
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }

    fn count(&mut self) -> Result<(), UnpackError> {
        self.left.nodes = self.left.nodes.checked_sub(1).ok_or(Refusal::TooMany)?;
        Ok(())
    }

    fn metadata(&self, path: &Path) -> Result<Option<fs::Metadata>, UnpackError> {
        match fs::symlink_metadata(self.at(path)) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(written(error)),
        }
    }

    fn directory(&mut self, path: &Path, mode: u32) -> Result<(), UnpackError> {
        if !self.metadata(path)?.is_some_and(|metadata| metadata.is_dir()) {
            self.vacate(path)?;
            self.make_directory(path)?;
        }
        let permissions = Permissions::from_mode(mode | DIRECTORY_MODE_LEAST);
        fs::set_permissions(self.at(path), permissions).map_err(written)
    }

    fn make_directory(&mut self, path: &Path) -> Result<(), UnpackError> {
        check_length(path)?;
        self.count()?;
        fs::create_dir(self.at(path)).map_err(written)
    }

    fn file<R: Read>(&mut self, path: &Path, mode: u32, entry: &mut Entry<'_, R>) -> Result<(), UnpackError> {
        self.vacate(path)?;
        self.count()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(self.at(path)).map_err(written)?;
        let size = entry.size();
        self.left.bytes =
            self.left.bytes.checked_sub(size).ok_or(UnpackError::TooLarge { max: super::unpacker::IMAGE_BYTES_MAX })?;
        if copy(entry, &mut file)? != size {
            return Err(UnpackError::Size);
        }
        // Compiled Python goes by the time of its source.
        let modified =
            UNIX_EPOCH + Duration::from_secs(entry.header().mtime().unwrap_or_default().min(i32::MAX as u64));
        file.set_times(FileTimes::new().set_modified(modified)).map_err(written)?;
        file.set_permissions(Permissions::from_mode(mode | FILE_MODE_LEAST)).map_err(written)
    }

    /// A second name of a file that is there.
    fn link(&mut self, path: &Path, target: &Path) -> Result<(), UnpackError> {
        let name = target.file_name().ok_or(Refusal::Link)?.to_owned();
        let parent = self.parent(target.parent().unwrap_or(Path::new("")), false)?.ok_or(Refusal::Link)?;
        let target = parent.join(name);
        let is_linkable = self.metadata(&target)?.is_some_and(|metadata| !metadata.is_dir());
        // A file is not taken away to make room for its own second name.
        if !is_linkable || target == path {
            return Err(Refusal::Link.into());
        }
        self.vacate(path)?;
        self.count()?;
        fs::hard_link(self.at(&target), self.at(path)).map_err(written)?;
        self.parent = None;
        Ok(())
    }

    /// Makes room for something else of this name.
    fn vacate(&mut self, path: &Path) -> Result<(), UnpackError> {
        match self.metadata(path)? {
            None => Ok(()),
            Some(metadata) => self.remove(path, metadata.is_dir()),
        }
    }

    fn remove(&mut self, path: &Path, is_directory: bool) -> Result<(), UnpackError> {
        self.parent = None;
        let at = self.at(path);
        if is_directory { fs::remove_dir_all(at) } else { fs::remove_file(at) }.map_err(written)
    }

    /// A whiteout: takes away what earlier layers have under a name, or in a whole directory.
    fn hide(&mut self, parent: &Path, whiteout: &[u8]) -> Result<(), UnpackError> {
        let Some(parent) = self.parent(parent, false)? else { return Ok(()) };
        if whiteout == OPAQUE {
            return self.prune_children(&parent);
        }
        if whiteout.starts_with(RESERVED) {
            return Ok(());
        }
        let name = &whiteout[WHITEOUT.len()..];
        if matches!(name, b"" | b"." | b"..") {
            return Err(Refusal::Name.into());
        }
        self.prune(&parent.join(OsStr::from_bytes(name)))
    }

    fn prune(&mut self, path: &Path) -> Result<(), UnpackError> {
        let Some(metadata) = self.metadata(path)? else { return Ok(()) };
        if !self.touches(path) {
            return self.remove(path, metadata.is_dir());
        }
        if metadata.is_dir() { self.prune_children(path) } else { Ok(()) }
    }

    fn prune_children(&mut self, path: &Path) -> Result<(), UnpackError> {
        for entry in fs::read_dir(self.at(path)).map_err(written)? {
            let name = entry.map_err(written)?.file_name();
            self.prune(&path.join(name))?;
        }
        Ok(())
    }

    /// Whether this layer has made it, or something in it.
    fn touches(&self, path: &Path) -> bool {
        self.touched.range(path.to_owned()..).next().is_some_and(|next| next.starts_with(path))
    }

    /// Where a directory's name leads: a path without links. Makes what is missing of it, or answers `None`.
    fn parent(&mut self, name: &Path, make: bool) -> Result<Option<PathBuf>, UnpackError> {
        if let Some((known, resolved)) = &self.parent
            && known == name
        {
            return Ok(Some(resolved.clone()));
        }
        let mut rest: VecDeque<OsString> = parts(name).collect();
        let mut resolved = PathBuf::new();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                // The parent of the root is the root.
                resolved.pop();
                continue;
            }
            let next = resolved.join(&part);
            match self.metadata(&next)? {
                Some(metadata) if metadata.is_dir() => resolved = next,
                Some(metadata) if metadata.is_symlink() => {
                    links += 1;
                    if links > LINKS_FOLLOWED_MAX {
                        return Err(Refusal::Link.into());
                    }
                    let target = fs::read_link(self.at(&next)).map_err(written)?;
                    if target.has_root() {
                        resolved.clear();
                    }
                    for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(part);
                    }
                }
                Some(_) if make => return Err(Refusal::Collision.into()),
                Some(_) => return Ok(None),
                None if make => {
                    self.make_directory(&next)?;
                    let permissions = Permissions::from_mode(DIRECTORY_MODE);
                    fs::set_permissions(self.at(&next), permissions).map_err(written)?;
                    resolved = next;
                }
                None => return Ok(None),
            }
        }
        self.parent = Some((name.to_owned(), resolved.clone()));
        Ok(Some(resolved))
    }
}

/// The names a link's target or a directory is made of; `..` among them.
fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// An entry's name below the root, without `.`; one with `..` is none.
fn plain(name: &[u8]) -> Result<PathBuf, Refusal> {
    let path = Path::new(OsStr::from_bytes(name));
    if name.contains(&0) || path.components().any(|component| component == Component::ParentDir) {
        return Err(Refusal::Outside);
    }
    Ok(parts(path).collect())
}

fn check_length(path: &Path) -> Result<(), Refusal> {
    let fits = path.as_os_str().len() <= PATH_BYTES_MAX && path.components().count() <= DEPTH_MAX;
    if fits { Ok(()) } else { Err(Refusal::TooMany) }
}

fn copy<R: Read>(content: &mut Entry<'_, R>, file: &mut File) -> Result<u64, UnpackError> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut copied = 0;
    loop {
        let read = content.read(&mut buffer).map_err(UnpackError::Content)?;
        if read == 0 {
            return Ok(copied);
        }
        io::Write::write_all(file, &buffer[..read]).map_err(written)?;
        copied += read as u64;
    }
}

/// A name the kernel does not take is the layer's fault, everything else the disk's.
fn written(error: io::Error) -> UnpackError {
    match error.raw_os_error() {
        Some(libc::ENAMETOOLONG) => Refusal::Name.into(),
        Some(libc::ENOENT | libc::EINVAL | libc::EEXIST | libc::ENOTDIR | libc::ELOOP | libc::EMLINK) => {
            Refusal::Collision.into()
        }
        _ => UnpackError::Write(error),
    }
}

#[cfg(test)]
mod tests;
