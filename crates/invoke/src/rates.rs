//! How often something may happen, for each of many. Pure; the time is a parameter.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::token_bucket::TokenBucket;

/// So many are remembered before those that have been quiet are looked for.
const REMEMBERED_MIN: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// At once, after a quiet time.
    pub(crate) burst: u32,
    pub(crate) per_second: u32,
}

/// A bucket for each key that was busy a moment ago.
#[derive(Debug)]
pub(crate) struct Rates<K> {
    buckets: HashMap<K, (Rate, TokenBucket)>,
    forget_at: usize,
}

impl<K> Default for Rates<K> {
    fn default() -> Self {
        Self { buckets: HashMap::new(), forget_at: REMEMBERED_MIN }
    }
}

impl<K: Eq + Hash + Clone> Rates<K> {
    /// Whether it may happen once more now. `now`: on a clock that begins before all of them.
    pub(crate) fn admit(&mut self, key: &K, rate: Rate, now: Duration) -> bool {
        if rate.burst == 0 || rate.per_second == 0 {
            return false;
        }
        if self.buckets.len() >= self.forget_at {
            self.buckets.retain(|_, (_, bucket)| !bucket.is_full(now));
            self.forget_at = REMEMBERED_MIN.max(self.buckets.len() * 2);
        }
        let made = || (rate, TokenBucket::new(rate.burst.into(), rate.per_second.into()));
        let known = self.buckets.entry(key.clone()).or_insert_with(made);
        if known.0 != rate {
            *known = made();
        }
        known.1.admit(now, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_admits_its_burst_and_then_as_much_as_has_been_refilled() {
        let (mut rates, rate) = (Rates::default(), Rate { burst: 3, per_second: 10 });
        let at = |ms| Duration::from_secs(1_000_000) + Duration::from_millis(ms);
        let mut admitted = |ms, tries: u32| (0..tries).filter(|_| rates.admit(&"f", rate, at(ms))).count();
        assert_eq!(admitted(0, 9), 3);
        assert_eq!(admitted(99, 9), 0);
        assert_eq!(admitted(100, 9), 1);
        assert_eq!(admitted(250, 9), 1);
        assert_eq!(admitted(10_000, 9), 3, "a quiet time does not add up");
    }

    #[test]
    fn each_has_a_rate_of_its_own_which_may_be_set_anew() {
        let (mut rates, now) = (Rates::default(), Duration::from_secs(9));
        let once = Rate { burst: 1, per_second: 1 };
        assert!(rates.admit(&1, once, now) && rates.admit(&2, once, now) && !rates.admit(&1, once, now));
        assert!(rates.admit(&1, Rate { burst: 2, per_second: 2 }, now));
        assert!(!rates.admit(&3, Rate { burst: 0, per_second: 0 }, now));
    }

    #[test]
    fn a_clock_that_was_set_back_costs_no_more_than_a_burst() {
        let (mut rates, rate) = (Rates::default(), Rate { burst: 2, per_second: 2 });
        assert!(rates.admit(&"f", rate, Duration::from_secs(9_000)));
        assert!(!rates.admit(&"f", rate, Duration::from_secs(5_000)));
        assert!(rates.admit(&"f", rate, Duration::from_secs(5_001)));
    }

    #[test]
    fn who_has_been_quiet_is_forgotten() {
        let (mut rates, rate) = (Rates::default(), Rate { burst: 5, per_second: 5 });
        for number in 0..10_000_u64 {
            assert!(rates.admit(&number, rate, Duration::from_millis(number * 10)));
        }
        assert!(rates.buckets.len() <= REMEMBERED_MIN + 1, "{}", rates.buckets.len());
    }
}
