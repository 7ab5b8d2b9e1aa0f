//! The connection that commits. In a database that one server has to itself, it is also what holds it: the lock lives
//! and ends with the connection, and the epoch fences what an earlier connection may still have under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::SetOnce;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::batch::Arguments;
use super::failure::{Failure, Step};
use super::target::{Connected, Target};
use super::{PostgresError, schema};
use crate::limits::{ANSWER_WAIT, OWNER_WAIT, SESSION_WAIT};

/// Of the advisory locks: "HRTH", and what is locked.
pub(super) const LOCK_CLASS: i32 = 0x4852_5448;
pub(super) const LOCK_LAYOUT: i32 = 1;
const LOCK_OWNER: i32 = 2;
/// Between two tries to get the owner's lock.
const OWNER_RETRY: Duration = Duration::from_millis(100);

/// How a server holds a database that it has to itself.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) epoch: i64,
    /// The backend of the connection, and when that was started: a number alone may be another's by now.
    backend: i32,
    started: String,
}

/// Whether this server must have the database to itself, and how it held it last.
#[derive(Clone, Debug)]
pub(super) enum Claim {
    /// Others may write, too.
    Shared,
    /// For the first time.
    Fresh { name: String },
    /// After the connection was lost.
    Again { name: String, last: Hold },
}

pub(super) struct Session {
    client: Client,
    pub(super) lost: Arc<SetOnce<()>>,
    pub(super) hold: Option<Hold>,
    /// Of the database.
    pub(super) id: String,
    apply: Statement,
    lease: Statement,
}

/// For each request why it was refused (0: it was not), and its revision.
pub(super) type Answers = (Vec<i16>, Vec<i64>);

impl Session {
    /// Connects, sees that the database keeps what it acknowledges, and takes hold of it.
    pub(super) async fn open(target: &Target, claim: &Claim) -> Result<Self, PostgresError> {
        let silent = |_| PostgresError::of(&target.name, Failure::Lost("it does not answer in time".to_owned()));
        timeout(SESSION_WAIT.duration(), Self::begin(target, claim)).await.map_err(silent)?
    }

    async fn begin(target: &Target, claim: &Claim) -> Result<Self, PostgresError> {
        let unreachable = |failure| PostgresError::of(&target.name, failure);
        let Connected { client, lost } = target.connect().await.map_err(unreachable)?;
        schema::check_server(&client, target).await?;
        if matches!(claim, Claim::Fresh { .. } | Claim::Shared) {
            schema::prepare(&client, target).await?;
        }
        let hold = match claim {
            Claim::Shared => None,
            Claim::Fresh { name } => match take(&client, name).await {
                Err(Failure::TakenOver) => {
                    let by = owner(&client).await.map_err(unreachable)?;
                    return Err(PostgresError::Owned { at: target.name.clone(), by });
                }
                taken => Some(taken.map_err(unreachable)?),
            },
            Claim::Again { name, last } => Some(take_again(&client, name, last).await.map_err(unreachable)?),
        };
        let apply = "SELECT refusals, revisions FROM hearth.apply($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
        let apply = client.prepare(apply).await.map_err(|error| unreachable(error.into()))?;
        let lease = client.prepare("SELECT hearth.lease($1, $2, $3, $4, $5)").await;
        let lease = lease.map_err(|error| unreachable(error.into()))?;
        let id = client.query_one("SELECT id::text FROM hearth.layout", &[]).await;
        let id = id.and_then(|row| row.try_get(0)).map_err(|error| unreachable(error.into()))?;
        Ok(Self { client, lost, hold, id, apply, lease })
    }

    fn epoch(&self) -> Option<i64> {
        self.hold.as_ref().map(|hold| hold.epoch)
    }

