//! The engine for several servers, or for whoever has a database anyway: PostgreSQL.
//!
//! ```text
//! commit, lease ─► committer (task) ─► session: one connection, hearth.apply (schema.sql)
//! get, scan ─────► readers: a pool
//! watch ─────────► watchers ◄─ committer, once durable; poll, where others write too
//! ```
//!
//! A database that is gone for a moment costs time, not commits: what became of those under way is read once it is back.
//! What never lives here: decisions that need more than one statement's view; those are made in `schema.sql`, under the
//! locks of the shards.

mod batch;
mod committer;
mod failure;
mod readers;
mod rows;
mod schema;
mod session;
mod target;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use hearth_types::{Clock, Millis, SystemClock};
use tokio::time::sleep;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::committer::{Committer, Link};
use self::failure::Failure;
use self::readers::Readers;
use self::rows::COLUMNS;
use self::session::{Claim, Session};
use self::target::Target;
use crate::health::{self, Health, OnFatal};
use crate::key::{Key, Shard};
use crate::limits::{KEY_BYTES_MAX, OUTAGE_PATIENCE, SCAN_ENTRIES_MAX, WATCH_POLL};
use crate::request::{Intake, Work, at_most, size};
use crate::store::{Entry, Epoch, Mutation, Precondition, Revision, Store, StoreError};
use crate::watchers::Watchers;

/// Of PostgreSQL.
const VERSION_MIN: u32 = 15;

/// Who may write to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// This server alone, known to people by this name. A second one is refused, and ends the first if it gets in while
    /// that one's connection is gone.
    Exclusive { name: String },
    /// Any number; epochs of shards alone keep them apart.
    Shared,
}

/// What a test or a server may want otherwise.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The wall clock, for leases.
    pub clock: Arc<dyn Clock>,
    /// What happens when another server has taken over; ends the process by default.
    pub on_fatal: OnFatal,
    pub tenancy: Tenancy,
    /// Requests wait so long for a database that is gone; after that they are refused at once until it is back.
    pub patience: Millis,
    /// For an address without one, so that it need not be in there.
    pub password: Option<String>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            on_fatal: Arc::new(health::end_process),
            tenancy: Tenancy::Exclusive { name: format!("process {}", std::process::id()) },
            patience: OUTAGE_PATIENCE,
            password: None,
        }
    }
}

/// Why the store does not open. `at` is `user@host:port/database`.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    #[error("the store's address is not valid: {detail}. Give one such as postgres://user@host/database")]
    Url { detail: String },
    #[error(
        "the store's address asks for sslmode=require, and this Hearth does not speak TLS to a database yet: use a Unix \
         socket, a private network or a tunnel, and leave sslmode away"
    )]
    Tls,
    #[error(
        "cannot use the database {at}: {detail}. Is PostgreSQL running there, does the database exist (createdb), and \
         does pg_hba.conf let the user in (a password can be given in PGPASSWORD)?"
    )]
    Unreachable { at: String, detail: String },
    #[error("the database {at} is PostgreSQL {version}; Hearth needs {VERSION_MIN} or newer")]
    Old { at: String, version: String },
    #[error(
        "the database {at} runs with {setting} = off and would lose what it has acknowledged when it or its machine \
         crashes. Mend it ({remedy}) and start again"
    )]
    Unsafe { at: String, setting: &'static str, remedy: &'static str },
    #[error("the store in {at} has layout {layout}, which this Hearth does not know: use a newer Hearth")]
    Newer { at: String, layout: i32 },
    #[error(
        "another Hearth server ({by}) uses the database {at}: stop it first, or give this one a database of its own \
         (several servers on one database do not work yet)"
    )]
    Owned { at: String, by: String },
}

impl PostgresError {
    fn of(at: &str, failure: Failure) -> Self {
        let at = at.to_owned();
        match failure {
            Failure::TakenOver => Self::Owned { at, by: "which has taken it over".to_owned() },
            Failure::Full => Self::Unreachable { at, detail: "its disk is full".to_owned() },
            Failure::Lost(detail) | Failure::Damaged(detail) | Failure::Again(detail) | Failure::Other(detail) => {
                Self::Unreachable { at, detail }
            }
        }
    }
}

/// A store in a PostgreSQL database. Dropping it commits what was asked for, in the background, and then lets go of the
/// database.
pub struct PostgresStore {
    requests: Intake,
    readers: Arc<Readers>,
    watchers: Arc<Watchers>,
    health: Arc<Health>,
    id: String,
}

