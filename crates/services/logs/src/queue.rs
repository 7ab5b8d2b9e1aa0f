//! The bounded queue between the callers and the writer thread. `push` never waits.
//!
//! What does not fit is counted per stream; the writer takes the counts with the next batch and appends a line that
//! says how much is missing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hearth_ports::LogEvent;
use hearth_types::Scope;
use parking_lot::{Condvar, Mutex};

/// How long the writer collects before it writes, so that many invocations share one wake-up and one write.
pub(crate) const LINGER: Duration = Duration::from_millis(20);
/// Streams whose losses are counted apart; the losses of further streams are only logged.
const DROPPED_STREAMS_MAX: usize = 4_096;
/// Bookkeeping of one event in the queue, bytes.
const EVENT_OVERHEAD_BYTES: usize = 48;

pub(crate) struct Append {
    pub(crate) scope: Scope,
    pub(crate) group: String,
    pub(crate) stream: String,
    pub(crate) first_sequence: u64,
    pub(crate) events: Vec<LogEvent>,
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

#[derive(PartialEq, Eq, Hash)]
struct StreamKey {
    scope: Scope,
    group: String,
    stream: String,
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
    lost: HashMap<StreamKey, Loss>,
    lost_elsewhere: Loss,
    /// The writer sleeps without a timer and needs a notification.
    idle: bool,
    /// A reader waits for what is queued: do not linger.
    urgent: bool,
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
            closed: false,
        };
        Self { state: Mutex::new(state), wake: Condvar::new(), bytes_max }
    }

    pub(crate) fn push(&self, scope: Scope, group: &str, stream: &str, events: Vec<LogEvent>) {
        if events.is_empty() {
            return;
        }
        let message_bytes: usize = events.iter().map(|event| event.message.len()).sum();
        let bytes = message_bytes + events.len() * EVENT_OVERHEAD_BYTES + group.len() + stream.len();
        let mut state = self.state.lock();
        if state.closed {
            tracing::warn!(group, stream, records = events.len(), "log records came after the log store was closed");
            return;
        }
        if state.bytes + bytes > self.bytes_max {
            let key = StreamKey { scope, group: group.to_owned(), stream: stream.to_owned() };
            state.lose(key, events.len() as u64, message_bytes as u64);
            return;
        }
        let first_sequence = state.next_sequence;
        state.next_sequence += events.len() as u64;
        state.bytes += bytes;
        state.appends.push(Append {
            scope,
            group: group.to_owned(),
            stream: stream.to_owned(),
            first_sequence,
            events,
        });
        if state.idle {
            state.idle = false;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Waits for work, or until `until`, or until closed. After the first append it lingers to collect more.
    /// `now_ms` dates the lines about losses.
    pub(crate) fn take(&self, until: Option<Instant>, now_ms: impl FnOnce() -> i64) -> Batch {
        let mut state = self.state.lock();
        while state.appends.is_empty() && !state.closed {
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

    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.wake.notify_one();
    }
}

impl State {
    fn tell_losses(&mut self, now_ms: impl FnOnce() -> i64) {
        if self.lost.is_empty() {
            return;
        }
        let timestamp_ms = now_ms();
        for (StreamKey { scope, group, stream }, loss) in std::mem::take(&mut self.lost) {
            let events = vec![LogEvent { timestamp_ms, message: loss.line().into() }];
            let first_sequence = self.next_sequence;
            self.next_sequence += 1;
            self.appends.push(Append { scope, group, stream, first_sequence, events });
        }
    }

    fn lose(&mut self, key: StreamKey, records: u64, bytes: u64) {
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

    #[test]
    fn what_does_not_fit_is_counted_and_told_per_stream() {
        let queue = Queue::new(1, 400);
        queue.push(scope(), "g", "s", vec![event("fits")]);
        queue.push(scope(), "g", "s", vec![event(&"x".repeat(300)), event("y")]);
        queue.push(scope(), "g", "other", vec![event(&"z".repeat(400))]);
        let batch = queue.take(None, || 9);
        let mut told: Vec<_> = batch.appends[1..]
            .iter()
            .map(|append| (append.stream.clone(), String::from_utf8_lossy(&append.events[0].message).into_owned()))
            .collect();
        told.sort_unstable();
        assert_eq!(batch.appends[0].stream, "s");
        assert_eq!(told.len(), 2);
        assert!(told[0].0 == "other" && told[0].1.starts_with("LOGS_DROPPED Records: 1\tBytes: 400\t"), "{told:?}");
        assert!(told[1].0 == "s" && told[1].1.starts_with("LOGS_DROPPED Records: 2\tBytes: 301\t"), "{told:?}");
        assert!(queue.take(Some(Instant::now()), || 9).appends.is_empty(), "a loss is told once");
    }

    #[test]
    fn sequences_follow_the_order_of_arrival_without_gaps() {
        let queue = Queue::new(5, 10_000);
        queue.push(scope(), "g", "s", vec![event("a"), event("b")]);
        queue.push(scope(), "g", "t", vec![event("c")]);
        let batch = queue.take(None, || 9);
        assert_eq!(batch.appends.iter().map(|append| append.first_sequence).collect::<Vec<_>>(), [5, 7]);
        assert_eq!(queue.hurry(), 7);
    }

    #[test]
    fn take_ends_at_its_time_when_nothing_comes() {
        let queue = Queue::new(1, 100);
        let batch = queue.take(Some(Instant::now() + Duration::from_millis(5)), || 9);
        assert!(batch.appends.is_empty() && !batch.closed);
    }
}
