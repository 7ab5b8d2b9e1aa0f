//! The bounded queue between the callers and the writer thread. `push` never waits.
//!
//! What does not fit is counted per stream; the writer takes the counts with the next batch and appends a line that
//! says how much is missing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_ports::LogEvent;
use hearth_types::Scope;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// How long the writer collects before it writes, so that many invocations share one wake-up and one write.
pub(crate) const LINGER: Duration = Duration::from_millis(20);
/// Streams whose losses are counted apart; the losses of further streams are only logged.
const DROPPED_STREAMS_MAX: usize = 4_096;
/// Bookkeeping of one event in the queue, bytes.
const EVENT_OVERHEAD_BYTES: usize = 48;

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// Made when it is not there.
    Named { scope: Scope, group: String, stream: String },
    /// The ids of what is there.
    Known { group: u64, stream: u64 },
}

impl Target {
    fn bytes(&self) -> usize {
        match self {
            Self::Named { group, stream, .. } => group.len() + stream.len(),
            Self::Known { .. } => 0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) target: Target,
    pub(crate) first_sequence: u64,
    pub(crate) events: Vec<LogEvent>,
    /// The trace header of what wrote them, for those whom subscription filters tell.
    pub(crate) trace: Option<Arc<str>>,
    /// Told when the events are on disk; dropped when they are lost.
    pub(crate) stored: Option<oneshot::Sender<()>>,
}

impl Append {
    fn of(target: Target, events: Vec<LogEvent>) -> Self {
        Self { target, first_sequence: 0, events, trace: None, stored: None }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Loss {
    fn line(self) -> String {
        let Self { records, bytes } = self;
        format!("LOGS_DROPPED Records: {records}\tBytes: {bytes}\tReason: the log queue of this server was full")
    }
}

pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    bytes_max: usize,
}

struct State {
    appends: Vec<Append>,
    bytes: usize,
    next_sequence: u64,
    lost: HashMap<Target, Loss>,
    lost_elsewhere: Loss,
    /// The writer sleeps without a timer and needs a notification.
    idle: bool,
    /// Somebody waits for what is queued: do not linger.
    urgent: bool,
    /// The writer is to look around although nothing came.
    nudged: bool,
    closed: bool,
}

/// What the writer takes at once.
pub(crate) struct Batch {
    /// In order of their sequences; what was lost is told in a line at the end.
    pub(crate) appends: Vec<Append>,
    /// Losses that no line tells of.
    pub(crate) lost_elsewhere: Loss,
    pub(crate) closed: bool,
}

impl Queue {
    pub(crate) fn new(first_sequence: u64, bytes_max: usize) -> Self {
        let state = State {
            appends: Vec::new(),
            bytes: 0,
            next_sequence: first_sequence,
            lost: HashMap::new(),
            lost_elsewhere: Loss::default(),
            idle: false,
            urgent: false,
            nudged: false,
            closed: false,
        };
        Self { state: Mutex::new(state), wake: Condvar::new(), bytes_max }
    }

    /// Queues what nobody waits for.
    pub(crate) fn push(&self, target: Target, events: Vec<LogEvent>, trace: Option<Arc<str>>) {
        if events.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        if state.closed {
            tracing::warn!(?target, records = events.len(), "log records came after the log store was closed");
            return;
        }
        if !self.add(&mut state, &target, &events) {
            let message_bytes: usize = events.iter().map(|event| event.message.len()).sum();
            state.lose(target, events.len() as u64, message_bytes as u64);
            return;
        }
        state.append(Append { trace, ..Append::of(target, events) });
        self.wake(state);
    }

    /// Queues what somebody waits for, and answers the sequence of the first event; `None` when it does not fit.
    pub(crate) fn push_awaited(&self, target: Target, events: Vec<LogEvent>) -> Option<(u64, oneshot::Receiver<()>)> {
        let mut state = self.state.lock();
        if state.closed || !self.add(&mut state, &target, &events) {
            return None;
        }
        let (stored, receiver) = oneshot::channel();
        let first_sequence = state.append(Append { stored: Some(stored), ..Append::of(target, events) });
        state.urgent = true;
        drop(state);
        self.wake.notify_one();
        Some((first_sequence, receiver))
    }

    /// Whether there was room.
    fn add(&self, state: &mut State, target: &Target, events: &[LogEvent]) -> bool {
        let messages: usize = events.iter().map(|event| event.message.len()).sum();
        let bytes = messages + events.len() * EVENT_OVERHEAD_BYTES + target.bytes();
        let fits = state.bytes + bytes <= self.bytes_max;
        if fits {
            state.bytes += bytes;
        }
        fits
    }

