//! The task that writes, over one connection.
//!
//! ```text
//! callers ─► queue ─► [ take what waits ─► hearth.apply: one transaction, one round trip ─► publish, answer ]
//!                            ▲                  │ connection lost
//!                            └── reconnect, find out what became of it ──┘
//! ```
//! While the database is gone requests wait for a while, then they are refused until it is back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hearth_types::{Clock, Millis};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::PostgresError;
use super::batch::{Arguments, Batch};
use super::failure::{Failure, Step};
use super::session::{Answers, Claim, Session};
use super::target::Target;
use crate::health::Health;
use crate::key::{Key, Shard};
use crate::limits::{BATCH_ATTEMPTS_MAX, RECONNECT_WAIT, RECONNECT_WAIT_MAX};
use crate::request::{Outcome, Request, Work, refuse};
use crate::store::{Mutation, Precondition, StoreError};
use crate::watchers::Watchers;

pub(super) struct Committer {
    pub(super) link: Link,
    pub(super) watchers: Arc<Watchers>,
    pub(super) health: Arc<Health>,
    pub(super) clock: Arc<dyn Clock>,
    /// The number of the last batch.
    pub(super) batch: i64,
}

/// The connection, or the hope for one.
pub(super) struct Link {
    target: Target,
    claim: Claim,
    session: Result<Session, Outage>,
    patience: Duration,
    /// Told to readers, who then do not wait either.
    is_out: Arc<AtomicBool>,
}

struct Outage {
    since: Instant,
    reason: String,
    next_attempt: Instant,
    wait: Duration,
}

impl Link {
    pub(super) fn new(
        target: Target,
        claim: Claim,
        session: Session,
        patience: Millis,
        is_out: Arc<AtomicBool>,
    ) -> Self {
        let mut link = Self { target, claim, session: Ok(session), patience: patience.duration(), is_out };
        link.remember();
        link
    }

    /// The next claim is that of this session's server.
    fn remember(&mut self) {
        if let (Claim::Fresh { name } | Claim::Again { name, .. }, Ok(Session { hold: Some(hold), .. })) =
            (&self.claim, &self.session)
        {
            self.claim = Claim::Again { name: name.clone(), last: hold.clone() };
        }
    }

    fn lost(&mut self, reason: String) {
        tracing::warn!(database = self.target.name, reason, "the connection to the database is lost");
        let now = Instant::now();
        self.session = Err(Outage { since: now, reason, next_attempt: now, wait: RECONNECT_WAIT.duration() });
    }

    /// The session, as soon as there is one: at once, or within the patience after the loss of the last one.
    async fn session(&mut self) -> Result<&Session, Failure> {
        if let Ok(session) = &self.session
            && session.lost.initialized()
        {
            self.lost("it ended".to_owned());
        }
        while let Err(outage) = &self.session {
            if outage.next_attempt > Instant::now() {
                if outage.since.elapsed() > self.patience {
                    return Err(Failure::Lost(outage.reason.clone()));
                }
                sleep_until(outage.next_attempt).await;
            }
            self.reconnect().await?;
        }
        self.session.as_ref().map_err(|outage| Failure::Lost(outage.reason.clone()))
    }

    /// One attempt.
    async fn reconnect(&mut self) -> Result<(), Failure> {
        let Err(outage) = &mut self.session else { return Ok(()) };
        match Session::open(&self.target, &self.claim).await {
            Ok(session) => {
                tracing::info!(database = self.target.name, "connected to the database again");
                self.session = Ok(session);
                self.is_out.store(false, Ordering::Relaxed);
                self.remember();
                Ok(())
            }
            Err(PostgresError::Owned { .. }) => Err(Failure::TakenOver),
            Err(error) => {
                outage.reason = error.to_string();
                outage.wait = (outage.wait * 2).min(RECONNECT_WAIT_MAX.duration());
                outage.next_attempt = Instant::now() + outage.wait;
                if outage.since.elapsed() > self.patience && !self.is_out.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        reason = outage.reason,
                        "the database is gone: requests are refused until it is back"
                    );
                }
                Ok(())
            }
        }
    }

    /// When there is something to do about the connection, though no request has come.
    async fn needs_care(&self) {
        match &self.session {
            Ok(session) => {
                session.lost.wait().await;
            }
            Err(outage) => sleep_until(outage.next_attempt).await,
        }
    }

    fn is_exclusive(&self) -> bool {
        !matches!(self.claim, Claim::Shared)
    }
}

