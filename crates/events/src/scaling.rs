//! How many batches of a mapping may run at once. Pure: time comes in.
//!
//! ```text
//! seen                                 becomes
//! messages, and all places are taken   Growing from what it is, or goes on growing
//! messages, and half of them are left  Steady at what it is; the start when it was quiet
//! nothing, all of the start running    Steady at one more than runs: somebody must go on looking
//! nothing, two or more running         Steady at the start
//! nothing, less running                Quiet: the start for a minute, then two
//! setback                              Growing from half
//! ```
//!
//! Messages that wait are found, however long the batches that run take. A setback is a throttle or a failed batch: the real
//! service then takes places away, too.

use crate::limits::{BATCHES_MAX, BATCHES_PER_MINUTE, BATCHES_QUIET, BATCHES_START, QUIET_MS};

/// What a poller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Messages came. `running`: the batches that run, with theirs.
    Messages { running: u32 },
    /// A receive came back empty.
    Nothing { running: u32 },
    /// The function was throttled, or failed.
    Setback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Steady { places: u32 },
    Growing { from: u32, since_ms: i64 },
    Quiet { since_ms: i64 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaling {
    state: State,
    start: u32,
    quiet: u32,
    max: u32,
}

impl Scaling {
    /// `concurrency_max`: `MaximumConcurrency`, which also keeps the places from falling when it is quiet.
    pub(crate) fn new(concurrency_max: Option<u32>) -> Self {
        let max = concurrency_max.map_or(BATCHES_MAX, |max| max.min(BATCHES_MAX));
        let start = BATCHES_START.min(max);
        let quiet = if concurrency_max.is_some() { start } else { BATCHES_QUIET };
        Self { state: State::Steady { places: start }, start, quiet, max }
    }

    /// Batches that may run now.
    pub(crate) fn places(&self, now_ms: i64) -> u32 {
        let places = match self.state {
            State::Steady { places } => places,
            State::Growing { from, since_ms } => {
                let grown = (now_ms - since_ms).max(0) * BATCHES_PER_MINUTE / 60_000;
                from.saturating_add(u32::try_from(grown).unwrap_or(u32::MAX))
            }
            State::Quiet { since_ms } if now_ms - since_ms >= QUIET_MS => self.quiet,
            State::Quiet { .. } => self.start,
        };
        places.min(self.max)
    }

    pub(crate) fn see(&mut self, seen: Seen, now_ms: i64) {
        let places = match self.state {
            State::Quiet { .. } => self.start,
            _ => self.places(now_ms),
        };
        let growing = |from| State::Growing { from, since_ms: now_ms };
        self.state = match (seen, self.state) {
            (Seen::Messages { running }, State::Growing { .. }) if running * 2 >= places => self.state,
            (Seen::Messages { running }, _) if running >= places => growing(places),
            (Seen::Messages { .. }, _) => State::Steady { places },
            (Seen::Nothing { running }, _) if running >= self.start => State::Steady { places: running + 1 },
            (Seen::Nothing { running }, _) if running >= self.quiet => State::Steady { places: self.start },
            (Seen::Nothing { .. }, State::Quiet { .. }) => self.state,
            (Seen::Nothing { .. }, _) => State::Quiet { since_ms: now_ms },
            (Seen::Setback, _) => growing((places / 2).max(self.quiet)),
        };
    }

    /// Milliseconds until there is a place more, if time alone brings one.
    pub(crate) fn grows_in_ms(&self, now_ms: i64) -> Option<u64> {
        let places = self.places(now_ms);
        let State::Growing { from, since_ms } = self.state else { return None };
        let more = i64::from(places + 1 - from);
        let at_ms = since_ms + (more * 60_000 + BATCHES_PER_MINUTE - 1) / BATCHES_PER_MINUTE;
        (places < self.max).then(|| u64::try_from(at_ms - now_ms).unwrap_or(0).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    /// A backlog for so long, looked at every 100 ms: every place is always taken.
    fn busy(scaling: &mut Scaling, from_ms: i64, for_ms: i64) {
        for now in (from_ms..from_ms + for_ms).step_by(100) {
            let running = scaling.places(now);
            scaling.see(Seen::Messages { running }, now);
        }
    }

    #[test]
    fn it_starts_with_5_and_grows_by_300_a_minute_to_1250() {
        let mut scaling = Scaling::new(None);
        assert_eq!(scaling.places(0), 5);
        busy(&mut scaling, 0, 10 * MINUTE);
        for (at, places) in [(MINUTE, 305), (2 * MINUTE, 605), (4 * MINUTE, 1_205), (5 * MINUTE, 1_250)] {
            let mut scaling = Scaling::new(None);
            busy(&mut scaling, 0, at);
            assert_eq!(scaling.places(at), places, "{at}");
        }
        assert_eq!(scaling.places(10 * MINUTE), 1_250);
        assert_eq!(scaling.grows_in_ms(10 * MINUTE), None);
    }

    #[test]
    fn messages_that_find_a_place_do_not_make_it_grow() {
        let mut scaling = Scaling::new(None);
        for now in (0..10 * MINUTE).step_by(100) {
            scaling.see(Seen::Messages { running: 4 }, now);
        }
        assert_eq!(scaling.places(10 * MINUTE), 5);
        // A backlog that is over stops it, and it stays where it is.
        busy(&mut scaling, 10 * MINUTE, MINUTE);
        scaling.see(Seen::Messages { running: 10 }, 11 * MINUTE);
        assert_eq!(scaling.places(20 * MINUTE), 305);
    }

    #[test]
    fn it_falls_to_5_and_then_to_2_when_nothing_comes() {
        let mut scaling = Scaling::new(None);
        busy(&mut scaling, 0, MINUTE);
        scaling.see(Seen::Nothing { running: 0 }, MINUTE);
        assert_eq!(scaling.places(MINUTE), 5);
        for second in 1..=60 {
            scaling.see(Seen::Nothing { running: 0 }, MINUTE + second * 1_000);
        }
        assert_eq!(scaling.places(2 * MINUTE - 1), 5);
        assert_eq!(scaling.places(2 * MINUTE), 2);
        scaling.see(Seen::Messages { running: 1 }, 3 * MINUTE);
        assert_eq!(scaling.places(3 * MINUTE), 5);
    }

    #[test]
    fn who_waits_behind_long_batches_is_found() {
        for running in [5, 6, 300] {
            let mut scaling = Scaling::new(None);
            for minute in 0..10 {
                scaling.see(Seen::Nothing { running }, minute * MINUTE);
                assert_eq!(scaling.places(minute * MINUTE), running + 1);
                assert_eq!(scaling.places(minute * MINUTE + 59_000), running + 1, "nobody has asked for more");
            }
        }
        let mut scaling = Scaling::new(None);
        for second in 0..600 {
            scaling.see(Seen::Nothing { running: 3 }, second * 1_000);
        }
        assert_eq!(scaling.places(10 * MINUTE), 5);
    }

    #[test]
    fn maximum_concurrency_is_never_passed_and_keeps_its_places_when_it_is_quiet() {
        for max in [2, 5, 50, 1_000] {
            let mut scaling = Scaling::new(Some(max));
            assert_eq!(scaling.places(0), max.min(5));
            busy(&mut scaling, 0, 10 * MINUTE);
            assert_eq!(scaling.places(10 * MINUTE), max);
            scaling.see(Seen::Nothing { running: 0 }, 10 * MINUTE);
            assert_eq!(scaling.places(20 * MINUTE), max.min(5));
        }
    }

    #[test]
    fn a_setback_halves_it_and_a_backlog_makes_it_grow_again() {
        let mut scaling = Scaling::new(None);
        busy(&mut scaling, 0, MINUTE);
        scaling.see(Seen::Setback, MINUTE);
        assert_eq!(scaling.places(MINUTE), 152);
        (0..20).for_each(|_| scaling.see(Seen::Setback, MINUTE));
        assert_eq!(scaling.places(MINUTE), 2);
        busy(&mut scaling, MINUTE, MINUTE);
        assert_eq!(scaling.places(2 * MINUTE), 302);
    }

    #[test]
    fn it_says_when_the_next_place_comes() {
        let mut scaling = Scaling::new(None);
        assert_eq!(scaling.grows_in_ms(0), None);
        scaling.see(Seen::Messages { running: 5 }, 0);
        let mut now = 0;
        for place in 6..300 {
            now += i64::try_from(scaling.grows_in_ms(now).expect("growing")).expect("small");
            assert_eq!(scaling.places(now), place);
            assert_eq!(scaling.places(now - 1), place - 1);
        }
    }
}