    fn wake(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Waits for work, or until `until`, or until closed. After the first append it lingers to collect more.
    /// `now_ms` dates the lines about losses.
    pub(crate) fn take(&self, until: Option<Instant>, now_ms: impl FnOnce() -> i64) -> Batch {
        let mut state = self.state.lock();
        while state.appends.is_empty() && !state.closed && !state.nudged {
            match until {
                Some(until) if Instant::now() >= until => break,
                Some(until) => {
                    state.idle = true;
                    self.wake.wait_until(&mut state, until);
                }
                None => {
                    state.idle = true;
                    self.wake.wait(&mut state);
                }
            }
        }
        state.idle = false;
        state.nudged = false;
        let linger_until = Instant::now() + LINGER;
        while !state.appends.is_empty() && !state.closed && !state.urgent && state.bytes < self.bytes_max / 4 {
            if self.wake.wait_until(&mut state, linger_until).timed_out() {
                break;
            }
        }
        state.urgent = false;
        state.bytes = 0;
        state.tell_losses(now_ms);
        Batch {
            appends: std::mem::take(&mut state.appends),
            lost_elsewhere: std::mem::take(&mut state.lost_elsewhere),
            closed: state.closed,
        }
    }

    /// Asks the writer to write now; the answer is the newest sequence that is queued or written.
    pub(crate) fn hurry(&self) -> u64 {
        let mut state = self.state.lock();
        state.urgent = !state.appends.is_empty();
        let newest = state.next_sequence - 1;
        drop(state);
        self.wake.notify_one();
        newest
    }

    /// The newest sequence that is queued or written.
    pub(crate) fn newest_sequence(&self) -> u64 {
        self.state.lock().next_sequence - 1
    }

    /// Has the writer look around: it answers with an empty batch.
    pub(crate) fn nudge(&self) {
        self.state.lock().nudged = true;
        self.wake.notify_one();
    }

    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.wake.notify_one();
    }
}

impl State {
    /// Gives it its sequences, and answers the first.
    fn append(&mut self, append: Append) -> u64 {
        let first_sequence = self.next_sequence;
        self.next_sequence += append.events.len() as u64;
        self.appends.push(Append { first_sequence, ..append });
        first_sequence
    }

    fn tell_losses(&mut self, now_ms: impl FnOnce() -> i64) {
        if self.lost.is_empty() {
            return;
        }
        let timestamp_ms = now_ms();
        for (target, loss) in std::mem::take(&mut self.lost) {
            self.append(Append::of(target, vec![LogEvent { timestamp_ms, message: loss.line().into() }]));
        }
    }

    fn lose(&mut self, key: Target, records: u64, bytes: u64) {
        let room = self.lost.len() < DROPPED_STREAMS_MAX || self.lost.contains_key(&key);
        let loss = if room { self.lost.entry(key).or_default() } else { &mut self.lost_elsewhere };
        loss.records += records;
        loss.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{event, scope};

    fn to(stream: &str) -> Target {
        Target::Named { scope: scope(), group: "g".to_owned(), stream: stream.to_owned() }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told_per_stream() {
        let queue = Queue::new(1, 400);
        queue.push(to("s"), vec![event("fits")], None);
        queue.push(to("s"), vec![event(&"x".repeat(300)), event("y")], None);
        queue.push(to("other"), vec![event(&"z".repeat(400))], None);
        let batch = queue.take(None, || 9);
        let text = |append: &Append| String::from_utf8_lossy(&append.events[0].message).into_owned();
        let told = |stream: &str| {
            let found = batch.appends[1..].iter().find(|append| append.target == to(stream));
            found.map(text).expect("told")
        };
        assert_eq!((batch.appends.len(), &batch.appends[0].target), (3, &to("s")));
        assert!(told("other").starts_with("LOGS_DROPPED Records: 1\tBytes: 400\t"), "{}", told("other"));
        assert!(told("s").starts_with("LOGS_DROPPED Records: 2\tBytes: 301\t"), "{}", told("s"));
        assert!(queue.take(Some(Instant::now()), || 9).appends.is_empty(), "a loss is told once");
    }

    #[test]
    fn who_waits_is_told_at_once_that_there_is_no_room() {
        let queue = Queue::new(1, 100);
        let known = Target::Known { group: 1, stream: 2 };
        assert!(queue.push_awaited(known.clone(), vec![event("fits")]).is_some());
        assert!(queue.push_awaited(known, vec![event(&"x".repeat(100))]).is_none());
        assert_eq!(queue.take(None, || 9).appends.len(), 1, "and no line tells of it");
    }

    #[test]
    fn sequences_follow_the_order_of_arrival_without_gaps() {
        let queue = Queue::new(5, 10_000);
        queue.push(to("s"), vec![event("a"), event("b")], None);
        queue.push(to("t"), vec![event("c")], None);
        let batch = queue.take(None, || 9);
        assert_eq!(batch.appends.iter().map(|append| append.first_sequence).collect::<Vec<_>>(), [5, 7]);
        assert_eq!(queue.hurry(), 7);
    }

    #[test]
    fn take_ends_at_its_time_or_when_nudged_though_nothing_comes() {
        let queue = Queue::new(1, 100);
        let batch = queue.take(Some(Instant::now() + Duration::from_millis(5)), || 9);
        assert!(batch.appends.is_empty() && !batch.closed);
        queue.nudge();
        assert!(queue.take(None, || 9).appends.is_empty());
    }
}