impl Committer {
    /// Works until every sender is gone, and answers everything that was sent before.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut left_over = None;
        while self.health.check().is_ok() {
            let first = match left_over.take() {
                Some(request) => Some(request),
                None => tokio::select! {
                    request = queue.recv() => request,
                    () = self.link.needs_care() => {
                        self.care().await;
                        continue;
                    }
                },
            };
            let Some(first) = first else { return };
            let mut batch = Batch::new(first);
            while let Ok(request) = queue.try_recv() {
                if let Err(request) = batch.add(request) {
                    left_over = Some(request);
                    break;
                }
            }
            self.process(batch.requests).await;
        }
    }

    /// Another server may have taken over: that must be noticed also when nobody asks for anything.
    async fn care(&mut self) {
        let result = match &self.link.session {
            Ok(_) => {
                self.link.lost("it ended".to_owned());
                Ok(())
            }
            Err(_) => self.link.reconnect().await,
        };
        if let Err(Failure::TakenOver) = result {
            self.taken_over();
        }
    }

    fn taken_over(&self) {
        let detail = format!("another one has taken over the database {}", self.link.target.name);
        self.health.taken_over(&detail);
        self.watchers.close();
    }

    async fn process(&mut self, batch: VecDeque<Request>) {
        if let Err(reason) = self.health.check() {
            return refuse(batch, &reason);
        }
        self.batch += 1;
        match self.attempt(&batch).await {
            Ok(outcomes) => {
                for (request, outcome) in batch.into_iter().zip(outcomes) {
                    if let (Ok(revision), Work::Commit { shard, mutations, .. }) = (&outcome, &request.work)
                        && !mutations.is_empty()
                    {
                        self.watchers.publish(shard, *revision);
                    }
                    // The caller may have gone away; the commit stands.
                    let _ = request.reply.send(outcome);
                }
            }
            Err(Failure::TakenOver) => {
                self.taken_over();
                refuse(batch, &self.health.reason());
            }
            // What one of them cannot have, the others may.
            Err(Failure::Full | Failure::Damaged(_)) if batch.len() > 1 => {
                for request in batch {
                    Box::pin(self.process(VecDeque::from([request]))).await;
                }
            }
            Err(failure) => {
                tracing::warn!(?failure, requests = batch.len(), "the database did not take a commit");
                refuse(batch, &failure.into());
            }
        }
    }

    /// Until it is known what became of the batch.
    async fn attempt(&mut self, requests: &VecDeque<Request>) -> Step<Vec<Outcome>> {
        let mut attempts = 0;
        let mut is_sent = false;
        loop {
            attempts += 1;
            let (clock, number) = (self.clock.clone(), self.batch);
            let session = self.link.session().await?;
            let done = async {
                if is_sent && let Some(answers) = session.recall(number).await? {
                    return outcomes(session, requests, answers).await;
                }
                is_sent = true;
                write(session, number, requests, &*clock).await
            };
            match done.await {
                Err(Failure::Lost(detail)) => {
                    self.link.lost(detail.clone());
                    // Without an epoch of its own nothing fences a commit that may still be under way.
                    if !self.link.is_exclusive() || attempts >= BATCH_ATTEMPTS_MAX {
                        return Err(Failure::Lost(format!("whether a commit was done is not known: {detail}")));
                    }
                }
                Err(Failure::Again(_)) if attempts < BATCH_ATTEMPTS_MAX => {}
                result => return result,
            }
        }
    }
}

/// However the task ends, nobody waits for it in vain.
impl Drop for Committer {
    fn drop(&mut self) {
        self.health.close();
        self.watchers.close();
    }
}

async fn write(session: &Session, number: i64, requests: &VecDeque<Request>, clock: &dyn Clock) -> Step<Vec<Outcome>> {
    // A lease is always alone.
    if let Some(Work::Lease { shard, owner, ttl }) = requests.front().map(|request| &request.work) {
        let now_ms = clock.now_ms();
        let epoch = session.lease(shard.as_bytes(), owner, now_ms, now_ms.saturating_add_unsigned(ttl.0)).await?;
        return Ok(vec![Ok(epoch.cast_unsigned())]);
    }
    let arguments = Arguments::of(requests.iter().map(|request| &request.work));
    let answers = session.apply(number, &arguments).await?;
    outcomes(session, requests, answers).await
}

async fn outcomes(session: &Session, requests: &VecDeque<Request>, answers: Answers) -> Step<Vec<Outcome>> {
    let (refusals, revisions) = answers;
    if refusals.len() != requests.len() || revisions.len() != requests.len() {
        return Err(Failure::Damaged("the database answered for other requests than it was sent".to_owned()));
    }
    let mut outcomes = Vec::with_capacity(requests.len());
    for ((request, refusal), revision) in requests.iter().zip(refusals).zip(revisions) {
        outcomes.push(match refusal {
            0 => Ok(revision.cast_unsigned()),
            1 => Err(StoreError::Fenced),
            2 => Err(StoreError::PreconditionFailed),
            _ => Err(wrong_shard(session, &request.work).await),
        });
    }
    Ok(outcomes)
}

/// A mistake of the caller: worth a question of its own, to name it.
async fn wrong_shard(session: &Session, work: &Work) -> StoreError {
    let Work::Commit { shard, preconditions, mutations, .. } = work else {
        return StoreError::Internal("a lease touches no key".to_owned());
    };
    let keys = preconditions.iter().map(Precondition::key).chain(mutations.iter().map(Mutation::key));
    let keys: Vec<&[u8]> = keys.map(Key::as_bytes).collect();
    let (key, owner) = match session.stranger(shard.as_bytes(), &keys).await {
        Ok(Some((key, owner))) => (format!("{:?}", Key::from_bytes(key)), format!("{:?}", Shard::from_bytes(owner))),
        // Gone meanwhile, or not to be asked: the refusal stands.
        Ok(None) | Err(_) => ("?".to_owned(), "another".to_owned()),
    };
    StoreError::WrongShard { key, owner, shard: format!("{shard:?}") }
}