impl PostgresStore {
    /// Of the database: no other has it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Opens the store, or makes it in an empty database. `url` is `postgres://user@host:port/database`, with the
    /// parameters of libpq that the driver knows.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, PostgresError> {
        let target = Target::parse(url, options.password.as_deref())?;
        let claim = match options.tenancy {
            Tenancy::Exclusive { name } => Claim::Fresh { name },
            Tenancy::Shared => Claim::Shared,
        };
        let session = Session::open(&target, &claim).await?;
        let id = session.id.clone();
        let is_out = Arc::new(AtomicBool::new(false));
        let readers = Readers::new(&target, options.patience, is_out.clone())
            .map_err(|detail| PostgresError::Unreachable { at: target.name.clone(), detail })?;
        let readers = Arc::new(readers);
        let health = Arc::new(Health::new(options.on_fatal));
        let watchers = Arc::new(Watchers::new(std::iter::empty()));
        let (requests, queue) = Intake::new(health.clone());
        if matches!(claim, Claim::Shared) {
            tokio::spawn(poll(Arc::downgrade(&watchers), readers.clone()));
        }
        let committer = Committer {
            link: Link::new(target, claim, session, options.patience, is_out),
            watchers: watchers.clone(),
            health: health.clone(),
            clock: options.clock,
            batch: 0,
        };
        tokio::spawn(committer.run(queue));
        Ok(Self { requests, readers, watchers, health, id })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(
        &self,
        shard: &Shard,
        epoch: Epoch,
        preconditions: Vec<Precondition>,
        mutations: Vec<Mutation>,
    ) -> Result<Revision, StoreError> {
        let bytes = size(shard, &preconditions, &mutations)?;
        let work = Work::Commit { shard: shard.clone(), epoch, preconditions, mutations };
        self.requests.submit(work, bytes).await.map(Revision)
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM hearth.entry WHERE key = $1");
        Ok(self.read(&sql, &[&key.as_bytes()]).await?.pop())
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        at_most("the limit of a scan", limit, SCAN_ENTRIES_MAX)?;
        let end = prefix.end();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (compared, from) = match after.map(Key::as_bytes) {
            Some(after) if after >= prefix.as_bytes() => (">", after),
            _ => (">=", prefix.as_bytes()),
        };
        let sql =
            format!("SELECT {COLUMNS} FROM hearth.entry WHERE key {compared} $1 AND key < $2 ORDER BY key LIMIT $3");
        self.read(&sql, &[&from, &end.as_bytes(), &limit]).await
    }

    async fn watch(&self, shard: &Shard, since: Revision) -> Result<Revision, StoreError> {
        self.health.check()?;
        // What this process has not committed itself it has not heard of.
        for (shard, revision) in revisions(&self.readers, std::slice::from_ref(shard)).await? {
            self.watchers.publish(&shard, revision);
        }
        self.watchers.wait(shard, since).await
    }

    async fn lease(&self, shard: &Shard, owner: &str, ttl: Millis) -> Result<Epoch, StoreError> {
        at_most("the owner's name", owner.len(), KEY_BYTES_MAX)?;
        let bytes = size(shard, &[], &[])?;
        let work = Work::Lease { shard: shard.clone(), owner: owner.to_owned(), ttl };
        self.requests.submit(work, bytes + owner.len()).await.map(Epoch)
    }
}

impl PostgresStore {
    async fn read(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Entry>, StoreError> {
        self.health.check()?;
        let rows = self.readers.query(sql, values).await?;
        let entries: Result<Vec<Entry>, Failure> = rows.iter().map(rows::entry).collect();
        if let Err(Failure::Damaged(detail)) = &entries {
            tracing::error!(detail, "a read met damage");
        }
        Ok(entries?)
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // Reads that are under way end; the committer ends with the last request.
        self.readers.close();
    }
}

async fn revisions(readers: &Readers, shards: &[Shard]) -> Result<Vec<(Shard, u64)>, Failure> {
    let names: Vec<&[u8]> = shards.iter().map(Shard::as_bytes).collect();
    let rows = readers.query("SELECT name, revision FROM hearth.shard WHERE name = ANY ($1)", &[&names]).await?;
    let read = |row: &Row| Ok((Shard::from_bytes(row.try_get(0)?), row.try_get::<_, i64>(1)?.cast_unsigned()));
    rows.iter().map(read).collect()
}

/// Looks after the shards that somebody waits for: other servers commit, too. A revision is read and never told: a
/// notification in each commit costs two thirds of the commits (measured), and may be lost with its connection.
async fn poll(watchers: Weak<Watchers>, readers: Arc<Readers>) {
    loop {
        sleep(WATCH_POLL.duration()).await;
        let Some(watchers) = watchers.upgrade() else { return };
        let waited_for = watchers.waited_for();
        if waited_for.is_empty() {
            continue;
        }
        match revisions(&readers, &waited_for).await {
            Ok(revisions) => revisions.into_iter().for_each(|(shard, revision)| watchers.publish(&shard, revision)),
            Err(failure) => tracing::debug!(?failure, "shards that are watched could not be read"),
        }
    }
}
