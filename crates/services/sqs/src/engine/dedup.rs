//! What was sent to a FIFO queue in the last five minutes, deleted or not.
//! Source: SQS developer guide, "Using the message deduplication ID in Amazon SQS".

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::MessageKey;

/// Service clock.
pub(crate) const DEDUP_WINDOW_MS: i64 = 5 * 60 * 1_000;

/// A digest of the deduplication id, and of the group where ids count within their group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct DedupKey(pub(crate) [u8; 16]);

/// The message that had the id first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    #[serde(with = "key_number")]
    pub(crate) key: MessageKey,
    pub(crate) message_id: [u8; 16],
    /// Service clock.
    pub(crate) at_ms: i64,
}

mod key_number {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::MessageKey;

    pub(super) fn serialize<S: Serializer>(key: &MessageKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(key.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageKey, D::Error> {
        u64::deserialize(deserializer).map(MessageKey)
    }
}

#[derive(Debug, Default)]
pub(super) struct DedupTable {
    known: HashMap<DedupKey, Remembered>,
    /// In the order in which they came, which is that in which they are forgotten, nearly.
    order: VecDeque<(i64, DedupKey)>,
}

impl DedupTable {
    pub(super) fn find(&self, key: &DedupKey, now_ms: i64) -> Option<Remembered> {
        self.known.get(key).copied().filter(|found| now_ms - found.at_ms < DEDUP_WINDOW_MS)
    }

    pub(super) fn put(&mut self, key: DedupKey, remembered: Remembered) {
        self.known.insert(key, remembered);
        self.order.push_back((remembered.at_ms, key));
    }

    pub(super) fn forget(&mut self, key: &DedupKey) {
        self.known.remove(key);
    }

    pub(super) fn prune(&mut self, now_ms: i64) {
        while let Some(&(at_ms, key)) = self.order.front().filter(|(at_ms, _)| now_ms - at_ms >= DEDUP_WINDOW_MS) {
            self.order.pop_front();
            // Another message may have come with the id since.
            if self.known.get(&key).is_some_and(|known| known.at_ms == at_ms) {
                self.known.remove(&key);
            }
        }
    }

    /// What is still to be remembered of these.
    pub(super) fn of(&self, keys: &[DedupKey], now_ms: i64) -> Vec<(DedupKey, Remembered)> {
        keys.iter().filter_map(|key| Some((*key, self.find(key, now_ms)?))).collect()
    }
}
