//! The part of a lane that is in memory: what is due next. Pure.
//!
//! Invariant: everything outside the window (in the store only) stands at [`Window::outside_from`] or behind it, in
//! the order of due time and id, and everything in the window before it. So what the window gives is always what is due
//! next.
//!
//! Of those that stand in a line, one at a time holds it: it runs, or waits to be tried again. What comes up behind it
//! meanwhile stands in the line in memory until it is its turn. Since all of a line lies in the store in its order and a
//! retry does not change its place there, what is read in order stands in order.
//!
//! No more than the first few of a line are in memory; the line is **cut** behind them, and when they are done with, the
//! next few are read. So a line that stands still takes no room from others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use hearth_types::{RequestId, Scope};

use crate::{Body, Tries};

/// A delivery as the window holds it.
#[derive(Debug)]
pub(crate) struct Queued<B> {
    pub(crate) scope: Scope,
    pub(crate) id: RequestId,
    pub(crate) due_ms: i64,
    pub(crate) accepted_ms: i64,
    pub(crate) tries: Tries,
    /// The line that it stands in.
    pub(crate) line: Option<String>,
    /// The body stands in the slip.
    pub(crate) is_inline: bool,
    /// Kept in memory while there is room for it, else read again from the store.
    pub(crate) body: Option<Arc<B>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowLimits {
    pub(crate) deliveries: usize,
    /// Of one line, beside the one that holds it.
    pub(crate) line: usize,
    /// Bodies of waiting deliveries.
    pub(crate) body_bytes: usize,
}

#[derive(Debug)]
struct Line<B> {
    is_held: bool,
    /// Due, behind the one that holds it.
    behind: BTreeMap<RequestId, Queued<B>>,
    /// How many there are of it in [`Window::waiting`], all behind those.
    waiting: usize,
    /// This one and what is behind it is in the store only.
    cut: Option<RequestId>,
}

impl<B> Default for Line<B> {
    fn default() -> Self {
        Self { is_held: false, behind: BTreeMap::new(), waiting: 0, cut: None }
    }
}

impl<B> Line<B> {
    fn len(&self) -> usize {
        self.behind.len() + self.waiting
    }
}

#[derive(Debug)]
pub(crate) struct Window<B> {
    limits: WindowLimits,
    waiting: BTreeMap<Place, Queued<B>>,
    /// Lines of which something is in memory, or runs, or that are cut.
    lines: HashMap<String, Line<B>>,
    /// Lines that are cut and have nobody left behind the one that holds them.
    starved: HashSet<String>,
    /// Lines that were starved and are being read.
    reading: HashSet<String>,
    /// All that is outside is being read, not such lines only.
    reads_all: bool,
    /// Who holds a line and waits for another attempt.
    holders: BTreeMap<Place, Queued<B>>,
    /// All that stand behind in lines.
    behind: usize,
    /// Waiting, standing in lines and running.
    known: HashSet<RequestId>,
    body_bytes: usize,
    outside_from: Option<Place>,
}

/// Due time and id: the order of the store's keys.
pub(crate) type Place = (i64, RequestId);

/// Before everything.
pub(crate) fn before_all() -> Place {
    (i64::MIN, RequestId::from(""))
}

#[derive(Debug)]
pub(crate) enum Upcoming<B> {
    Due(Box<Queued<B>>),
    /// Nothing before this time.
    At(i64),
    Nothing,
}

impl<B: Body> Window<B> {
    /// Nothing is known yet: all of the store is outside.
    pub(crate) fn new(limits: WindowLimits) -> Self {
        Self {
            limits,
            waiting: BTreeMap::new(),
            lines: HashMap::new(),
            starved: HashSet::new(),
            reading: HashSet::new(),
            reads_all: false,
            holders: BTreeMap::new(),
            behind: 0,
            known: HashSet::new(),
            body_bytes: 0,
            outside_from: Some(before_all()),
        }
    }

    /// Adds a delivery that is in the store, or leaves it outside. One that is already known is left alone.
    pub(crate) fn offer(&mut self, mut delivery: Queued<B>) {
        let place = (delivery.due_ms, delivery.id.clone());
        if self.outside_from.as_ref().is_some_and(|from| place >= *from) || self.known.contains(&delivery.id) {
            return;
        }
        if let Some(line) = delivery.line.clone()
            && !self.join(&line, &delivery.id)
        {
            return;
        }
        self.charge(&mut delivery);
        self.known.insert(delivery.id.clone());
        self.waiting.insert(place, delivery);
        if self.len() > self.limits.deliveries
            && let Some((last, _)) = self.waiting.last_key_value()
        {
            self.leave_outside(last.clone());
        }
    }

