//! The messages of one queue as states and due times: pure. Time, nonces and what is stored come from outside.
//!
//! ```text
//! reserve ─▶ pending ─confirm─▶ delayed ─▶ ready ─take─▶ in flight ─▶ ready …
//!               │abort             (service clock)        (wall clock)
//!               ▼                                │leave        │leave
//!              gone                              ▼             ▼
//!                                             leaving ──gone──▶ (no longer here)
//!                                                └──stay──▶ ready
//! ```
//! - Everything is in ordered maps by page or due time: an operation costs the logarithm of what waits, never a scan.
//! - What nobody has received takes its place in its page and nothing else: what happened to a message is kept beside.
//! - A message is *pending* until its page is durable, and *leaving* while its deletion or move is being made durable:
//!   nobody receives it then, and in a FIFO queue it holds its group's place.
//! - **Standard**: the oldest ready message first; of message groups, those with fewer messages in flight first (fair
//!   queues). **FIFO**: a group is offered when its oldest message is ready and none of it is in flight.
//!
//! What never lives here: bodies, attributes, the store.

mod dedup;
mod groups;
mod key_set;
mod pages;
mod terms;

use std::collections::{BTreeMap, BTreeSet};

use self::dedup::DedupTable;
pub(crate) use self::dedup::{DEDUP_WINDOW_MS, DedupKey, Remembered};
use self::groups::Groups;
pub(crate) use self::pages::Departure;
use self::pages::{Entry, Pages, State};
use self::terms::DEAD_MAX;
pub(crate) use self::terms::{
    Arrival, Catch, Counts, Departed, Hold, MessageKey, Now, PAGE_SLOTS_MAX, Seen, Taken, Terms,
};

/// The messages of one queue.
#[derive(Debug)]
pub(crate) struct Engine {
    terms: Terms,
    pages: Pages,
    groups: Groups,
    /// Of messages that somebody has received.
    seen: BTreeMap<MessageKey, Seen>,
    /// In flight, by the end of it (wall clock).
    hidden: BTreeSet<(i64, MessageKey)>,
    /// Delayed, by the end of it (service clock).
    delayed: BTreeSet<(i64, MessageKey)>,
    dedup: DedupTable,
    pending: usize,
    leaving: usize,
    /// Pages before this one have been cleared.
    cleared_before: u64,
}

