//! Moving messages from one queue to another: dead letters, and what move tasks carry back.
//!
//! Both queues are in one shard: the message leaves one and is in the other by the same commit.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use hearth_store::Mutation;
use hearth_types::Arn;

use crate::Sqs;
use crate::engine::{Arrival, MessageKey, Now, PAGE_SLOTS_MAX, Seen};
use crate::error::SqsError;
use crate::page::{Page, StoredMessage};
use crate::queue::Queue;

/// What becomes of a message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Journey {
    /// To a dead-letter queue: it stays the same message. Source: developer guide, "Using dead-letter queues": in
    /// standard queues its age goes on, in FIFO queues it begins anew.
    Dead,
    /// Away from one: a new message, of another id and age, that nobody has received.
    Back,
}

impl Sqs {
    /// Where a queue's dead letters go; `None` when nowhere, or when that queue is not there.
    pub(crate) fn dead_letter_queue(&self, queue: &Queue) -> Option<Arc<Queue>> {
        let description = queue.describe();
        let target = &description.settings.redrive.as_ref()?.target;
        self.find_arn(&queue.scope, target)
    }

    /// The queue of that ARN in the same account and region.
    pub(crate) fn find_arn(&self, scope: &hearth_types::Scope, arn: &Arn) -> Option<Arc<Queue>> {
        self.find(scope, &arn.resource).filter(|queue| queue.arn == *arn)
    }

    /// Moves leaving messages to the dead-letter queue; durable when it returns. Goes on when the caller does not wait.
    ///
    /// # Errors
    /// The store's; the messages are back then.
    pub(crate) async fn bury(self: &Arc<Self>, queue: &Arc<Queue>, dead: Vec<MessageKey>) -> Result<(), SqsError> {
        let (this, queue) = (self.clone(), queue.clone());
        let task = tokio::spawn(async move {
            let target = this.dead_letter_queue(&queue);
            let Some(target) = target else {
                queue.live().engine.stay(&dead, this.now());
                return Ok(());
            };
            this.transfer(&queue, &target, dead, Journey::Dead).await
        });
        task.await.unwrap_or_else(|error| Err(SqsError::Internal(error.to_string())))
    }

    /// Moves leaving messages from one queue to another in one commit. Must not be dropped while it works.
    ///
    /// # Errors
    /// The store's; the messages are back then.
    pub(crate) async fn transfer(
        &self,
        source: &Arc<Queue>,
        target: &Arc<Queue>,
        leaving: Vec<MessageKey>,
        journey: Journey,
    ) -> Result<(), SqsError> {
        for some in leaving.chunks(PAGE_SLOTS_MAX) {
            if let Err(error) = self.transfer_page(source, target, some, journey).await {
                source.live().engine.stay(&leaving, self.now());
                return Err(error);
            }
        }
        Ok(())
    }

    async fn transfer_page(
        &self,
        source: &Arc<Queue>,
        target: &Arc<Queue>,
        leaving: &[MessageKey],
        journey: Journey,
    ) -> Result<(), SqsError> {
        let pages = self.pages_of(source, leaving).await?;
        let now = self.now();
        let source_arn = source.arn.to_string();
        let mut messages = Vec::new();
        let mut decoded: HashMap<u64, Vec<StoredMessage<'_>>> = HashMap::new();
        for (number, bytes) in &pages {
            if let Page::Messages(of_page) = Page::decode(bytes)? {
                decoded.insert(*number, of_page);
            }
        }
        for key in leaving {
            let stored = decoded.get(&key.page()).and_then(|messages| messages.get(key.slot()));
            // Without its page it was purged: there is nothing to move.
            let Some(stored) = stored else { continue };
            let seen = source.live().engine.seen(*key).unwrap_or_default();
            let is_fifo = target.live().engine.terms().is_fifo;
            messages.push(self.on_its_way(stored, seen, journey, is_fifo, &source_arn, now));
        }
        if messages.is_empty() {
            let departures = source.live().engine.departure(leaving, now);
            return self.go(source, leaving.to_vec(), source.mutations(departures)).await;
        }
        let bytes = Page::Messages(messages.clone()).encode()?;
        let page = {
            let mut live = target.live();
            let page = live.new_page();
            // What it was sent with decides about other sends of its first queue, not of this one.
            let arrivals: Vec<Arrival<'_>> =
                messages.iter().map(|message| Arrival { dedup: None, ..message.arrival() }).collect();
            live.engine.reserve(page, &arrivals);
            page
        };
        let mut mutations = vec![Mutation::Put(target.page_key(page), bytes.clone())];
        let departures = source.live().engine.departure(leaving, now);
        let written = match source.mutations(departures) {
            Ok(departures) => {
                mutations.extend(departures);
                self.commit(&source.scope, mutations).await
            }
            Err(error) => Err(error),
        };
        match &written {
            Ok(()) => {
                self.cache.put(target.id, page, &bytes);
                self.confirm(target, page);
                self.gone(source, leaving);
            }
            Err(_) => target.live().engine.abort(page),
        }
        source.changed.notify_one();
        target.changed.notify_one();
        written
    }

    fn on_its_way<'a>(
        &self,
        stored: &StoredMessage<'a>,
        seen: Seen,
        journey: Journey,
        to_fifo: bool,
        source_arn: &'a str,
        now: Now,
    ) -> StoredMessage<'a> {
        let message = StoredMessage { dedup: None, due_at_ms: now.service_ms, ..stored.clone() };
        match journey {
            Journey::Dead => StoredMessage {
                enqueued_at_ms: if to_fifo { now.service_ms } else { stored.enqueued_at_ms },
                dead_letter_source: Some(source_arn),
                seen: Seen { hidden_until_ms: 0, nonce: 0, ..seen },
                ..message
            },
            Journey::Back => StoredMessage {
                id: self.message_id(),
                sent_at_ms: now.wall_ms,
                enqueued_at_ms: now.service_ms,
                dead_letter_source: None,
                seen: Seen::default(),
                ..message
            },
        }
    }

    async fn pages_of(&self, queue: &Queue, keys: &[MessageKey]) -> Result<Vec<(u64, Bytes)>, SqsError> {
        let mut pages: Vec<(u64, Bytes)> = Vec::new();
        for key in keys {
            if !pages.iter().any(|(number, _)| *number == key.page())
                && let Some(bytes) = self.page(queue, key.page()).await?
            {
                pages.push((key.page(), bytes));
            }
        }
        Ok(pages)
    }

    /// The queue a dead letter came from.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn origin_of(&self, queue: &Queue, key: MessageKey) -> Result<Option<Arn>, SqsError> {
        let Some(bytes) = self.page(queue, key.page()).await? else { return Ok(None) };
        let Page::Messages(messages) = Page::decode(&bytes)? else { return Ok(None) };
        let source = messages.get(key.slot()).and_then(|message| message.dead_letter_source);
        Ok(source.and_then(|arn| arn.parse().ok()))
    }
}
