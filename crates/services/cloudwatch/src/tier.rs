//! How finely data is kept, and for how long. Source: CloudWatch user guide, "Metrics retention".

use crate::limits::{DAY_MS, HOUR_MS};

/// One of the ways in which data is kept. All are written at once; each ages by itself.
#[derive(Debug)]
pub(crate) struct Tier {
    /// Part of its rows' keys.
    pub(crate) id: u64,
    /// One point, seconds.
    pub(crate) period_s: i64,
    /// One row, seconds.
    pub(crate) block_s: i64,
    pub(crate) kept_ms: i64,
}

/// Of data that came by the second.
pub(crate) static SECOND: Tier = Tier { id: 0, period_s: 1, block_s: 600, kept_ms: 3 * HOUR_MS };
pub(crate) static MINUTE: Tier = Tier { id: 1, period_s: 60, block_s: 3_600, kept_ms: 15 * DAY_MS };
pub(crate) static FIVE_MINUTES: Tier = Tier { id: 2, period_s: 300, block_s: 6 * 3_600, kept_ms: 63 * DAY_MS };
pub(crate) static HOUR: Tier = Tier { id: 3, period_s: 3_600, block_s: 3 * 86_400, kept_ms: 455 * DAY_MS };

pub(crate) static ALL: [&Tier; 4] = [&SECOND, &MINUTE, &FIVE_MINUTES, &HOUR];

impl Tier {
    /// The one with the fewest points that has them for these stretches of time.
    pub(crate) fn for_query(start_s: i64, period_s: i64, is_high_resolution: bool) -> &'static Self {
        let fits = |tier: &&&Self| start_s % tier.period_s == 0 && period_s % tier.period_s == 0;
        let coarse = [&HOUR, &FIVE_MINUTES, &MINUTE];
        match coarse.iter().find(|tier| fits(tier)) {
            Some(tier) => tier,
            None if is_high_resolution => &SECOND,
            None => &MINUTE,
        }
    }

    /// What the start of a query is rounded down to: finer data of that age is not there.
    pub(crate) fn alignment_s(age_ms: i64, period_s: i64) -> i64 {
        match age_ms {
            age if age < SECOND.kept_ms && period_s < MINUTE.period_s => period_s,
            age if age < MINUTE.kept_ms => MINUTE.period_s,
            age if age < FIVE_MINUTES.kept_ms => FIVE_MINUTES.period_s,
            _ => HOUR.period_s,
        }
    }

    pub(crate) fn block_start(&self, second: i64) -> i64 {
        second.div_euclid(self.block_s) * self.block_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_reads_the_coarsest_that_fits() {
        let period = |start, period, high| Tier::for_query(start, period, high).period_s;
        assert_eq!(period(0, 86_400, false), 3_600);
        assert_eq!(period(1_800, 3_600, false), 300);
        assert_eq!(period(60, 3_600, false), 60);
        assert_eq!(period(0, 60, true), 60);
        assert_eq!(period(0, 10, true), 1);
        assert_eq!(period(0, 10, false), 60);
    }

    #[test]
    fn rows_hold_whole_points() {
        for tier in ALL {
            assert_eq!(tier.block_s % tier.period_s, 0);
        }
    }
}
