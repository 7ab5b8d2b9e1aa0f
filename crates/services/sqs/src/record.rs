//! What the store keeps of queues and move tasks, and under which keys. Messages are in pages, see `page.rs`.

use std::collections::BTreeMap;

use hearth_store::{Component, Key, Record, Shard};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

/// A queue. Its messages are found by its id, which is another one for each life of the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueueRecord {
    pub(crate) name: String,
    pub(crate) id: u64,
    pub(crate) created_at_ms: i64,
    pub(crate) modified_at_ms: i64,
    /// Those that were set, as they were set.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Receipt handles are made with it. Hexadecimal.
    pub(crate) handle_key: String,
    /// Pages before this one have been purged.
    pub(crate) first_page: u64,
    pub(crate) purged_at_ms: Option<i64>,
}

impl Record for QueueRecord {
    const KIND: &'static str = "sqs.queue";
    const VERSION: u32 = 1;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TaskStatus {
    Running,
    Completed,
    Cancelled,
    Failed,
}

impl TaskStatus {
    /// As ListMessageMoveTasks shows it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}

/// A task that moves the messages of a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskRecord {
    pub(crate) id: String,
    /// Of the source queue.
    pub(crate) queue_id: u64,
    pub(crate) source_arn: String,
    /// `None`: each message goes where it came from.
    pub(crate) destination_arn: Option<String>,
    pub(crate) messages_per_second: Option<u32>,
    pub(crate) started_at_ms: i64,
    pub(crate) to_move: u64,
    pub(crate) moved: u64,
    pub(crate) status: TaskStatus,
    pub(crate) failure: Option<String>,
}

impl Record for TaskRecord {
    const KIND: &'static str = "sqs.task";
    const VERSION: u32 = 1;
}

/// One for all queues of an account and region: a message moves to its dead-letter queue in one commit.
pub(crate) fn shard(scope: &Scope) -> Shard {
    Shard::new(scope, "sqs")
}

pub(crate) fn queue_key(scope: &Scope, name: &str) -> Key {
    Key::new(scope, QueueRecord::KIND).part(name)
}

pub(crate) fn task_key(scope: &Scope, queue: u64, id: &str) -> Key {
    Key::new(scope, TaskRecord::KIND).part_u64(queue).part(id)
}

/// Tables of what belongs to a queue: their keys go on with the queue's id, then the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Pages,
    /// Which slots of a page are deleted, one row for each deletion, by its first slot.
    Tombstones,
    /// Receives of a page's messages.
    Marks,
}

impl Table {
    pub(crate) const ALL: [Self; 3] = [Self::Pages, Self::Tombstones, Self::Marks];

    const fn name(self) -> &'static str {
        match self {
            Self::Pages => "sqs.page",
            Self::Tombstones => "sqs.tombstone",
            Self::Marks => "sqs.marks",
        }
    }

    pub(crate) fn all(self, scope: &Scope) -> Key {
        Key::new(scope, self.name())
    }

    pub(crate) fn of_queue(self, scope: &Scope, queue: u64) -> Key {
        self.all(scope).part_u64(queue)
    }

    pub(crate) fn row(self, scope: &Scope, queue: u64, page: u64) -> Key {
        self.of_queue(scope, queue).part_u64(page)
    }
}

/// The page that a key is about.
pub(crate) fn page_number(key: &Key) -> Option<u64> {
    numbers(key).get(1).copied()
}

/// The numbers at the end of a key: queue, page, and slot where there is one.
pub(crate) fn numbers(key: &Key) -> Vec<u64> {
    let numbers = key.components().unwrap_or_default().into_iter().filter_map(|component| match component {
        Component::Number(number) => Some(number),
        Component::Global | Component::Text(_) => None,
    });
    numbers.collect()
}
