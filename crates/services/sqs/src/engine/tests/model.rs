//! The engine against a model that is too simple to be wrong: a list of messages, searched from the front every time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::engine::*;

const PAGE_MAX: usize = 10;
const RETENTION_MS: i64 = 60_000;
const RECEIVES_MAX: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Messages of these groups, delayed so long; made durable at once, later or never.
    Send {
        groups: Vec<Option<u8>>,
        delay_ms: i64,
        fate: Fate,
    },
    /// What became of the oldest page that is on its way.
    Decide {
        stored: bool,
    },
    Pass {
        wall_ms: i64,
        service_ms: i64,
    },
    Take {
        max: usize,
        visible_in_ms: i64,
    },
    /// By the handle that was given out so many handles ago.
    Delete {
        handle: usize,
        stored: bool,
    },
    Hide {
        handle: usize,
        visible_in_ms: i64,
    },
    Lift {
        max: usize,
    },
    Purge,
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Stored,
    Failed,
    Open,
}

#[derive(Clone, Debug, PartialEq)]
struct Message {
    key: MessageKey,
    group: Option<u8>,
    enqueued_at_ms: i64,
    due_at_ms: i64,
    seen: Seen,
    is_pending: bool,
}

/// All messages in order.
struct Model {
    is_fifo: bool,
    messages: Vec<Message>,
    now: Now,
}

impl Model {
    fn is_in_flight(&self, message: &Message) -> bool {
        message.seen.hidden_until_ms > self.now.wall_ms
    }

    fn is_ready(&self, message: &Message) -> bool {
        !message.is_pending && !self.is_in_flight(message) && message.due_at_ms <= self.now.service_ms
    }

    fn in_flight_of(&self, group: Option<u8>) -> usize {
        self.messages.iter().filter(|message| message.group == group && self.is_in_flight(message)).count()
    }

    fn expire(&mut self) {
        let horizon = self.now.service_ms - RETENTION_MS;
        self.messages.retain(|message| message.is_pending || message.enqueued_at_ms > horizon);
    }

    /// The next message to give, of those not in `dead`; `open` is the FIFO group that is being given from.
    fn next(&self, open: Option<Option<u8>>, dead: &[MessageKey]) -> Option<usize> {
        if !self.is_fifo {
            let rank = |message: &Message| match message.group {
                None => 0,
                group => self.in_flight_of(group),
            };
            let ready = self.messages.iter().enumerate().filter(|(_, message)| self.is_ready(message));
            return ready
                .filter(|(_, message)| !dead.contains(&message.key))
                .min_by_key(|(_, message)| (rank(message), message.key))
                .map(|(at, _)| at);
        }
        if let Some(group) = open {
            // Goes on behind what it has just given.
            let of_group = self.messages.iter().enumerate().filter(|(_, message)| message.group == group);
            let mut rest = of_group.skip_while(|(_, message)| self.is_in_flight(message));
            return rest
                .next()
                .filter(|(_, message)| self.is_ready(message) && !dead.contains(&message.key))
                .map(|(at, _)| at);
        }
        let is_first = |at: usize| self.messages[..at].iter().all(|before| before.group != self.messages[at].group);
        (0..self.messages.len()).find(|&at| {
            let message = &self.messages[at];
            is_first(at)
                && self.is_ready(message)
                && self.in_flight_of(message.group) == 0
                && !dead.contains(&message.key)
        })
    }