impl Engine {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            pages: Pages::default(),
            groups: Groups::new(terms.is_fifo),
            seen: BTreeMap::new(),
            hidden: BTreeSet::new(),
            delayed: BTreeSet::new(),
            dedup: DedupTable::default(),
            pending: 0,
            leaving: 0,
            cleared_before: 0,
        }
    }

    pub(crate) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// New attributes hold for the messages that are here, too.
    pub(crate) fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
    }

    pub(crate) fn counts(&self) -> Counts {
        let (in_flight, delayed) = (self.hidden.len(), self.delayed.len());
        let visible = self.pages.messages() - in_flight - delayed - self.pending - self.leaving;
        Counts { visible, in_flight, delayed }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.messages() == 0
    }

    /// Sent before with this id, and not longer ago than the window.
    pub(crate) fn duplicate(&self, key: &DedupKey, now: Now) -> Option<Remembered> {
        self.dedup.find(key, now.service_ms)
    }

    /// Whether a message is on its way to the disk still.
    pub(crate) fn is_pending(&self, key: MessageKey) -> bool {
        self.pages.is_in(key, State::Pending)
    }

    /// Takes the places of the messages of a page, in order. They are nobody's until [`Engine::confirm`].
    pub(crate) fn reserve(&mut self, page: u64, arrivals: &[Arrival<'_>]) {
        let by_slot = arrivals.iter().enumerate();
        let entries = by_slot.map(|(slot, arrival)| Some(self.enter(MessageKey::new(page, slot), arrival))).collect();
        self.pages.insert(page, entries, arrivals.iter().filter_map(|arrival| arrival.dedup).collect());
    }

    /// The page is durable. `false` when it has been cleared away meanwhile, and is to be deleted from the store.
    pub(crate) fn confirm(&mut self, page: u64, now: Now) -> bool {
        if page < self.cleared_before {
            self.abort(page);
            return false;
        }
        self.settle_all(page, now);
        true
    }

    /// The page did not become durable.
    pub(crate) fn abort(&mut self, page: u64) {
        for key in self.keys(page) {
            self.remove(key);
        }
        for dedup in self.pages.remove(page) {
            self.dedup.forget(&dedup);
        }
    }

    /// A page as it was found in the store: `arrivals` by slot, `None` what is deleted already; `dedups` of all of them.
    pub(crate) fn restore(
        &mut self,
        page: u64,
        arrivals: &[Option<Arrival<'_>>],
        dedups: Vec<DedupKey>,
        tombstones: Departed,
        now: Now,
    ) {
        let by_slot = arrivals.iter().enumerate();
        let entries = by_slot.map(|(slot, arrival)| Some(self.enter(MessageKey::new(page, slot), arrival.as_ref()?)));
        let entries = entries.collect();
        self.pages.insert(page, entries, dedups.into());
        self.pages.restore_tombstones(page, tombstones.rows, tombstones.has_marks);
        self.settle_all(page, now);
    }

    /// Remembers what was sent in a page that is deleted.
    pub(crate) fn remember(&mut self, key: DedupKey, remembered: Remembered) {
        self.dedup.put(key, remembered);
    }

    /// Whatever is due at `now`: invisible and delayed messages come back, old ones expire. Answers what has expired,
    /// as leaving.
    pub(crate) fn tick(&mut self, now: Now) -> Vec<MessageKey> {
        self.tick_visibility(now);
        self.dedup.prune(now.service_ms);
        let mut expired = Vec::new();
        let horizon = now.service_ms - self.terms.retention_ms;
        while let Some(page) = self.pages.aged(horizon) {
            let is_old = |(key, entry): (MessageKey, &Entry)| (entry.enqueued_at_ms <= horizon).then_some(key);
            let old: Vec<MessageKey> = self.pages.of(page).filter_map(is_old).collect();
            expired.extend(old.into_iter().filter(|key| self.leave(*key)));
            self.pages.place(page);
        }
        expired
    }

    /// Invisible and delayed messages come back when they are due.
    pub(crate) fn tick_visibility(&mut self, now: Now) {
        while let Some(&(until, key)) = self.hidden.first().filter(|(until, _)| *until <= now.wall_ms) {
            self.hidden.remove(&(until, key));
            self.release(key);
            self.settle(key, now);
        }
        while let Some(&(due, key)) = self.delayed.first().filter(|(due, _)| *due <= now.service_ms) {
            self.delayed.remove(&(due, key));
            self.settle(key, now);
        }
    }

    /// When a message may come by time alone: milliseconds from `now`, by the wall clock and by the service clock.
    pub(crate) fn next_due(&self, now: Now) -> (Option<i64>, Option<i64>) {
        let wall = self.hidden.first().map(|(until, _)| until - now.wall_ms);
        (wall, self.delayed.first().map(|(due, _)| due - now.service_ms))
    }

    /// Hands out up to `max` ready messages until `visible_in_ms` from now, and sorts dead ones out if somebody takes
    /// them. The caller has called [`Engine::tick`].
    pub(crate) fn take(
        &mut self,
        now: Now,
        max: usize,
        visible_in_ms: i64,
        has_dead_letters: bool,
        mut nonce: impl FnMut() -> u32,
    ) -> Catch {
        let mut catch = Catch::default();
        let receives_max = self.terms.receives_max.filter(|_| has_dead_letters).unwrap_or(u32::MAX);
        while let Some((group, key)) = self.groups.first() {
            if catch.taken.len() == max || catch.dead.len() == DEAD_MAX {
                catch.has_more = true;
                break;
            }
            let before = catch.taken.len() + catch.dead.len();
            let mut next = Some(key);
            while let Some(key) = next {
                if catch.taken.len() == max || catch.dead.len() == DEAD_MAX {
                    break;
                }
                if !self.pages.is_in(key, State::Ready) {
                    break;
                }
                let before = self.seen_of(key);
                if before.receives >= receives_max {
                    self.leave(key);
                    catch.dead.push(key);
                    break;
                }
                let seen = Seen {
                    receives: before.receives.saturating_add(1),
                    first_received_at_ms: match before.first_received_at_ms {
                        0 => now.wall_ms,
                        first => first,
                    },
                    hidden_until_ms: now.wall_ms + visible_in_ms,
                    taken_at_ms: now.wall_ms,
                    nonce: nonce(),
                };
                self.seen.insert(key, seen);
                self.pages.set_state(key, State::InFlight);
                catch.taken.push(Taken { key, seen });
                self.hidden.insert((seen.hidden_until_ms, key));
                self.pages.touch(key.page());
                self.groups.start(group, key);
                // A FIFO group gives all it can before the next one is asked.
                next = if self.terms.is_fifo { self.groups.after(group, key) } else { None };
            }
            self.refresh(group);
            debug_assert!(catch.taken.len() + catch.dead.len() > before, "a group offered what it does not have");
            if catch.taken.len() + catch.dead.len() == before {
                break;
            }
        }
        catch
    }

    /// The next messages in order leave, without having been received. The caller has called [`Engine::tick`].
    pub(crate) fn lift(&mut self, max: usize) -> Vec<MessageKey> {
        let mut lifted = Vec::new();
        while lifted.len() < max {
            let Some((group, key)) = self.groups.first() else { break };
            let mut next = Some(key);
            while let Some(key) = next.filter(|_| lifted.len() < max) {
                if !self.pages.is_in(key, State::Ready) {
                    break;
                }
                next = if self.terms.is_fifo { self.groups.after(group, key) } else { None };
                self.leave(key);
                lifted.push(key);
            }
        }
        lifted
    }

    /// What the handle with this nonce is good for.
    pub(crate) fn hold(&self, key: MessageKey, nonce: u32) -> Hold {
        match self.pages.entry(key).map(|entry| entry.state) {
            None | Some(State::Leaving | State::Pending) => Hold::Gone,
            Some(State::InFlight) if self.seen_of(key).nonce == nonce => Hold::Held,
            Some(_) => Hold::Lapsed,
        }
    }

    /// What has happened to a message.
    pub(crate) fn seen(&self, key: MessageKey) -> Option<Seen> {
        self.pages.entry(key).map(|_| self.seen_of(key))
    }

    /// Whether anybody could receive the message now, and if not, whether it is delayed.
    pub(crate) fn is_delayed(&self, key: MessageKey) -> bool {
        self.pages.is_in(key, State::Delayed)
    }

    pub(crate) fn is_in_flight(&self, key: MessageKey) -> bool {
        self.pages.is_in(key, State::InFlight)
    }

    /// The message that is in flight is visible in so many milliseconds.
    pub(crate) fn hide(&mut self, key: MessageKey, visible_in_ms: i64, now: Now) {
        if !self.pages.is_in(key, State::InFlight) {
            return;
        }
        let seen = self.seen.entry(key).or_default();
        self.hidden.remove(&(seen.hidden_until_ms, key));
        seen.hidden_until_ms = now.wall_ms + visible_in_ms;
        self.pages.touch(key.page());
        if visible_in_ms > 0 {
            self.hidden.insert((now.wall_ms + visible_in_ms, key));
        } else {
            self.release(key);
            self.settle(key, now);
        }
    }

    /// Nobody gets the message any longer; its deletion or move is about to be made durable. `false` when it is gone or
    /// leaving already, or not here for good yet.
    pub(crate) fn leave(&mut self, key: MessageKey) -> bool {
        let Some(entry) = self.pages.entry(key).copied() else { return false };
        match entry.state {
            State::Pending | State::Leaving => return false,
            State::InFlight => {
                self.hidden.remove(&(self.seen_of(key).hidden_until_ms, key));
                self.release(key);
            }
            State::Delayed => {
                self.delayed.remove(&(entry.due_at_ms, key));
            }
            State::Ready => self.groups.unready(entry.group, key),
        }
        self.leaving += 1;
        self.pages.set_state(key, State::Leaving);
        self.pages.depart(key);
        self.refresh(entry.group);
        true
    }

    /// The messages did not leave after all.
    pub(crate) fn stay(&mut self, keys: &[MessageKey], now: Now) {
        for &key in keys {
            if self.pages.is_in(key, State::Leaving) {
                self.leaving -= 1;
                self.pending += 1;
                self.pages.return_to(key);
                self.pages.set_state(key, State::Pending);
                self.settle(key, now);
                self.pages.place(key.page());
            }
        }
    }

    /// What has to be written so that these leaving messages are gone.
    pub(crate) fn departure(&mut self, keys: &[MessageKey], now: Now) -> Vec<Departure> {
        let mut by_page: BTreeMap<u64, u16> = BTreeMap::new();
        for key in keys {
            *by_page.entry(key.page()).or_default() |= key.bit();
        }
        let dedup = &self.dedup;
        by_page
            .into_iter()
            .map(|(page, slots)| self.pages.departure(page, slots, |keys| dedup.of(keys, now.service_ms)))
            .collect()
    }

    /// The messages' deletion is durable. Answers what else is to be written: pages that are left with nothing in them.
    pub(crate) fn gone(&mut self, keys: &[MessageKey], now: Now) -> Vec<Departure> {
        let mut emptied = Vec::new();
        for &key in keys {
            self.remove(key);
            emptied.extend(self.pages.gone(key));
        }
        let dedup = &self.dedup;
        let mut closing = Vec::with_capacity(emptied.len());
        for page in emptied {
            closing.push(self.pages.departure(page, 0, |keys| dedup.of(keys, now.service_ms)));
            self.pages.remove(page);
        }
        closing
    }

    /// Which pages of these messages are not here any longer.
    pub(crate) fn emptied(&self, keys: &[MessageKey]) -> Vec<u64> {
        let mut pages: Vec<u64> = keys.iter().map(|key| key.page()).collect();
        pages.dedup();
        pages.retain(|page| !self.pages.contains(*page));
        pages
    }

    pub(crate) fn is_page_gone(&self, page: u64) -> bool {
        !self.pages.contains(page)
    }

    /// Nothing of the pages before this one is here any longer, nor comes of those that are pending. Answers what leaves
    /// the store.
    pub(crate) fn clear_before(&mut self, page: u64) -> Vec<Departure> {
        self.cleared_before = page;
        let is_pending = |page: &u64| self.keys(*page).iter().any(|key| self.is_pending(*key));
        let pages: Vec<u64> = self.pages.before(page).filter(|page| !is_pending(page)).collect();
        let mut departures = Vec::with_capacity(pages.len());
        for &page in &pages {
            for key in self.keys(page) {
                self.remove(key);
            }
            departures.push(self.pages.departure_of_all(page));
            self.pages.remove(page);
        }
        departures
    }

    /// Pages with receives that are not in the store yet, with what is to be written of each slot. At most `max`.
    pub(crate) fn unsaved(&mut self, max: usize) -> Vec<(u64, Vec<(u8, Seen)>)> {
        let pages = self.pages.take_touched(max);
        pages
            .into_iter()
            .map(|page| {
                let seen = self.seen.range(MessageKey::new(page, 0)..=MessageKey::new(page, PAGE_SLOTS_MAX - 1));
                (page, seen.map(|(key, seen)| (key.slot() as u8, *seen)).collect())
            })
            .collect()
    }

    /// What [`Engine::unsaved`] gave was not written after all.
    pub(crate) fn still_unsaved(&mut self, pages: impl Iterator<Item = u64>) {
        pages.for_each(|page| self.pages.touch(page));
    }

    /// Up to `max` keys in order, from behind `after`: for looking around.
    pub(crate) fn list(&self, after: Option<MessageKey>, max: usize) -> Vec<MessageKey> {
        let kept =
            self.pages.behind(after).filter(|(_, entry)| !matches!(entry.state, State::Pending | State::Leaving));
        kept.map(|(key, _)| key).take(max).collect()
    }

    fn keys(&self, page: u64) -> Vec<MessageKey> {
        self.pages.of(page).map(|(key, _)| key).collect()
    }

    /// What has happened to a message that is here.
    fn seen_of(&self, key: MessageKey) -> Seen {
        self.seen.get(&key).copied().unwrap_or_default()
    }

    /// Into every index but its page.
    fn enter(&mut self, key: MessageKey, arrival: &Arrival<'_>) -> Entry {
        let group = self.groups.enter(arrival.group, key);
        let Arrival { enqueued_at_ms, due_at_ms, seen, .. } = *arrival;
        if seen != Seen::default() {
            self.seen.insert(key, seen);
        }
        self.pending += 1;
        if let Some(dedup) = arrival.dedup {
            self.dedup.put(dedup, Remembered { key, message_id: arrival.message_id, at_ms: enqueued_at_ms });
        }
        Entry { state: State::Pending, group, enqueued_at_ms, due_at_ms }
    }

    /// What is pending of the page is durable.
    fn settle_all(&mut self, page: u64, now: Now) {
        for key in self.keys(page) {
            if self.pages.is_in(key, State::Pending) {
                self.settle(key, now);
            }
        }
        self.pages.place(page);
    }

    /// From pending, or out of flight or delay: to what its times say.
    fn settle(&mut self, key: MessageKey, now: Now) {
        let Some(entry) = self.pages.entry(key).copied() else { return };
        let seen = self.seen_of(key);
        if entry.state == State::Pending {
            self.pending -= 1;
        }
        if seen.hidden_until_ms > now.wall_ms && seen.nonce != 0 {
            self.pages.set_state(key, State::InFlight);
            self.hidden.insert((seen.hidden_until_ms, key));
            self.groups.start(entry.group, key);
        } else if entry.due_at_ms > now.service_ms {
            self.pages.set_state(key, State::Delayed);
            self.delayed.insert((entry.due_at_ms, key));
        } else {
            self.pages.set_state(key, State::Ready);
            self.groups.ready(entry.group, key);
        }
        self.refresh(entry.group);
    }

    /// Out of flight.
    fn release(&mut self, key: MessageKey) {
        if let Some(entry) = self.pages.entry(key) {
            self.groups.stop(entry.group);
        }
    }

    /// Has the group offered what it has to offer now.
    fn refresh(&mut self, group: u32) {
        let pages = &self.pages;
        let is_ready = |key: &MessageKey| pages.is_in(*key, State::Ready);
        self.groups.refresh(group, is_ready);
    }

    /// Out of every index, whatever its state.
    fn remove(&mut self, key: MessageKey) {
        let Some(entry) = self.pages.take(key) else { return };
        let seen = self.seen.remove(&key).unwrap_or_default();
        match entry.state {
            State::Pending => self.pending -= 1,
            State::Leaving => self.leaving -= 1,
            State::Delayed => {
                self.delayed.remove(&(entry.due_at_ms, key));
            }
            State::InFlight => {
                self.hidden.remove(&(seen.hidden_until_ms, key));
                self.groups.stop(entry.group);
            }
            State::Ready => {}
        }
        let pages = &self.pages;
        let is_ready = |key: &MessageKey| pages.is_in(*key, State::Ready);
        self.groups.exit(entry.group, key, is_ready);
    }
}

#[cfg(test)]
mod tests;
