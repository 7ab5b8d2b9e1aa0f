//! Bringing a backup back. Nothing is in its place before all of it has been read and compared with the manifest.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use hearth_store::{KeyRing, RestoringDir};

use crate::archive::{Counted, Hashed, MODE};
use crate::manifest::{self, FileEntry, Manifest};
use crate::{BackupError, Progress};

/// A manifest names every blob; this many bytes name more than any server has.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;

/// How every zstd frame begins. Source: RFC 8878, 3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// What to restore, and to where.
pub struct Restore<'a> {
    /// A file made by [`crate::take()`].
    pub source: &'a Path,
    /// The data directory: empty, or not there.
    pub data: &'a Path,
    /// The master keys, when the backup does not bring them.
    pub keys: Option<&'a Path>,
}

/// What came back.
#[derive(Debug)]
pub struct Restored {
    /// When the backup was begun, of the wall clock, milliseconds since the epoch.
    pub made_at_ms: i64,
    /// The Hearth that made it.
    pub version: String,
    pub files: usize,
    pub bytes: u64,
    /// Whether the server can start: its master keys are in place.
    pub has_keys: bool,
    /// The master keys it needs.
    pub master_keys: Vec<String>,
}

/// Restores a backup. Blocks. After an error the directory is as empty as before.
///
/// # Errors
/// [`BackupError`]: the directory is in use or not empty; the backup is damaged, or the keys are not its own.
pub fn restore(restore: &Restore<'_>, progress: &dyn Progress) -> Result<Restored, BackupError> {
    let file = File::open(restore.source).map_err(BackupError::at(restore.source))?;
    let size = file.metadata().map_err(BackupError::at(restore.source))?.len();
    let given_keys = restore.keys.map(|path| Ok::<_, BackupError>((path, KeyRing::open(path)?))).transpose()?;
    let restoring = RestoringDir::begin(restore.data)?;
    progress.begin("Reading the backup", size);
    let (manifest, found) = unpack(file, restore.source, &restoring.path(), progress)?;
    let damaged = |detail: String| BackupError::Damaged { path: restore.source.to_owned(), detail };
    if let Some((name, _)) = manifest.files.iter().find(|(name, entry)| found.get(*name) != Some(entry)) {
        return Err(damaged(format!("{name} is missing or not what was written")));
    }
    if let Some(name) = found.keys().find(|name| !manifest.files.contains_key(*name)) {
        return Err(damaged(format!("{name} is not in its manifest")));
    }
    let mut has_keys = found.contains_key("keys/secrets.key");
    if let Some((path, ring)) = given_keys {
        if has_keys {
            return Err(BackupError::KeysTwice);
        }
        let known = ring.ids();
        if let Some(id) = manifest.master_keys.iter().find(|id| !known.contains(id)) {
            return Err(BackupError::OtherKeys { path: path.to_owned(), id: id.clone() });
        }
        let text = fs::read(path).map_err(BackupError::at(path))?;
        create(&restoring.path(), "keys/secrets.key", &mut text.as_slice()).map_err(BackupError::at(restore.data))?;
        has_keys = true;
    }
    File::open(restoring.path())
        .and_then(|directory| Ok(rustix::fs::syncfs(&directory)?))
        .map_err(BackupError::at(restore.data))?;
    restoring.finish()?;
    Ok(Restored {
        made_at_ms: manifest.made_at_ms,
        version: manifest.version,
        files: found.len(),
        bytes: found.values().map(|entry| entry.bytes).sum(),
        has_keys,
        master_keys: manifest.master_keys,
    })
}

/// Writes all files of a backup below `into`; answers what it says of itself, and what was found.
fn unpack(
    file: File,
    source: &Path,
    into: &Path,
    progress: &dyn Progress,
) -> Result<(Manifest, BTreeMap<String, FileEntry>), BackupError> {
    let damaged = |detail: String| BackupError::Damaged { path: source.to_owned(), detail };
    let unreadable = |error: io::Error| damaged(error.to_string());
    let no_backup = || BackupError::NoBackup(source.to_owned());
    let mut counted = BufReader::new(Counted { from: file, progress });
    if !counted.fill_buf().map_err(BackupError::at(source))?.starts_with(&ZSTD_MAGIC) {
        return Err(no_backup());
    }
    let decoder = zstd::Decoder::with_buffer(counted).map_err(unreadable)?;
    let mut archive = tar::Archive::new(decoder);
    let mut entries = archive.entries().map_err(unreadable)?;

    let mut first = entries.next().ok_or_else(no_backup)?.map_err(unreadable)?;
    if &*first.path_bytes() != manifest::MARK.as_bytes() {
        return Err(no_backup());
    }
    let format = read_text(&mut first, 64).map_err(unreadable)?;
    if format != manifest::FORMAT {
        return Err(BackupError::Newer { path: source.to_owned(), format: format.trim().to_owned() });
    }
    drop(first);
    let mut found = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    for entry in entries {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if manifest.is_some() || !entry.header().entry_type().is_file() {
            return Err(damaged(format!("{name} is out of place")));
        }
        if name == manifest::NAME {
            let text = read_text(&mut entry, MANIFEST_BYTES_MAX).map_err(unreadable)?;
            manifest = Some(serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?);
            continue;
        }
        if !manifest::is_allowed(&name) || found.contains_key(&name) {
            return Err(damaged(format!("{name} is out of place")));
        }
        let mut content = Hashed::new(&mut entry, &());
        match create(into, &name, &mut content) {
            Ok(()) => {}
            // What the archive's own reader says is about the archive; what the disk says has a number.
            Err(error) if error.raw_os_error().is_none() => return Err(unreadable(error)),
            Err(error) => return Err(BackupError::at(&into.join(&name))(error)),
        }
        let bytes = content.bytes;
        found.insert(name, FileEntry { bytes, sha256: hex::encode(content.finish()) });
    }
    // The compression's checksum is behind the end of the archive.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unreadable)?;
    let manifest = manifest.ok_or_else(|| damaged("its end is missing".to_owned()))?;
    Ok((manifest, found))
}

fn create(into: &Path, name: &str, content: &mut dyn Read) -> io::Result<()> {
    let path = into.join(name);
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    // Whoever is to trust the server's certificate reads it.
    let mode = if name == "tls/ca.pem" { 0o644 } else { MODE };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    io::copy(content, &mut file).map(drop)
}

fn read_text(from: &mut dyn Read, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    from.take(bytes_max).read_to_string(&mut text)?;
    Ok(text)
}
