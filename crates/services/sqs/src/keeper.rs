//! The keeper: what is written and deleted in its own time, while nobody waits for it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hearth_store::Mutation;
use tokio::sync::watch;

use crate::Sqs;
use crate::error::SqsError;
use crate::limits::{KEEPER_INTERVAL_MS, KEEPER_ROWS_MAX};
use crate::page::encode;
use crate::queue::Queue;

/// Works until the server ends, and once more then. What fails is tried again the next time.
pub(crate) async fn run(sqs: Weak<Sqs>, mut ending: watch::Receiver<bool>) {
    loop {
        let is_ending = tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(KEEPER_INTERVAL_MS)) => false,
            // The sender's end is the server's, too.
            _ = ending.wait_for(|is_ending| *is_ending) => true,
        };
        let Some(sqs) = sqs.upgrade() else { return };
        if let Err(error) = sqs.keep().await {
            tracing::warn!(%error, "the queues' keeper could not write; trying again");
        }
        if is_ending {
            return;
        }
    }
}

impl Sqs {
    pub(crate) async fn keep(self: &Arc<Self>) -> Result<(), SqsError> {
        for queue in self.all_queues() {
            let expired = queue.live().engine.tick(self.now());
            if !expired.is_empty() {
                self.expire(&queue, expired);
            }
            self.save_receives(&queue).await?;
            self.forget_ids(&queue);
        }
        self.empty_trash().await
    }

    async fn save_receives(&self, queue: &Arc<Queue>) -> Result<(), SqsError> {
        loop {
            let unsaved = queue.live().engine.unsaved(KEEPER_ROWS_MAX);
            if unsaved.is_empty() {
                return Ok(());
            }
            let is_last = unsaved.len() < KEEPER_ROWS_MAX;
            let pages: Vec<u64> = unsaved.iter().map(|(page, _)| *page).collect();
            let put = |(page, marks)| Ok(Mutation::Put(queue.marks_key(page), encode(&marks)?));
            let mutations = unsaved.into_iter().map(put).collect::<Result<Vec<_>, SqsError>>();
            let written = match mutations {
                Ok(mutations) => self.commit(&queue.scope, mutations).await,
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                queue.live().engine.still_unsaved(pages.into_iter());
                return Err(error);
            }
            // Pages that went while their row was written have left it behind.
            let live = queue.live();
            let orphans = pages.into_iter().filter(|page| live.engine.is_page_gone(*page));
            let orphans: Vec<Mutation> = orphans.map(|page| Mutation::Delete(queue.marks_key(page))).collect();
            drop(live);
            self.discard(&queue.scope, orphans);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Rows that only remember deduplication ids go when those do not count any longer.
    fn forget_ids(&self, queue: &Queue) {
        let now = self.now();
        let mut live = queue.live();
        let mut mutations = Vec::new();
        while let Some((_, page)) = live.remembering.pop_front_if(|(until, _)| *until <= now.service_ms) {
            mutations.push(Mutation::Delete(queue.page_key(page)));
        }
        drop(live);
        self.discard(&queue.scope, mutations);
    }

    async fn empty_trash(&self) -> Result<(), SqsError> {
        loop {
            let Some((scope, mut mutations)) = self.trash.lock().pop() else { return Ok(()) };
            let rest = mutations.split_off(mutations.len().min(KEEPER_ROWS_MAX));
            self.discard(&scope, rest);
            if let Err(error) = self.commit(&scope, mutations.clone()).await {
                self.discard(&scope, mutations);
                return Err(error);
            }
        }
    }
}
