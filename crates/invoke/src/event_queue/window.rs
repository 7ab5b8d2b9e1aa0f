//! The part of the event queue that is in memory: the events due next. Pure.
//!
//! Invariant: every event outside the window (in the store only) stands at [`Window::outside_from`] or behind it, in
//! the order of due time and id, and everything in the window before it. So what the window gives is always what is due
//! next.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use hearth_types::{RequestId, Scope};

use super::record::{EventBody, EventState};

/// An event as the window holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) scope: Scope,
    pub(crate) id: RequestId,
    pub(crate) due_ms: i64,
    pub(crate) state: EventState,
    /// Kept in memory while there is room for it, else read again from the store.
    pub(crate) body: Option<Arc<EventBody>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowLimits {
    pub(crate) events: usize,
    /// Payloads of waiting events.
    pub(crate) payload_bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Window {
    limits: WindowLimits,
    waiting: BTreeMap<Place, Queued>,
    /// Waiting and running events.
    known: HashSet<RequestId>,
    payload_bytes: usize,
    outside_from: Option<Place>,
}

/// Due time and id: the order of the store's keys.
pub(crate) type Place = (i64, RequestId);

/// Before every event.
pub(crate) fn before_all() -> Place {
    (i64::MIN, RequestId::from(""))
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Upcoming {
    Due(Box<Queued>),
    /// Nothing before this time.
    At(i64),
    Nothing,
}

impl Window {
    /// Nothing is known yet: all of the store is outside.
    pub(crate) fn new(limits: WindowLimits) -> Self {
        Self {
            limits,
            waiting: BTreeMap::new(),
            known: HashSet::new(),
            payload_bytes: 0,
            outside_from: Some(before_all()),
        }
    }

    /// Adds an event that is in the store, or leaves it outside. One that is already known is left alone.
    pub(crate) fn offer(&mut self, mut event: Queued) {
        let place = (event.due_ms, event.id.clone());
        if self.outside_from.as_ref().is_some_and(|from| place >= *from) || self.known.contains(&event.id) {
            return;
        }
        let payload_bytes = event.payload_bytes();
        if self.payload_bytes + payload_bytes > self.limits.payload_bytes {
            event.body = None;
        } else {
            self.payload_bytes += payload_bytes;
        }
        self.known.insert(event.id.clone());
        self.waiting.insert(place, event);
        if self.waiting.len() > self.limits.events
            && let Some((last, _)) = self.waiting.last_key_value()
        {
            self.leave_outside(last.clone());
        }
    }

    /// Puts an event back after an attempt; it counts as known until here.
    pub(crate) fn requeue(&mut self, event: Queued) {
        self.known.remove(&event.id);
        self.offer(event);
    }

    /// An event is dealt with.
    pub(crate) fn finish(&mut self, id: &RequestId) {
        self.known.remove(id);
    }

    /// Takes the next event if it is due; it stays known.
    pub(crate) fn next(&mut self, now_ms: i64) -> Upcoming {
        match self.waiting.first_entry() {
            Some(first) if first.key().0 <= now_ms => {
                let event = first.remove();
                self.payload_bytes -= event.payload_bytes();
                Upcoming::Due(Box::new(event))
            }
            Some(first) => Upcoming::At(first.key().0),
            None => Upcoming::Nothing,
        }
    }

    /// Whether the store should be read again: something is outside, and there is room for it.
    pub(crate) fn wants_refill(&self) -> bool {
        self.outside_from.is_some() && self.waiting.len() <= self.limits.events / 2
    }

    /// Before the store is read: everything offered from now on is taken, as long as there is room.
    pub(crate) fn begin_refill(&mut self) {
        self.outside_from = None;
    }

    /// What stands at this place or behind it is in the store only.
    pub(crate) fn leave_outside(&mut self, from: Place) {
        for event in self.waiting.split_off(&from).into_values() {
            self.known.remove(&event.id);
            self.payload_bytes -= event.payload_bytes();
        }
        self.outside_from = Some(self.outside_from.take().map_or(from.clone(), |before| before.min(from)));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Queued {
    fn payload_bytes(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.payload.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::scope;

    fn event(id: &str, due_ms: i64) -> Queued {
        Queued { scope: scope(), id: RequestId::from(id), due_ms, state: EventState::default(), body: None }
    }

    fn open(events: usize) -> Window {
        let mut window = Window::new(WindowLimits { events, payload_bytes: 100 });
        window.begin_refill();
        window
    }

    fn take(window: &mut Window, now_ms: i64) -> Option<String> {
        match window.next(now_ms) {
            Upcoming::Due(event) => Some(event.id.as_str().to_owned()),
            _ => None,
        }
    }

    #[test]
    fn events_come_in_the_order_they_are_due_and_not_before() {
        let mut window = open(10);
        assert_eq!(window.next(0), Upcoming::Nothing);
        for (id, due_ms) in [("b", 20), ("a", 10), ("c", 30)] {
            window.offer(event(id, due_ms));
        }
        assert_eq!(window.next(9), Upcoming::At(10));
        assert_eq!(take(&mut window, 25).as_deref(), Some("a"));
        assert_eq!(take(&mut window, 25).as_deref(), Some("b"));
        assert_eq!(window.next(25), Upcoming::At(30));
    }

    #[test]
    fn a_full_window_keeps_what_is_due_first_and_asks_for_the_rest_when_half_empty() {
        let mut window = open(4);
        for (id, due_ms) in [("e", 50), ("a", 10), ("d", 40), ("b", 20), ("c", 30)] {
            window.offer(event(id, due_ms));
        }
        window.offer(event("f", 60));
        assert_eq!(window.len(), 4, "e and f are outside");
        assert!(!window.wants_refill());
        assert_eq!(take(&mut window, 99).as_deref(), Some("a"));
        assert_eq!(take(&mut window, 99).as_deref(), Some("b"));
        assert!(window.wants_refill());
        window.begin_refill();
        for (id, due_ms) in [("a", 10), ("b", 20), ("c", 30), ("d", 40), ("e", 50), ("f", 60)] {
            window.offer(event(id, due_ms));
        }
        let rest: Vec<_> = std::iter::from_fn(|| take(&mut window, 99)).collect();
        assert_eq!(rest, ["c", "d", "e", "f"], "what runs is not taken twice");
        assert!(!window.wants_refill());
    }

    #[test]
    fn more_events_of_one_moment_than_the_window_holds_all_get_their_turn() {
        let mut window = open(4);
        let all: Vec<String> = (0..11).map(|number| format!("{number:02}")).collect();
        let mut seen = Vec::new();
        while seen.len() < all.len() {
            if window.wants_refill() || window.len() == 0 {
                window.begin_refill();
                all.iter().filter(|id| !seen.contains(*id)).for_each(|id| window.offer(event(id, 10)));
            }
            let id = take(&mut window, 10).expect("something is due");
            window.finish(&RequestId::from(id.as_str()));
            seen.push(id);
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn an_event_due_after_something_outside_stays_outside() {
        let mut window = open(2);
        for (id, due_ms) in [("a", 10), ("b", 20), ("c", 30)] {
            window.offer(event(id, due_ms));
        }
        assert_eq!(take(&mut window, 10).as_deref(), Some("a"));
        window.offer(event("d", 40));
        assert_eq!(window.len(), 1, "there is room, but c comes first");
    }

    #[test]
    fn a_requeued_event_waits_again_and_a_finished_one_may_come_anew() {
        let mut window = open(10);
        window.offer(event("a", 10));
        assert_eq!(take(&mut window, 10).as_deref(), Some("a"));
        window.offer(event("a", 10));
        assert_eq!(window.next(10), Upcoming::Nothing, "it is running");
        window.requeue(event("a", 70));
        assert_eq!(window.next(10), Upcoming::At(70));
        assert_eq!(take(&mut window, 70).as_deref(), Some("a"));
        window.finish(&RequestId::from("a"));
        window.offer(event("a", 80));
        assert_eq!(window.next(10), Upcoming::At(80));
    }

    #[test]
    fn payloads_over_the_budget_are_not_kept_in_memory() {
        let mut window = open(10);
        let body = |bytes: usize| {
            Some(Arc::new(EventBody {
                function_name: "f".to_owned(),
                uid: "u".into(),
                qualifier: None,
                trace: None,
                accepted_ms: 0,
                payload: "x".repeat(bytes),
            }))
        };
        window.offer(Queued { body: body(60), ..event("a", 1) });
        window.offer(Queued { body: body(60), ..event("b", 2) });
        let Upcoming::Due(first) = window.next(9) else { panic!("due") };
        let Upcoming::Due(second) = window.next(9) else { panic!("due") };
        assert!(first.body.is_some() && second.body.is_none());
        assert_eq!(window.payload_bytes, 0);
    }

    #[test]
    fn a_scan_that_stopped_early_leaves_the_rest_outside() {
        let mut window = open(10);
        for (id, due_ms) in [("a", 10), ("b", 20), ("z", 90)] {
            window.offer(event(id, due_ms));
        }
        window.leave_outside((50, RequestId::from("")));
        assert_eq!(window.len(), 2);
        window.offer(event("y", 60));
        assert_eq!(window.len(), 2);
    }
}
