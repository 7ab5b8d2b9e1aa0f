//! What the server must be like, and the tables in it, made when they are not there.

use tokio_postgres::{Client, Row};

use super::failure::{Failure, Step};
use super::session::{LOCK_CLASS, LOCK_LAYOUT};
use super::target::Target;
use super::{PostgresError, VERSION_MIN};

/// Of the tables and functions. Records carry their own versions.
const LAYOUT: i32 = 1;
const SCHEMA: &str = include_str!("schema.sql");

/// Settings without which an acknowledged commit may be lost, and how each is mended.
const SETTINGS: [(&str, &str); 3] = [
    ("fsync", "ALTER SYSTEM SET fsync = on, then SELECT pg_reload_conf()"),
    (
        "synchronous_commit",
        "ALTER SYSTEM SET synchronous_commit = on, then SELECT pg_reload_conf(); and ALTER ROLE or ALTER DATABASE … RESET \
         synchronous_commit where it is set for the user or the database",
    ),
    ("full_page_writes", "ALTER SYSTEM SET full_page_writes = on, then SELECT pg_reload_conf()"),
];

pub(super) async fn check_server(client: &Client, target: &Target) -> Result<(), PostgresError> {
    let failed = |failure| PostgresError::of(&target.name, failure);
    let row = settings(client).await.map_err(failed)?;
    let column = |at: usize| row.try_get::<_, String>(at).map_err(|error| failed(error.into()));
    let version = column(0)?;
    if version.parse::<u32>().unwrap_or(0) < VERSION_MIN * 10_000 {
        return Err(PostgresError::Old { at: target.name.clone(), version: column(1)? });
    }
    for (at, (setting, remedy)) in SETTINGS.into_iter().enumerate() {
        if column(at + 2)? == "off" {
            return Err(PostgresError::Unsafe { at: target.name.clone(), setting, remedy });
        }
    }
    Ok(())
}

async fn settings(client: &Client) -> Step<Row> {
    let sql = "SELECT current_setting('server_version_num'), current_setting('server_version'), \
               current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')";
    Ok(client.query_one(sql, &[]).await?)
}

/// Makes the tables, or finds those of this layout. Several servers may come at once.
pub(super) async fn prepare(client: &Client, target: &Target) -> Result<(), PostgresError> {
    let failed = |failure| PostgresError::of(&target.name, failure);
    match make(client).await.map_err(failed)? {
        LAYOUT => Ok(()),
        layout => Err(PostgresError::Newer { at: target.name.clone(), layout }),
    }
}

async fn make(client: &Client) -> Step<i32> {
    // One round trip when they are there, which is nearly always.
    if let Some(layout) = layout(client).await? {
        return Ok(layout);
    }
    client.batch_execute("BEGIN").await?;
    client.query_one("SELECT pg_advisory_xact_lock($1, $2)", &[&LOCK_CLASS, &LOCK_LAYOUT]).await?;
    let found = match layout(client).await? {
        Some(layout) => layout,
        None => {
            client.batch_execute(SCHEMA).await?;
            LAYOUT
        }
    };
    client.batch_execute("COMMIT").await?;
    Ok(found)
}

async fn layout(client: &Client) -> Step<Option<i32>> {
    // Asked of the catalogue's rows: a cached answer could be older than the lock.
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'hearth' AND tablename = 'layout')";
    let row = client.query_one(sql, &[]).await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let row = client.query_opt("SELECT version FROM hearth.layout", &[]).await?;
    let missing = || Failure::Damaged("hearth.layout is empty".to_owned());
    Ok(Some(row.ok_or_else(missing)?.try_get(0)?))
}
