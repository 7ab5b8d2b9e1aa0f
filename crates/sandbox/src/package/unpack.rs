//! From the bytes of a zip to files below a fresh, empty directory. Source: PKWARE APPNOTE 6.3.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::plan::{Kind, NODES_MAX, Plan, Refusal, TARGET_BYTES_MAX, TreePath};

/// The signature that starts every header of the central directory, and its smallest size.
const HEADER_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
const HEADER_BYTES_MIN: usize = 46;
const BUFFER_BYTES: usize = 64 * 1024;
const DIRECTORY_MODE: u32 = 0o755;

/// Why unpacking stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    #[error("damaged or not a zip: {0}")]
    Archive(#[from] ZipError),
    #[error("damaged: {0}")]
    Content(io::Error),
    #[error("an entry's size is not the one its header says")]
    Size,
    #[error("entries overlap")]
    Overlap,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("more than {max} bytes unpacked")]
    TooLarge { max: u64 },
    #[error("cannot write: {0}")]
    Write(io::Error),
}

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// An entry that has content.
struct Entry {
    index: usize,
    path: TreePath,
    kind: Kind,
}

/// Unpacks into the empty directory `root` and returns the bytes of all files. What was written before an error stays:
/// the caller removes `root`.
pub(super) fn unpack(zip: &[u8], root: &Path, bytes_max: u64) -> Result<u64, UnpackError> {
    let mut archive = open(zip)?;
    let (mut plan, entries) = survey(&mut archive, bytes_max)?;
    for directory in plan.directories() {
        fs::create_dir(root.join(directory)).map_err(UnpackError::Write)?;
    }
    let mut written = 0;
    for entry in &entries {
        let mut content = archive.by_index(entry.index)?;
        match entry.kind {
            Kind::File { mode } => written = copy(&mut content, &root.join(&entry.path), mode, written, bytes_max)?,
            Kind::Link => {
                let target = target(&mut content)?;
                written += target.len() as u64;
                plan.point(&entry.path, target);
            }
            Kind::Directory => {}
        }
    }
    for (path, target) in plan.links()? {
        std::os::unix::fs::symlink(target, root.join(path)).map_err(UnpackError::Write)?;
    }
    // Not left to the umask.
    for directory in plan.directories().chain([""]) {
        let permissions = Permissions::from_mode(DIRECTORY_MODE);
        fs::set_permissions(root.join(directory), permissions).map_err(UnpackError::Write)?;
    }
    Ok(written)
}

fn open(zip: &[u8]) -> Result<Archive<'_>, UnpackError> {
    // The reader keeps every header in memory; so many are refused before it does.
    if zip.len() / HEADER_BYTES_MIN > NODES_MAX {
        let headers = zip.windows(HEADER_SIGNATURE.len()).filter(|window| *window == HEADER_SIGNATURE).count();
        if headers > NODES_MAX {
            return Err(Refusal::TooMany.into());
        }
    }
    let mut archive = ZipArchive::new(Cursor::new(zip))?;
    if archive.has_duplicate_names() {
        return Err(Refusal::Collision.into());
    }
    if archive.has_overlapping_entries()? {
        return Err(UnpackError::Overlap);
    }
    Ok(archive)
}

/// Checks all names and sizes before the first byte is written.
fn survey(archive: &mut Archive<'_>, bytes_max: u64) -> Result<(Plan, Vec<Entry>), UnpackError> {
    let mut plan = Plan::default();
    let mut entries = Vec::with_capacity(archive.len());
    let mut claimed: u64 = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        let name = name(&entry)?;
        let kind = Kind::of(&name, mode(&entry))?;
        let size = entry.size();
        if (kind == Kind::Directory && size > 0) || (kind == Kind::Link && size > TARGET_BYTES_MAX) {
            return Err(UnpackError::Size);
        }
        claimed = claimed.saturating_add(size);
        if claimed > bytes_max {
            return Err(UnpackError::TooLarge { max: bytes_max });
        }
        if let Some(path) = plan.add(&name, kind)? {
            entries.push(Entry { index, path, kind });
        }
    }
    Ok((plan, entries))
}

/// Most archivers on Unix write UTF-8 without saying so; otherwise the archive's own encoding holds.
fn name<R: Read>(entry: &ZipFile<'_, R>) -> Result<String, ZipError> {
    match std::str::from_utf8(entry.name_raw()) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Ok(entry.name()?.into_owned()),
    }
}

/// The Unix mode, where the archiver was one that knows it (APPNOTE 4.4.2: 3 is Unix, 19 macOS).
fn mode<R: Read>(entry: &ZipFile<'_, R>) -> u32 {
    match entry.system() as u8 {
        3 | 19 => entry.external_attributes() >> 16,
        _ => 0,
    }
}

/// Copies one file and returns the new total. Counts what comes out, as a header may lie.
fn copy<R: Read>(
    content: &mut ZipFile<'_, R>,
    path: &Path,
    mode: u32,
    mut written: u64,
    bytes_max: u64,
) -> Result<u64, UnpackError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let mut file = options.open(path).map_err(UnpackError::Write)?;
    let size = content.size();
    let before = written;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = content.read(&mut buffer).map_err(UnpackError::Content)?;
        if read == 0 {
            break;
        }
        written += read as u64;
        if written > bytes_max {
            return Err(UnpackError::TooLarge { max: bytes_max });
        }
        if written - before > size {
            return Err(UnpackError::Size);
        }
        file.write_all(&buffer[..read]).map_err(UnpackError::Write)?;
    }
    if written - before != size {
        return Err(UnpackError::Size);
    }
    set_mode(&file, mode)?;
    Ok(written)
}

fn set_mode(file: &File, mode: u32) -> Result<(), UnpackError> {
    file.set_permissions(Permissions::from_mode(mode)).map_err(UnpackError::Write)
}

fn target<R: Read>(content: &mut ZipFile<'_, R>) -> Result<String, UnpackError> {
    let mut target = Vec::new();
    content.take(TARGET_BYTES_MAX + 1).read_to_end(&mut target).map_err(UnpackError::Content)?;
    String::from_utf8(target).map_err(|_| Refusal::Link.into())
}
