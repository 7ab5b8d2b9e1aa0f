//! The words of the engine: what goes in, what comes out, what it goes by.

use serde::{Deserialize, Serialize};

use super::DedupKey;

/// Messages of one page: those of one request.
pub(crate) const PAGE_SLOTS_MAX: usize = 16;
/// Messages that one call of `Engine::take` sorts out as dead.
pub(super) const DEAD_MAX: usize = 10;

/// Both clocks at one moment, milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// Visibility.
    pub(crate) wall_ms: i64,
    /// Delays, retention, deduplication.
    pub(crate) service_ms: i64,
}

/// A message's place: page and slot. Later messages have greater keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MessageKey(pub(crate) u64);

impl MessageKey {
    pub(crate) const fn new(page: u64, slot: usize) -> Self {
        Self(page * PAGE_SLOTS_MAX as u64 + slot as u64)
    }

    pub(crate) const fn page(self) -> u64 {
        self.0 / PAGE_SLOTS_MAX as u64
    }

    pub(crate) const fn slot(self) -> usize {
        (self.0 % PAGE_SLOTS_MAX as u64) as usize
    }

    /// The slot, in a number for all slots of the page.
    pub(crate) const fn bit(self) -> u16 {
        1 << self.slot()
    }
}

/// What the queue's attributes say, as far as the engine cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) is_fifo: bool,
    pub(crate) retention_ms: i64,
    /// A message that was received so often is dead.
    pub(crate) receives_max: Option<u32>,
}

/// A message that comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    /// Retention begins here (service clock).
    pub(crate) enqueued_at_ms: i64,
    /// Nobody gets it before (service clock).
    pub(crate) due_at_ms: i64,
    pub(crate) group: Option<&'a str>,
    pub(crate) dedup: Option<DedupKey>,
    pub(crate) message_id: [u8; 16],
    pub(crate) seen: Seen,
}

/// What has happened to a message: not lost with the process if it can be helped, see `marks.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) receives: u32,
    /// Wall clock; 0: never.
    pub(crate) first_received_at_ms: i64,
    /// Wall clock; in flight until then.
    pub(crate) hidden_until_ms: i64,
    /// Wall clock; the last receive.
    pub(crate) taken_at_ms: i64,
    /// Of the last receive; its handle has the same.
    pub(crate) nonce: u32,
}

/// A message handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) key: MessageKey,
    pub(crate) seen: Seen,
}

/// What `Engine::take` found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Catch {
    pub(crate) taken: Vec<Taken>,
    /// Received too often: leaving, to be moved to the dead-letter queue.
    pub(crate) dead: Vec<MessageKey>,
    /// Something may be had that was left because of a limit.
    pub(crate) has_more: bool,
}

/// What a handle is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The message is in flight by this very handle.
    Held,
    /// The message is here, but the handle is not its newest or its time is over.
    Lapsed,
    /// The message is gone, or about to be.
    Gone,
}

/// `ApproximateNumberOfMessages…`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) visible: usize,
    pub(crate) in_flight: usize,
    pub(crate) delayed: usize,
}

/// What the store has of a page's deleted messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Departed {
    /// First slots of the rows that say what is deleted.
    pub(crate) rows: Vec<u8>,
    /// There is a row about receives.
    pub(crate) has_marks: bool,
}
