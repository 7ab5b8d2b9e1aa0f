//! Everything that is sent later or again: asynchronous invocations, dead letters, destinations, notifications.
//!
//! ```text
//! accept ─▶ store ─▶ window (memory, bounded) ─▶ attempt (bounded concurrency) ─▶ verdict
//!             ▲            ▲ refill                                                │ again │ done
//!             └────────────┴───────────────────────────────────────────────────────┘       ▼ deleted, and what
//!                                                                                            follows is accepted
//! ```
//!
//! The [`Outbox`] is the store's part of it. A [`Lane`] carries one kind of delivery, with a window and a number of
//! attempts of its own, so that a slow target holds up nothing but its own kind. Services supply a [`Target`] and
//! [retry policies](retry); none has a loop of its own.
//!
//! The promises: what is accepted is in the store before that is said; it leaves the store when its target says so, in
//! one commit with what follows from it; it is attempted at least once, in no particular order, unless it stands in a
//! line: then what stands before it is dealt with first, whatever retries and restarts come between. What never lives
//! here: knowledge of any service.

mod lane;
pub mod message;
mod outbox;
mod record;
pub mod retry;
pub mod timetable;
mod window;

pub use lane::{Lane, LaneLimits};
pub use outbox::{Outbox, Staged, shard};
pub use record::Tries;

use async_trait::async_trait;
use hearth_store::Record;
use hearth_types::{Millis, RequestId, Scope};
use std::sync::Arc;

/// What a lane delivers.
pub trait Body: Record + Send + Sync + 'static {
    /// Bytes that it takes in memory, about.
    fn size(&self) -> usize;

    /// The line that it stands in, of a name that no other scope uses. Deliveries of a line are attempted one after the
    /// other, in the order of their ids; they are to be accepted in that order, too.
    fn line(&self) -> Option<String> {
        None
    }
}

/// One delivery at one attempt.
#[derive(Debug)]
pub struct Delivery<B> {
    pub scope: Scope,
    /// The same at each attempt.
    pub id: RequestId,
    pub body: Arc<B>,
    pub accepted_ms: i64,
    /// Since it was accepted.
    pub age: Millis,
    /// Before this attempt.
    pub tries: Tries,
}

/// What becomes of a delivery.
pub struct Verdict {
    pub next: Next,
    /// Accepted in the commit that takes note of `next`.
    pub then: Vec<Staged>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Done,
    /// `tries`: this attempt included.
    Again {
        after: Millis,
        tries: Tries,
    },
}

impl Verdict {
    pub const DONE: Self = Self { next: Next::Done, then: Vec::new() };

    #[must_use]
    pub const fn again(after: Millis, tries: Tries) -> Self {
        Self { next: Next::Again { after, tries }, then: Vec::new() }
    }
}

/// Where deliveries of a lane go.
#[async_trait]
pub trait Target<B>: Send + Sync + 'static {
    /// Makes an attempt, or finds that it is too late for one.
    async fn attempt(self: Arc<Self>, delivery: &Delivery<B>) -> Verdict;
}
