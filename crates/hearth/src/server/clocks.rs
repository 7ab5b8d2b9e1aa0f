//! The two clocks of the server. The service clock may go faster than the wall's (`--time-scale`) and never goes back:
//! where it stood is kept in the store, so that what is due at its time is due after a restart as before.
//!
//! Which timer goes by which clock: docs/time.md.

use std::sync::Arc;
use std::time::Duration;

use hearth_store::{Codec, Epoch, Key, Mutation, Record, RecordError, Shard, Store, StoreError};
use hearth_types::{AccountId, Anchor, Clock, Partition, Scope, ServiceClock, SystemClock};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// How often it is written where the service clock stands: a kill takes it back by as much of the wall's time at most.
const KEEP_INTERVAL: Duration = Duration::from_secs(2);

const TABLE: &str = "hearth.service_clock";

pub(super) struct Clocks {
    pub(super) wall: Arc<dyn Clock>,
    pub(super) service: Arc<dyn Clock>,
    faster: Option<Faster>,
}

/// A service clock that is not the wall's.
struct Faster {
    clock: Arc<ServiceClock>,
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
}

#[derive(Serialize, Deserialize)]
struct Stood {
    wall_ms: i64,
    service_ms: i64,
}

impl Record for Stood {
    const KIND: &'static str = TABLE;
    const VERSION: u32 = 1;
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ClockError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Clocks {
    /// While the server was off both clocks went equally fast.
    pub(super) async fn open(store: &Arc<dyn Store>, codec: &Arc<Codec>, scale: u32) -> Result<Self, ClockError> {
        let wall: Arc<dyn Clock> = Arc::new(SystemClock);
        let now_ms = wall.now_ms();
        let ahead_ms = match store.get(&key()).await? {
            Some(entry) => {
                let stood: Stood = codec.decode(&entry.value)?;
                (stood.service_ms - stood.wall_ms).max(0)
            }
            None => 0,
        };
        if scale == 1 && ahead_ms == 0 {
            return Ok(Self { service: Arc::clone(&wall), wall, faster: None });
        }
        if ahead_ms > 0 {
            let ahead = Duration::from_millis(ahead_ms.unsigned_abs());
            tracing::warn!(?ahead, "retries, ages and delays go by a clock that went faster in an earlier run");
        }
        let anchor = Anchor { wall_ms: now_ms, service_ms: now_ms + ahead_ms };
        let clock = Arc::new(ServiceClock::new(Arc::clone(&wall), anchor, scale));
        let faster = Faster { clock: Arc::clone(&clock), store: Arc::clone(store), codec: Arc::clone(codec) };
        // Before anything is due by it.
        faster.keep().await?;
        Ok(Self { wall, service: clock, faster: Some(faster) })
    }

    /// Writes where the service clock stands, again and again and at the end.
    pub(super) async fn work(self, stop: CancellationToken) {
        let Some(faster) = self.faster else { return };
        while stop.run_until_cancelled(tokio::time::sleep(KEEP_INTERVAL)).await.is_some() {
            faster.keep_logged().await;
        }
        faster.keep_logged().await;
    }
}

impl Faster {
    async fn keep(&self) -> Result<(), ClockError> {
        let Anchor { wall_ms, service_ms } = self.clock.anchor();
        let value = self.codec.encode(&Stood { wall_ms, service_ms })?;
        let shard = Shard::new(&scope(), TABLE);
        self.store.commit(&shard, Epoch(0), Vec::new(), vec![Mutation::Put(key(), value)]).await?;
        Ok(())
    }

    async fn keep_logged(&self) {
        if let Err(error) = self.keep().await {
            tracing::warn!(%error, "where the service clock stands cannot be written; it is tried again");
        }
    }
}

/// One clock for all of a data directory.
fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None }
}

fn key() -> Key {
    Key::new(&scope(), TABLE).part("now")
}
