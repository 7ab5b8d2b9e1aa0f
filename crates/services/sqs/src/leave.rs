//! Leaving a queue: deletion, expiry, and coming back sooner or later than thought.

use std::sync::Arc;

use crate::Sqs;
use crate::engine::{Counts, Hold, MessageKey};
use crate::error::SqsError;
use crate::limits::VISIBILITY_S_MAX;
use crate::queue::Queue;

impl Sqs {
    /// Deletes the messages of these handles; durable when it returns. An answer for each handle, in order. Must not be
    /// dropped while it works: what leaves would not come back.
    pub(crate) async fn delete(&self, queue: &Arc<Queue>, handles: &[&str]) -> Vec<Result<(), SqsError>> {
        let mut leaving: Vec<MessageKey> = Vec::with_capacity(handles.len());
        let (mut answers, mutations) = {
            let mut live = queue.live();
            let is_fifo = live.engine.terms().is_fifo;
            live.engine.tick_visibility(self.now());
            let mut leave = |handle: &str| {
                let (key, nonce) = queue.receipts.read(handle)?;
                match live.engine.hold(key, nonce) {
                    // Deleted before, or by an older handle: the client has what it wants.
                    Hold::Gone => Ok(()),
                    Hold::Lapsed if is_fifo => Err(expired(handle)),
                    Hold::Held | Hold::Lapsed => {
                        leaving.extend(live.engine.leave(key).then_some(key));
                        Ok(())
                    }
                }
            };
            let answers: Vec<Result<(), SqsError>> = handles.iter().map(|handle| leave(handle)).collect();
            (answers, queue.mutations(live.engine.departure(&leaving, self.now())))
        };
        if let Err(error) = self.go(queue, leaving, mutations).await {
            let text = error.to_string();
            let mut first = Some(error);
            for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                *answer = Err(first.take().unwrap_or_else(|| SqsError::Internal(text.clone())));
            }
        }
        answers
    }

    /// What left in memory leaves the store; if that fails, it comes back.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn go(
        &self,
        queue: &Arc<Queue>,
        leaving: Vec<MessageKey>,
        mutations: Result<Vec<hearth_store::Mutation>, SqsError>,
    ) -> Result<(), SqsError> {
        if leaving.is_empty() {
            return Ok(());
        }
        let written = match mutations {
            Ok(mutations) => self.commit(&queue.scope, mutations).await,
            Err(error) => Err(error),
        };
        match &written {
            Ok(()) => self.gone(queue, &leaving),
            Err(_) => queue.live().engine.stay(&leaving, self.now()),
        }
        // A FIFO group may go on.
        queue.changed.notify_one();
        written
    }

    /// The messages are in the store no longer.
    pub(crate) fn gone(&self, queue: &Queue, keys: &[MessageKey]) {
        let now = self.now();
        let mut live = queue.live();
        let closing = live.engine.gone(keys, now);
        let empty: Vec<u64> = live.engine.emptied(keys);
        if live.engine.terms().is_fifo {
            let until = now.service_ms + crate::engine::DEDUP_WINDOW_MS;
            live.remembering.extend(empty.iter().map(|page| (until, *page)));
        }
        drop(live);
        empty.iter().for_each(|page| self.cache.remove(queue.id, *page));
        match queue.mutations(closing) {
            Ok(mutations) => self.discard(&queue.scope, mutations),
            Err(error) => tracing::error!(%error, queue = %queue.arn, "an empty page stays in the store"),
        }
    }

    /// Deletes what has expired, in its own time: it is nobody's already.
    pub(crate) fn expire(self: &Arc<Self>, queue: &Arc<Queue>, expired: Vec<MessageKey>) {
        let (this, queue) = (self.clone(), queue.clone());
        tokio::spawn(async move {
            for some in expired.chunks(crate::limits::KEEPER_ROWS_MAX) {
                let departures = queue.live().engine.departure(some, this.now());
                let mutations = queue.mutations(departures);
                if let Err(error) = this.go(&queue, some.to_vec(), mutations).await {
                    tracing::warn!(%error, queue = %queue.arn, "expired messages could not be deleted; trying again");
                }
            }
        });
    }

    /// `ApproximateNumberOfMessages…`, as of now.
    pub(crate) fn counts(&self, queue: &Queue) -> Counts {
        let mut live = queue.live();
        live.engine.tick_visibility(self.now());
        live.engine.counts()
    }

    /// The message of the handle is visible `visible_in_s` from now.
    ///
    /// # Errors
    /// [`SqsError::ReceiptHandle`]; [`SqsError::NotInFlight`], in FIFO queues the recorded text of an expired handle; more
    /// than twelve hours after it was received.
    pub(crate) fn change_visibility(&self, queue: &Queue, handle: &str, visible_in_s: u32) -> Result<(), SqsError> {
        let (key, nonce) = queue.receipts.read(handle)?;
        let now = self.now();
        let mut live = queue.live();
        live.engine.tick_visibility(now);
        match live.engine.hold(key, nonce) {
            Hold::Held => {}
            Hold::Lapsed | Hold::Gone if live.engine.terms().is_fifo => return Err(expired(handle)),
            Hold::Lapsed | Hold::Gone => return Err(SqsError::NotInFlight(handle.to_owned())),
        }
        let visible_in_ms = i64::from(visible_in_s) * 1_000;
        let taken_at_ms = live.engine.seen(key).map_or(now.wall_ms, |seen| seen.taken_at_ms);
        if now.wall_ms + visible_in_ms - taken_at_ms > VISIBILITY_S_MAX * 1_000 {
            let reason =
                format!("Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_S_MAX} seconds].");
            return Err(SqsError::value(visible_in_s, "VisibilityTimeout", &reason));
        }
        live.engine.hide(key, visible_in_ms, now);
        drop(live);
        queue.changed.notify_one();
        Ok(())
    }
}

/// Recorded, for FIFO queues.
fn expired(handle: &str) -> SqsError {
    SqsError::value(handle, "ReceiptHandle", "The receipt handle has expired.")
}
