//! How a delivery lies in the store until it is dealt with: a slip that says when it is due, with a small body in it. A
//! large body has a record of its own, so that a retry rewrites the slip only. Those that stand in a line are due at
//! [`IN_LINE_MS`], whenever they are tried again: so they lie in the order of their ids.

use hearth_store::{Codec, Component, Entry, Key, Mutation, Record, RecordError, Shard};
use hearth_types::{RequestId, Scope};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Body;

const TABLE: &str = "delivery";
const BODIES: &str = "delivery.body";
const SLIPS: &str = "delivery.due";

/// An encoded body up to this size stands in the slip: one record less to write and to delete.
const INLINE_BYTES_MAX: usize = 4_096;

/// When all that stand in a line are due, as far as the store knows.
pub(crate) const IN_LINE_MS: i64 = 0;

/// Attempts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// That reached the target and failed there.
    pub failed: u32,
    /// That did not come so far.
    pub not_run: u32,
}

/// Where a delivery stands; its key says when it is due.
#[derive(Serialize, Deserialize)]
pub(crate) struct Slip {
    pub(crate) accepted_ms: i64,
    pub(crate) tries: Tries,
    /// The line that it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<String>,
    /// The encoded body, unless it is large.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
}

impl Record for Slip {
    const KIND: &'static str = SLIPS;
    const VERSION: u32 = 1;
}

/// The shard of every delivery of an account and region, so that one may follow from another in one commit.
pub fn shard(scope: &Scope) -> Shard {
    Shard::new(scope, TABLE)
}

pub(crate) fn body_key(scope: &Scope, lane: &str, id: &RequestId) -> Key {
    Key::new(scope, BODIES).part(lane).part(id.as_str())
}

pub(crate) fn slips(scope: &Scope, lane: &str) -> Key {
    Key::new(scope, SLIPS).part(lane)
}

pub(crate) fn slip_key(scope: &Scope, lane: &str, due_ms: i64, id: &RequestId) -> Key {
    slips(scope, lane).part_u64(u64::try_from(due_ms).unwrap_or(0)).part(id.as_str())
}

/// Time and id out of a key of [`slip_key`].
pub(crate) fn read_slip_key(key: &Key) -> Option<(i64, RequestId)> {
    match key.components()?.as_slice() {
        [.., Component::Text(_), Component::Number(due_ms), Component::Text(id)] => {
            Some((i64::try_from(*due_ms).ok()?, RequestId::from(std::str::from_utf8(id).ok()?)))
        }
        _ => None,
    }
}

impl Slip {
    /// A slip, and the body's own record where it needs one.
    ///
    /// # Errors
    /// [`RecordError`]: it cannot be encoded.
    pub(crate) fn new<B: Body>(
        codec: &Codec,
        body_key: Key,
        body: &B,
        accepted_ms: i64,
    ) -> Result<(Self, Option<Mutation>), RecordError> {
        let encoded = codec.encode(body)?;
        let slip = |content| Self { accepted_ms, tries: Tries::default(), line: body.line(), body: content };
        if encoded.len() > INLINE_BYTES_MAX {
            return Ok((slip(None), Some(Mutation::Put(body_key, encoded))));
        }
        let json = |detail: String| RecordError::Json { kind: B::KIND, detail };
        let text = String::from_utf8(encoded.into()).map_err(|error| json(error.to_string()))?;
        let body = RawValue::from_string(text).map_err(|error| json(error.to_string()))?;
        Ok((slip(Some(body)), None))
    }

    pub(crate) const fn is_inline(&self) -> bool {
        self.body.is_some()
    }

    /// The body, where it stands in the slip.
    ///
    /// # Errors
    /// [`RecordError`]: it cannot be decoded.
    pub(crate) fn body<B: Body>(&self, codec: &Codec) -> Result<Option<B>, RecordError> {
        self.body.as_ref().map(|body| codec.decode(body.get().as_bytes())).transpose()
    }

    /// The slip of the next attempt.
    ///
    /// # Errors
    /// [`RecordError`]: it cannot be encoded.
    pub(crate) fn again<B: Body>(
        codec: &Codec,
        accepted_ms: i64,
        tries: Tries,
        line: Option<String>,
        inline: Option<&B>,
    ) -> Result<Self, RecordError> {
        let mut slip = Self { accepted_ms, tries, line, body: None };
        if let Some(body) = inline {
            let text = String::from_utf8_lossy(&codec.encode(body)?).into_owned();
            let json = |error: serde_json::Error| RecordError::Json { kind: B::KIND, detail: error.to_string() };
            slip.body = Some(RawValue::from_string(text).map_err(json)?);
        }
        Ok(slip)
    }

    pub(crate) fn read(codec: &Codec, entry: &Entry) -> Result<Self, RecordError> {
        codec.decode(&entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::tests::scope;

    #[test]
    fn a_slip_key_tells_its_time_and_id_and_sorts_by_time() {
        let id = RequestId::from("5ab6f59b");
        let key = slip_key(&scope(), "l", 1_768_219_200_000, &id);
        assert_eq!(read_slip_key(&key), Some((1_768_219_200_000, id.clone())));
        assert!(slip_key(&scope(), "l", 999, &id) < slip_key(&scope(), "l", 1_000, &RequestId::from("0")));
        assert_eq!(read_slip_key(&slips(&scope(), "l")), None);
    }
}
