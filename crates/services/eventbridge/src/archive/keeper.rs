//! Removes events from archives: those that are older than their archive keeps them, and those of archives that are gone.
//! Counts those that stay.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_delivery::shard;
use hearth_store::{Epoch, Mutation};
use hearth_types::Scope;
use tokio_util::sync::CancellationToken;

use super::PAGE;
use super::count::Counting;
use super::record::{all_archived, read_archived_key};
use crate::EventBridge;
use crate::error::EventsError;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(3_600);
const DAY_MS: i64 = 86_400_000;

impl EventBridge {
    /// Works until stopped; the next start goes on.
    pub(crate) async fn sweep_until(self: Arc<Self>, stop: &CancellationToken) {
        loop {
            let scopes: Vec<Scope> = match hearth_store::scopes(&*self.store).await {
                Ok(scopes) => scopes.into_iter().filter(|scope| scope.region.is_some()).collect(),
                Err(error) => {
                    tracing::error!(%error, "archives cannot be looked through");
                    Vec::new()
                }
            };
            for scope in scopes {
                if stop.is_cancelled() {
                    return;
                }
                if let Err(error) = self.sweep_archives(&scope).await {
                    tracing::error!(%error, "events of archives cannot be removed");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.sweep.notified() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    async fn sweep_archives(&self, scope: &Scope) -> Result<(), EventsError> {
        // Archives that are made from here on are not counted this time.
        let known: Vec<String> =
            self.archives(scope, |_| true).iter().map(|archive| archive.record.id.clone()).collect();
        let (mut after, mut counting) = (None, Counting::new(self.wall.now_ms()));
        loop {
            let entries = self.store.scan(&all_archived(scope), after.as_ref(), PAGE).await?;
            let Some(last) = entries.last() else {
                self.keep_counts(scope, &known, counting);
                return Ok(());
            };
            after = Some(last.key.clone());
            // Looked up behind the events: an archive is known before it has any.
            let now_ms = self.wall.now_ms();
            let kept: HashMap<String, i64> = self
                .archives(scope, |_| true)
                .iter()
                .map(|archive| {
                    let days = i64::from(archive.record.retention_days);
                    (archive.record.id.clone(), if days == 0 { i64::MIN } else { now_ms - days * DAY_MS })
                })
                .collect();
            let is_kept = |id: &str, at_ms: i64| kept.get(id).is_some_and(|since_ms| at_ms >= *since_ms);
            let mut gone = Vec::new();
            for entry in &entries {
                let Some((id, at_ms, _)) = read_archived_key(&entry.key) else { continue };
                if is_kept(&id, at_ms) {
                    counting.see(&id, at_ms, entry.value.len());
                } else {
                    gone.push(Mutation::Delete(entry.key.clone()));
                }
            }
            if !gone.is_empty() {
                self.store.commit(&shard(scope), Epoch::default(), Vec::new(), gone).await?;
            }
        }
    }
}