    /// Counts one more of those that wait in a line, if it is not to stay outside: the first few are in memory.
    fn join(&mut self, name: &str, id: &RequestId) -> bool {
        let line = self.lines.entry(name.to_owned()).or_default();
        if line.cut.as_ref().is_some_and(|cut| cut <= id) {
            return false;
        }
        if line.len() < self.limits.line {
            line.waiting += 1;
            return true;
        }
        self.reading.remove(name);
        let of_line = |place: &Place, queued: &Queued<B>| place.1 > *id && queued.line.as_deref() == Some(name);
        let last =
            self.waiting.iter().rev().find(|(place, queued)| of_line(place, queued)).map(|(place, _)| place.clone());
        line.cut = Some(last.as_ref().map_or_else(|| id.clone(), |(_, last)| last.clone()));
        // It takes the place of one behind it.
        match last.and_then(|last| self.waiting.remove(&last)) {
            Some(left) => {
                self.known.remove(&left.id);
                self.body_bytes -= left.body_bytes();
                true
            }
            None => false,
        }
    }

    /// Forgets a line of which there is nothing left, and notes one that is to be read.
    fn look_after(&mut self, name: &str) {
        let Some(line) = self.lines.get(name).filter(|line| line.len() == 0) else { return };
        if line.cut.is_some() {
            self.starved.insert(name.to_owned());
        } else if !line.is_held {
            self.lines.remove(name);
        }
    }

    /// Keeps a body in memory while there is room for it.
    fn charge(&mut self, delivery: &mut Queued<B>) {
        let body_bytes = delivery.body_bytes();
        if self.body_bytes + body_bytes > self.limits.body_bytes {
            delivery.body = None;
        } else {
            self.body_bytes += body_bytes;
        }
    }

    /// Puts a delivery back after an attempt; it counts as known until here. Who holds a line goes on holding it.
    pub(crate) fn requeue(&mut self, mut delivery: Queued<B>) {
        if delivery.line.is_some() {
            self.charge(&mut delivery);
            self.holders.insert((delivery.due_ms, delivery.id.clone()), delivery);
        } else {
            self.known.remove(&delivery.id);
            self.offer(delivery);
        }
    }

    /// A delivery is dealt with: the next of its line holds it.
    pub(crate) fn finish(&mut self, id: &RequestId, line: Option<&str>) {
        self.known.remove(id);
        let Some(name) = line else { return };
        let Some(line) = self.lines.get_mut(name) else { return };
        if let Some((id, next)) = line.behind.pop_first() {
            self.behind -= 1;
            self.holders.insert((next.due_ms, id), next);
        } else {
            line.is_held = false;
        }
        self.look_after(name);
    }

    /// Takes the next delivery if it is due; it stays known.
    pub(crate) fn next(&mut self, now_ms: i64) -> Upcoming<B> {
        self.fall_in(now_ms);
        let due_ms = |first: Option<(&Place, _)>| first.map(|((due_ms, _), _)| *due_ms);
        let (holder, waiting) = (due_ms(self.holders.first_key_value()), due_ms(self.waiting.first_key_value()));
        let first = match (holder, waiting) {
            (Some(holder), _) if holder <= now_ms => self.holders.pop_first(),
            (_, Some(waiting)) if waiting <= now_ms => self.waiting.pop_first(),
            (holder, waiting) => {
                return holder.into_iter().chain(waiting).min().map_or(Upcoming::Nothing, Upcoming::At);
            }
        };
        let Some((_, delivery)) = first else { return Upcoming::Nothing };
        self.body_bytes -= delivery.body_bytes();
        if let Some(name) = &delivery.line {
            let line = self.lines.entry(name.clone()).or_default();
            // Whoever holds it already waits in it no longer.
            line.waiting -= usize::from(!line.is_held);
            line.is_held = true;
            self.look_after(name);
        }
        Upcoming::Due(Box::new(delivery))
    }

    /// Whoever is due and has somebody before him gets in line.
    fn fall_in(&mut self, now_ms: i64) {
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now_ms
            && let Some(line) = first.get().line.as_ref().and_then(|line| self.lines.get_mut(line))
            && line.is_held
        {
            let delivery = first.remove();
            line.waiting -= 1;
            line.behind.insert(delivery.id.clone(), delivery);
            self.behind += 1;
        }
    }

