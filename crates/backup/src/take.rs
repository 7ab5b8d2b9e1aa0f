//! Taking a backup.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use hearth_store::{BlobHold, DataDir, KeyRing, SqliteStore};
use tempfile::NamedTempFile;

use crate::archive::Writer;
use crate::manifest::{self, Manifest};
use crate::{BackupError, Progress};

/// One write to the disk.
const BUFFER_BYTES: usize = 1 << 20;
/// How the files begin that a backup needs while it is made, beside what it becomes.
const TEMPORARY: &str = ".hearth-backup-";

/// What to back up, and to where.
pub struct Take<'a> {
    /// The data directory.
    pub data: &'a Path,
    /// The file to make; it must not be there.
    pub target: &'a Path,
    /// Whether the master keys and the key for HTTPS go along.
    pub with_keys: bool,
    pub journals: &'a [Journal],
    /// Of this Hearth.
    pub version: &'a str,
    /// The wall clock, milliseconds since the epoch.
    pub now_ms: i64,
}

/// How many bytes of a file, read at any moment, are whole entries.
pub type Whole = fn(&[u8]) -> usize;

/// Files of a directory that somebody may be appending to.
pub struct Journal {
    /// Within the data directory.
    pub directory: &'static str,
    /// Other files are left out.
    pub extension: &'static str,
    pub whole: Whole,
}

/// A backup that is on disk.
#[derive(Debug)]
pub struct Taken {
    /// Of the store's copy.
    pub revision: u64,
    /// Bytes of the records, the blobs, the logs and all else.
    pub store_bytes: u64,
    pub blobs: usize,
    pub blob_bytes: u64,
    /// Of objects that are too large for a record.
    pub object_files: usize,
    pub object_bytes: u64,
    pub journal_bytes: u64,
    /// Of the file.
    pub file_bytes: u64,
}

/// Writes a backup. Blocks. What is at `target` afterwards is whole and on disk, or nothing is.
///
/// # Errors
/// [`BackupError`].
pub fn take(take: &Take<'_>, progress: &dyn Progress) -> Result<Taken, BackupError> {
    let Take { data, target, .. } = take;
    if !data.is_dir() {
        return Err(BackupError::NoData(data.to_path_buf()));
    }
    let store = DataDir::store_of(data);
    if !store.try_exists().map_err(BackupError::at(&store))? || DataDir::database_of(data).exists() {
        return Err(BackupError::NoStore(data.to_path_buf()));
    }
    if target.exists() {
        return Err(BackupError::TargetExists(target.to_path_buf()));
    }
    let keys = DataDir::keys_of(data);
    let master_keys = KeyRing::open(&keys)?.ids();

    let beside = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let at_target = || BackupError::at(beside);
    let scratch = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(beside).map_err(at_target())?;
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(beside).map_err(at_target())?;

    let blobs = DataDir::blobs_of(data);
    let hold = BlobHold::take(&blobs).map_err(BackupError::at(&blobs))?;
    let objects = DataDir::objects_of(data);
    // A data directory of an older Hearth has none.
    let objects_hold =
        objects.is_dir().then(|| BlobHold::take(&objects)).transpose().map_err(BackupError::at(&objects))?;
    progress.begin("Copying the records", 0);
    let copy = scratch.path().join("store");
    let revision = SqliteStore::copy(&store, &copy)?.0;

    let plan = Plan::of(take, &copy, &hold, objects_hold.as_ref())?;
    progress.begin("Writing the backup", plan.bytes());
    let mtime_s = u64::try_from(take.now_ms / 1_000).unwrap_or(0);
    let buffered = BufWriter::with_capacity(BUFFER_BYTES, file.as_file_mut());
    let mut writer = Writer::new(buffered, mtime_s).map_err(at_target())?;
    let add_text = |writer: &mut Writer<_>, name: &str, text: &str| {
        writer.add(name, text.len() as u64, text.as_bytes(), &()).map_err(at_target())
    };
    add_text(&mut writer, manifest::MARK, manifest::FORMAT)?;
    writer.files.clear();
    for (name, path, bytes) in plan.store.iter().chain(&plan.keys) {
        let content = File::open(path).map_err(BackupError::at(path))?;
        writer.add(name, *bytes, content, progress).map_err(BackupError::at(path))?;
    }
    for (name, path, bytes) in &plan.blobs {
        let content = File::open(path).map_err(BackupError::at(path))?;
        let digest = writer.add(name, *bytes, content, progress).map_err(BackupError::at(path))?;
        if path.file_name().is_none_or(|name| *name != *hex::encode(digest)) {
            return Err(BackupError::DamagedBlob(path.clone()));
        }
    }
    drop(hold);
    for (name, path, bytes) in &plan.objects {
        let content = File::open(path).map_err(BackupError::at(path))?;
        writer.add(name, *bytes, content, progress).map_err(BackupError::at(path))?;
    }
    drop(objects_hold);
    let mut journal_bytes = 0;
    for (name, path, whole) in &plan.journals {
        // It may have been packed or have expired meanwhile: then it is there in another form, or not wanted any more.
        let Some(content) = read_if_there(path)? else { continue };
        let bytes = whole(&content) as u64;
        writer.add(name, bytes, content.as_slice(), progress).map_err(at_target())?;
        journal_bytes += bytes;
    }
    let manifest = Manifest {
        version: take.version.to_owned(),
        made_at_ms: take.now_ms,
        revision,
        master_keys,
        files: std::mem::take(&mut writer.files),
    };
    let text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| BackupError::Io { path: target.to_path_buf(), source: error.into() })?;
    add_text(&mut writer, manifest::NAME, &text)?;
    writer.finish().and_then(|mut buffered| buffered.flush()).map_err(at_target())?;
    let file_bytes = publish(file, target, beside)?;
    let sum = |files: &[Listed]| files.iter().map(|(_, _, bytes)| bytes).sum::<u64>();
    Ok(Taken {
        revision,
        store_bytes: sum(&plan.store),
        blobs: plan.blobs.len(),
        blob_bytes: sum(&plan.blobs),
        object_files: plan.objects.len(),
        object_bytes: sum(&plan.objects),
        journal_bytes,
        file_bytes,
    })
}

