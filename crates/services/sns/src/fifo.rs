//! What a FIFO topic remembers of its messages: their numbers, and what was published in the last five minutes.
//! Source: SNS developer guide, "Amazon SNS message deduplication for FIFO topics"; SNS API reference, Publish.
//!
//! Who publishes to a FIFO topic holds its ledger until that is on disk and in the lane: so messages come into the lane
//! in the order of their numbers. What is remembered is written in the commit of the deliveries.

use std::collections::{BTreeMap, HashMap};

use hearth_store::{Component, Key, Record};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::limits::DEDUPLICATION_MS;

/// The first number: all have twenty digits.
const NUMBERS_FROM: u64 = 10_000_000_000_000_000_000;
/// Numbers of a millisecond.
const NUMBERS_PER_MS: u64 = 1 << 20;

/// Of those that need not be remembered, forgotten by one publish: more than it brings.
const FORGOTTEN_AT_ONCE: usize = 100;

/// A message of a FIFO topic that was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublishedRecord {
    /// What another message must not have.
    pub(crate) deduplication: String,
    pub(crate) message_id: String,
    /// Service clock.
    pub(crate) at_ms: i64,
}

impl Record for PublishedRecord {
    const KIND: &'static str = "sns.published";
    const VERSION: u32 = 1;
}

/// Of all topics. Kept with the deliveries: in their shard.
pub(crate) fn published(scope: &Scope) -> Key {
    Key::new(scope, PublishedRecord::KIND)
}

pub(crate) fn published_key(scope: &Scope, topic: &str, number: u64) -> Key {
    published(scope).part(topic).part_u64(number)
}

/// Topic and number out of such a key.
pub(crate) fn read_published_key(key: &Key) -> Option<(String, u64)> {
    match key.components()?.as_slice() {
        [.., Component::Text(topic), Component::Number(number)] => {
            Some((String::from_utf8(topic.to_vec()).ok()?, *number))
        }
        _ => None,
    }
}

/// The id that a message has without one. Source: SNS API reference, SetTopicAttributes, ContentBasedDeduplication.
pub(crate) fn content_id(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The last number that was given.
    last: u64,
    by_number: BTreeMap<u64, PublishedRecord>,
    by_deduplication: HashMap<String, u64>,
}

impl Ledger {
    /// The next number: larger than all before, whatever the clock says.
    pub(crate) fn number(&mut self, wall_ms: i64) -> u64 {
        let by_clock = u64::try_from(wall_ms).unwrap_or(0).saturating_mul(NUMBERS_PER_MS);
        self.last = NUMBERS_FROM.saturating_add(by_clock).max(self.last.saturating_add(1));
        self.last
    }

    /// The message that has this deduplication already, with its number.
    pub(crate) fn find(&self, deduplication: &str, now_ms: i64) -> Option<(u64, &PublishedRecord)> {
        let number = *self.by_deduplication.get(deduplication)?;
        let found = self.by_number.get(&number)?;
        (now_ms - found.at_ms < DEDUPLICATION_MS).then_some((number, found))
    }

    pub(crate) fn remember(&mut self, number: u64, published: PublishedRecord) {
        self.last = self.last.max(number);
        self.by_deduplication.insert(published.deduplication.clone(), number);
        self.by_number.insert(number, published);
    }

    /// Numbers of messages that need not be remembered any more, some at a time. The last message is remembered for its
    /// number.
    pub(crate) fn forget(&mut self, now_ms: i64) -> Vec<u64> {
        let mut forgotten = Vec::new();
        while self.by_number.len() > 1
            && forgotten.len() < FORGOTTEN_AT_ONCE
            && let Some(first) = self.by_number.first_entry()
            && now_ms - first.get().at_ms >= DEDUPLICATION_MS
        {
            let (number, published) = first.remove_entry();
            if self.by_deduplication.get(&published.deduplication) == Some(&number) {
                self.by_deduplication.remove(&published.deduplication);
            }
            forgotten.push(number);
        }
        forgotten
    }

    /// Of all that are remembered.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.by_number.keys().copied().collect()
    }
}