    fn take(&mut self, max: usize, visible_in_ms: i64, nonces: &mut u32) -> (Vec<(MessageKey, Seen)>, Vec<MessageKey>) {
        let (mut taken, mut dead): (Vec<(MessageKey, Seen)>, Vec<MessageKey>) = (Vec::new(), Vec::new());
        let mut open = None;
        while taken.len() < max && dead.len() < DEAD_MAX {
            // A FIFO group that has given nothing visible any longer is done with.
            let next = open.and_then(|group| self.next(Some(group), &dead));
            let Some(at) =
                next.or_else(|| if self.is_fifo && visible_in_ms == 0 { None } else { self.next(None, &dead) })
            else {
                break;
            };
            let wall_ms = self.now.wall_ms;
            let message = &mut self.messages[at];
            if message.seen.receives >= RECEIVES_MAX {
                dead.push(message.key);
                open = None;
                continue;
            }
            *nonces += 1;
            let first_received_at_ms =
                if message.seen.first_received_at_ms == 0 { wall_ms } else { message.seen.first_received_at_ms };
            message.seen = Seen {
                receives: message.seen.receives + 1,
                first_received_at_ms,
                hidden_until_ms: wall_ms + visible_in_ms,
                taken_at_ms: wall_ms,
                nonce: *nonces,
            };
            taken.push((message.key, message.seen));
            open = self.is_fifo.then_some(message.group);
        }
        (taken, dead)
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let group = prop_oneof![2 => Just(None), 3 => (0_u8..3).prop_map(Some)];
    let fate = prop_oneof![4 => Just(Fate::Stored), 1 => Just(Fate::Failed), 1 => Just(Fate::Open)];
    let delay = prop_oneof![3 => Just(0_i64), 1 => 1..20_000_i64];
    let step = prop_oneof![
        6 => (prop::collection::vec(group, 1..=4), delay, fate)
            .prop_map(|(groups, delay_ms, fate)| Step::Send { groups, delay_ms, fate }),
        2 => any::<bool>().prop_map(|stored| Step::Decide { stored }),
        3 => (0..20_000_i64, 0..20_000_i64).prop_map(|(wall_ms, service_ms)| Step::Pass { wall_ms, service_ms }),
        6 => (1..=10_usize, 1..15_000_i64).prop_map(|(max, visible_in_ms)| Step::Take { max, visible_in_ms }),
        5 => (0..8_usize, prop::bool::weighted(0.9)).prop_map(|(handle, stored)| Step::Delete { handle, stored }),
        2 => (0..8_usize, 0..10_000_i64).prop_map(|(handle, visible_in_ms)| Step::Hide { handle, visible_in_ms }),
        1 => (1..=5_usize).prop_map(|max| Step::Lift { max }),
        1 => prop::bool::weighted(0.1).prop_map(|purge| if purge { Step::Purge } else { Step::Restart }),
    ];
    prop::collection::vec(step, 1..80)
}

/// The engine, the model, and a store that holds what the engine said was to be written.
struct Run {
    engine: Engine,
    model: Model,
    next_page: u64,
    pending: Vec<(u64, usize)>,
    handles: Vec<(MessageKey, u32)>,
    nonces: u32,
    /// Durable pages: slots that are there.
    pages: BTreeMap<u64, u16>,
    /// By page and first slot.
    tombstones: BTreeMap<(u64, u8), u16>,
}

impl Run {
    fn new(is_fifo: bool) -> Self {
        let now = Now { wall_ms: 1_000_000, service_ms: 5_000_000 };
        Self {
            engine: Engine::new(terms(is_fifo)),
            model: Model { is_fifo, messages: Vec::new(), now },
            next_page: 1,
            pending: Vec::new(),
            handles: Vec::new(),
            nonces: 0,
            pages: BTreeMap::new(),
            tombstones: BTreeMap::new(),
        }
    }

    fn now(&self) -> Now {
        self.model.now
    }

    fn write(&mut self, departures: Vec<Departure>) {
        for departure in departures {
            match departure {
                Departure::Some { page, slots } => {
                    self.tombstones.insert((page, slots.trailing_zeros() as u8), slots);
                }
                Departure::All { page, tombstones, .. } => {
                    self.pages.remove(&page);
                    tombstones.into_iter().for_each(|slot| {
                        self.tombstones.remove(&(page, slot));
                    });
                }
            }
        }
    }

    /// What left is gone from everywhere, or back.
    fn finish(&mut self, leaving: &[MessageKey], stored: bool) {
        let now = self.now();
        let departures = self.engine.departure(leaving, now);
        if stored {
            self.write(departures);
            let closing = self.engine.gone(leaving, now);
            self.write(closing);
            self.model.messages.retain(|message| !leaving.contains(&message.key));
        } else {
            self.engine.stay(leaving, now);
        }
    }

