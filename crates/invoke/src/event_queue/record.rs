//! How an event lies in the store until it is dealt with: an immutable body, and a small entry that says when it is due.
//! A retry rewrites the entry only.

use hearth_store::{Key, Record, Shard};
use hearth_types::{FunctionUid, Qualifier, RequestId, Scope};
use serde::{Deserialize, Serialize};

const BODIES: &str = "lambda.event";
const DUE: &str = "lambda.event_due";

/// What was accepted. The uid ties the event to one life of the function; the qualifier is resolved at each attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventBody {
    pub(crate) function_name: String,
    pub(crate) uid: FunctionUid,
    pub(crate) qualifier: Option<Qualifier>,
    pub(crate) trace: Option<String>,
    pub(crate) accepted_ms: i64,
    /// The JSON text as sent.
    pub(crate) payload: String,
}

impl Record for EventBody {
    const KIND: &'static str = BODIES;
    const VERSION: u32 = 1;
}

/// Where the event stands; its key says when it is due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventState {
    pub(crate) failed: u32,
    pub(crate) not_run: u32,
}

impl Record for EventState {
    const KIND: &'static str = DUE;
    const VERSION: u32 = 1;
}

pub(crate) fn shard(scope: &Scope) -> Shard {
    Shard::new(scope, BODIES)
}

pub(crate) fn body_key(scope: &Scope, id: &RequestId) -> Key {
    Key::new(scope, BODIES).part(id.as_str())
}

pub(crate) fn due_prefix(scope: &Scope) -> Key {
    Key::new(scope, DUE)
}

pub(crate) fn due_key(scope: &Scope, due_ms: i64, id: &RequestId) -> Key {
    due_prefix(scope).part_u64(u64::try_from(due_ms).unwrap_or(0)).part(id.as_str())
}

/// Time and id out of a key of [`due_key`].
pub(crate) fn read_due_key(key: &Key) -> Option<(i64, RequestId)> {
    use hearth_store::Component::{Number, Text};
    match key.components()?.as_slice() {
        [.., Number(due_ms), Text(id)] => {
            Some((i64::try_from(*due_ms).ok()?, RequestId::from(std::str::from_utf8(id).ok()?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::scope;

    #[test]
    fn a_due_key_tells_its_time_and_id_and_sorts_by_time() {
        let id = RequestId::from("5ab6f59b");
        let key = due_key(&scope(), 1_768_219_200_000, &id);
        assert_eq!(read_due_key(&key), Some((1_768_219_200_000, id.clone())));
        assert!(due_key(&scope(), 999, &id) < due_key(&scope(), 1_000, &RequestId::from("0")));
        assert_eq!(read_due_key(&due_prefix(&scope())), None);
    }
}
