//! Packing a segment: the records that are still wanted, group by group, compressed. No I/O.

use std::collections::BTreeMap;

use crate::index::{BLOCK_BYTES, Summary};
use crate::segment::{self, EncodeError, Event, Item, Record};

/// Says what is still wanted of a stream: nothing (`None`), or the events that are not older than this time.
pub(crate) type Keep<'a> = dyn Fn(u64, u64) -> Option<i64> + 'a;

/// The packed form of a segment's bytes and its index. Damaged bytes are left behind.
pub(crate) fn pack(bytes: &[u8], keep: &Keep<'_>) -> Result<(Vec<u8>, Summary), EncodeError> {
    let mut groups: BTreeMap<u64, Vec<Record>> = BTreeMap::new();
    for item in segment::walk(bytes) {
        let records = match item {
            Item::Frame { records, .. } => records,
            Item::Damage { range } => {
                tracing::error!(offset = range.start, bytes = range.len(), "damaged log segment: these bytes are lost");
                continue;
            }
        };
        for record in records {
            if let Some(cutoff_ms) = keep(record.group, record.stream) {
                groups.entry(record.group).or_default().extend(fresh(record, cutoff_ms));
            }
        }
    }
    let mut out = Vec::new();
    let mut summary = Summary { is_packed: true, ..Summary::default() };
    for records in groups.into_values() {
        let mut from = 0;
        while from < records.len() {
            let mut bytes = 0;
            let count = records[from..].iter().take_while(|record| {
                let fits = bytes < BLOCK_BYTES as usize;
                bytes += record.bytes();
                fits
            });
            let until = from + count.count();
            let offset = out.len();
            segment::encode_packed(&records[from..until], &mut out)?;
            summary.add(offset as u64, (out.len() - offset) as u64, &records[from..until], false);
            from = until;
        }
    }
    Ok((out, summary))
}

/// The record without its expired events; several when those leave holes.
fn fresh(record: Record, cutoff_ms: i64) -> Vec<Record> {
    if record.events.iter().all(|event| event.timestamp_ms >= cutoff_ms) {
        return vec![record];
    }
    let Record { first_sequence, group, stream, ingested_ms, events } = record;
    let mut pieces: Vec<Record> = Vec::new();
    for (sequence, event) in (first_sequence..).zip(events) {
        if event.timestamp_ms < cutoff_ms {
            continue;
        }
        let event: Event = event;
        match pieces.last_mut() {
            Some(piece) if piece.last_sequence() + 1 == sequence => piece.events.push(event),
            _ => pieces.push(Record { first_sequence: sequence, group, stream, ingested_ms, events: vec![event] }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn record(group: u64, stream: u64, first_sequence: u64, times: &[i64]) -> Record {
        let message = Bytes::from("the same text again and again ".repeat(20));
        let events = times.iter().map(|&timestamp_ms| Event { timestamp_ms, message: message.clone() }).collect();
        Record { first_sequence, group, stream, ingested_ms: 50, events }
    }

    fn raw(records: &[Record]) -> Vec<u8> {
        let mut bytes = Vec::new();
        records.iter().for_each(|record| segment::encode(record, &mut bytes).expect("small"));
        bytes
    }

    fn records(bytes: &[u8]) -> Vec<Record> {
        let frames = segment::walk(bytes).map(|item| match item {
            Item::Frame { records, .. } => records,
            Item::Damage { range } => panic!("damage at {range:?}"),
        });
        frames.flatten().collect()
    }

    #[test]
    fn groups_come_together_in_their_order_and_smaller() {
        let written = [record(2, 1, 1, &[1, 2]), record(1, 2, 3, &[3]), record(2, 3, 4, &[4])];
        let bytes = raw(&written);
        let (packed, summary) = pack(&bytes, &|_, _| Some(i64::MIN)).expect("packs");
        assert_eq!(records(&packed), [written[1].clone(), written[0].clone(), written[2].clone()]);
        assert!(packed.len() * 3 < bytes.len(), "{} of {}", packed.len(), bytes.len());
        assert_eq!(summary.bytes, packed.len() as u64);
        assert_eq!((summary.blocks.len(), summary.streams.len(), summary.last_sequence), (2, 3, 4));
        assert!(summary.is_packed);
        assert_eq!(pack(&packed, &|_, _| Some(i64::MIN)).expect("packs again"), (packed, summary));
    }

    #[test]
    fn what_is_deleted_or_expired_is_left_behind() {
        let written = [record(1, 1, 1, &[1, 9, 2, 8]), record(1, 2, 5, &[9]), record(2, 3, 6, &[9])];
        let keep = |group, stream| (group == 1 && stream == 1).then_some(5);
        let (packed, summary) = pack(&raw(&written), &keep).expect("packs");
        assert_eq!(records(&packed), [record(1, 1, 2, &[9]), record(1, 1, 4, &[8])]);
        assert_eq!(summary.streams.len(), 1);
    }

    #[test]
    fn a_block_ends_when_it_is_large_enough() {
        let message = Bytes::from(vec![b'x'; BLOCK_BYTES as usize / 2]);
        let record = |first_sequence| Record {
            first_sequence,
            group: 1,
            stream: 1,
            ingested_ms: 1,
            events: vec![Event { timestamp_ms: 1, message: message.clone() }],
        };
        let written: Vec<Record> = (1..=5).map(record).collect();
        let (packed, summary) = pack(&raw(&written), &|_, _| Some(0)).expect("packs");
        assert_eq!(summary.blocks[&1].len(), 3, "two records a block");
        assert_eq!(records(&packed), written);
    }
}
