//! What a caller asks of an engine: checked first, then queued for whoever writes.

use std::collections::VecDeque;
use std::sync::Arc;

use hearth_types::Millis;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::health::Health;
use crate::key::Shard;
use crate::limits::{COMMIT_BYTES_MAX, COMMIT_QUEUE_BYTES_MAX, COMMIT_QUEUE_REQUESTS_MAX, KEY_BYTES_MAX};
use crate::store::{Epoch, Mutation, Precondition, StoreError};

/// What a caller asks of whoever writes.
#[derive(Debug)]
pub(super) enum Work {
    Commit { shard: Shard, epoch: Epoch, preconditions: Vec<Precondition>, mutations: Vec<Mutation> },
    Lease { shard: Shard, owner: String, ttl: Millis },
}

/// A revision or an epoch, or why there is none.
pub(super) type Outcome = Result<u64, StoreError>;

pub(super) struct Request {
    pub(super) work: Work,
    pub(super) bytes: usize,
    pub(super) reply: oneshot::Sender<Outcome>,
    /// Room in the queue, given back when the request is done.
    pub(super) _room: OwnedSemaphorePermit,
}

/// Answers all of them that nothing was done.
pub(super) fn refuse(batch: VecDeque<Request>, reason: &StoreError) {
    for request in batch {
        // The caller may have gone away.
        let _ = request.reply.send(Err(reason.clone()));
    }
}

/// Where requests wait, bounded in number and bytes.
pub(super) struct Intake {
    requests: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    health: Arc<Health>,
}

impl Intake {
    pub(super) fn new(health: Arc<Health>) -> (Self, mpsc::Receiver<Request>) {
        let (requests, queue) = mpsc::channel(COMMIT_QUEUE_REQUESTS_MAX);
        (Self { requests, room: Arc::new(Semaphore::new(COMMIT_QUEUE_BYTES_MAX)), health }, queue)
    }

    pub(super) async fn submit(&self, work: Work, bytes: usize) -> Outcome {
        self.health.check()?;
        let room = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(room).await.map_err(|_| StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let request = Request { work, bytes, reply, _room: room };
        self.requests.send(request).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// The bytes of a request, if it is within the limits.
pub(super) fn size(shard: &Shard, preconditions: &[Precondition], mutations: &[Mutation]) -> Result<usize, StoreError> {
    at_most("the shard's name", shard.as_bytes().len(), KEY_BYTES_MAX)?;
    let keys = preconditions.iter().map(Precondition::key).chain(mutations.iter().map(Mutation::key));
    let mut bytes = shard.as_bytes().len();
    for key in keys {
        at_most("a key", key.as_bytes().len(), KEY_BYTES_MAX)?;
        if !key.is_of_record() {
            return Err(StoreError::InvalidKey { key: format!("{key:?}") });
        }
        bytes += key.as_bytes().len();
    }
    for mutation in mutations {
        if let Mutation::Put(_, value) = mutation {
            bytes += value.len();
        }
    }
    at_most("the commit", bytes, COMMIT_BYTES_MAX)?;
    Ok(bytes)
}

pub(super) const fn at_most(what: &'static str, size: usize, max: usize) -> Result<(), StoreError> {
    if size > max { Err(StoreError::TooLarge { what, size, max }) } else { Ok(()) }
}
