//! Amazon CloudWatch metrics: what functions, clients and the platform itself measure; one file per operation in `op/`.
//!
//! ```text
//! PutMetricData ─────────────────────────┐
//! log lines (embedded metric format) ─┐  ├▶ a row of the journal ─▶ memory ─packer─▶ blocks by second, minute,
//! platform ─▶ meters ─────────────────┴─▶┘   (one commit)                            five minutes, hour
//!                      each minute, at a read, at the end
//! ```
//! - **PutMetricData is answered after the commit.** Meters are not acknowledged: a kill forgets what came since the last
//!   minute.
//! - **Values are kept as distributions** of bounded size (`distribution.rs`), so percentiles of any stretch of time can
//!   be told, within the error that is said there.
//! - **Data ages as AWS's does** (`tier.rs`).
//! - **Expressions** of GetMetricData are pure (`math/`).
//!
//! What never lives here: what makes a metric; whoever measures goes through [`hearth_ports::MetricSink`]. Alarms,
//! dashboards, streams and insights are not served.

mod aggregate;
mod api;
mod check;
mod distribution;
mod error;
mod journal;
mod limits;
mod math;
mod meter;
mod op;
mod pack;
mod prometheus;
mod read;
mod record;
mod series;
mod statistic;
mod tier;

use std::sync::Arc;

use hearth_ports::Authorizer;
use hearth_store::{Codec, Store};
use hearth_types::Clock;
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub use api::services;
pub use error::CloudWatchError;

use limits::{FLUSH_INTERVAL, FLUSHES_PER_PACK, JOURNAL_BYTES_MAX};
use meter::Meters;
use series::Places;

/// What the service is made of.
pub struct CloudWatchParts {
    pub store: Arc<dyn Store>,
    pub codec: Arc<Codec>,
    pub authorizer: Arc<dyn Authorizer>,
    /// The wall clock: what is measured, and how old it is, goes by it.
    pub clock: Arc<dyn Clock>,
}

/// The metrics of this server.
pub struct CloudWatch {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    authorizer: Arc<dyn Authorizer>,
    clock: Arc<dyn Clock>,
    places: Mutex<Places>,
    /// See [`journal`].
    house: tokio::sync::RwLock<()>,
    meters: Meters,
    /// One flush at a time.
    flushing: tokio::sync::Mutex<()>,
}

impl CloudWatch {
    /// Reads all metrics, and the data that is not packed, into memory.
    ///
    /// # Errors
    /// [`CloudWatchError`] when the store cannot be read, or holds what this version does not know.
    pub async fn open(parts: CloudWatchParts) -> Result<Arc<Self>, CloudWatchError> {
        let CloudWatchParts { store, codec, authorizer, clock } = parts;
        let this = Self {
            store,
            codec,
            authorizer,
            clock,
            places: Mutex::default(),
            house: tokio::sync::RwLock::default(),
            meters: Meters::default(),
            flushing: tokio::sync::Mutex::default(),
        };
        this.load().await?;
        Ok(Arc::new(this))
    }

    /// Writes down, packs and removes until stopped. What is counted after that is written by [`CloudWatch::close`].
    pub async fn work(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(FLUSH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut flushes = 0;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let mut done = self.flush().await;
            flushes += 1;
            let is_long = self.places.lock().values().any(|place| place.journal_bytes > JOURNAL_BYTES_MAX);
            if done.is_ok() && (is_long || flushes % FLUSHES_PER_PACK == 0) {
                done = self.pack().await;
            }
            // At the start, and then once an hour.
            if done.is_ok() && flushes % (4 * FLUSHES_PER_PACK) == 1 {
                done = self.expire().await;
            }
            if let Err(error) = done {
                tracing::warn!(%error, "metrics cannot be written down now; the next minute tries again");
            }
        }
    }

    /// Writes down what meters still hold, once nobody measures any more.
    pub async fn close(&self) {
        if let Err(error) = self.flush().await {
            tracing::error!(%error, "the last metrics cannot be written down");
        }
    }
}

#[cfg(test)]
mod tests;
