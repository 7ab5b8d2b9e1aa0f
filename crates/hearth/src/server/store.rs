//! Where the records are, and that the data directory beside them is theirs: what they speak of (code, logs, the keys of
//! their secrets) is in there, also when they are in a database.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_store::{DataDir, Key, PostgresOptions, PostgresStore, SqliteStore, Store, Tenancy};

use super::ServerError;
use crate::config::StoreLocation;

/// Of the database's password, as all of PostgreSQL's own clients know it.
const PASSWORD: &str = "PGPASSWORD";

pub(super) async fn open(location: &StoreLocation, data: &DataDir) -> Result<Arc<dyn Store>, ServerError> {
    let mark = DataDir::database_of(data.root());
    match location {
        StoreLocation::Embedded => {
            if mark.exists() {
                return Err(failed(format!(
                    "the records of {} are in a PostgreSQL database: say which with --store postgres://user@host/database",
                    data.root().display()
                )));
            }
            let store = SqliteStore::open(&data.store()).map_err(|error| ServerError::Data(error.to_string()))?;
            Ok(Arc::new(store))
        }
        StoreLocation::Postgres(url) => {
            if data.store().exists() && !mark.exists() {
                return Err(failed(format!(
                    "the records of {} are in there already, and are not moved to a database: choose another directory \
                     with --data, or leave --store away",
                    data.root().display()
                )));
            }
            open_postgres(url, &mark, data.root()).await
        }
    }
}

async fn open_postgres(url: &str, mark: &Path, root: &Path) -> Result<Arc<dyn Store>, ServerError> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = format!("{} on {host}, process {}", root.display(), std::process::id());
    let options = PostgresOptions {
        tenancy: Tenancy::Exclusive { name },
        password: std::env::var(PASSWORD).ok(),
        ..PostgresOptions::default()
    };
    let store = PostgresStore::open(url, options).await.map_err(|error| failed(error.to_string()))?;
    match fs::read_to_string(mark) {
        Ok(id) if id.trim() == store.id() => {}
        Ok(_) => {
            return Err(failed(format!(
                "the data directory {} belongs to another database: give that one, or another directory with --data",
                root.display()
            )));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let first = store.scan(&Key::root(), None, 1).await.map_err(|error| failed(error.to_string()))?;
            if !first.is_empty() {
                return Err(failed(format!(
                    "the database has records, and their code and keys are not in {}: give the data directory that they \
                     were made with (--data), or an empty database",
                    root.display()
                )));
            }
            write(mark, store.id()).map_err(|error| ServerError::Data(error.to_string()))?;
        }
        Err(error) => return Err(ServerError::Data(format!("{}: {error}", mark.display()))),
    }
    Ok(Arc::new(store))
}

/// Durable before the first record is.
fn write(mark: &Path, id: &str) -> io::Result<()> {
    let directory = mark.parent().map(PathBuf::from).unwrap_or_default();
    let temporary = mark.with_extension("new");
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    fs::write(&temporary, id)?;
    fs::File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, mark)?;
    fs::File::open(&directory)?.sync_all()?;
    directory.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}

const fn failed(reason: String) -> ServerError {
    ServerError::Store(reason)
}
