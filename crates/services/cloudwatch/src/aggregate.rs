//! What is kept of the values of one metric in one stretch of time.

use serde::{Deserialize, Serialize};

use crate::distribution::Distribution;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Aggregate {
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// `None` when a statistic set came whose values nobody knows: then there are no percentiles. Source: CloudWatch API
    /// reference, PutMetricData.
    pub(crate) distribution: Option<Distribution>,
}

impl Default for Aggregate {
    fn default() -> Self {
        Self {
            count: 0.0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            distribution: Some(Distribution::default()),
        }
    }
}

impl Aggregate {
    pub(crate) fn of(value: f64) -> Self {
        let mut one = Self::default();
        one.add(value, 1.0);
        one
    }

    /// Of values that only somebody else has seen.
    pub(crate) fn of_statistics(count: f64, sum: f64, min: f64, max: f64) -> Self {
        let distribution = (min == max).then(|| {
            let mut flat = Distribution::default();
            flat.add(min, count);
            flat
        });
        Self { count, sum, min, max, distribution }
    }

    pub(crate) fn add(&mut self, value: f64, count: f64) {
        self.count += count;
        self.sum += value * count;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if let Some(distribution) = &mut self.distribution {
            distribution.add(value, count);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        match (&mut self.distribution, &other.distribution) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (ours, _) => *ours = None,
        }
    }
}
