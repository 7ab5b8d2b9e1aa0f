//! The format of a segment file: frames, one after the other. Pure; reads and writes bytes only.
//!
//! ```text
//! frame   = magic | payload length u32 | CRC-32C u32 of magic, length and payload | payload     (little-endian)
//! "HLR2"    payload = Record, in postcard: written as it comes
//! "HLZ2"    payload = [Record] of one group, in postcard, compressed: when the segment is packed
//! ```
//! A reader that meets damage looks for the next frame whose checksum holds, so one bad sector costs what it held
//! and not what follows.

use std::ops::Range;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use serde::{Deserialize, Serialize};

pub(crate) const RAW: &[u8; 4] = b"HLR2";
const PACKED: &[u8; 4] = b"HLZ2";
pub(crate) const HEADER_BYTES: usize = 12;
/// Largest payload of one frame, compressed or not; larger appends are refused.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// zstd's own default: the best ratio for the time it takes.
const COMPRESSION_LEVEL: i32 = 3;

/// What one append brought: consecutive events of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Sequence of the first event; the others follow, without a gap as long as nothing has expired.
    pub(crate) first_sequence: u64,
    /// The ids of group and stream: another one for each life of a name.
    pub(crate) group: u64,
    pub(crate) stream: u64,
    pub(crate) ingested_ms: i64,
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

    pub(crate) fn bytes(&self) -> usize {
        // A few bytes of length and time beside each message.
        self.events.iter().map(|event| event.message.len() + 12).sum()
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("a log record of {0} bytes is larger than a frame may be")]
    TooLarge(usize),
    #[error("a log record cannot be encoded: {0}")]
    Postcard(#[from] postcard::Error),
    #[error("log records cannot be compressed: {0}")]
    Compression(#[from] std::io::Error),
}

/// Appends one raw frame to `out`; on an error `out` is as before.
pub(crate) fn encode(record: &Record, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    frame(RAW, &sized(postcard::to_allocvec(record)?)?, out);
    Ok(())
}

/// Appends one compressed frame to `out`; on an error `out` is as before.
pub(crate) fn encode_packed(records: &[Record], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let plain = sized(postcard::to_allocvec(records)?)?;
    frame(PACKED, &sized(zstd::bulk::compress(&plain, COMPRESSION_LEVEL)?)?, out);
    Ok(())
}

fn sized(payload: Vec<u8>) -> Result<Vec<u8>, EncodeError> {
    if payload.len() > PAYLOAD_BYTES_MAX { Err(EncodeError::TooLarge(payload.len())) } else { Ok(payload) }
}

fn frame(magic: &[u8; 4], payload: &[u8], out: &mut Vec<u8>) {
    let length = (payload.len() as u32).to_le_bytes();
    out.extend_from_slice(magic);
    out.extend_from_slice(&length);
    out.extend_from_slice(&crc(magic, length, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn crc(magic: &[u8; 4], length: [u8; 4], payload: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(magic);
    digest.update(&length);
    digest.update(payload);
    digest.finalize() as u32
}

/// What a walk over a segment meets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Frame {
        range: Range<usize>,
        records: Vec<Record>,
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
        if let Some((end, records)) = decode(bytes, at) {
            let range = at..end;
            at = end;
            return Some(Item::Frame { range, records });
        }
        let resume = (at + 1..bytes.len()).find(|&next| decode(bytes, next).is_some()).unwrap_or(bytes.len());
        let range = at..resume;
        at = resume;
        Some(Item::Damage { range })
    })
}

/// How many bytes of a segment, read while it may be written to, end with a whole frame. Damage before that stays: it is
/// for whoever opens the segment to tell of.
#[must_use]
pub fn whole_bytes(segment: &[u8]) -> usize {
    match walk(segment).last() {
        Some(Item::Damage { range }) => range.start,
        _ => segment.len(),
    }
}

/// The intact frame that starts at `at`: where it ends and what it holds.
fn decode(bytes: &[u8], at: usize) -> Option<(usize, Vec<Record>)> {
    let header = bytes.get(at..at + HEADER_BYTES)?;
    let magic: &[u8; 4] = header.first_chunk()?;
    if magic != RAW && magic != PACKED {
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
    if crc(magic, length, payload) != expected {
        return None;
    }
    let records = if magic == RAW {
        vec![postcard::from_bytes(payload).ok()?]
    } else {
        postcard::from_bytes(&zstd::bulk::decompress(payload, PAYLOAD_BYTES_MAX).ok()?).ok()?
    };
    Some((start + payload_bytes, records))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(first_sequence: u64, text: &str) -> Record {
        Record {
            first_sequence,
            group: 1,
            stream: 2,
            ingested_ms: 8,
            events: vec![Event { timestamp_ms: 7, message: Bytes::copy_from_slice(text.as_bytes()) }],
        }
    }

    /// Three frames, the second of them compressed.
    fn three() -> (Vec<u8>, Vec<Range<usize>>) {
        let mut bytes = Vec::new();
        let ranges = ["one", "two", "three"].iter().zip(1..).map(|(text, sequence)| {
            let start = bytes.len();
            let record = record(sequence, text);
            if sequence == 2 { encode_packed(&[record], &mut bytes) } else { encode(&record, &mut bytes) }
                .expect("small");
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
            .map(|((text, range), sequence)| Item::Frame { range, records: vec![record(sequence, text)] })
            .collect();
        assert_eq!(got, want);
        assert_eq!(whole_bytes(&bytes), bytes.len());
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
            let third = Item::Frame { range: ranges[2].clone(), records: vec![record(3, "three")] };
            assert_eq!(got[2], third, "byte {at}");
        }
    }

    #[test]
    fn a_tail_cut_anywhere_is_one_damaged_range_at_the_end() {
        let (bytes, ranges) = three();
        for end in ranges[2].start + 1..ranges[2].end {
            let got: Vec<Item> = walk(&bytes[..end]).collect();
            assert_eq!(got.len(), 3);
            assert_eq!(got[2], Item::Damage { range: ranges[2].start..end });
            assert_eq!(whole_bytes(&bytes[..end]), ranges[2].start);
        }
    }
}
