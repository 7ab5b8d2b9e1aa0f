//! Whose turn it is at an endpoint: so many at a time, and no more of them in a second than its policy says. Pure, but for
//! the lock.

use std::collections::HashMap;

use hearth_types::{Millis, RequestId};
use parking_lot::Mutex;

use crate::limits::{HTTP_ATTEMPTS_OF_ONE_MAX, PACED_MAX};

/// Until it is asked again whether an endpoint has room.
const BUSY: Millis = Millis(500);

#[derive(Debug, Default)]
struct Pace {
    running: usize,
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
}

impl Paces {
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
        if pace.running >= HTTP_ATTEMPTS_OF_ONE_MAX {
            return Err(BUSY);
        }
        if let Some(interval_ms) = interval_ms {
            let is_given = pace.given.contains_key(id);
            let turn_ms = pace.given.get(id).copied().unwrap_or(pace.next_ms.max(now_ms));
            let can_wait = is_given || pace.given.len() < PACED_MAX;
            if !is_given && (turn_ms <= now_ms || can_wait) {
                pace.next_ms = turn_ms.saturating_add_unsigned(interval_ms);
            }
            if turn_ms > now_ms {
                if can_wait {
                    pace.given.insert(id.clone(), turn_ms);
                }
                return Err(Millis((turn_ms - now_ms).unsigned_abs()));
            }
            pace.given.remove(id);
        }
        pace.running += 1;
        Ok(Turn { paces: self, subscription: subscription.to_owned() })
    }

    /// Of a subscription that has ended.
    pub(crate) fn forget(&self, subscription: &str) {
        let mut paces = self.0.lock();
        if paces.get(subscription).is_some_and(|pace| pace.running == 0) {
            paces.remove(subscription);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(pace) = self.paces.0.lock().get_mut(&self.subscription) {
            pace.running -= 1;
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
        assert!(paces.enter("s", &id(99), None, 0).is_ok());
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
