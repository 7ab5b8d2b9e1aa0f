//! How fast something may go: a burst, then so much each second. Pure; the time is a parameter.

use std::time::Duration;

/// A bucket of bytes or requests, known by the moment at which it is full again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    per_second: u64,
    /// How long it takes to fill.
    fill: Duration,
    /// Since the bucket was made.
    full_at: Duration,
}

impl TokenBucket {
    /// A full one.
    pub(crate) fn new(burst: u64, per_second: u64) -> Self {
        let per_second = per_second.max(1);
        Self { per_second, fill: time(burst, per_second), full_at: Duration::ZERO }
    }

    /// Takes an amount out at `now`, counted from when the bucket was made, and says how long they have to wait. What does not
    /// fit is owed: the next ones wait the longer.
    pub(crate) fn take(&mut self, now: Duration, amount: u64) -> Duration {
        self.full_at = self.full_at.max(now) + time(amount, self.per_second);
        self.full_at.saturating_sub(now + self.fill)
    }

    /// Takes an amount out at `now` if it is there; else nothing.
    pub(crate) fn admit(&mut self, now: Duration, amount: u64) -> bool {
        // A clock that was set back finds the bucket empty at worst.
        self.full_at = self.full_at.clamp(now, now + self.fill);
        let full_at = self.full_at + time(amount, self.per_second);
        let is_there = full_at <= now + self.fill;
        if is_there {
            self.full_at = full_at;
        }
        is_there
    }

    pub(crate) fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

/// How long that much takes, rounded up to nanoseconds.
fn time(amount: u64, per_second: u64) -> Duration {
    let nanos = (u128::from(amount) * 1_000_000_000).div_ceil(u128::from(per_second));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn six_mebibytes_go_at_once_and_then_two_each_second() {
        let mut bucket = TokenBucket::new(6 * MIB, 2 * MIB);
        assert_eq!(bucket.take(Duration::ZERO, 6 * MIB), Duration::ZERO);
        assert_eq!(bucket.take(Duration::ZERO, 2 * MIB), SECOND);
        assert_eq!(bucket.take(SECOND, MIB), SECOND / 2);
    }

    #[test]
    fn two_hundred_mebibytes_take_97_seconds_in_whatever_pieces() {
        for piece in [8 << 10, 64 << 10, MIB, 4 * MIB] {
            let (mut bucket, mut now) = (TokenBucket::new(6 * MIB, 2 * MIB), Duration::ZERO);
            for _ in 0..200 * MIB / piece {
                now += bucket.take(now, piece);
            }
            let late = now.saturating_sub(97 * SECOND);
            assert!(now >= 97 * SECOND && late < Duration::from_millis(1), "{piece}: {now:?}");
        }
    }

    #[test]
    fn a_pause_fills_the_bucket_again_but_never_above_the_burst() {
        let mut bucket = TokenBucket::new(6 * MIB, 2 * MIB);
        bucket.take(Duration::ZERO, 6 * MIB);
        assert_eq!(bucket.take(SECOND, 2 * MIB), Duration::ZERO, "a second's worth");
        assert_eq!(bucket.take(100 * SECOND, 6 * MIB), Duration::ZERO);
        assert_eq!(bucket.take(100 * SECOND, 2 * MIB), SECOND, "not what hours of silence would have earned");
    }
}
