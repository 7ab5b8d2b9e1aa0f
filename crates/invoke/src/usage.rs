//! What was used, per function version and hour: the base of the bill, in the units of AWS's price list.
//!
//! Invocations add to a meter in memory; a worker writes the sums of the hours concerned into the store, at most once
//! a second. A record holds the hour's whole sum, so writing it again changes nothing, and a failed write is made good
//! by the next one. What a kill of the server costs is at most the last second.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_ports::{Architecture, FunctionVersion};
use hearth_store::{Codec, Epoch, Key, Mutation, Record, Shard, Store, StoreError};
use hearth_types::limits::EPHEMERAL_STORAGE_DEFAULT;
use hearth_types::{FunctionUid, Scope, Version};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long the worker collects.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
const HOUR_MS: i64 = 3_600_000;
const TABLE: &str = "lambda.usage";

/// Amounts of the price items. A GB-second is 1,024 x 1,000 MiB-milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    pub requests: u64,
    /// Memory size times billed duration.
    pub duration_mib_ms: u64,
    /// `/tmp` above the free 512 MB times billed duration.
    pub storage_mib_ms: u64,
}

impl Amounts {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.duration_mib_ms += other.duration_mib_ms;
        self.storage_mib_ms += other.storage_mib_ms;
    }
}

/// One hour of one function version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourlyUsage {
    pub function_name: String,
    pub version: Version,
    /// Prices differ by architecture.
    pub architecture: Architecture,
    /// Start of the hour, milliseconds since the Unix epoch.
    pub hour_ms: i64,
    pub amounts: Amounts,
}

impl Record for HourlyUsage {
    const KIND: &'static str = TABLE;
    const VERSION: u32 = 1;
}

/// The meter of one function version.
pub(crate) struct Meter {
    version: Arc<FunctionVersion>,
    dirty: Arc<Notify>,
    /// By hour; a second one only around the full hour.
    unwritten: Mutex<Vec<(i64, Amounts)>>,
}

impl Meter {
    /// One invocation. Failed ones count too; throttled ones never get here.
    pub(crate) fn count(&self, now_ms: i64, billed_ms: u64) {
        let storage = self.version.ephemeral_storage.0.saturating_sub(EPHEMERAL_STORAGE_DEFAULT.0);
        self.add(
            now_ms - now_ms.rem_euclid(HOUR_MS),
            Amounts {
                requests: 1,
                duration_mib_ms: u64::from(self.version.memory.0) * billed_ms,
                storage_mib_ms: u64::from(storage) * billed_ms,
            },
        );
        self.dirty.notify_one();
    }

    fn add(&self, hour_ms: i64, amounts: Amounts) {
        let mut unwritten = self.unwritten.lock();
        match unwritten.iter_mut().find(|(hour, _)| *hour == hour_ms) {
            Some((_, sum)) => sum.add(amounts),
            None => unwritten.push((hour_ms, amounts)),
        }
    }
}

type MeterKey = (FunctionUid, Version, u32, u32);

pub(crate) struct Usage {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    dirty: Arc<Notify>,
    meters: Mutex<HashMap<MeterKey, Arc<Meter>>>,
    /// Sums as they are in the store or will be with the next write; only the writer locks it.
    hours: tokio::sync::Mutex<HashMap<HourKey, Hour>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct HourKey {
    scope: Scope,
    hour_ms: i64,
    uid: FunctionUid,
    version: Version,
}

struct Hour {
    record: HourlyUsage,
    is_written: bool,
}

impl Usage {
    pub(crate) fn new(store: Arc<dyn Store>, codec: Arc<Codec>) -> Self {
        Self { store, codec, dirty: Arc::default(), meters: Mutex::default(), hours: tokio::sync::Mutex::default() }
    }

    /// The meter of a version. Memory and storage sizes are part of its identity: they weigh the duration.
    pub(crate) fn meter(&self, version: &Arc<FunctionVersion>) -> Arc<Meter> {
        let key = (version.uid.clone(), version.version, version.memory.0, version.ephemeral_storage.0);
        let mut meters = self.meters.lock();
        Arc::clone(meters.entry(key).or_insert_with(|| {
            Arc::new(Meter {
                version: Arc::clone(version),
                dirty: Arc::clone(&self.dirty),
                unwritten: Mutex::default(),
            })
        }))
    }

