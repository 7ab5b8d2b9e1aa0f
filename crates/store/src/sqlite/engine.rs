//! SQLite itself: the file, its settings, and what its errors mean.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::rows::SCHEMA;
use super::state::State;
use crate::limits::{ENGINE_LOCK_WAIT, WAL_HARD_BYTES};
use crate::store::StoreError;

/// "HRTH": tells our files from other SQLite databases.
const APPLICATION_ID: i32 = 0x4852_5448;
/// Layout of the tables. Records carry their own versions.
const LAYOUT: i32 = 1;
/// Of a file that is made now; older files keep theirs. Twice SQLite's default: what one request sends to a queue, ten
/// messages of a hundred bytes, lies in a page with others of its kind. A page of the default size holds a quarter of
/// itself of a row at most (SQLite's "Database File Format", 1.6), so each of those would have a page of overflow of its own.
const PAGE_BYTES: u32 = 8_192;
/// Pages a connection keeps in memory, KiB (a negative number means KiB to SQLite).
const CACHE_KIB: i32 = -8 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
}

/// Makes a database that holds nothing but `state`.
pub(super) fn create(path: &Path, state: &State) -> rusqlite::Result<()> {
    // Made here and not by SQLite, for the mode; the log files inherit it.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some(error.to_string()),
        )
    })?;
    let mut connection = open_file(path, Access::Write)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    configure(&connection, Access::Write)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", LAYOUT)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    state.save(&transaction)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)
}

/// Connects to an existing database.
pub(super) fn connect(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let connection = open_file(path, access)?;
    configure(&connection, access)?;
    Ok(connection)
}

/// The layout version of the file; `None` when it is not ours.
pub(super) fn layout(connection: &Connection) -> rusqlite::Result<Option<i32>> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    Ok(if number("application_id")? == APPLICATION_ID { Some(number("user_version")?) } else { None })
}

pub(super) const fn is_known(layout: i32) -> bool {
    layout == LAYOUT
}

/// Of this file.
pub(super) fn page_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).map(u64::from)
}

/// Lets the file grow to `bytes` and no further.
pub(super) fn limit_size(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let pages = i64::try_from(bytes / page_bytes(connection)?).unwrap_or(i64::MAX);
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}

/// Writes what `connection` sees now, as one consistent view, into the empty file `path`, and makes it a database like
/// those of [`create`].
pub(super) fn copy_into(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    let name = path.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(path.to_owned()))?;
    connection.execute("VACUUM INTO ?1", [name])?;
    // The one thing about the file that is not copied.
    let copy = open_file(path, Access::Write)?;
    copy.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    copy.close().map_err(|(_, error)| error)
}

fn open_file(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let direction = match access {
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        // A reader of a write-ahead log writes to the shared index beside it, so the file is opened the same way.
        Access::Read => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    Connection::open_with_flags(path, direction | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn configure(connection: &Connection, access: Access) -> rusqlite::Result<()> {
    connection.busy_timeout(ENGINE_LOCK_WAIT.duration())?;
    // Belongs to the connection, not to the file: a checkpoint by a connection without it would not sync.
    connection.pragma_update(None, "synchronous", "full")?;
    // Checkpoints have a thread of their own.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A log that a long reader made longer gives its room back when it begins again.
    let log_bytes_max = i64::try_from(WAL_HARD_BYTES).unwrap_or(i64::MAX);
    connection.pragma_update_and_check(None, "journal_size_limit", log_bytes_max, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // The file may lie: check page contents, believe nothing in the schema, allow no writes around SQL.
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    if access == Access::Read {
        connection.pragma_update(None, "query_only", true)?;
    }
    Ok(())
}

pub(super) type Step<T> = Result<T, Failure>;

/// What an error of the engine means for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Full,
    Damaged(String),
    /// Nothing happened; another program holds the file.
    Busy(String),
    /// The disk or the kernel refused: what is on disk is not known any more.
    Io(String),
}

impl Failure {
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let text = error.to_string();
        match error {
            E::SqliteFailure(code, _) => match code.code {
                ErrorCode::DiskFull => Self::Full,
                // The index of the write-ahead log cannot grow: nothing says that what is on disk is in doubt.
                _ if code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => Self::Full,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy(text),
                // Our statements are fixed: when one does not compile or breaks a constraint, the tables are not
                // the ones we made.
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::Unknown => Self::Damaged(text),
                _ => Self::Io(text),
            },
            E::SqlInputError { .. }
            | E::QueryReturnedNoRows
            | E::InvalidColumnType(..)
            | E::InvalidColumnIndex(_)
            | E::InvalidColumnName(_)
            | E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..) => Self::Damaged(text),
            _ => Self::Io(text),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Damaged(detail) => Self::Damaged(detail),
            Failure::Busy(detail) | Failure::Io(detail) => Self::Internal(detail),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::of(&error)
    }
}