/// To disk, and only then under its name.
fn publish(file: NamedTempFile, target: &Path, beside: &Path) -> Result<u64, BackupError> {
    file.as_file().sync_all().map_err(BackupError::at(beside))?;
    let bytes = file.as_file().metadata().map_err(BackupError::at(beside))?.len();
    file.persist_noclobber(target).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => BackupError::TargetExists(target.to_owned()),
        _ => BackupError::at(target)(error.error),
    })?;
    File::open(beside).and_then(|directory| directory.sync_all()).map_err(BackupError::at(beside))?;
    Ok(bytes)
}

/// Name in the backup, place on disk, bytes.
type Listed = (String, PathBuf, u64);

/// What goes into a backup.
struct Plan {
    store: Vec<Listed>,
    keys: Vec<Listed>,
    blobs: Vec<Listed>,
    objects: Vec<Listed>,
    journals: Vec<(String, PathBuf, Whole)>,
    /// As of now: they may grow or be packed.
    journal_bytes: u64,
}

impl Plan {
    fn of(take: &Take<'_>, copy: &Path, hold: &BlobHold, objects_hold: Option<&BlobHold>) -> Result<Self, BackupError> {
        let listed = |name: String, path: PathBuf| {
            let bytes = fs::metadata(&path).map_err(BackupError::at(&path))?.len();
            Ok::<_, BackupError>((name, path, bytes))
        };
        let mut store = Vec::new();
        for (name, path) in files_of(copy)? {
            store.push(listed(format!("store/{name}"), path)?);
        }
        let mut keys = Vec::new();
        if take.with_keys {
            keys.push(listed("keys/secrets.key".to_owned(), DataDir::keys_of(take.data))?);
            for (name, path) in files_of(&DataDir::tls_of(take.data))? {
                keys.push(listed(format!("tls/{name}"), path)?);
            }
        }
        let root = DataDir::blobs_of(take.data);
        let mut blobs = Vec::new();
        for path in hold.files().map_err(BackupError::at(&root))? {
            let name = path.strip_prefix(take.data).unwrap_or(&path).to_string_lossy().into_owned();
            blobs.push(listed(name, path)?);
        }
        let mut objects = Vec::new();
        if let Some(hold) = objects_hold {
            for path in hold.object_files().map_err(BackupError::at(&DataDir::objects_of(take.data)))? {
                let name = path.strip_prefix(take.data).unwrap_or(&path).to_string_lossy().into_owned();
                objects.push(listed(name, path)?);
            }
        }
        let (mut journals, mut journal_bytes) = (Vec::new(), 0);
        for Journal { directory, extension, whole } in take.journals {
            for (name, path) in files_of(&take.data.join(directory))? {
                if path.extension().is_some_and(|found| found == *extension) {
                    journal_bytes += fs::metadata(&path).map_or(0, |metadata| metadata.len());
                    journals.push((format!("{directory}/{name}"), path, *whole));
                }
            }
        }
        Ok(Self { store, keys, blobs, objects, journals, journal_bytes })
    }

    fn bytes(&self) -> u64 {
        let listed = self.store.iter().chain(&self.keys).chain(&self.blobs).chain(&self.objects);
        listed.map(|(_, _, bytes)| bytes).sum::<u64>() + self.journal_bytes
    }
}

/// The files directly in a directory, by name and in order; none when it is not there.
fn files_of(directory: &Path) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(BackupError::at(directory))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(BackupError::at(directory))?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            files.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, BackupError> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(BackupError::at(path)),
    }
}