    pub(super) async fn apply(&self, batch: i64, arguments: &Arguments<'_>) -> Step<Answers> {
        let epoch = self.epoch();
        let values: [&(dyn ToSql + Sync); 12] = [
            &epoch,
            &batch,
            &arguments.shards,
            &arguments.request_shards,
            &arguments.request_epochs,
            &arguments.request_changes,
            &arguments.touch_requests,
            &arguments.touch_keys,
            &arguments.touch_versions,
            &arguments.touch_actions,
            &arguments.touch_values,
            &arguments.touch_crcs,
        ];
        let row = in_time(self.client.query_one(&self.apply, &values)).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    pub(super) async fn lease(&self, shard: &[u8], owner: &str, now_ms: i64, until_ms: i64) -> Step<i64> {
        let epoch = self.epoch();
        let values: [&(dyn ToSql + Sync); 5] = [&epoch, &shard, &owner, &now_ms, &until_ms];
        Ok(in_time(self.client.query_one(&self.lease, &values)).await?.try_get(0)?)
    }

    /// What became of a batch that an earlier connection of this server was lost with. `None`: it changed nothing, and
    /// never will, since its epoch is over.
    pub(super) async fn recall(&self, batch: i64) -> Step<Option<Answers>> {
        let sql = "SELECT refusals, revisions FROM hearth.owner WHERE batch = $1";
        match in_time(self.client.query_opt(sql, &[&batch])).await? {
            Some(row) => Ok(Some((row.try_get(0)?, row.try_get(1)?))),
            None => Ok(None),
        }
    }

    /// The key among these that belongs to another shard, and whose it is.
    pub(super) async fn stranger(&self, shard: &[u8], keys: &[&[u8]]) -> Step<Option<(Vec<u8>, Vec<u8>)>> {
        let sql = "SELECT e.key, s.name FROM hearth.entry e JOIN hearth.shard s ON s.id = e.shard \
                   WHERE e.key = ANY ($1) AND s.name <> $2 ORDER BY e.key LIMIT 1";
        let row = in_time(self.client.query_opt(sql, &[&keys, &shard])).await?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }
}

/// A network that swallows everything must not hold a caller for ever.
async fn in_time<T>(asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Step<T> {
    match timeout(ANSWER_WAIT.duration(), asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::Lost(format!("no answer within {:?}", ANSWER_WAIT.duration()))),
    }
}

/// Who holds the database, for people.
async fn owner(client: &Client) -> Step<String> {
    Ok(in_time(client.query_one("SELECT name FROM hearth.owner", &[])).await?.try_get(0)?)
}

async fn take(client: &Client, name: &str) -> Step<Hold> {
    // The connection of a server that was killed a moment ago may not be gone yet.
    lock(client).await?;
    let sql = "UPDATE hearth.owner SET epoch = epoch + 1, name = $1, batch = NULL RETURNING epoch";
    let row = in_time(client.query_one(sql, &[&name])).await?;
    hold(client, row.try_get(0)?).await
}

async fn take_again(client: &Client, name: &str, last: &Hold) -> Step<Hold> {
    // The database may not have noticed that our own former connection is gone.
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE pid = $1 AND extract(epoch FROM backend_start)::text = $2";
    in_time(client.query_opt(sql, &[&last.backend, &last.started])).await?;
    lock(client).await?;
    // In the row's lock this waits for a commit of the former connection, if one is still under way.
    let sql = "UPDATE hearth.owner SET epoch = epoch + 1 WHERE epoch = $1 AND name = $2 RETURNING epoch";
    let row = in_time(client.query_opt(sql, &[&last.epoch, &name])).await?.ok_or(Failure::TakenOver)?;
    hold(client, row.try_get(0)?).await
}

async fn lock(client: &Client) -> Step<()> {
    let deadline = Instant::now() + OWNER_WAIT.duration();
    loop {
        let tried = client.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&LOCK_CLASS, &LOCK_OWNER]);
        if in_time(tried).await?.try_get(0)? {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::TakenOver);
        }
        sleep(OWNER_RETRY).await;
    }
}

async fn hold(client: &Client, epoch: i64) -> Step<Hold> {
    let sql = "SELECT pid, extract(epoch FROM backend_start)::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let row = in_time(client.query_one(sql, &[])).await?;
    Ok(Hold { epoch, backend: row.try_get(0)?, started: row.try_get(1)? })
}
