//! The platform's own metrics: counted in meters, without a thought of the store, and written down once a minute, when
//! somebody asks for metrics, and at the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hearth_ports::{Dimensions, Meter, Metric, MetricDatum, MetricSink, NoMetrics};
use hearth_types::{RequestContext, Scope};
use parking_lot::Mutex;

use crate::CloudWatch;
use crate::aggregate::Aggregate;
use crate::error::CloudWatchError;
use crate::journal::Datum;
use crate::limits::{METERS_MAX, WAITING_MAX};
use crate::series::{MetricKey, Resolution};

/// All values of one source.
pub(crate) struct SourceMeter {
    scope: Scope,
    dimension_sets: Vec<Dimensions>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By metric and minute; a handful.
    open: Vec<Open>,
    totals: Vec<Total>,
}

struct Open {
    metric: &'static Metric,
    minute: i64,
    aggregate: Aggregate,
}

/// Since the server started.
#[derive(Clone, Copy)]
pub(crate) struct Total {
    pub(crate) metric: &'static Metric,
    pub(crate) count: f64,
    pub(crate) sum: f64,
}

impl Meter for SourceMeter {
    fn record(&self, timestamp_ms: i64, values: &[(&'static Metric, f64)]) {
        let minute = timestamp_ms.div_euclid(60_000);
        let mut state = self.state.lock();
        for &(metric, value) in values {
            let found = state.open.iter_mut().find(|open| std::ptr::eq(open.metric, metric) && open.minute == minute);
            match found {
                Some(open) => open.aggregate.add(value, 1.0),
                None => state.open.push(Open { metric, minute, aggregate: Aggregate::of(value) }),
            }
            match state.totals.iter_mut().find(|total| std::ptr::eq(total.metric, metric)) {
                Some(total) => {
                    total.count += 1.0;
                    total.sum += value;
                }
                None => state.totals.push(Total { metric, count: 1.0, sum: value }),
            }
        }
    }
}

impl SourceMeter {
    fn put_back(&self, mut open: Vec<Open>) {
        let mut state = self.state.lock();
        for later in std::mem::take(&mut state.open) {
            let same = |open: &&mut Open| std::ptr::eq(open.metric, later.metric) && open.minute == later.minute;
            match open.iter_mut().find(same) {
                Some(open) => open.aggregate.merge(&later.aggregate),
                None => open.push(later),
            }
        }
        state.open = open;
    }
}

/// By where their values go.
type Known = HashMap<(Scope, Vec<Dimensions>), Arc<SourceMeter>>;

/// Every meter, and what log lines said, until it is written down.
#[derive(Default)]
pub(crate) struct Meters {
    known: Mutex<Known>,
    waiting: Mutex<Vec<(Scope, Datum)>>,
    lost: std::sync::atomic::AtomicU64,
}

/// What the page for Prometheus shows.
pub(crate) type Totals = BTreeMap<(&'static str, &'static str), Vec<(Dimensions, Total)>>;

impl Meters {
    fn meter(&self, scope: Scope, dimension_sets: Vec<Dimensions>) -> Option<Arc<SourceMeter>> {
        let mut known = self.known.lock();
        if let Some(meter) = known.get(&(scope.clone(), dimension_sets.clone())) {
            return Some(meter.clone());
        }
        if known.len() >= METERS_MAX {
            // Those that nobody holds and that have nothing to say make room.
            known.retain(|_, meter| Arc::strong_count(meter) > 1 || !meter.state.lock().open.is_empty());
            if known.len() >= METERS_MAX {
                return None;
            }
        }
        let meter =
            SourceMeter { scope: scope.clone(), dimension_sets: dimension_sets.clone(), state: Mutex::default() };
        let meter = Arc::new(meter);
        known.insert((scope, dimension_sets), meter.clone());
        Some(meter)
    }

    fn count_lost(&self, lost: usize) {
        if lost > 0 && self.lost.fetch_add(lost as u64, std::sync::atomic::Ordering::Relaxed) == 0 {
            tracing::warn!(lost, "metrics are not kept: there is no room for more until the next are written down");
        }
    }

    /// What each source of an account and region has counted since the server started.
    pub(crate) fn totals(&self, scope: &Scope) -> Totals {
        let mut totals = Totals::new();
        for meter in self.known.lock().values().filter(|meter| meter.scope == *scope) {
            for total in &meter.state.lock().totals {
                let of_metric = totals.entry((total.metric.namespace, total.metric.name)).or_default();
                for dimensions in &meter.dimension_sets {
                    match of_metric.iter_mut().find(|(known, _)| known == dimensions) {
                        Some((_, known)) => {
                            known.count += total.count;
                            known.sum += total.sum;
                        }
                        None => of_metric.push((dimensions.clone(), *total)),
                    }
                }
            }
        }
        totals
    }
}

impl MetricSink for CloudWatch {
    fn meter(&self, ctx: &RequestContext, dimension_sets: Vec<Dimensions>) -> Arc<dyn Meter> {
        match self.meters.meter(ctx.scope(), dimension_sets) {
            Some(meter) => meter,
            None => {
                self.meters.count_lost(1);
                Arc::new(NoMetrics)
            }
        }
    }

    fn put(&self, ctx: &RequestContext, data: Vec<MetricDatum>) {
        let scope = ctx.scope();
        let mut waiting = self.meters.waiting.lock();
        let room = WAITING_MAX.saturating_sub(waiting.len());
        self.meters.count_lost(data.len().saturating_sub(room));
        for datum in data.into_iter().take(room) {
            let mut aggregate = Aggregate::default();
            datum.values.iter().for_each(|value| aggregate.add(*value, 1.0));
            let resolution = if datum.is_high_resolution { Resolution::Second } else { Resolution::Minute };
            waiting.push((
                scope.clone(),
                Datum {
                    key: MetricKey::new(datum.namespace, datum.name, datum.dimensions),
                    unit: datum.unit,
                    timestamp_ms: datum.timestamp_ms,
                    resolution,
                    aggregate,
                },
            ));
        }
    }
}

type Merged = HashMap<Scope, HashMap<(MetricKey, hearth_ports::Unit, i64, Resolution), Aggregate>>;

impl CloudWatch {
    /// Writes down what meters have counted. What cannot be written is tried again the next time.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn flush(&self) -> Result<(), CloudWatchError> {
        let _one = self.flushing.lock().await;
        let taken: Vec<(Arc<SourceMeter>, Vec<Open>)> = {
            let known = self.meters.known.lock();
            let take = |meter: &Arc<SourceMeter>| (meter.clone(), std::mem::take(&mut meter.state.lock().open));
            known.values().map(take).filter(|(_, open)| !open.is_empty()).collect()
        };
        let waiting = std::mem::take(&mut *self.meters.waiting.lock());
        let mut merged = Merged::new();
        let mut merge = |scope: &Scope, key: MetricKey, unit, timestamp_ms, resolution, aggregate: &Aggregate| {
            let of_scope = merged.entry(scope.clone()).or_default();
            of_scope.entry((key, unit, timestamp_ms, resolution)).or_default().merge(aggregate);
        };
        for (meter, open) in &taken {
            for Open { metric, minute, aggregate } in open {
                for dimensions in &meter.dimension_sets {
                    let key = MetricKey::new(metric.namespace, metric.name, dimensions.clone());
                    merge(&meter.scope, key, metric.unit, minute * 60_000, Resolution::Minute, aggregate);
                }
            }
        }
        for (scope, datum) in &waiting {
            let period_ms = datum.resolution.period_s() * 1_000;
            let at_ms = datum.timestamp_ms.div_euclid(period_ms) * period_ms;
            merge(scope, datum.key.clone(), datum.unit, at_ms, datum.resolution, &datum.aggregate);
        }
        let mut failed: HashMap<Scope, CloudWatchError> = HashMap::new();
        for (scope, data) in merged {
            let data = data.into_iter().map(|((key, unit, timestamp_ms, resolution), aggregate)| Datum {
                key,
                unit,
                timestamp_ms,
                resolution,
                aggregate,
            });
            if let Err(error) = self.write(&scope, data.collect()).await {
                failed.insert(scope, error);
            }
        }
        for (meter, open) in taken {
            if matches!(failed.get(&meter.scope), Some(error) if is_worth_another_try(error)) {
                meter.put_back(open);
            }
        }
        failed.into_values().next().map_or(Ok(()), Err)
    }

    /// For who reads: what has been counted a moment ago is there.
    pub(crate) async fn settle(&self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "metrics cannot be written down");
        }
    }
}

/// Not so for metrics there is no room for.
const fn is_worth_another_try(error: &CloudWatchError) -> bool {
    !matches!(error, CloudWatchError::TooManyMetrics(_))
}
