//! Receiving: from memory, after a wait if need be; the pages come from the cache or the store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_types::Millis;

use crate::Sqs;
use crate::engine::{Catch, MessageKey, Now, Taken};
use crate::error::SqsError;
use crate::limits::IN_FLIGHT_MAX;
use crate::page::{Page, StoredMessage};
use crate::queue::{Queue, Retry};
use crate::record::{Table, page_number};

/// What a receive asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// 1 to 10.
    pub(crate) max: usize,
    pub(crate) visibility_s: u32,
    pub(crate) wait_s: u32,
    /// `ReceiveRequestAttemptId`
    pub(crate) attempt: Option<String>,
}

/// A message handed out, and the page it is in.
#[derive(Clone, Debug)]
pub(crate) struct Handed {
    pub(crate) taken: Taken,
    page: Bytes,
}

/// One look into the queue.
enum Look {
    Found(Vec<Taken>),
    Dead(Vec<MessageKey>, Vec<Taken>),
    Nothing { sleep: Duration },
}

impl Sqs {
    /// Takes messages, waiting for the first one if asked to. May be dropped: what it took by then comes back after its
    /// visibility time-out.
    ///
    /// # Errors
    /// [`SqsError::NoSuchQueue`] when the queue is deleted meanwhile, [`SqsError::OverLimit`], or the store's.
    pub(crate) async fn receive(
        self: &Arc<Self>,
        queue: &Arc<Queue>,
        wanted: &Wanted,
    ) -> Result<Vec<Handed>, SqsError> {
        let deadline_ms = self.wall.now_ms() + i64::from(wanted.wait_s) * 1_000;
        let mut ending = self.ending.subscribe();
        loop {
            let changed = queue.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if queue.is_deleted() {
                return Err(SqsError::NoSuchQueue);
            }
            let now = self.now();
            let sleep = match self.look(queue, wanted, now)? {
                Look::Found(taken) => return self.hand_out(queue, taken).await,
                Look::Dead(dead, taken) => {
                    match self.bury(queue, dead).await {
                        Ok(()) if taken.is_empty() => continue,
                        Err(error) if taken.is_empty() => return Err(error),
                        Ok(()) => {}
                        Err(error) => tracing::warn!(%error, queue = %queue.arn, "dead letters stay where they are"),
                    }
                    return self.hand_out(queue, taken).await;
                }
                Look::Nothing { sleep } => sleep,
            };
            let left = u64::try_from(deadline_ms - now.wall_ms).unwrap_or_default();
            if left == 0 || *ending.borrow() {
                return Ok(Vec::new());
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(sleep.min(Duration::from_millis(left))) => {}
                _ = ending.changed() => {}
            }
        }
    }

    fn look(self: &Arc<Self>, queue: &Arc<Queue>, wanted: &Wanted, now: Now) -> Result<Look, SqsError> {
        let has_dead_letters = self.dead_letter_queue(queue).is_some();
        let mut live = queue.live();
        let expired = live.engine.tick(now);
        if !expired.is_empty() {
            self.expire(queue, expired);
        }
        let visible_in_ms = i64::from(wanted.visibility_s) * 1_000;
        if let Some(attempt) = &wanted.attempt {
            match live.retry(attempt, visible_in_ms, now) {
                Retry::New => {}
                Retry::Again(taken) => return Ok(Look::Found(taken)),
                Retry::Void => {
                    let reason =
                        "The receiveRequestAttemptId is not valid anymore since the receive call is not retryable.";
                    return Err(SqsError::value(attempt, "ReceiveRequestAttemptId", reason));
                }
            }
        }
        let room = IN_FLIGHT_MAX.saturating_sub(live.engine.counts().in_flight);
        if room == 0 && !live.engine.terms().is_fifo && wanted.wait_s == 0 {
            return Err(SqsError::OverLimit(format!(
                "Too many messages are in flight in the queue {}: {IN_FLIGHT_MAX} are the most.",
                queue.arn.resource
            )));
        }
        let Catch { taken, dead, has_more } =
            live.engine.take(now, wanted.max.min(room), visible_in_ms, has_dead_letters, || self.nonce());
        let (wall, service) = live.engine.next_due(now);
        if let (Some(attempt), false) = (&wanted.attempt, taken.is_empty()) {
            live.note_attempt(attempt.clone(), now.wall_ms, taken.clone());
        }
        drop(live);
        if has_more || !taken.is_empty() {
            // Somebody else may have the rest, and must know when these come back.
            queue.changed.notify_one();
        }
        if !dead.is_empty() {
            return Ok(Look::Dead(dead, taken));
        }
        if !taken.is_empty() {
            return Ok(Look::Found(taken));
        }
        let span = |ms: i64| Millis(ms.max(1).unsigned_abs());
        let wall = wall.map(|ms| self.wall.machine_time(span(ms)));
        let service = service.map(|ms| self.service.machine_time(span(ms)));
        let sleep = wall.into_iter().chain(service).min().map_or(Duration::MAX, |Millis(ms)| Duration::from_millis(ms));
        Ok(Look::Nothing { sleep })
    }