    /// Whether the store should be read again: something is outside, and there is room for it; or a line is starved.
    pub(crate) fn wants_refill(&self) -> bool {
        self.has_room_for_more() || !self.starved.is_empty()
    }

    fn has_room_for_more(&self) -> bool {
        self.outside_from.is_some() && self.len() <= self.limits.deliveries / 2
    }

    /// Before the store is read, from its beginning: what is offered from now on is taken, as long as there is room. Nothing
    /// is taken out until it has been read.
    pub(crate) fn begin_refill(&mut self) {
        self.reads_all = self.has_room_for_more();
        if self.reads_all {
            self.outside_from = None;
        }
        for name in std::mem::take(&mut self.starved) {
            if let Some(line) = self.lines.get_mut(&name).filter(|line| line.len() == 0) {
                line.cut = None;
                self.reading.insert(name);
            }
        }
    }

    /// Whether nothing behind this place would be taken.
    pub(crate) fn has_read(&self, place: &Place) -> bool {
        let is_outside = self.outside_from.as_ref().is_some_and(|from| place >= from);
        is_outside || (!self.reads_all && self.reading.is_empty())
    }

    /// All has been offered that would be taken.
    pub(crate) fn end_refill(&mut self) {
        for name in std::mem::take(&mut self.reading) {
            self.look_after(&name);
        }
    }

    /// What stands at this place or behind it is in the store only.
    pub(crate) fn leave_outside(&mut self, from: Place) {
        for delivery in self.waiting.split_off(&from).into_values() {
            self.known.remove(&delivery.id);
            self.body_bytes -= delivery.body_bytes();
            if let Some(name) = &delivery.line {
                if let Some(line) = self.lines.get_mut(name) {
                    line.waiting -= 1;
                }
                self.look_after(name);
            }
        }
        self.outside_from = Some(self.outside_from.take().map_or(from.clone(), |before| before.min(from)));
    }

    /// In memory, but for what runs.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.holders.len() + self.behind
    }
}

impl<B: Body> Queued<B> {
    fn body_bytes(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.size())
    }
}

#[cfg(test)]
mod lines;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::tests::{Note, scope};

    fn event(id: &str, due_ms: i64) -> Queued<Note> {
        let (id, tries) = (RequestId::from(id), Tries::default());
        Queued { scope: scope(), id, due_ms, accepted_ms: 0, tries, line: None, is_inline: true, body: None }
    }

    fn open(events: usize) -> Window<Note> {
        let mut window = Window::new(WindowLimits { deliveries: events, line: 2, body_bytes: 100 });
        window.begin_refill();
        window
    }

    fn take(window: &mut Window<Note>, now_ms: i64) -> Option<String> {
        match window.next(now_ms) {
            Upcoming::Due(event) => Some(event.id.as_str().to_owned()),
            _ => None,
        }
    }

    #[test]
    fn events_come_in_the_order_they_are_due_and_not_before() {
        let mut window = open(10);
        assert!(matches!(window.next(0), Upcoming::Nothing));
        for (id, due_ms) in [("b", 20), ("a", 10), ("c", 30)] {
            window.offer(event(id, due_ms));
        }
        assert!(matches!(window.next(9), Upcoming::At(10)));
        assert_eq!(take(&mut window, 25).as_deref(), Some("a"));
        assert_eq!(take(&mut window, 25).as_deref(), Some("b"));
        assert!(matches!(window.next(25), Upcoming::At(30)));
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
            window.finish(&RequestId::from(id.as_str()), None);
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
        assert!(matches!(window.next(10), Upcoming::Nothing), "it is running");
        window.requeue(event("a", 70));
        assert!(matches!(window.next(10), Upcoming::At(70)));
        assert_eq!(take(&mut window, 70).as_deref(), Some("a"));
        window.finish(&RequestId::from("a"), None);
        window.offer(event("a", 80));
        assert!(matches!(window.next(10), Upcoming::At(80)));
    }

    #[test]
    fn payloads_over_the_budget_are_not_kept_in_memory() {
        let mut window = open(10);
        let body = |bytes: usize| Some(Arc::new(Note("x".repeat(bytes))));
        window.offer(Queued { body: body(60), ..event("a", 1) });
        window.offer(Queued { body: body(60), ..event("b", 2) });
        let Upcoming::Due(first) = window.next(9) else { panic!("due") };
        let Upcoming::Due(second) = window.next(9) else { panic!("due") };
        assert!(first.body.is_some() && second.body.is_none());
        assert_eq!(window.body_bytes, 0);
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
