//! From a directory to a store that can be believed, or one clear sentence why not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hearth_types::Random;
use rusqlite::Connection;

use super::engine::{self, Access, Failure};
use super::rows::{self, FIRST_RECORD_KEY};
use super::scrub;
use super::shards::{self, Shards};
use super::state::State;
use super::witness::{Mark, Witness};
use crate::disk;
use crate::limits::VERIFY_AT_OPEN_BYTES_MAX;
use crate::lock::{DirLock, LockError};

/// Why the store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(
        "the store in {path} is at revision {engine}, but revision {witness} was acknowledged: its files were damaged \
         or replaced by older ones. Restore the whole directory from one backup"
    )]
    BehindWitness { path: PathBuf, engine: u64, witness: u64 },
    #[error(
        "the witness file {path} is missing, unreadable or belongs to another store, so nothing proves that the store \
         beside it is whole. Restore the whole directory from one backup"
    )]
    NoWitness { path: PathBuf },
    #[error("the store in {path} is damaged: {detail}. Restore the whole directory from one backup")]
    Damaged { path: PathBuf, detail: String },
    #[error("{path} is not a store of Hearth: choose another directory")]
    Foreign { path: PathBuf },
    #[error("the store in {path} has layout {layout}, which this Hearth does not know: use a newer Hearth")]
    Newer { path: PathBuf, layout: i32 },
    #[error("the store in {path} cannot be opened: {detail}")]
    Io { path: PathBuf, detail: String },
}

/// The files of a store.
pub(super) struct Files {
    pub(super) dir: PathBuf,
}

impl Files {
    pub(super) fn database(&self) -> PathBuf {
        self.dir.join("hearth.db")
    }

    pub(super) fn witness(&self) -> PathBuf {
        self.dir.join("witness")
    }
}

/// A store that is whole.
pub(super) struct Opened {
    pub(super) lock: DirLock,
    pub(super) connection: Connection,
    pub(super) witness: Witness,
    pub(super) state: State,
    pub(super) shards: Shards,
    /// Too large to be verified before opening.
    pub(super) verify_later: bool,
}

pub(super) fn open(dir: &Path, random: &dyn Random) -> Result<Opened, OpenError> {
    let io = |error: io::Error| OpenError::Io { path: dir.to_owned(), detail: error.to_string() };
    disk::create_private_dir(disk::parent(dir)).map_err(io)?;
    let lock = DirLock::acquire(dir, &dir.with_added_extension("lock"))?;
    let files = Files { dir: dir.to_owned() };
    let is_absent = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(io(error)),
    };
    if is_absent {
        create(dir, random).map_err(|detail| OpenError::Io { path: dir.to_owned(), detail })?;
    }
    if !files.database().is_file() {
        return Err(OpenError::Foreign { path: dir.to_owned() });
    }
    let (mut witness, mark) = match Witness::open(&files.witness()) {
        Ok(Some(found)) => found,
        Ok(None) => return Err(OpenError::NoWitness { path: files.witness() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::NoWitness { path: files.witness() });
        }
        Err(error) => return Err(io(error)),
    };
    let failed = |failure: Failure| describe(dir, failure);
    let sql = |error: rusqlite::Error| failed(error.into());
    let connection = engine::connect(&files.database(), Access::Write).map_err(sql)?;
    match engine::layout(&connection).map_err(sql)? {
        Some(layout) if engine::is_known(layout) => {}
        Some(layout) => return Err(OpenError::Newer { path: dir.to_owned(), layout }),
        None => return Err(OpenError::Foreign { path: dir.to_owned() }),
    }
    let state = State::load(&connection).map_err(failed)?;
    if mark.store_id != state.store_id {
        return Err(OpenError::NoWitness { path: files.witness() });
    }
    if state.revision < mark.revision {
        let (engine, witness) = (state.revision, mark.revision);
        return Err(OpenError::BehindWitness { path: dir.to_owned(), engine, witness });
    }
    // A crash between a commit and its mark leaves the witness behind.
    witness.note(state.revision).map_err(io)?;
    let shards = load_shards(&connection).map_err(failed)?;
    let size = fs::metadata(files.database()).map_err(io)?.len();
    let verify_later = size > VERIFY_AT_OPEN_BYTES_MAX;
    if !verify_later {
        scrub::verify(&connection, &AtomicBool::new(false)).map_err(failed)?;
    }
    Ok(Opened { lock, connection, witness, state, shards, verify_later })
}

/// Makes an empty store under another name first: a crash leaves either nothing or a whole one.
fn create(dir: &Path, random: &dyn Random) -> Result<(), String> {
    let temporary = Files { dir: dir.with_added_extension("new") };
    let text = |error: io::Error| error.to_string();
    disk::remove_tree(&temporary.dir).map_err(text)?;
    disk::create_private_dir(&temporary.dir).map_err(text)?;
    let mut store_id = [0; 16];
    random.fill(&mut store_id);
    engine::create(&temporary.database(), &State::new(store_id)).map_err(|error| error.to_string())?;
    Witness::create(&temporary.witness(), Mark { store_id, revision: 0 }).map_err(text)?;
    fs::File::open(temporary.database()).and_then(|file| file.sync_all()).map_err(text)?;
    disk::sync_dir(&temporary.dir).map_err(text)?;
    // Replaces an empty directory, but never one with something in it.
    fs::rename(&temporary.dir, dir).map_err(text)?;
    disk::sync_dir(disk::parent(dir)).map_err(text)
}

fn load_shards(connection: &Connection) -> Result<Shards, Failure> {
    let mut loaded = Shards::default();
    let mut failure = None;
    rows::visit(connection, &[], true, &FIRST_RECORD_KEY, usize::MAX, |row| {
        match shards::decode(&row) {
            Ok((shard, state)) => loaded.insert(shard, state),
            Err(error) => failure = Some(error),
        }
        failure.is_none()
    })?;
    failure.map_or(Ok(loaded), Err)
}

pub(super) fn describe(dir: &Path, failure: Failure) -> OpenError {
    let path = dir.to_owned();
    match failure {
        Failure::Damaged(detail) => OpenError::Damaged { path, detail },
        Failure::Full => OpenError::Io { path, detail: "the disk is full".to_owned() },
        Failure::Busy(detail) | Failure::Io(detail) => OpenError::Io { path, detail },
    }
}
