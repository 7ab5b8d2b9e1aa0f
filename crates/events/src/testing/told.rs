//! What was told of the one mapping of a test.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_ports::{Dimensions, Meter, Metric, MetricDatum, MetricSink};
use hearth_types::RequestContext;
use parking_lot::Mutex;

use super::mapping;

/// By metric, number and sum of its values.
#[derive(Default)]
pub(crate) struct Told(Arc<Mutex<BTreeMap<&'static str, (u32, f64)>>>);

impl Told {
    /// `None`: nothing was told.
    pub(crate) fn sum(&self, metric: &Metric) -> Option<f64> {
        self.0.lock().get(metric.name).map(|(_, sum)| *sum)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

impl MetricSink for Told {
    fn meter(&self, _: &RequestContext, dimension_sets: Vec<Dimensions>) -> Arc<dyn Meter> {
        let mapping = ("EventSourceMappingUUID".to_owned(), mapping().id);
        assert_eq!(dimension_sets, [[mapping]]);
        Arc::new(Self(Arc::clone(&self.0)))
    }

    fn put(&self, _: &RequestContext, data: Vec<MetricDatum>) {
        panic!("mappings have meters: {data:?}");
    }
}

impl Meter for Told {
    fn record(&self, _: i64, values: &[(&'static Metric, f64)]) {
        let mut told = self.0.lock();
        for (metric, value) in values {
            let (count, sum) = told.entry(metric.name).or_default();
            *count += 1;
            *sum += value;
        }
    }
}
