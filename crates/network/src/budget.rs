//! A budget that refills with time: how much of something may happen per second, and how much at once. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket; a tenth of a second's worth may be spent at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    per_second: u32,
    /// When the budget will be, or was, full again. What is spent moves it onwards.
    full_at: Instant,
}

/// Part of a second whose worth may be spent at once.
const BURST: Duration = Duration::from_millis(100);

impl Budget {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, full_at: now }
    }

    /// Spends, and says how long to wait until there is something left again; zero if there is now.
    pub(crate) fn spend(&mut self, amount: u32, now: Instant) -> Duration {
        self.full_at = self.full_at.max(now) + Duration::from_secs(1) * amount / self.per_second;
        self.full_at.duration_since(now).saturating_sub(BURST)
    }

    /// Spends if there is something left.
    pub(crate) fn try_spend(&mut self, amount: u32, now: Instant) -> bool {
        let is_left = self.full_at.saturating_duration_since(now) < BURST;
        if is_left {
            self.spend(amount, now);
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_a_second_s_worth_may_be_spent_at_once() {
        let now = Instant::now();
        let mut budget = Budget::new(1_000, now);
        assert_eq!((0..200).filter(|_| budget.try_spend(1, now)).count(), 100);
        assert_eq!(budget.spend(1, now), Duration::from_millis(1));
        assert_eq!(budget.spend(10, now), Duration::from_millis(11));
    }

    #[test]
    fn over_a_long_time_it_is_what_it_says() {
        let started = Instant::now();
        let mut budget = Budget::new(1_000, started);
        let spent =
            (0..100_000_u32).filter(|at| budget.try_spend(1, started + Duration::from_micros(100) * *at)).count();
        // Ten seconds' worth and the burst, of ten times as many attempts.
        assert!((10_000..=10_101).contains(&spent), "{spent}");
    }

    #[test]
    fn what_was_not_spent_is_not_saved() {
        let started = Instant::now();
        let mut budget = Budget::new(1_000, started);
        let later = started + Duration::from_secs(60);
        assert_eq!((0..200).filter(|_| budget.try_spend(1, later)).count(), 100);
    }
}
