//! Metrics of the platform and of functions. CloudWatch owns the other side of this door.
//!
//! Who writes a metric often keeps a [`Meter`]: it is found once, and a value in it costs one short lock. [`lambda`] is
//! the table of what Lambda tells about functions.

pub mod lambda;

use std::sync::Arc;

use hearth_types::RequestContext;

/// What values count in: CloudWatch's units. Source: CloudWatch API reference, MetricDatum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    Seconds,
    Microseconds,
    Milliseconds,
    Bytes,
    Kilobytes,
    Megabytes,
    Gigabytes,
    Terabytes,
    Bits,
    Kilobits,
    Megabits,
    Gigabits,
    Terabits,
    Percent,
    Count,
    BytesPerSecond,
    KilobytesPerSecond,
    MegabytesPerSecond,
    GigabytesPerSecond,
    TerabytesPerSecond,
    BitsPerSecond,
    KilobitsPerSecond,
    MegabitsPerSecond,
    GigabitsPerSecond,
    TerabitsPerSecond,
    CountPerSecond,
    #[default]
    None,
}

impl Unit {
    /// Every unit with its name, in the order AWS lists them.
    pub const ALL: [(Self, &'static str); 27] = [
        (Self::Seconds, "Seconds"),
        (Self::Microseconds, "Microseconds"),
        (Self::Milliseconds, "Milliseconds"),
        (Self::Bytes, "Bytes"),
        (Self::Kilobytes, "Kilobytes"),
        (Self::Megabytes, "Megabytes"),
        (Self::Gigabytes, "Gigabytes"),
        (Self::Terabytes, "Terabytes"),
        (Self::Bits, "Bits"),
        (Self::Kilobits, "Kilobits"),
        (Self::Megabits, "Megabits"),
        (Self::Gigabits, "Gigabits"),
        (Self::Terabits, "Terabits"),
        (Self::Percent, "Percent"),
        (Self::Count, "Count"),
        (Self::BytesPerSecond, "Bytes/Second"),
        (Self::KilobytesPerSecond, "Kilobytes/Second"),
        (Self::MegabytesPerSecond, "Megabytes/Second"),
        (Self::GigabytesPerSecond, "Gigabytes/Second"),
        (Self::TerabytesPerSecond, "Terabytes/Second"),
        (Self::BitsPerSecond, "Bits/Second"),
        (Self::KilobitsPerSecond, "Kilobits/Second"),
        (Self::MegabitsPerSecond, "Megabits/Second"),
        (Self::GigabitsPerSecond, "Gigabits/Second"),
        (Self::TerabitsPerSecond, "Terabits/Second"),
        (Self::CountPerSecond, "Count/Second"),
        (Self::None, "None"),
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// `None` for what is no unit.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(unit, _)| *unit)
    }
}

/// A metric of the platform. One `static` each: a meter tells them apart by their address.
#[derive(Debug)]
pub struct Metric {
    pub namespace: &'static str,
    pub name: &'static str,
    pub unit: Unit,
}

/// Names and values, in the order of the names.
pub type Dimensions = Vec<(String, String)>;

/// One value of a metric whose name is known only now: what a log line in the embedded metric format says.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricDatum {
    pub namespace: String,
    pub name: String,
    pub dimensions: Dimensions,
    pub unit: Unit,
    pub values: Vec<f64>,
    pub timestamp_ms: i64,
    /// Kept by the second for a while.
    pub is_high_resolution: bool,
}

/// Where the values of one source go.
pub trait Meter: Send + Sync + 'static {
    /// Takes values of the moment `timestamp_ms`, wall clock. Never blocks for longer than another call takes.
    fn record(&self, timestamp_ms: i64, values: &[(&'static Metric, f64)]);
}

/// Takes metrics; never blocks the caller, and nothing is acknowledged: what came since the last minute is forgotten when
/// the server is killed.
pub trait MetricSink: Send + Sync + 'static {
    /// The meter whose values go to each of these sets of dimensions. Keep it as long as its source is there; asking again
    /// gives the same one.
    fn meter(&self, ctx: &RequestContext, dimension_sets: Vec<Dimensions>) -> Arc<dyn Meter>;

    /// Takes single values. What there is no room for is counted and told of in the server's log.
    fn put(&self, ctx: &RequestContext, data: Vec<MetricDatum>);
}

/// Forgets all metrics: for tests, and for servers without CloudWatch.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl MetricSink for NoMetrics {
    fn meter(&self, _: &RequestContext, _: Vec<Dimensions>) -> Arc<dyn Meter> {
        Arc::new(Self)
    }

    fn put(&self, _: &RequestContext, _: Vec<MetricDatum>) {}
}

impl Meter for NoMetrics {
    fn record(&self, _: i64, _: &[(&'static Metric, f64)]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_has_the_name_it_is_listed_with() {
        for (unit, name) in Unit::ALL {
            assert_eq!(unit.as_str(), name);
            assert_eq!(Unit::parse(name), Some(unit));
        }
        assert_eq!(Unit::parse("Furlongs"), None);
    }
}
