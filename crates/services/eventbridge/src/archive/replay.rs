//! Replays at work: page by page, each with what follows from it in one commit, so that a crash neither loses nor doubles.

use std::sync::Arc;
use std::time::Duration;

use hearth_delivery::Staged;
use hearth_types::{Arn, Scope};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::record::{ArchivedEvent, ReplayRecord, ReplayState, archived, archived_key, read_archived_key, replay_key};
use crate::EventBridge;
use crate::error::EventsError;
use crate::event::{CameBy, Event};

/// Events that are read, matched and staged together.
const PAGE: usize = 100;
/// Between two tries after the store failed.
const RETRY: Duration = Duration::from_secs(1);

impl EventBridge {
    /// Works on replays until stopped; those that have not ended go on at the next start.
    pub(crate) async fn replay_until(self: Arc<Self>, stop: &CancellationToken) {
        loop {
            let notified = self.start_replays.notified();
            let mut pause = None;
            for (scope, name) in self.unfinished() {
                if stop.is_cancelled() {
                    return;
                }
                if let Err(error) = self.step(&scope, &name).await {
                    tracing::error!(%error, replay = name, "a replay cannot go on; it is tried again");
                    pause = Some(RETRY);
                }
            }
            let is_idle = self.unfinished().is_empty();
            tokio::select! {
                () = stop.cancelled() => return,
                () = notified, if is_idle => {}
                () = tokio::time::sleep(pause.unwrap_or_default()), if !is_idle => {}
            }
        }
    }

    fn unfinished(&self) -> Vec<(Scope, String)> {
        let all = self.replays.read();
        let all = all.iter().flat_map(|(scope, all)| all.values().map(move |replay| (scope, replay)));
        let unfinished = all.filter(|(_, replay)| !replay.state.has_ended());
        unfinished.map(|(scope, replay)| (scope.clone(), replay.name.clone())).collect()
    }

    /// One page, or the end.
    async fn step(&self, scope: &Scope, name: &str) -> Result<(), EventsError> {
        // Who cancels waits for the page, and the page for him.
        let _writer = self.writer.lock().await;
        let Some(mut record) = self.replay(scope, name).filter(|replay| !replay.state.has_ended()) else {
            return Ok(());
        };
        if record.state == ReplayState::Cancelling {
            return self.end(scope, record, ReplayState::Cancelled, None).await;
        }
        let bus = record.destination.parse::<Arn>().ok();
        let bus = bus.and_then(|arn| self.find(scope, arn.resource.strip_prefix("event-bus/")?));
        let (Some(bus), Some(_)) = (bus, self.archive(scope, &record.archive)) else {
            let reason = "The archive or its event bus has been deleted.";
            return self.end(scope, record, ReplayState::Failed, Some(reason)).await;
        };
        let from = archived_key(scope, &record.archive_id, record.from_ms, "");
        let after = match &record.last {
            Some((at_ms, id)) => archived_key(scope, &record.archive_id, *at_ms, id),
            None => from,
        };
        let entries = self.store.scan(&archived(scope, &record.archive_id), Some(&after), PAGE).await?;
        let (mut staged, mut is_last) = (Vec::new(), entries.len() < PAGE);
        for entry in entries {
            let Some((_, at_ms, id)) = read_archived_key(&entry.key) else { continue };
            if at_ms >= record.to_ms {
                is_last = true;
                break;
            }
            let ArchivedEvent { json } = self.codec.decode_at(&entry.key, &entry.value)?;
            record.last = Some((at_ms, id));
            let Some(event) = replayed(&json, &record.name, self.wall.now_ms()) else { continue };
            let is_asked = |arn: &Arn| record.filter_arns.is_empty() || record.filter_arns.contains(&arn.to_string());
            staged.extend(self.stage_for(&bus, &event, is_asked)?);
        }
        record.state = ReplayState::Running;
        if is_last {
            record.state = ReplayState::Completed;
            record.ended_ms = Some(self.wall.now_ms());
        }
        staged.push(Staged::beside(vec![self.put(replay_key(scope, name), &record)?]));
        self.outbox.accept(scope, staged).await?;
        self.keep_replay(scope, record);
        Ok(())
    }

    async fn end(
        &self,
        scope: &Scope,
        mut record: ReplayRecord,
        state: ReplayState,
        reason: Option<&str>,
    ) -> Result<(), EventsError> {
        record.state = state;
        record.reason = reason.map(str::to_owned);
        record.ended_ms = Some(self.wall.now_ms());
        self.store_replay(scope, record).await
    }
}

/// The archived event once more, with the replay's name in it.
fn replayed(json: &str, replay: &str, arrived_ms: i64) -> Option<Event> {
    let name = serde_json::to_string(replay).ok()?;
    // It begins with its version.
    let json = format!("{{\"replay-name\":{name},{}", json.strip_prefix('{')?);
    let _: &RawValue = serde_json::from_str(&json).ok()?;
    let value: Value = serde_json::from_str(&json).ok()?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let (id, source, detail_type) = (text("id")?, text("source")?, text("detail-type")?);
    Some(Event { id, source, detail_type, json, value, arrived_ms, trace: None, came_by: CameBy::Replay })
}
