//! Connections that only read: each statement sees all that was committed before it began.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use hearth_types::Millis;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use super::failure::{Failure, Step, describe};
use super::target::Target;
use crate::limits::{ANSWER_WAIT, CONNECT_WAIT, POSTGRES_READERS, RECONNECT_WAIT, RECONNECT_WAIT_MAX};

pub(super) struct Readers {
    pool: Pool,
    patience: Millis,
    /// The database has been gone for longer than anyone waits.
    is_out: Arc<AtomicBool>,
}

impl Readers {
    pub(super) fn new(target: &Target, patience: Millis, is_out: Arc<AtomicBool>) -> Result<Self, String> {
        let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(target.config.clone(), NoTls, fast);
        let pool = Pool::builder(manager)
            .max_size(POSTGRES_READERS)
            .wait_timeout(Some(ANSWER_WAIT.duration()))
            .create_timeout(Some(CONNECT_WAIT.duration()))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { pool, patience, is_out })
    }

    /// The rows of a statement. A lost connection is no failure of a read, as long as the database is back in time.
    pub(super) async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Step<Vec<Row>> {
        let deadline = Instant::now() + self.patience.duration();
        let mut wait = RECONNECT_WAIT.duration();
        loop {
            match self.once(sql, values).await {
                Err(Failure::Lost(detail)) => {
                    if self.is_out.load(Ordering::Relaxed) || Instant::now() + wait > deadline {
                        return Err(Failure::Lost(detail));
                    }
                    sleep(wait).await;
                    wait = (wait * 2).min(RECONNECT_WAIT_MAX.duration());
                }
                answer => return answer,
            }
        }
    }

    async fn once(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Step<Vec<Row>> {
        let connection = self.pool.get().await.map_err(unavailable)?;
        let asked = async {
            let statement = connection.prepare_cached(sql).await?;
            connection.query(&statement, values).await
        };
        let Ok(answer) = timeout(ANSWER_WAIT.duration(), asked).await else {
            // Not given to the next one.
            drop(Object::take(connection));
            return Err(Failure::Lost(format!("no answer within {:?}", ANSWER_WAIT.duration())));
        };
        Ok(answer?)
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }
}

fn unavailable(error: PoolError) -> Failure {
    match error {
        PoolError::Backend(error) => Failure::Lost(describe(&error)),
        PoolError::Timeout(_) => Failure::Lost("no connection to the database in time".to_owned()),
        error => Failure::Other(error.to_string()),
    }
}
