//! How often a URL lets requests through: ten times each second for each concurrent execution that is reserved for its
//! function. Without a reservation there is no such limit. Source: Lambda developer guide, "Function URLs", throttling.
//!
//! Time is a parameter. A function that has been asked nothing for a second is forgotten.

use std::collections::HashMap;

use hearth_types::FunctionUid;
use parking_lot::Mutex;

/// Requests each second, per reserved concurrent execution.
const REQUESTS_PER_SECOND: i64 = 10;
/// What may come at once is what may come in such a time.
const BURST_MS: i64 = 1_000;
/// Functions that are known before those are looked for that can be forgotten.
const KNOWN_MAX: usize = 1_024;
/// Parts of a millisecond: even ten thousand requests each second are told apart.
const PARTS: i64 = 1_000_000;

/// The functions that URLs have asked of late.
#[derive(Default)]
pub(crate) struct Rates(Mutex<HashMap<FunctionUid, i64>>);

impl Rates {
    /// Whether a request may go on to a function with that reservation, now; it counts if so.
    pub(crate) fn admit(&self, function: &FunctionUid, reserved: u32, now_ms: i64) -> bool {
        let now = now_ms.saturating_mul(PARTS);
        let burst = BURST_MS * PARTS;
        let mut known = self.0.lock();
        // When the requests so far will have been paid for, at the rate of that time.
        let paid = known.get(function).map_or(now, |paid| (*paid).max(now));
        let per_second = i64::from(reserved) * REQUESTS_PER_SECOND;
        // Nothing runs at all then, and the gate says so.
        let Some(price) = burst.checked_div(per_second) else { return true };
        if paid + price > now + burst {
            return false;
        }
        if known.len() >= KNOWN_MAX {
            known.retain(|_, paid| *paid > now);
        }
        known.insert(function.clone(), paid + price);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn uid(name: &str) -> FunctionUid {
        FunctionUid::from(name)
    }

    /// How many of a crowd are let through.
    fn admitted(rates: &Rates, function: &str, reserved: u32, now_ms: i64) -> usize {
        (0..1_000).filter(|_| rates.admit(&uid(function), reserved, now_ms)).count()
    }

    #[test]
    fn ten_requests_a_second_for_each_reserved_execution() {
        for (reserved, expected) in [(1, 10), (5, 50)] {
            let rates = Rates::default();
            assert_eq!(admitted(&rates, "f", reserved, NOW_MS), expected);
            assert_eq!(admitted(&rates, "f", reserved, NOW_MS), 0, "at the same moment");
            assert_eq!(admitted(&rates, "f", reserved, NOW_MS + 500), expected / 2, "half a second later");
            assert_eq!(admitted(&rates, "f", reserved, NOW_MS + 60_000), expected, "silence is not saved up");
        }
    }

    #[test]
    fn functions_do_not_count_for_each_other_and_are_forgotten() {
        let rates = Rates::default();
        for number in 0..3 * KNOWN_MAX {
            let later = NOW_MS + i64::try_from(number).expect("small");
            assert!(rates.admit(&uid(&number.to_string()), 100, later));
        }
        assert!(rates.0.lock().len() <= KNOWN_MAX);
    }
}
