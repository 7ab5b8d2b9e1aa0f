//! What a mapping tells of its events, if its `MetricsConfig` asks for it.
//!
//! Source: Lambda developer guide, "Types of metrics for Lambda functions", event source mapping metrics. Those of records
//! that expire, or go to a destination, are about streams and Kafka; messages do neither.

use std::fmt;
use std::sync::Arc;

use hearth_ports::metrics::lambda::of_mapping;
use hearth_ports::{Meter, Metric, MetricSink, QueueMapping};
use hearth_types::{Clock, RequestContext, RequestId};

use crate::poller::PRINCIPAL;

/// Without a meter nothing is told.
#[derive(Clone)]
pub(crate) struct Counts(Option<(Arc<dyn Meter>, Arc<dyn Clock>)>);

impl Counts {
    pub(crate) fn new(mapping: &QueueMapping, sink: &dyn MetricSink, clock: &Arc<dyn Clock>) -> Self {
        let meter = mapping.counts_events.then(|| {
            let ctx = RequestContext::service(&mapping.scope, PRINCIPAL, RequestId::from(""));
            (sink.meter(&ctx, vec![of_mapping(&mapping.id)]), Arc::clone(clock))
        });
        Self(meter)
    }

    pub(crate) fn tell(&self, metric: &'static Metric, events: usize) {
        if let Some((meter, clock)) = &self.0 {
            meter.record(clock.now_ms(), &[(metric, events as f64)]);
        }
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Counts" } else { "Counts(none)" })
    }
}
