//! What the store keeps of archives, their events and replays. Events and replays lie in the deliveries' shard: what
//! follows from them is accepted in the same commit.

use hearth_store::{Component, Key, Record};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArchiveRecord {
    pub(crate) name: String,
    /// Another for each life of a name.
    pub(crate) id: String,
    /// ARN of a bus.
    pub(crate) source: String,
    pub(crate) description: Option<String>,
    pub(crate) pattern: Option<String>,
    /// 0: without end.
    pub(crate) retention_days: u32,
    pub(crate) created_ms: i64,
}

impl Record for ArchiveRecord {
    const KIND: &'static str = "events.archive";
    const VERSION: u32 = 1;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArchivedEvent {
    pub(super) json: String,
}

impl Record for ArchivedEvent {
    const KIND: &'static str = "events.archived";
    const VERSION: u32 = 1;
}

/// Source: EventBridge API reference, Replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReplayState {
    Starting,
    Running,
    Cancelling,
    Completed,
    Cancelled,
    Failed,
}

impl ReplayState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Cancelling => "CANCELLING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether it may be cancelled.
    pub(crate) const fn is_running(self) -> bool {
        matches!(self, Self::Starting | Self::Running)
    }

    pub(super) const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplayRecord {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// Name and ARN.
    pub(crate) archive: String,
    pub(crate) archive_arn: String,
    pub(crate) archive_id: String,
    /// ARN of the bus.
    pub(crate) destination: String,
    /// ARNs of the rules that are asked; all without.
    pub(crate) filter_arns: Vec<String>,
    /// When the events came.
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    pub(crate) state: ReplayState,
    pub(crate) reason: Option<String>,
    pub(crate) started_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    /// Time and id of the event that was replayed last.
    pub(crate) last: Option<(i64, String)>,
}

impl Record for ReplayRecord {
    const KIND: &'static str = "events.replay";
    const VERSION: u32 = 1;
}

pub(super) fn archives(scope: &Scope) -> Key {
    Key::new(scope, ArchiveRecord::KIND)
}

pub(super) fn archive_key(scope: &Scope, name: &str) -> Key {
    archives(scope).part(name)
}

pub(super) fn replays(scope: &Scope) -> Key {
    Key::new(scope, ReplayRecord::KIND)
}

pub(super) fn replay_key(scope: &Scope, name: &str) -> Key {
    replays(scope).part(name)
}

/// All events of all archives.
pub(super) fn all_archived(scope: &Scope) -> Key {
    Key::new(scope, ArchivedEvent::KIND)
}

pub(super) fn archived(scope: &Scope, archive_id: &str) -> Key {
    all_archived(scope).part(archive_id)
}

/// In the order of time; events that are said to be of before 1970 come first.
pub(super) fn archived_key(scope: &Scope, archive_id: &str, at_ms: i64, event_id: &str) -> Key {
    archived(scope, archive_id).part(format!("{:020}", at_ms.max(0))).part(event_id)
}

/// The archive's id, time and id of an event.
pub(super) fn read_archived_key(key: &Key) -> Option<(String, i64, String)> {
    let components = key.components()?;
    let text = |back: usize| match components.get(components.len().checked_sub(back)?)? {
        Component::Text(text) => String::from_utf8(text.clone()).ok(),
        Component::Global | Component::Number(_) => None,
    };
    Some((text(3)?, text(2)?.parse().ok()?, text(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::{AccountId, Partition, Region};

    #[test]
    fn keys_of_events_are_in_the_order_of_time_and_say_it() {
        let scope =
            Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) };
        let key = |at_ms| archived_key(&scope, "a", at_ms, "e");
        assert!(key(9) < key(10) && key(10) < key(1_768_232_232_000));
        assert_eq!(read_archived_key(&key(10)), Some(("a".to_owned(), 10, "e".to_owned())));
    }
}
