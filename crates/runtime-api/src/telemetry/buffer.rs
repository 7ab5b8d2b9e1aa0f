//! The queue of one subscriber: what waits, when a batch is due, and what had to be dropped. Pure; time is a parameter.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::telemetry::subscription::Buffering;

/// Batches that may wait, counted in full ones: one on its way and one that is filled meanwhile.
const BATCHES_MAX: usize = 2;

/// Events that could not be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Dropped {
    pub(crate) fn add(&mut self, other: Self) {
        self.records = self.records.saturating_add(other.records);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

#[derive(Debug)]
pub(crate) struct Buffer {
    limits: Buffering,
    /// Each with the time it came.
    events: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    dropped: Dropped,
    /// Nothing is held back any more.
    flushing: bool,
}

impl Buffer {
    pub(crate) fn new(limits: Buffering) -> Self {
        Self { limits, events: VecDeque::new(), bytes: 0, dropped: Dropped::default(), flushing: false }
    }

    pub(crate) const fn set_limits(&mut self, limits: Buffering) {
        self.limits = limits;
    }

    /// Takes an event, or counts it as dropped when there is no room.
    pub(crate) fn push(&mut self, event: Bytes, now: Instant) {
        let fits_bytes = self.bytes + event.len() <= BATCHES_MAX * self.limits.bytes_max;
        if fits_bytes && self.events.len() < BATCHES_MAX * self.limits.items_max {
            self.bytes += event.len();
            self.events.push_back((now, event));
        } else {
            self.dropped.add(Dropped { records: 1, bytes: event.len() as u64 });
        }
    }

    /// Counts events that were taken and got lost.
    pub(crate) fn drop_also(&mut self, lost: Dropped) {
        self.dropped.add(lost);
    }

    /// From now on every event is due at once.
    pub(crate) const fn flush(&mut self) {
        self.flushing = true;
    }

    /// When the next batch is due; `None` while nothing waits. A time that has passed means now.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        let (oldest, _) = self.events.front()?;
        let full = self.events.len() >= self.limits.items_max || self.bytes >= self.limits.bytes_max;
        if full || self.flushing {
            return Some(*oldest);
        }
        Some(*oldest + Duration::from_millis(self.limits.timeout_ms))
    }

    /// Takes a batch off the front: at least one event, no more than the limits allow.
    pub(crate) fn take_batch(&mut self) -> Vec<Bytes> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some((_, event)) = self.events.front() {
            let over = bytes + event.len() > self.limits.bytes_max || batch.len() == self.limits.items_max;
            if over && !batch.is_empty() {
                break;
            }
            bytes += event.len();
            self.bytes -= event.len();
            batch.extend(self.events.pop_front().map(|(_, event)| event));
        }
        batch
    }

    /// What was dropped since the last call.
    pub(crate) fn take_dropped(&mut self) -> Option<Dropped> {
        let dropped = std::mem::take(&mut self.dropped);
        (dropped != Dropped::default()).then_some(dropped)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Buffering = Buffering { items_max: 3, bytes_max: 100, timeout_ms: 50 };

    fn event(size: usize) -> Bytes {
        Bytes::from(vec![b'x'; size])
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_due_by_age_by_number_or_by_size() {
        let now = Instant::now();
        let mut buffer = Buffer::new(LIMITS);
        assert_eq!(buffer.due_at(), None);
        buffer.push(event(10), now);
        assert_eq!(buffer.due_at(), Some(now + Duration::from_millis(50)), "by age");
        buffer.push(event(10), now);
        buffer.push(event(10), now);
        assert_eq!(buffer.due_at(), Some(now), "by number");
        assert_eq!(buffer.take_batch().len(), 3);
        buffer.push(event(100), now);
        assert_eq!(buffer.due_at(), Some(now), "by size");
        buffer.take_batch();
        buffer.flush();
        buffer.push(event(1), now);
        assert_eq!(buffer.due_at(), Some(now), "by the end of the environment");
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_counted_once() {
        let mut buffer = Buffer::new(LIMITS);
        for _ in 0..8 {
            buffer.push(event(10), Instant::now());
        }
        assert_eq!(buffer.take_dropped(), Some(Dropped { records: 2, bytes: 20 }));
        assert_eq!(buffer.take_dropped(), None);
    }

    proptest! {
        #[test]
        fn no_event_is_lost_without_being_counted(sizes in proptest::collection::vec(0..250_usize, 0..40), take_every in 1..9_usize) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
            let _guard = runtime.enter();
            let mut buffer = Buffer::new(LIMITS);
            let (mut taken, mut taken_bytes, mut dropped) = (0, 0, Dropped::default());
            let mut take = |buffer: &mut Buffer| {
                let batch = buffer.take_batch();
                let bytes: usize = batch.iter().map(Bytes::len).sum();
                assert!(batch.len() <= 3 && (bytes <= 100 || batch.len() == 1), "{batch:?}");
                taken += batch.len() as u64;
                taken_bytes += bytes as u64;
                dropped.add(buffer.take_dropped().unwrap_or_default());
            };
            for (n, size) in sizes.iter().enumerate() {
                buffer.push(event(*size), Instant::now());
                prop_assert!(buffer.bytes <= 200 && buffer.events.len() <= 6);
                if n % take_every == 0 {
                    take(&mut buffer);
                }
            }
            while !buffer.is_empty() {
                take(&mut buffer);
            }
            // What was dropped last waits for an event to go with.
            take(&mut buffer);
            prop_assert_eq!(buffer.bytes, 0);
            prop_assert_eq!(taken + dropped.records, sizes.len() as u64);
            prop_assert_eq!(taken_bytes + dropped.bytes, sizes.iter().sum::<usize>() as u64);
        }
    }
}
