//! Which metrics there are, and their data that is not packed yet: all in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hearth_ports::{Dimensions, Unit};
use hearth_types::Scope;

use crate::aggregate::Aggregate;
use crate::error::CloudWatchError;
use crate::limits::SERIES_MAX;

/// What makes a metric: two with the same are one. Dimensions in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MetricKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: Dimensions,
}

impl MetricKey {
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>, mut dimensions: Dimensions) -> Self {
        dimensions.sort();
        Self { namespace: namespace.into(), name: name.into(), dimensions }
    }
}

/// The data of a metric in one unit.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) id: u64,
    /// The store has its record.
    pub(crate) is_recorded: bool,
    /// Some of it came by the second.
    pub(crate) is_high_resolution: bool,
    /// The newest of it.
    pub(crate) last_ms: i64,
    /// What the store has in the journal only, by second and period.
    pub(crate) open: BTreeMap<(i64, Resolution), Aggregate>,
}

/// How finely a value came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Resolution {
    Minute,
    Second,
}

impl Resolution {
    pub(crate) const fn period_s(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Second => 1,
        }
    }
}

/// Of one account and region.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) metrics: BTreeMap<Arc<MetricKey>, BTreeMap<Unit, u64>>,
    pub(crate) series: HashMap<u64, Series>,
    /// Where each is listed.
    pub(crate) keys: HashMap<u64, (Arc<MetricKey>, Unit)>,
    pub(crate) next_id: u64,
    /// The newest row of the journal.
    pub(crate) sequence: u64,
    /// What it holds, bytes.
    pub(crate) journal_bytes: usize,
}

pub(crate) type Places = HashMap<Scope, Place>;

impl Place {
    pub(crate) fn find(&self, key: &MetricKey, unit: Unit) -> Option<u64> {
        self.metrics.get(key)?.get(&unit).copied()
    }

    /// The series of that metric, and whether it is new.
    ///
    /// # Errors
    /// [`CloudWatchError::TooManyMetrics`].
    pub(crate) fn find_or_make(&mut self, key: &MetricKey, unit: Unit) -> Result<(u64, bool), CloudWatchError> {
        if let Some(id) = self.find(key, unit) {
            return Ok((id, false));
        }
        if self.series.len() >= SERIES_MAX {
            return Err(CloudWatchError::TooManyMetrics(SERIES_MAX));
        }
        self.next_id += 1;
        let id = self.next_id;
        self.insert(id, key.clone(), unit, i64::MIN, false);
        if let Some(series) = self.series.get_mut(&id) {
            series.is_recorded = false;
        }
        Ok((id, true))
    }

    /// One that the store has.
    pub(crate) fn insert(&mut self, id: u64, key: MetricKey, unit: Unit, last_ms: i64, is_high_resolution: bool) {
        let key = self.metrics.get_key_value(&key).map_or_else(|| Arc::new(key), |(known, _)| known.clone());
        self.metrics.entry(key.clone()).or_default().insert(unit, id);
        self.keys.insert(id, (key, unit));
        self.series.insert(id, Series { id, is_recorded: true, is_high_resolution, last_ms, open: BTreeMap::new() });
        self.next_id = self.next_id.max(id);
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.series.remove(&id);
        if let Some((key, unit)) = self.keys.remove(&id)
            && let Some(units) = self.metrics.get_mut(&key)
        {
            units.remove(&unit);
            if units.is_empty() {
                self.metrics.remove(&key);
            }
        }
    }

    pub(crate) fn apply(&mut self, id: u64, second: i64, resolution: Resolution, aggregate: &Aggregate) {
        let Some(series) = self.series.get_mut(&id) else { return };
        series.last_ms = series.last_ms.max(second * 1_000);
        series.is_high_resolution |= resolution == Resolution::Second;
        series.open.entry((second, resolution)).or_default().merge(aggregate);
    }
}