    /// Fetches the pages of what was taken.
    async fn hand_out(self: &Arc<Self>, queue: &Arc<Queue>, taken: Vec<Taken>) -> Result<Vec<Handed>, SqsError> {
        let mut handed: Vec<Handed> = Vec::with_capacity(taken.len());
        for &next in &taken {
            let before = handed.last().filter(|before| before.taken.key.page() == next.key.page());
            let page = match before {
                Some(before) => Ok(Some(before.page.clone())),
                None => self.page(queue, next.key.page()).await,
            };
            match page {
                Ok(Some(page)) => handed.push(Handed { taken: next, page }),
                // Purged, or deleted by somebody with an older handle, since it was taken.
                Ok(None) => {}
                Err(error) => {
                    let (mut live, now) = (queue.live(), self.now());
                    taken.iter().for_each(|taken| live.engine.hide(taken.key, 0, now));
                    return Err(error);
                }
            }
        }
        Ok(handed)
    }

    /// A page that holds messages; `None` when it is not there.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn page(&self, queue: &Queue, page: u64) -> Result<Option<Bytes>, SqsError> {
        if let Some(bytes) = self.cache.get(queue.id, page) {
            return Ok(Some(bytes));
        }
        let key = queue.page_key(page);
        if self.cache.rows_ahead(0) == 0 {
            return Ok(self.store.get(&key).await?.map(|entry| entry.value));
        }
        let _reading = queue.reading.lock().await;
        if let Some(bytes) = self.cache.get(queue.id, page) {
            return Ok(Some(bytes));
        }
        let Some(entry) = self.store.get(&key).await? else { return Ok(None) };
        let rows = self.cache.rows_ahead(entry.value.len());
        let mut read = vec![(page, entry.value.clone())];
        let mut is_end = false;
        if rows > 0 {
            let of_queue = Table::Pages.of_queue(&queue.scope, queue.id);
            let behind = self.store.scan(&of_queue, Some(&key), rows).await?;
            is_end = behind.len() < rows;
            read.extend(behind.into_iter().filter_map(|entry| Some((page_number(&entry.key)?, entry.value))));
        }
        // Under the lock: what goes meanwhile leaves the cache afterwards, and what has gone does not come back.
        let live = queue.live();
        read.retain(|(page, _)| !live.engine.is_page_gone(*page));
        self.cache.put_read(queue.id, &read, is_end);
        drop(live);
        Ok(Some(entry.value))
    }
}

/// Shows each message to `show`; a page that several are in is decoded once.
///
/// # Errors
/// [`SqsError::Internal`]: a page does not hold what it should.
pub(crate) fn show<T>(
    handed: &[Handed],
    mut show: impl FnMut(&Taken, &StoredMessage<'_>) -> T,
) -> Result<Vec<T>, SqsError> {
    let mut shown = Vec::with_capacity(handed.len());
    for of_page in handed.chunk_by(|one, other| one.taken.key.page() == other.taken.key.page()) {
        let Some(first) = of_page.first() else { continue };
        let Page::Messages(messages) = Page::decode(&first.page)? else { continue };
        for handed in of_page {
            let missing = || SqsError::Internal(format!("page {} has no such slot", handed.taken.key.page()));
            let message = messages.get(handed.taken.key.slot()).ok_or_else(missing)?;
            shown.push(show(&handed.taken, message));
        }
    }
    Ok(shown)
}
