//! A copy of a store while it is used, by this process, another one or nobody.
//!
//! ```text
//! witness (before) ─▶ VACUUM INTO: one consistent view ─▶ verify every row ─▶ a witness of its own ─▶ to disk
//! ```
//! What was acknowledged before the copy began is in it: the copy must not be behind the witness read first. What was
//! deleted is not, not even in free pages.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::engine::{self, Access};
use super::open::{Files, OpenError, describe};
use super::scrub;
use super::state::State;
use super::witness::{Mark, Witness};
use crate::disk;
use crate::store::Revision;

/// Copies the store in `from` into the directory `to`, which must not exist. Blocks for as long as reading and writing
/// all of it takes; whoever uses the store meanwhile goes on.
///
/// # Errors
/// [`OpenError`]: there is no store, it is damaged or behind its witness, or the disk fails. `to` may then exist.
pub(super) fn copy(from: &Path, to: &Path) -> Result<Revision, OpenError> {
    let io = |error: io::Error| OpenError::Io { path: to.to_owned(), detail: error.to_string() };
    let (source, target) = (Files { dir: from.to_owned() }, Files { dir: to.to_owned() });
    if !source.database().is_file() {
        return Err(OpenError::Foreign { path: from.to_owned() });
    }
    let acknowledged = match Witness::read(&source.witness()) {
        Ok(Some(mark)) => mark,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(OpenError::Io { path: source.witness(), detail: error.to_string() });
        }
        Ok(None) | Err(_) => return Err(OpenError::NoWitness { path: source.witness() }),
    };
    disk::create_private_dir(to).map_err(io)?;
    // Made here and not by SQLite, for the mode. It takes an empty file.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(target.database()).map_err(io)?;
    {
        let failed = |error: rusqlite::Error| describe(from, error.into());
        // Only the target is written to; but a connection that may not write at all cannot fill that either.
        let connection = engine::connect(&source.database(), Access::Write).map_err(failed)?;
        engine::layout(&connection).map_err(failed).and_then(|layout| match layout {
            Some(layout) if engine::is_known(layout) => Ok(()),
            Some(layout) => Err(OpenError::Newer { path: from.to_owned(), layout }),
            None => Err(OpenError::Foreign { path: from.to_owned() }),
        })?;
        engine::copy_into(&connection, &target.database()).map_err(failed)?;
    }
    let failed = |failure| describe(from, failure);
    let connection = engine::connect(&target.database(), Access::Write).map_err(|error| failed(error.into()))?;
    let state = State::load(&connection).map_err(failed)?;
    if state.store_id != acknowledged.store_id {
        return Err(OpenError::NoWitness { path: source.witness() });
    }
    if state.revision < acknowledged.revision {
        let (engine, witness) = (state.revision, acknowledged.revision);
        return Err(OpenError::BehindWitness { path: from.to_owned(), engine, witness });
    }
    scrub::verify(&connection, &AtomicBool::new(false)).map_err(failed)?;
    // The last connection moves the log into the database.
    connection.close().map_err(|(_, error)| failed(error.into()))?;
    Witness::create(&target.witness(), Mark { store_id: state.store_id, revision: state.revision }).map_err(io)?;
    File::open(target.database()).and_then(|file| file.sync_all()).map_err(io)?;
    disk::sync_dir(to).map_err(io)?;
    Ok(Revision(state.revision))
}
