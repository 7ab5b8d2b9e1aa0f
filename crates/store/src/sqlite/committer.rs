//! The commit thread: the only one that writes.
//!
//! ```text
//! callers ─► queue ─► [ take everything waiting ─► one transaction ─► COMMIT (fsync) ─► witness ─► publish, answer ]
//!                                                                        └─► checkpointer
//! ```
//! It never lingers for more: while it syncs, the next batch gathers by itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_types::Clock;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc;

use super::batch::{Batch, Changes};
use super::checkpointer::{self, Signal};
use super::engine::{Failure, Step};
use super::shards::Shards;
use super::state::State;
use super::witness::Witness;
use crate::health::Health;
use crate::limits::{BATCH_BYTES_MAX, BATCH_REQUESTS_MAX, WAL_HARD_BYTES, WAL_REPORT_FACTOR};
use crate::request::{Outcome, Request, refuse};
use crate::store::StoreError;
use crate::watchers::Watchers;

pub(super) struct Committer {
    pub(super) connection: Connection,
    pub(super) state: State,
    pub(super) shards: Shards,
    pub(super) witness: Witness,
    pub(super) watchers: Arc<Watchers>,
    pub(super) health: Arc<Health>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checkpointer: Signal,
    /// Bytes in the write-ahead log, as of the last commit.
    pub(super) wal_bytes: Arc<AtomicU64>,
    /// How long the log was when its length was last told of; starts at the length that is nothing to tell of.
    pub(super) told_bytes: u64,
}

impl Committer {
    /// Works until every sender is gone, and answers everything that was sent before.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut left_over = None;
        while let Some(first) = left_over.take().or_else(|| queue.blocking_recv()) {
            let mut bytes = first.bytes;
            let mut batch = VecDeque::from([first]);
            while batch.len() < BATCH_REQUESTS_MAX {
                let Ok(request) = queue.try_recv() else { break };
                if bytes + request.bytes > BATCH_BYTES_MAX {
                    left_over = Some(request);
                    break;
                }
                bytes += request.bytes;
                batch.push_back(request);
            }
            self.process(batch);
            self.keep_log_short();
        }
    }

    fn process(&mut self, batch: VecDeque<Request>) {
        if let Err(reason) = self.health.check() {
            return refuse(batch, &reason);
        }
        match self.attempt(&batch) {
            Ok((outcomes, changes)) => {
                if let Some(changes) = changes
                    && !self.publish(changes)
                {
                    return refuse(batch, &self.health.reason());
                }
                for (request, outcome) in batch.into_iter().zip(outcomes) {
                    // The caller may have gone away; the commit stands.
                    let _ = request.reply.send(outcome);
                }
            }
            // One large request must not take small ones, or deletions, down with it.
            Err(Failure::Full) if batch.len() > 1 => {
                batch.into_iter().for_each(|request| self.process(VecDeque::from([request])));
            }
            Err(Failure::Full) => {
                tracing::warn!("the disk is full: a commit was refused");
                refuse(batch, &StoreError::Full);
            }
            Err(Failure::Busy(detail)) => refuse(batch, &StoreError::Internal(detail)),
            Err(Failure::Damaged(detail)) => {
                self.health.damaged(detail);
                refuse(batch, &self.health.reason());
            }
            Err(Failure::Io(detail)) => {
                self.health.fatal(&detail);
                self.watchers.close();
                refuse(batch, &self.health.reason());
            }
        }
    }

    /// A full disk may have room where the log already is, once that is moved into the database.
    fn attempt(&mut self, requests: &VecDeque<Request>) -> Step<(Vec<Outcome>, Option<Changes>)> {
        match self.transact(requests) {
            Err(Failure::Full) => {
                match checkpointer::checkpoint(&self.connection, &self.wal_bytes) {
                    Ok(()) | Err(Failure::Full | Failure::Busy(_)) => {}
                    Err(failure) => return Err(failure),
                }
                self.transact(requests)
            }
            other => other,
        }
    }

    /// Runs the batch as one transaction. Every answer, a refusal too, may rest on changes of the same transaction:
    /// none may leave before it is durable.
    fn transact(&mut self, requests: &VecDeque<Request>) -> Step<(Vec<Outcome>, Option<Changes>)> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::new(&transaction, &self.state, &self.shards, self.clock.now_ms());
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            outcomes.push(batch.apply(&request.work)?);
        }
        if batch.is_empty() {
            return Ok((outcomes, None));
        }
        let changes = batch.finish()?;
        transaction.commit()?;
        Ok((outcomes, Some(changes)))
    }

    /// Makes durable changes known; `false` when the witness could not be told.
    fn publish(&mut self, changes: Changes) -> bool {
        if let Err(error) = self.witness.note(changes.state.revision) {
            self.health.fatal(&format!("the witness file: {error}"));
            self.watchers.close();
            return false;
        }
        self.state = changes.state;
        for (shard, state) in changes.touched {
            self.watchers.publish(&shard, state.revision);
            self.shards.insert(shard, state);
        }
        true
    }

    fn keep_log_short(&mut self) {
        let wal_bytes = self.wal_bytes.load(Ordering::Relaxed);
        if wal_bytes > WAL_HARD_BYTES {
            // Between two transactions everything can be moved, and the next commit starts the log again.
            match checkpointer::checkpoint(&self.connection, &self.wal_bytes) {
                Ok(()) | Err(Failure::Full | Failure::Busy(_)) => {}
                Err(Failure::Damaged(detail)) => self.health.damaged(detail),
                Err(Failure::Io(detail)) => self.health.fatal(&detail),
            }
        } else {
            self.checkpointer.notify(wal_bytes);
        }
        self.tell_of_long_log(wal_bytes);
    }

    /// Commits go on, but the disk fills.
    fn tell_of_long_log(&mut self, wal_bytes: u64) {
        let mebibytes = wal_bytes / 1024 / 1024;
        if wal_bytes > self.told_bytes * WAL_REPORT_FACTOR {
            self.told_bytes = wal_bytes;
            tracing::warn!(
                mebibytes,
                "the store's write-ahead log cannot be moved into the database: the disk is full, or a program (a backup, \
                 perhaps) has been reading the database for long"
            );
        } else if wal_bytes < WAL_HARD_BYTES && self.told_bytes > WAL_HARD_BYTES {
            self.told_bytes = WAL_HARD_BYTES;
            tracing::info!("the store's write-ahead log has been moved into the database");
        }
    }
}

/// However the thread ends, nobody waits for it in vain.
impl Drop for Committer {
    fn drop(&mut self) {
        if let Err(error) = self.witness.sync() {
            tracing::warn!(%error, "the witness file could not be synced");
        }
        self.health.close();
        self.watchers.close();
    }
}
