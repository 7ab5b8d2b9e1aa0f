//! Whose turn it is at an endpoint: so many at a time, and no more of them in a second than its policy says. Pure, but for
//! the lock.

use std::collections::HashMap;

use hearth_types::{Millis, RequestId};
use parking_lot::Mutex;

use crate::limits::{HTTP_ATTEMPTS_OF_ONE_MAX, PACED_MAX};

#[derive(Debug, Default)]
struct Pace {
    running: usize,
    /// How long the last attempt took.
    took_ms: u64,
    /// When the next one is free.
    next_ms: i64,
    /// Turns that were given to deliveries.
    given: HashMap<RequestId, i64>,
}

/// Of all endpoints that are told, by subscription.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<HashMap<String, Pace>>);

/// A place at an endpoint, until dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    paces: &'a Paces,
    subscription: String,
    since_ms: i64,
}

impl Turn<'_> {
    /// The attempt is over.
    pub(crate) fn end(self, now_ms: i64) {
        if let Some(pace) = self.paces.0.lock().get_mut(&self.subscription) {
            pace.took_ms = now_ms.saturating_sub(self.since_ms).unsigned_abs();
        }
    }
}

impl Paces {
    /// Times are the service clock's, milliseconds.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub(crate) fn enter(
        &self,
        subscription: &str,
        id: &RequestId,
        interval_ms: Option<u64>,
        now_ms: i64,
    ) -> Result<Turn<'_>, Millis> {
        let mut paces = self.0.lock();
        let pace = paces.entry(subscription.to_owned()).or_default();
        let is_its_turn = match pace.given.get(id) {
            Some(&turn_ms) if turn_ms > now_ms => return Err(Millis((turn_ms - now_ms).unsigned_abs())),
            Some(_) => pace.given.remove(id).is_some(),
            None => false,
        };
        let is_busy = pace.running >= HTTP_ATTEMPTS_OF_ONE_MAX;
        if is_busy || (!is_its_turn && interval_ms.is_some()) {
            // As often as places become free, as far as the last one tells.
            let busy_ms = if is_busy { (pace.took_ms / HTTP_ATTEMPTS_OF_ONE_MAX as u64).max(1) } else { 0 };
            let spacing_ms = interval_ms.unwrap_or(0).max(busy_ms);
            let turn_ms = pace.next_ms.max(now_ms.saturating_add_unsigned(busy_ms));
            if turn_ms > now_ms {
                if pace.given.len() < PACED_MAX {
                    pace.given.insert(id.clone(), turn_ms);
                    pace.next_ms = turn_ms.saturating_add_unsigned(spacing_ms);
                }
                return Err(Millis((turn_ms - now_ms).unsigned_abs()));
            }
            pace.next_ms = turn_ms.saturating_add_unsigned(spacing_ms);
        }
        pace.running += 1;
        Ok(Turn { paces: self, subscription: subscription.to_owned(), since_ms: now_ms })
    }

    /// Of a subscription that has ended.
    pub(crate) fn forget(&self, subscription: &str) {
        self.0.lock().remove(subscription);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(pace) = self.paces.0.lock().get_mut(&self.subscription) {
            // None is counted of a subscription that was forgotten meanwhile.
            pace.running = pace.running.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> RequestId {
        RequestId::from(number.to_string().as_str())
    }

    #[test]
    fn a_slow_endpoint_has_so_many_at_a_time() {
        let paces = Paces::default();
        let turns: Vec<_> = (0..HTTP_ATTEMPTS_OF_ONE_MAX).map(|n| paces.enter("s", &id(n), None, 0)).collect();
        assert!(turns.iter().all(Result::is_ok));
        assert!(paces.enter("s", &id(99), None, 0).is_err());
        assert!(paces.enter("other", &id(99), None, 0).is_ok());
        drop(turns);
        assert!(paces.enter("s", &id(99), None, 1).is_ok());
    }

    #[test]
    fn who_finds_no_room_comes_again_when_there_is_some_by_the_pace_of_the_others() {
        let paces = Paces::default();
        paces.enter("s", &id(0), None, 0).expect("room").end(1_600);
        let turns: Vec<_> = (0..HTTP_ATTEMPTS_OF_ONE_MAX).map(|n| paces.enter("s", &id(n), None, 1_600)).collect();
        for (number, wait_ms) in [(100, 100), (101, 200), (102, 300)] {
            assert_eq!(paces.enter("s", &id(number), None, 1_600).expect_err("no room").0, wait_ms);
        }
        drop(turns);
        assert!(paces.enter("s", &id(101), None, 1_700).is_err(), "it is not its turn");
        assert!(paces.enter("s", &id(100), None, 1_700).is_ok());
    }

    #[test]
    fn a_throttled_endpoint_is_told_in_turn_and_no_faster() {
        let paces = Paces::default();
        assert!(paces.enter("s", &id(0), Some(100), 1_000).is_ok());
        for number in 1..=3 {
            let wait = paces.enter("s", &id(number), Some(100), 1_000).expect_err("it waits");
            assert_eq!(wait.0, 100 * number as u64);
        }
        assert!(paces.enter("s", &id(1), Some(100), 1_099).is_err());
        assert!(paces.enter("s", &id(1), Some(100), 1_100).is_ok());
        assert_eq!(paces.enter("s", &id(4), Some(100), 1_100).expect_err("it waits").0, 300);
        assert!(paces.enter("s", &id(2), Some(100), 5_000).is_ok(), "late is not too late");
    }
}
