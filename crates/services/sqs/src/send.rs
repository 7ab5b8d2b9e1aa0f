//! Sending: a place in the queue, one commit, and only then anybody's.

use std::sync::Arc;

use bytes::Bytes;
use hearth_store::Mutation;
use hearth_types::{Caller, RequestContext};

use crate::Sqs;
use crate::engine::{Arrival, MessageKey, Now, Remembered, Seen};
use crate::error::SqsError;
use crate::message::Checked;
use crate::page::{Page, StoredMessage};
use crate::queue::Queue;

/// A message that is in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) message_id: [u8; 16],
    /// Of FIFO queues.
    pub(crate) sequence_number: Option<String>,
}

/// What became of the first look.
enum Place {
    Reserved {
        page: u64,
        messages: Vec<MessageId>,
        sent: Vec<Sent>,
    },
    /// All were sent before.
    Known(Vec<Sent>),
    /// One was sent before, by a request whose commit is not over.
    Undecided,
}

/// Which of the request's messages has which id.
struct MessageId {
    index: usize,
    id: [u8; 16],
}

impl Sqs {
    /// Sends the messages of one request, all or none; they are durable when it returns. Must not be dropped while it
    /// works: its place in the queue would never be decided.
    ///
    /// # Errors
    /// [`SqsError::NoSuchQueue`] when the queue is deleted meanwhile, or the store's.
    pub(crate) async fn send(
        &self,
        queue: &Arc<Queue>,
        sender_id: &str,
        messages: &[Checked<'_>],
    ) -> Result<Vec<Sent>, SqsError> {
        loop {
            let settled = queue.settled.notified();
            let mut settled = std::pin::pin!(settled);
            settled.as_mut().enable();
            if queue.is_deleted() {
                return Err(SqsError::NoSuchQueue);
            }
            let now = self.now();
            match self.reserve(queue, messages, now) {
                Place::Known(sent) => return Ok(sent),
                Place::Undecided => settled.await,
                Place::Reserved { page, messages: ids, sent } => {
                    self.settle(queue, page, encode(sender_id, messages, &ids, now)).await?;
                    return Ok(sent);
                }
            }
        }
    }

    fn reserve(&self, queue: &Queue, messages: &[Checked<'_>], now: Now) -> Place {
        let mut live = queue.live();
        let is_fifo = live.engine.terms().is_fifo;
        let (mut ids, mut arrivals): (Vec<MessageId>, Vec<Arrival<'_>>) = (Vec::new(), Vec::new());
        let mut sent = Vec::with_capacity(messages.len());
        let page = live.next_page();
        for (index, message) in messages.iter().enumerate() {
            let here = || ids.iter().position(|known| messages[known.index].dedup == message.dedup);
            let before = match message.dedup {
                None => None,
                Some(dedup) => match here() {
                    Some(slot) => Some((MessageKey::new(page, slot), ids[slot].id)),
                    None => {
                        live.engine.duplicate(&dedup, now).map(|Remembered { key, message_id, .. }| (key, message_id))
                    }
                },
            };
            let (key, id) = match before {
                Some((key, _)) if live.engine.is_pending(key) => return Place::Undecided,
                Some(before) => before,
                None => {
                    let (key, id) = (MessageKey::new(page, ids.len()), self.message_id());
                    ids.push(MessageId { index, id });
                    arrivals.push(arrival(message, id, now));
                    (key, id)
                }
            };
            let sequence_number = is_fifo.then(|| Queue::sequence_number(key));
            sent.push(Sent { message_id: id, sequence_number });
        }
        if ids.is_empty() {
            return Place::Known(sent);
        }
        let page = live.new_page();
        live.engine.reserve(page, &arrivals);
        Place::Reserved { page, messages: ids, sent }
    }

    /// Makes a reserved page durable, and its messages visible.
    async fn settle(&self, queue: &Arc<Queue>, page: u64, bytes: Result<Bytes, SqsError>) -> Result<(), SqsError> {
        let written = match bytes {
            Ok(bytes) => {
                let put = Mutation::Put(queue.page_key(page), bytes.clone());
                self.commit(&queue.scope, vec![put]).await.map(|()| bytes)
            }
            Err(error) => Err(error),
        };
        let outcome = match written {
            Ok(bytes) => {
                self.cache.put(queue.id, page, &bytes);
                self.confirm(queue, page);
                Ok(())
            }
            Err(error) => {
                queue.live().engine.abort(page);
                Err(error)
            }
        };
        queue.settled.notify_waiters();
        queue.changed.notify_one();
        outcome
    }

    /// A page is in the store: its messages are anybody's, unless the queue was purged or deleted meanwhile.
    pub(crate) fn confirm(&self, queue: &Queue, page: u64) {
        if !queue.live().engine.confirm(page, self.now()) {
            self.cache.remove(queue.id, page);
            self.discard(&queue.scope, vec![Mutation::Delete(queue.page_key(page))]);
        }
    }

    pub(crate) fn message_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        self.random.fill(&mut id);
        // Version 4, RFC 9562.
        id[6] = (id[6] & 0x0f) | 0x40;
        id[8] = (id[8] & 0x3f) | 0x80;
        id
    }
}

fn due_at_ms(message: &Checked<'_>, now: Now) -> i64 {
    now.service_ms + i64::from(message.delay_s) * 1_000
}

fn arrival<'a>(message: &Checked<'a>, message_id: [u8; 16], now: Now) -> Arrival<'a> {
    Arrival {
        enqueued_at_ms: now.service_ms,
        due_at_ms: due_at_ms(message, now),
        group: message.group,
        dedup: message.dedup,
        message_id,
        seen: Seen::default(),
    }
}

fn encode(sender_id: &str, messages: &[Checked<'_>], ids: &[MessageId], now: Now) -> Result<Bytes, SqsError> {
    let stored = ids.iter().map(|MessageId { index, id }| {
        let message = &messages[*index];
        StoredMessage {
            id: *id,
            body: message.body,
            body_md5: message.body_md5,
            attributes: message.attributes.clone(),
            attributes_md5: message.attributes_md5,
            trace_header: message.trace_header,
            sender_id,
            sent_at_ms: now.wall_ms,
            enqueued_at_ms: now.service_ms,
            due_at_ms: due_at_ms(message, now),
            group: message.group,
            dedup_id: message.dedup_id.as_deref(),
            dedup: message.dedup,
            dead_letter_source: None,
            seen: Seen::default(),
        }
    });
    Page::Messages(stored.collect()).encode()
}

/// `SenderId`. Source: SQS API reference, ReceiveMessage.
pub(crate) fn sender_id(ctx: &RequestContext) -> String {
    match &ctx.caller {
        Caller::Root { account } => account.to_string(),
        Caller::User { user_id, .. } => user_id.to_string(),
        Caller::RoleSession { assumed_role_id, .. } => assumed_role_id.to_string(),
        Caller::Federated { provider_arn } => provider_arn.to_string(),
        Caller::Service { principal, .. } => (*principal).to_owned(),
        Caller::Anonymous => "anonymous".to_owned(),
    }
}
