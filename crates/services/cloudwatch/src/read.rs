//! The data of a metric between two times, a point for each period that has any.

use std::collections::BTreeMap;

use hearth_ports::Unit;
use hearth_types::Scope;

use crate::CloudWatch;
use crate::aggregate::Aggregate;
use crate::error::CloudWatchError;
use crate::record::{Block, block_key, decode};
use crate::series::{MetricKey, Resolution};
use crate::tier::{SECOND, Tier};

/// Half-open, in whole seconds; points lie at `start_s` and each period behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) start_s: i64,
    pub(crate) end_s: i64,
    pub(crate) period_s: i64,
}

/// By unit and by the second at which each point begins.
pub(crate) type Points = BTreeMap<Unit, BTreeMap<i64, Aggregate>>;

impl Window {
    /// As it was asked for, its start rounded down to what there is of that age.
    pub(crate) fn new(start_ms: i64, end_ms: i64, period_s: i64, now_ms: i64) -> Self {
        let alignment_s = Tier::alignment_s(now_ms - start_ms, period_s);
        let start_s = start_ms.div_euclid(1_000).div_euclid(alignment_s) * alignment_s;
        Self { start_s, end_s: -(-end_ms).div_euclid(1_000), period_s }
    }

    /// Where the point begins that a second falls into.
    fn point(&self, second: i64) -> Option<i64> {
        (self.start_s..self.end_s)
            .contains(&second)
            .then(|| self.start_s + (second - self.start_s) / self.period_s * self.period_s)
    }
}

impl CloudWatch {
    /// # Errors
    /// The store's.
    pub(crate) async fn read(
        &self,
        scope: &Scope,
        key: &MetricKey,
        unit: Option<Unit>,
        window: Window,
    ) -> Result<Points, CloudWatchError> {
        let _shared = self.house.read().await;
        let mut found = Points::new();
        let series: Vec<(Unit, u64, bool, i64)> = {
            let places = self.places.lock();
            let Some(place) = places.get(scope) else { return Ok(found) };
            let units = place.metrics.get(key).into_iter().flatten();
            let wanted = units.filter(|(of, _)| unit.is_none_or(|unit| unit == **of));
            let mut series = Vec::new();
            for (unit, id) in wanted {
                let Some(one) = place.series.get(id) else { continue };
                series.push((*unit, *id, one.is_high_resolution, one.last_ms));
                let points = found.entry(*unit).or_default();
                for ((second, resolution), aggregate) in &one.open {
                    // What came by the second stays there for a query of seconds, and is a minute's for others.
                    let second = match resolution {
                        Resolution::Second if window.period_s < 60 => *second,
                        _ => second.div_euclid(60) * 60,
                    };
                    if let Some(point) = window.point(second) {
                        points.entry(point).or_default().merge(aggregate);
                    }
                }
            }
            series
        };
        for (unit, id, is_high_resolution, last_ms) in series {
            let tier = Tier::for_query(window.start_s, window.period_s, is_high_resolution && window.period_s < 60);
            let points = found.entry(unit).or_default();
            self.read_blocks(scope, id, tier, window, last_ms, points).await?;
        }
        found.retain(|_, points| !points.is_empty());
        Ok(found)
    }

    async fn read_blocks(
        &self,
        scope: &Scope,
        id: u64,
        tier: &'static Tier,
        window: Window,
        last_ms: i64,
        points: &mut BTreeMap<i64, Aggregate>,
    ) -> Result<(), CloudWatchError> {
        let oldest_s = (self.clock.now_ms() - tier.kept_ms).div_euclid(1_000);
        let mut start = tier.block_start(window.start_s.max(oldest_s));
        let end_s = window.end_s.min(last_ms.div_euclid(1_000) + 1);
        while start < end_s {
            if let Some(row) = self.store.get(&block_key(scope, tier, start, id)).await? {
                for (place, aggregate) in decode::<Block>(&row.value)?.points {
                    let second = start + i64::from(place) * tier.period_s;
                    if second < oldest_s && tier.id != SECOND.id {
                        continue;
                    }
                    if let Some(point) = window.point(second) {
                        points.entry(point).or_default().merge(&aggregate);
                    }
                }
            }
            start += tier.block_s;
        }
        Ok(())
    }
}