    /// Writes from time to time until stopped. Errors are logged and made good by the next write.
    pub(crate) async fn work(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.dirty.notified() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(WRITE_INTERVAL) => {}
            }
            if let Err(error) = self.write().await {
                tracing::error!(%error, "the usage of the last second is not written yet");
                self.dirty.notify_one();
            }
        }
    }

    /// Writes everything counted so far.
    pub(crate) async fn write(&self) -> Result<(), StoreError> {
        let mut hours = self.hours.lock().await;
        let collected = self.collect();
        let mut failure = None;
        for (meter, hour_ms, amounts) in collected {
            match self.hour(&mut hours, &meter.version, hour_ms).await {
                Ok(hour) => {
                    hour.record.amounts.add(amounts);
                    hour.is_written = false;
                }
                Err(error) => {
                    meter.add(hour_ms, amounts);
                    failure = Some(error);
                }
            }
        }
        self.commit(&mut hours).await?;
        failure.map_or(Ok(()), Err)
    }

    /// Takes what the meters have, and forgets meters that no environment uses any more.
    fn collect(&self) -> Vec<(Arc<Meter>, i64, Amounts)> {
        let mut collected = Vec::new();
        self.meters.lock().retain(|_, meter| {
            // In this order: whoever could still add holds the meter.
            let in_use = Arc::strong_count(meter) > 1;
            let unwritten = std::mem::take(&mut *meter.unwritten.lock());
            collected.extend(unwritten.into_iter().map(|(hour_ms, amounts)| (Arc::clone(meter), hour_ms, amounts)));
            in_use
        });
        collected
    }

    /// The hour's sum; read from the store when this is the first addition since the start.
    async fn hour<'a>(
        &self,
        hours: &'a mut HashMap<HourKey, Hour>,
        version: &FunctionVersion,
        hour_ms: i64,
    ) -> Result<&'a mut Hour, StoreError> {
        let key = HourKey { scope: scope(version), hour_ms, uid: version.uid.clone(), version: version.version };
        if !hours.contains_key(&key) {
            let record = match self.store.get(&store_key(&key)).await? {
                Some(entry) => self
                    .codec
                    .decode::<HourlyUsage>(&entry.value)
                    .map_err(|error| StoreError::Damaged(error.to_string()))?,
                None => HourlyUsage {
                    function_name: version.name.clone(),
                    version: version.version,
                    architecture: version.architecture,
                    hour_ms,
                    amounts: Amounts::default(),
                },
            };
            hours.insert(key.clone(), Hour { record, is_written: true });
        }
        hours.get_mut(&key).ok_or_else(|| StoreError::Internal("usage hour".to_owned()))
    }

    async fn commit(&self, hours: &mut HashMap<HourKey, Hour>) -> Result<(), StoreError> {
        let mut by_scope: HashMap<&Scope, Vec<Mutation>> = HashMap::new();
        for (key, hour) in hours.iter().filter(|(_, hour)| !hour.is_written) {
            let value = self.codec.encode(&hour.record).map_err(|error| StoreError::Internal(error.to_string()))?;
            by_scope.entry(&key.scope).or_default().push(Mutation::Put(store_key(key), value));
        }
        for (scope, mutations) in by_scope {
            self.store.commit(&Shard::new(scope, TABLE), Epoch(0), Vec::new(), mutations).await?;
        }
        // The current hour of each version stays, what is older will not be added to again.
        let newest = hours.keys().map(|key| key.hour_ms).max().unwrap_or(0);
        hours.retain(|key, hour| {
            hour.is_written = true;
            key.hour_ms >= newest - HOUR_MS
        });
        Ok(())
    }
}

fn scope(version: &FunctionVersion) -> Scope {
    Scope { partition: version.partition, account: version.account, region: Some(version.region.clone()) }
}

fn store_key(key: &HourKey) -> Key {
    Key::new(&key.scope, TABLE)
        .part_u64(u64::try_from(key.hour_ms / HOUR_MS).unwrap_or(0))
        .part(key.uid.as_str())
        .part(key.version.to_string())
}

