//! The format of a segment file: frames, one after the other. Pure; reads and writes bytes only.
//!
//! ```text
//! frame  = "HLF1" | payload length u32 | CRC-32C u32 of length and payload | payload     (little-endian)
//! payload = Record, in postcard
//! ```
//! A reader that meets damage looks for the next frame whose checksum holds, so one bad sector costs what it held
//! and not what follows.

use std::ops::Range;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use serde::{Deserialize, Serialize};

const MAGIC: [u8; 4] = *b"HLF1";
pub(crate) const HEADER_BYTES: usize = 12;
/// Largest payload of one frame; larger appends become several frames.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// What one append brought: consecutive events of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Sequence of the first event; the others follow without a gap.
    pub(crate) first_sequence: u64,
    /// Scope and group, see [`crate::index::group_key`].
    pub(crate) group: String,
    pub(crate) stream: String,
    pub(crate) events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) timestamp_ms: i64,
    pub(crate) message: Bytes,
}

impl Record {
    pub(crate) fn last_sequence(&self) -> u64 {
        self.first_sequence + (self.events.len() as u64).saturating_sub(1)
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("a log record of {0} bytes is larger than a frame may be")]
    TooLarge(usize),
    #[error("a log record cannot be encoded: {0}")]
    Postcard(#[from] postcard::Error),
}

/// Appends one frame to `out`; on an error `out` is as before.
pub(crate) fn encode(record: &Record, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let payload = postcard::to_allocvec(record)?;
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(EncodeError::TooLarge(payload.len()));
    }
    let length = (payload.len() as u32).to_le_bytes();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(length, &payload).to_le_bytes());
    out.extend_from_slice(&payload);
    Ok(())
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&length);
    digest.update(payload);
    digest.finalize() as u32
}

/// What a walk over a segment meets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Frame {
        range: Range<usize>,
        record: Record,
    },
    /// Bytes that belong to no intact frame.
    Damage {
        range: Range<usize>,
    },
}

/// Walks over all frames of `bytes`.
pub(crate) fn walk(bytes: &[u8]) -> impl Iterator<Item = Item> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        if let Some((end, record)) = decode(bytes, at) {
            let range = at..end;
            at = end;
            return Some(Item::Frame { range, record });
        }
        let resume = (at + 1..bytes.len()).find(|&next| decode(bytes, next).is_some()).unwrap_or(bytes.len());
        let range = at..resume;
        at = resume;
        Some(Item::Damage { range })
    })
}

/// The intact frame that starts at `at`: where it ends and what it holds.
fn decode(bytes: &[u8], at: usize) -> Option<(usize, Record)> {
    let header = bytes.get(at..at + HEADER_BYTES)?;
    if header[..4] != MAGIC {
        return None;
    }
    let length: [u8; 4] = header[4..8].try_into().ok()?;
    let expected = u32::from_le_bytes(header[8..12].try_into().ok()?);
    let payload_bytes = u32::from_le_bytes(length) as usize;
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return None;
    }
    let start = at + HEADER_BYTES;
    let payload = bytes.get(start..start + payload_bytes)?;
    if checksum(length, payload) != expected {
        return None;
    }
    Some((start + payload_bytes, postcard::from_bytes(payload).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(first_sequence: u64, text: &str) -> Record {
        Record {
            first_sequence,
            group: "g".to_owned(),
            stream: "s".to_owned(),
            events: vec![Event { timestamp_ms: 7, message: Bytes::copy_from_slice(text.as_bytes()) }],
        }
    }

    fn three() -> (Vec<u8>, Vec<Range<usize>>) {
        let mut bytes = Vec::new();
        let ranges = ["one", "two", "three"].iter().zip(1..).map(|(text, sequence)| {
            let start = bytes.len();
            encode(&record(sequence, text), &mut bytes).expect("small");
            start..bytes.len()
        });
        let ranges = ranges.collect();
        (bytes, ranges)
    }

    #[test]
    fn frames_come_back_as_written() {
        let (bytes, ranges) = three();
        let got: Vec<Item> = walk(&bytes).collect();
        let want: Vec<Item> = ["one", "two", "three"]
            .iter()
            .zip(ranges)
            .zip(1..)
            .map(|((text, range), sequence)| Item::Frame { range, record: record(sequence, text) })
            .collect();
        assert_eq!(got, want);
    }

    #[test]
    fn every_single_damaged_byte_costs_only_its_own_frame() {
        let (bytes, ranges) = three();
        for at in ranges[1].clone() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            let got: Vec<Item> = walk(&damaged).collect();
            assert_eq!(got.len(), 3, "byte {at}");
            assert_eq!(got[1], Item::Damage { range: ranges[1].clone() }, "byte {at}");
            assert_eq!(got[2], Item::Frame { range: ranges[2].clone(), record: record(3, "three") }, "byte {at}");
        }
    }

    #[test]
    fn a_tail_cut_anywhere_is_one_damaged_range_at_the_end() {
        let (bytes, ranges) = three();
        for end in ranges[2].start + 1..ranges[2].end {
            let got: Vec<Item> = walk(&bytes[..end]).collect();
            assert_eq!(got.len(), 3);
            assert_eq!(got[2], Item::Damage { range: ranges[2].start..end });
        }
    }
}
