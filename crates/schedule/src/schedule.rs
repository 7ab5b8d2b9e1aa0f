//! When a schedule's occurrences are.

use crate::expression::Expression;
use crate::zone::Zone;

/// An expression in a zone, and from when to when it counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub expression: Expression,
    /// Of cron expressions and single times.
    pub zone: Zone,
    /// The first occurrence of a rate; the others follow in steps of its period.
    pub anchor_ms: i64,
    /// No occurrence before it. Single times take no notice of it, and of the end neither. Source: EventBridge Scheduler
    /// API reference, CreateSchedule.
    pub start_ms: Option<i64>,
    /// No occurrence after it.
    pub end_ms: Option<i64>,
}

impl Schedule {
    /// The first occurrence after that moment; `None` when there is none any more.
    #[must_use]
    pub fn next_after(&self, instant_ms: i64) -> Option<i64> {
        if let Expression::At(civil) = &self.expression {
            return self.zone.instant_ms(*civil).filter(|at_ms| *at_ms > instant_ms);
        }
        let before_start = self.start_ms.map_or(i64::MIN, |start_ms| start_ms.saturating_sub(1));
        let after_ms = instant_ms.max(before_start);
        let next = match &self.expression {
            Expression::Cron(cron) => cron.next_after(&self.zone, after_ms),
            expression => Some(self.next_step(expression.period_ms()?, after_ms)),
        };
        next.filter(|at_ms| self.end_ms.is_none_or(|end_ms| *at_ms <= end_ms))
    }

    fn next_step(&self, period_ms: i64, after_ms: i64) -> i64 {
        if after_ms < self.anchor_ms {
            return self.anchor_ms;
        }
        let steps = after_ms.saturating_sub(self.anchor_ms) / period_ms + 1;
        self.anchor_ms.saturating_add(steps.saturating_mul(period_ms))
    }

    /// The last occurrence after the one moment and not after the other.
    #[must_use]
    pub fn last_between(&self, after_ms: i64, until_ms: i64) -> Option<i64> {
        let (mut last, mut from_ms) = (None, after_ms);
        if let Some(period_ms) = self.expression.period_ms() {
            // A rate is counted, not walked: downtimes are long and periods short.
            let until_ms = self.end_ms.map_or(until_ms, |end_ms| end_ms.min(until_ms));
            from_ms = from_ms.max(until_ms.saturating_sub(period_ms).saturating_sub(1));
        }
        while let Some(at_ms) = self.next_after(from_ms).filter(|at_ms| *at_ms <= until_ms) {
            (last, from_ms) = (Some(at_ms), at_ms);
        }
        last
    }
}