    fn decide(&mut self, at: usize, stored: bool) {
        let (page, messages) = self.pending.remove(at);
        if stored {
            let is_wanted = self.engine.confirm(page, self.now());
            if is_wanted {
                self.pages.insert(page, ((1_u32 << messages) - 1) as u16);
            }
            for message in self.model.messages.iter_mut().filter(|message| message.key.page() == page) {
                message.is_pending = false;
            }
            if !is_wanted {
                self.model.messages.retain(|message| message.key.page() != page);
            }
        } else {
            self.engine.abort(page);
            self.model.messages.retain(|message| message.key.page() != page);
        }
    }

    fn tick(&mut self) {
        let expired = self.engine.tick(self.now());
        self.finish(&expired, true);
        self.model.expire();
    }

    fn step(&mut self, step: Step) {
        self.tick();
        match step {
            Step::Send { groups, delay_ms, fate } => self.send(&groups, delay_ms, fate),
            Step::Decide { stored } => {
                if !self.pending.is_empty() {
                    self.decide(0, stored);
                }
            }
            Step::Pass { wall_ms, service_ms } => {
                self.model.now.wall_ms += wall_ms;
                self.model.now.service_ms += service_ms;
            }
            Step::Take { max, visible_in_ms } => self.take(max, visible_in_ms),
            Step::Delete { handle, stored } => {
                if let Some((key, nonce)) = self.handle(handle) {
                    let is_there = self.model.messages.iter().find(|message| message.key == key);
                    let expected = match is_there {
                        None => Hold::Gone,
                        Some(message) if self.model.is_in_flight(message) && message.seen.nonce == nonce => Hold::Held,
                        Some(_) => Hold::Lapsed,
                    };
                    assert_eq!(self.engine.hold(key, nonce), expected);
                    if self.engine.leave(key) {
                        assert!(!self.engine.leave(key), "it leaves once");
                        self.finish(&[key], stored);
                    }
                }
            }
            Step::Hide { handle, visible_in_ms } => {
                if let Some((key, nonce)) = self.handle(handle)
                    && self.engine.hold(key, nonce) == Hold::Held
                {
                    let now = self.now();
                    self.engine.hide(key, visible_in_ms, now);
                    for message in self.model.messages.iter_mut().filter(|message| message.key == key) {
                        message.seen.hidden_until_ms = now.wall_ms + visible_in_ms;
                    }
                }
            }
            Step::Lift { max } => {
                let lifted = self.engine.lift(max);
                for key in &lifted {
                    let message = self.model.messages.iter().find(|message| message.key == *key).expect("it is there");
                    assert!(self.model.is_ready(message));
                }
                self.finish(&lifted, true);
            }
            Step::Purge => {
                let departures = self.engine.clear_before(self.next_page);
                self.write(departures);
                self.model.messages.retain(|message| message.is_pending);
            }
            Step::Restart => self.restart(),
        }
        self.tick();
        self.check();
    }

    fn handle(&self, back: usize) -> Option<(MessageKey, u32)> {
        self.handles.iter().rev().nth(back).copied()
    }

    fn send(&mut self, groups: &[Option<u8>], delay_ms: i64, fate: Fate) {
        let now = self.now();
        let page = self.next_page;
        self.next_page += 1;
        // FIFO queues have a group for each message.
        let groups: Vec<Option<u8>> = groups
            .iter()
            .map(|group| if self.model.is_fifo { group.or(Some(9)) } else { *group })
            .take(PAGE_MAX)
            .collect();
        let names: Vec<Option<String>> = groups.iter().map(|group| group.map(|group| group.to_string())).collect();
        let arrivals: Vec<Arrival<'_>> = names
            .iter()
            .map(|name| Arrival {
                enqueued_at_ms: now.service_ms,
                due_at_ms: now.service_ms + delay_ms,
                group: name.as_deref(),
                dedup: None,
                message_id: [0; 16],
                seen: Seen::default(),
            })
            .collect();
        self.engine.reserve(page, &arrivals);
        self.model.messages.extend(groups.iter().enumerate().map(|(slot, group)| Message {
            key: MessageKey::new(page, slot),
            group: *group,
            enqueued_at_ms: now.service_ms,
            due_at_ms: now.service_ms + delay_ms,
            seen: Seen::default(),
            is_pending: true,
        }));
        self.pending.push((page, groups.len()));
        match fate {
            Fate::Stored => self.decide(self.pending.len() - 1, true),
            Fate::Failed => self.decide(self.pending.len() - 1, false),
            Fate::Open => {}
        }
    }