#[cfg(test)]
mod tests {
    use hearth_types::Mebibytes;

    use super::*;
    use crate::testing::{MemoryStore, codec, function};

    const NOON_MS: i64 = 1_768_219_200_000;

    async fn stored(store: &dyn Store, codec: &Codec, version: &FunctionVersion) -> Vec<(i64, Amounts)> {
        let entries = store.scan(&Key::new(&scope(version), TABLE), None, 100).await.expect("readable");
        let decode = |entry: hearth_store::Entry| codec.decode::<HourlyUsage>(&entry.value).expect("a usage record");
        entries.into_iter().map(decode).map(|record| (record.hour_ms, record.amounts)).collect()
    }

    #[tokio::test]
    async fn an_hour_adds_up_also_over_a_restart_and_repeated_writes() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let codec = codec();
        let version = Arc::new(function("f"));
        let usage = Usage::new(Arc::clone(&store), Arc::clone(&codec));
        let meter = usage.meter(&version);
        meter.count(NOON_MS + 5, 100);
        meter.count(NOON_MS + HOUR_MS - 1, 50);
        meter.count(NOON_MS + HOUR_MS, 1);
        for _ in 0..3 {
            usage.write().await.expect("written");
        }
        let amounts = |requests, duration_mib_ms| Amounts { requests, duration_mib_ms, storage_mib_ms: 0 };
        let first_hour = (NOON_MS, amounts(2, 128 * 150));
        assert_eq!(stored(&*store, &codec, &version).await, [first_hour, (NOON_MS + HOUR_MS, amounts(1, 128))]);

        let usage = Usage::new(Arc::clone(&store), Arc::clone(&codec));
        usage.meter(&version).count(NOON_MS + HOUR_MS + 7, 2);
        usage.write().await.expect("written");
        assert_eq!(stored(&*store, &codec, &version).await, [first_hour, (NOON_MS + HOUR_MS, amounts(2, 128 * 3))]);
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_written_with_the_next_try() {
        let store = Arc::new(MemoryStore::default());
        let (codec, version) = (codec(), Arc::new(function("f")));
        let usage = Usage::new(Arc::clone(&store) as _, Arc::clone(&codec));
        usage.meter(&version).count(NOON_MS, 1);
        store.is_down.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(usage.write().await.is_err());
        usage.meter(&version).count(NOON_MS, 1);
        store.is_down.store(false, std::sync::atomic::Ordering::SeqCst);
        usage.write().await.expect("written");
        let want = Amounts { requests: 2, duration_mib_ms: 256, storage_mib_ms: 0 };
        assert_eq!(stored(&*store, &codec, &version).await, [(NOON_MS, want)]);
    }

    #[tokio::test]
    async fn storage_is_counted_above_the_free_part_only() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let codec = codec();
        let mut version = function("f");
        version.ephemeral_storage = Mebibytes(1_512);
        version.memory = Mebibytes(256);
        let version = Arc::new(version);
        let usage = Usage::new(Arc::clone(&store), Arc::clone(&codec));
        usage.meter(&version).count(NOON_MS, 10);
        usage.write().await.expect("written");
        let want = Amounts { requests: 1, duration_mib_ms: 2_560, storage_mib_ms: 10_000 };
        assert_eq!(stored(&*store, &codec, &version).await, [(NOON_MS, want)]);
    }

    #[tokio::test]
    async fn a_change_of_memory_size_adds_to_the_same_hour() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let codec = codec();
        let (small, mut large) = (Arc::new(function("f")), function("f"));
        large.memory = Mebibytes(1_024);
        let usage = Usage::new(Arc::clone(&store), Arc::clone(&codec));
        usage.meter(&small).count(NOON_MS, 1);
        usage.meter(&Arc::new(large)).count(NOON_MS, 1);
        usage.write().await.expect("written");
        let want = Amounts { requests: 2, duration_mib_ms: 128 + 1_024, storage_mib_ms: 0 };
        assert_eq!(stored(&*store, &codec, &small).await, [(NOON_MS, want)]);
    }
}
