//! Lines against a model: a list of what is in the store, in the order it was accepted.

use proptest::prelude::*;

use super::*;
use crate::lane::tests::{Note, scope};

const LINES: usize = 3;
/// Of one reading of the store.
const PAGE: usize = 3;
const WINDOW: usize = 6;
/// Of one line: two that stand still leave room for the third.
const LINE: usize = 2;
const RUNNING_MAX: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Into a line, or into none.
    Accept(Option<usize>),
    Take,
    /// One of those that run.
    Finish(usize),
    Again {
        running: usize,
        pause_ms: i64,
    },
    Pass(i64),
    Refill {
        fails: bool,
    },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => proptest::option::weighted(0.8, 0..LINES).prop_map(Step::Accept),
        6 => Just(Step::Take),
        4 => (0..RUNNING_MAX).prop_map(Step::Finish),
        3 => (0..RUNNING_MAX, 0..30_i64).prop_map(|(running, pause_ms)| Step::Again { running, pause_ms }),
        2 => (0..20_i64).prop_map(Step::Pass),
        3 => proptest::bool::weighted(0.1).prop_map(|fails| Step::Refill { fails }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..200)
}

struct World {
    window: Window<Note>,
    /// In the order of their places.
    store: BTreeMap<Place, Option<String>>,
    running: Vec<Queued<Note>>,
    now_ms: i64,
    accepted: usize,
}

fn limits() -> WindowLimits {
    WindowLimits { deliveries: WINDOW, line: LINE, body_bytes: 0 }
}

fn queued((due_ms, id): &Place, line: Option<&String>) -> Queued<Note> {
    Queued {
        scope: scope(),
        id: id.clone(),
        due_ms: *due_ms,
        accepted_ms: 0,
        tries: Tries::default(),
        line: line.cloned(),
        is_inline: true,
        body: None,
    }
}

impl World {
    fn new() -> Self {
        let (window, store) = (Window::new(limits()), BTreeMap::new());
        Self { window, store, running: Vec::new(), now_ms: 1_000, accepted: 0 }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Accept(line) => {
                self.accepted += 1;
                let line = line.map(|line| format!("line {line}"));
                let due_ms = if line.is_some() { 0 } else { self.now_ms };
                let place = (due_ms, RequestId::from(format!("{:06}", self.accepted).as_str()));
                self.window.offer(queued(&place, line.as_ref()));
                self.store.insert(place, line);
            }
            Step::Take => drop(self.take()?),
            Step::Finish(running) if running < self.running.len() => {
                let done = self.running.swap_remove(running);
                self.store.retain(|(_, id), _| *id != done.id);
                self.window.finish(&done.id, done.line.as_deref());
            }
            Step::Again { running, pause_ms } if running < self.running.len() => {
                let failed = self.running.swap_remove(running);
                let due_ms = self.now_ms + pause_ms;
                if failed.line.is_none() {
                    self.store.retain(|(_, id), _| *id != failed.id);
                    self.store.insert((due_ms, failed.id.clone()), None);
                }
                self.window.requeue(Queued { due_ms, ..failed });
            }
            Step::Finish(_) | Step::Again { .. } => {}
            Step::Pass(by_ms) => self.now_ms += by_ms,
            Step::Refill { fails } => self.refill(fails),
            Step::Restart => {
                self.window = Window::new(limits());
                self.running.clear();
            }
        }
        prop_assert!(self.window.len() <= WINDOW + RUNNING_MAX, "memory is bounded");
        Ok(())
    }

    /// As a lane does before it takes anything.
    fn refill(&mut self, fails: bool) {
        if !self.window.wants_refill() {
            return;
        }
        self.window.begin_refill();
        if fails {
            self.window.leave_outside(before_all());
            return self.window.end_refill();
        }
        let all: Vec<_> = self.store.iter().collect();
        for page in all.chunks(PAGE) {
            page.iter().for_each(|(place, line)| self.window.offer(queued(place, line.as_ref())));
            if page.last().is_some_and(|(last, _)| self.window.has_read(last)) {
                break;
            }
        }
        self.window.end_refill();
    }

    fn take(&mut self) -> Result<bool, TestCaseError> {
        self.refill(false);
        if self.running.len() == RUNNING_MAX {
            return Ok(false);
        }
        let Upcoming::Due(taken) = self.window.next(self.now_ms) else { return Ok(false) };
        prop_assert!(self.running.iter().all(|running| running.id != taken.id), "{} runs twice", taken.id.as_str());
        if let Some(line) = &taken.line {
            let first = self.store.iter().find(|(_, other)| other.as_ref() == Some(line)).map(|((_, id), _)| id);
            prop_assert_eq!(first, Some(&taken.id), "of {}, the first that is left comes first", line);
        }
        self.running.push(*taken);
        Ok(true)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_passes_what_stands_before_it_and_everything_gets_its_turn(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step)?;
        }
        while !world.store.is_empty() {
            world.now_ms += 1_000;
            let taken = world.take()?;
            prop_assert!(taken || !world.running.is_empty(), "{:?} are left", world.store);
            world.step(Step::Finish(0))?;
        }
        prop_assert!(world.window.lines.is_empty() && world.window.len() == 0, "nothing is kept of what is done");
    }
}
