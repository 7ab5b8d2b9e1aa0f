//! The service over a store that outlives it, with a clock that tests move.

mod storage;

use std::sync::Arc;

use hearth_ports::{Access, Authorizer, Denied, Unit};
use hearth_store::testing::MemoryStore;
use hearth_store::{Codec, KeyRing};
use hearth_types::{AccountId, ManualClock, OsRandom, Partition, Region, RequestContext, RequestId, Scope};

use crate::aggregate::Aggregate;
use crate::journal::Datum;
use crate::series::{MetricKey, Resolution};
use crate::{CloudWatch, CloudWatchParts};

/// 2026-01-01T00:00:00Z, a whole hour.
const NOW_MS: i64 = 1_767_225_600_000;

struct Open;

impl Authorizer for Open {
    fn authorize(&self, _: &RequestContext, _: &Access<'_>) -> Result<(), Denied> {
        Ok(())
    }

    fn revision(&self) -> u64 {
        0
    }
}

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    codec: Arc<Codec>,
    cloudwatch: Arc<CloudWatch>,
}

impl World {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let codec = Arc::new(Codec::new(KeyRing::generate(&OsRandom), Arc::new(OsRandom)));
        let cloudwatch = open(&store, &clock, &codec).await;
        Self { store, clock, codec, cloudwatch }
    }

    /// As after a kill.
    async fn again(&mut self) {
        self.cloudwatch = open(&self.store, &self.clock, &self.codec).await;
    }
}

async fn open(store: &Arc<MemoryStore>, clock: &Arc<ManualClock>, codec: &Arc<Codec>) -> Arc<CloudWatch> {
    let parts = CloudWatchParts {
        store: store.clone(),
        codec: codec.clone(),
        authorizer: Arc::new(Open),
        clock: clock.clone(),
    };
    CloudWatch::open(parts).await.expect("opens")
}

fn scope() -> Scope {
    Scope {
        partition: Partition::of_region(Region::DEFAULT),
        account: AccountId::DEFAULT,
        region: Some(Region::from(Region::DEFAULT)),
    }
}

fn ctx() -> RequestContext {
    RequestContext::service(&scope(), "lambda.amazonaws.com", RequestId::from("test"))
}

fn key(name: &str) -> MetricKey {
    MetricKey::new("App", name, Vec::new())
}

fn datum(name: &str, ago_ms: i64, value: f64) -> Datum {
    Datum {
        key: key(name),
        unit: Unit::Count,
        timestamp_ms: NOW_MS - ago_ms,
        resolution: Resolution::Minute,
        aggregate: Aggregate::of(value),
    }
}
