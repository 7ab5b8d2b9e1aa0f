//! What the unit tests of services share: requests as an SDK sends them ([`client`]), who decides about them
//! ([`policies`]), and what stands behind the ports a service sends to ([`receivers`]). A test of one service goes into that
//! service; nothing here knows any.

mod client;
mod policies;
mod receivers;

use std::sync::Arc;
use std::time::Duration;

use hearth_store::testing::MemoryStore;
use hearth_store::{Codec, KeyRing};
use hearth_types::{AccountId, ManualClock, Partition, Region, Scope, SeededRandom};

pub use client::{Reply, front, request, send};
pub use policies::{NoKeys, Policies};
pub use receivers::{Receivers, Roles};

/// 2026-01-12T15:37:12Z
pub const NOW_MS: i64 = 1_768_232_232_000;
/// Fails as [`Receivers::queue_error`] says.
pub const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
pub const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
pub const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
pub const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

#[must_use]
pub fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) }
}

/// What outlives a crash of the service under test.
#[derive(Clone)]
pub struct World {
    pub store: Arc<MemoryStore>,
    pub clock: Arc<ManualClock>,
    /// Which life it is: ids that a new life makes are not those of the old one.
    life: u64,
}

impl Default for World {
    fn default() -> Self {
        Self { store: Arc::default(), clock: Arc::new(ManualClock::at(NOW_MS)), life: 1 }
    }
}

impl World {
    /// As it is after a crash.
    #[must_use]
    pub fn next_life(self) -> Self {
        Self { life: self.life + 1, ..self }
    }

    #[must_use]
    pub fn random(&self) -> Arc<SeededRandom> {
        Arc::new(SeededRandom::new(self.life))
    }

    /// With the same key in each life.
    #[must_use]
    pub fn codec(&self) -> Arc<Codec> {
        Arc::new(Codec::new(KeyRing::generate(&SeededRandom::new(0)), self.random()))
    }

    /// Lets time go by, for the clock and for tokio's timers.
    pub async fn pass(&self, time: Duration) {
        self.clock.advance(i64::try_from(time.as_millis()).expect("a test's time is short"));
        tokio::time::sleep(time + Duration::from_millis(1)).await;
    }

    /// Deliveries that are not dealt with.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.store.count(&scope(), "delivery.due")
    }
}