    fn take(&mut self, max: usize, visible_in_ms: i64) {
        let now = self.now();
        let (expected, expected_dead) = self.model.take(max, visible_in_ms, &mut self.nonces.clone());
        let nonces = &mut self.nonces;
        let catch = self.engine.take(now, max, visible_in_ms, true, || {
            *nonces += 1;
            *nonces
        });
        let taken: Vec<(MessageKey, Seen)> = catch.taken.iter().map(|taken| (taken.key, taken.seen)).collect();
        assert_eq!(taken, expected);
        assert_eq!(catch.dead, expected_dead);
        self.handles.extend(taken.iter().map(|(key, seen)| (*key, seen.nonce)));
        self.finish(&catch.dead, true);
    }

    /// Everything that was on its way is lost, everything that was stored is there.
    fn restart(&mut self) {
        let now = self.now();
        self.model.messages.retain(|message| !message.is_pending);
        self.pending.clear();
        let mut engine = Engine::new(terms(self.model.is_fifo));
        for (&page, &slots) in &self.pages {
            let rows: Vec<u8> = self.tombstones.keys().filter(|(of, _)| *of == page).map(|(_, slot)| *slot).collect();
            let deleted =
                self.tombstones.iter().filter(|((of, _), _)| *of == page).fold(0, |all, (_, slots)| all | slots);
            let names: Vec<Option<String>> = (0..16)
                .take_while(|slot| slots & (1 << slot) != 0)
                .map(|slot| {
                    let key = MessageKey::new(page, slot);
                    let message = self.model.messages.iter().find(|message| message.key == key);
                    message.and_then(|message| message.group.map(|group| group.to_string()))
                })
                .collect();
            let arrivals: Vec<Option<Arrival<'_>>> = names
                .iter()
                .enumerate()
                .map(|(slot, name)| {
                    if deleted & (1 << slot) != 0 {
                        return None;
                    }
                    let key = MessageKey::new(page, slot);
                    let message =
                        self.model.messages.iter().find(|message| message.key == key).expect("stored: it is there");
                    Some(Arrival {
                        enqueued_at_ms: message.enqueued_at_ms,
                        due_at_ms: message.due_at_ms,
                        group: name.as_deref(),
                        dedup: None,
                        message_id: [0; 16],
                        seen: message.seen,
                    })
                })
                .collect();
            assert!(arrivals.iter().any(Option::is_some), "an empty page stays in the store");
            engine.restore(page, &arrivals, Vec::new(), Departed { rows, has_marks: false }, now);
        }
        self.engine = engine;
    }

    fn check(&self) {
        let model = &self.model;
        let count = |wanted: &dyn Fn(&Message) -> bool| model.messages.iter().filter(|message| wanted(message)).count();
        let expected = Counts {
            visible: count(&|message| model.is_ready(message)),
            in_flight: count(&|message| !message.is_pending && model.is_in_flight(message)),
            delayed: count(&|message| {
                !message.is_pending && !model.is_in_flight(message) && message.due_at_ms > model.now.service_ms
            }),
        };
        assert_eq!(self.engine.counts(), expected);
        let kept: Vec<MessageKey> =
            model.messages.iter().filter(|message| !message.is_pending).map(|message| message.key).collect();
        assert_eq!(self.engine.list(None, usize::MAX), kept);
        assert_eq!(self.engine.is_empty(), model.messages.is_empty());
        // The store holds no page of which nothing is left.
        for page in self.pages.keys() {
            assert!(kept.iter().any(|key| key.page() == *page), "page {page} is in the store for nothing");
        }
        for (page, _) in self.tombstones.keys() {
            assert!(self.pages.contains_key(page), "a tombstone without its page {page}");
        }
    }
}

fn terms(is_fifo: bool) -> Terms {
    Terms { is_fifo, retention_ms: RETENTION_MS, receives_max: Some(RECEIVES_MAX) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_standard_queue_is_what_the_model_says(steps in steps()) {
        let mut run = Run::new(false);
        steps.into_iter().for_each(|step| run.step(step));
    }

    #[test]
    fn a_fifo_queue_is_what_the_model_says(steps in steps()) {
        let mut run = Run::new(true);
        steps.into_iter().for_each(|step| run.step(step));
    }
}
