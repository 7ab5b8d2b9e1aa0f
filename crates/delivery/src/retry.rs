//! When an attempt is made again: policies as tables. Pure.

use hearth_types::Millis;

/// A pause before each of a number of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    pub retries: u32,
    pub pause: Pause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    Fixed(Millis),
    /// From `min`, doubled each time, to `max`.
    Doubling {
        min: Millis,
        max: Millis,
    },
}

/// Phases one after the other; then no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy<'a>(pub &'a [Phase]);

/// Retries of a function error. Source: Lambda developer guide, "How Lambda handles errors and retries with asynchronous
/// invocation": one minute before the second attempt, two before the third.
pub const FUNCTION_ERROR: RetryPolicy<'static> = RetryPolicy(&[
    Phase { retries: 1, pause: Pause::Fixed(Millis::from_secs(60)) },
    Phase { retries: 1, pause: Pause::Fixed(Millis::from_secs(120)) },
]);

/// Retries while nothing ran: throttles and faults of the platform. Age ends them. Source: as [`FUNCTION_ERROR`].
pub const NOT_RUN: RetryPolicy<'static> = RetryPolicy(&[Phase {
    retries: u32::MAX,
    pause: Pause::Doubling { min: Millis::from_secs(1), max: Millis::from_secs(300) },
}]);

/// Retries of a notification to SQS or Lambda: 100,015 attempts over 23 days. Source: SNS developer guide, "Amazon SNS
/// message delivery retries".
pub const AWS_SUBSCRIBER: RetryPolicy<'static> = RetryPolicy(&[
    Phase { retries: 3, pause: Pause::Fixed(Millis(0)) },
    Phase { retries: 2, pause: Pause::Fixed(Millis::from_secs(1)) },
    Phase { retries: 10, pause: Pause::Doubling { min: Millis::from_secs(1), max: Millis::from_secs(20) } },
    Phase { retries: 100_000, pause: Pause::Fixed(Millis::from_secs(20)) },
]);

/// Retries of a call of a target by EventBridge or its Scheduler: a schedule's or target's own limits end them, and 185
/// retries take nearly 24 hours. Source: EventBridge user guide, "How EventBridge retries delivering events"; the shape is
/// Hearth's own.
pub const AWS_TARGET: RetryPolicy<'static> = RetryPolicy(&[Phase {
    retries: u32::MAX,
    pause: Pause::Doubling { min: Millis::from_secs(1), max: Millis::from_secs(480) },
}]);

impl RetryPolicy<'_> {
    /// The pause before a retry, the first being 1; `None` when there is none any more.
    #[must_use]
    pub fn pause(&self, retry: u32) -> Option<Millis> {
        let mut before = 0_u32;
        for Phase { retries, pause } in self.0 {
            let last = before.saturating_add(*retries);
            if retry <= last {
                return Some(pause.nth(retry.saturating_sub(before)));
            }
            before = last;
        }
        None
    }
}

impl Pause {
    fn nth(self, number: u32) -> Millis {
        match self {
            Self::Fixed(pause) => pause,
            Self::Doubling { min, max } => Millis((min.0 << number.saturating_sub(1).min(16)).min(max.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses_s(policy: RetryPolicy<'_>, retries: impl IntoIterator<Item = u32>) -> Vec<Option<u64>> {
        retries.into_iter().map(|retry| policy.pause(retry).map(|pause| pause.0 / 1_000)).collect()
    }

    #[test]
    fn the_documented_policies_pause_as_documented() {
        assert_eq!(pauses_s(FUNCTION_ERROR, 1..=3), [Some(60), Some(120), None]);
        assert_eq!(
            pauses_s(NOT_RUN, [1, 2, 3, 9, 10, 1_000_000, u32::MAX]),
            [Some(1), Some(2), Some(4), Some(256), Some(300), Some(300), Some(300)]
        );
        assert_eq!(
            pauses_s(AWS_SUBSCRIBER, [1, 3, 4, 5, 6, 7, 10, 15, 16, 100_015, 100_016]),
            [Some(0), Some(0), Some(1), Some(1), Some(1), Some(2), Some(16), Some(20), Some(20), Some(20), None]
        );
        let pauses_s = pauses_s(AWS_TARGET, 1..=185).into_iter().flatten().sum::<u64>();
        assert!((23 * 3_600..86_400).contains(&pauses_s), "{pauses_s} s");
        let retries = AWS_SUBSCRIBER.0.iter().map(|phase| phase.retries).sum::<u32>();
        assert_eq!(retries, 100_015);
    }
}
