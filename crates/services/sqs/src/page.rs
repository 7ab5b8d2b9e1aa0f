//! A page as bytes: the messages of one request, in one record of the store.
//!
//! Written and read by the thousand every second, so in a compact form of its own (postcard behind a version byte) and
//! not as a JSON record: decoding borrows from the bytes, which are those of the cache or of the store.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::engine::{Arrival, DedupKey, Remembered, Seen};
use crate::error::SqsError;

/// Changes with the layout. Old ones must stay readable.
const VERSION: u8 = 1;

/// A message attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredAttribute<'a> {
    #[serde(borrow)]
    pub(crate) name: &'a str,
    #[serde(borrow)]
    pub(crate) data_type: &'a str,
    #[serde(borrow)]
    pub(crate) value: StoredValue<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredValue<'a> {
    Text(#[serde(borrow)] &'a str),
    Binary(#[serde(borrow)] &'a [u8]),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredMessage<'a> {
    pub(crate) id: [u8; 16],
    #[serde(borrow)]
    pub(crate) body: &'a str,
    pub(crate) body_md5: [u8; 16],
    #[serde(borrow)]
    pub(crate) attributes: Vec<StoredAttribute<'a>>,
    pub(crate) attributes_md5: Option<[u8; 16]>,
    pub(crate) trace_header: Option<&'a str>,
    pub(crate) sender_id: &'a str,
    /// Wall clock, as shown.
    pub(crate) sent_at_ms: i64,
    /// Service clock.
    pub(crate) enqueued_at_ms: i64,
    /// Service clock.
    pub(crate) due_at_ms: i64,
    pub(crate) group: Option<&'a str>,
    pub(crate) dedup_id: Option<&'a str>,
    pub(crate) dedup: Option<DedupKey>,
    /// The queue it was moved from as dead.
    pub(crate) dead_letter_source: Option<&'a str>,
    /// Before it came to this queue.
    pub(crate) seen: Seen,
}

impl StoredMessage<'_> {
    pub(crate) fn arrival(&self) -> Arrival<'_> {
        Arrival {
            enqueued_at_ms: self.enqueued_at_ms,
            due_at_ms: self.due_at_ms,
            group: self.group,
            dedup: self.dedup,
            message_id: self.id,
            seen: self.seen,
        }
    }
}

/// What a row of a page may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Page<'a> {
    #[serde(borrow)]
    Messages(Vec<StoredMessage<'a>>),
    /// All its messages are gone; their deduplication ids count for a while still.
    Remembered(Vec<(DedupKey, Remembered)>),
}

impl<'a> Page<'a> {
    /// # Errors
    /// [`SqsError::Internal`]: a defect.
    pub(crate) fn encode(&self) -> Result<Bytes, SqsError> {
        encode(self)
    }

    /// # Errors
    /// [`SqsError::Internal`]: the bytes are no page this version knows.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, SqsError> {
        decode(bytes)
    }
}

/// What has happened to the messages of a page, by slot.
pub(crate) type Marks = Vec<(u8, Seen)>;

/// # Errors
/// [`SqsError::Internal`]: a defect.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Bytes, SqsError> {
    let bytes = postcard::to_extend(value, vec![VERSION]).map_err(|error| SqsError::Internal(error.to_string()))?;
    Ok(bytes.into())
}

/// # Errors
/// [`SqsError::Internal`]: the bytes are not what this version writes.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, SqsError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|error| SqsError::Internal(error.to_string())),
        Some((version, _)) => Err(SqsError::Internal(format!("a page of version {version}: use a newer Hearth"))),
        None => Err(SqsError::Internal("a page without content".to_owned())),
    }
}
