//! Where events are: which blocks of which segments hold those of a group, and what each stream has. Pure, in memory.
//!
//! The unit is a block: frames of one group, one behind the other. A packed segment of 16 MiB has some 64 of them, so the
//! index stays small however many invocations it covers, and a reader decodes one block at a time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::segment::Record;

/// A block of raw frames is closed when it has at least this many bytes; a packed one when its records had.
pub(crate) const BLOCK_BYTES: u64 = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Block {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
}

/// What one stream has, as far as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamStats {
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) ingested_ms: i64,
    pub(crate) last_sequence: u64,
}

impl StreamStats {
    fn of(record: &Record) -> Self {
        let times = || record.events.iter().map(|event| event.timestamp_ms);
        Self {
            first_ms: times().min().unwrap_or(i64::MAX),
            last_ms: times().max().unwrap_or(i64::MIN),
            ingested_ms: record.ingested_ms,
            last_sequence: record.last_sequence(),
        }
    }

    fn join(&mut self, other: Self) {
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
        self.ingested_ms = self.ingested_ms.max(other.ingested_ms);
        self.last_sequence = self.last_sequence.max(other.last_sequence);
    }
}

/// The index of one segment, kept beside it when it is sealed so that a start need not read the segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) bytes: u64,
    /// Whether all its frames are compressed.
    pub(crate) is_packed: bool,
    pub(crate) first_ingested_ms: i64,
    pub(crate) last_sequence: u64,
    /// Group → its blocks, in the order of their sequences.
    pub(crate) blocks: BTreeMap<u64, Vec<Block>>,
    pub(crate) streams: BTreeMap<u64, StreamStats>,
}

impl Summary {
    /// Notes frames at the segment's end that hold `records` of one group. `merge`: whether they may join the block
    /// before them.
    pub(crate) fn add(&mut self, offset: u64, bytes: u64, records: &[Record], merge: bool) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let mut block = Block {
            offset,
            bytes,
            min_ms: i64::MAX,
            max_ms: i64::MIN,
            first_sequence: first.first_sequence,
            last_sequence: last.last_sequence(),
        };
        for record in records {
            let stats = StreamStats::of(record);
            block.min_ms = block.min_ms.min(stats.first_ms);
            block.max_ms = block.max_ms.max(stats.last_ms);
            self.streams.entry(record.stream).and_modify(|known| known.join(stats)).or_insert(stats);
        }
        if self.bytes == 0 {
            self.first_ingested_ms = first.ingested_ms;
        }
        self.bytes = offset + bytes;
        self.last_sequence = self.last_sequence.max(block.last_sequence);
        let blocks = self.blocks.entry(first.group).or_default();
        match blocks.last_mut() {
            Some(open) if merge && open.bytes < BLOCK_BYTES && open.offset + open.bytes == offset => {
                open.bytes += bytes;
                open.min_ms = open.min_ms.min(block.min_ms);
                open.max_ms = open.max_ms.max(block.max_ms);
                open.last_sequence = block.last_sequence;
            }
            _ => blocks.push(block),
        }
    }
}

pub(crate) struct Segment {
    /// The sequence it started with; ids ascend.
    pub(crate) id: u64,
    /// Grows when the file is replaced by a packed one.
    pub(crate) generation: u32,
    pub(crate) path: PathBuf,
    /// Of the one that is written to.
    pub(crate) file: Option<Arc<File>>,
    pub(crate) summary: Summary,
}

/// A block to be read. Its segment may be replaced meanwhile: then [`Index::open`] has no file for it.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) segment: u64,
    pub(crate) generation: u32,
    pub(crate) block: Block,
}

#[derive(Default)]
pub(crate) struct Index {
    segments: VecDeque<Segment>,
    streams: HashMap<u64, StreamStats>,
    /// The newest sequence of each group.
    groups: HashMap<u64, u64>,
}

impl Index {
    pub(crate) fn add_segment(&mut self, segment: Segment) {
        self.learn(&segment.summary);
        self.segments.push_back(segment);
    }

    /// Notes a raw frame of the newest segment.
    pub(crate) fn add_frame(&mut self, offset: u64, bytes: u64, record: &Record) {
        let Some(segment) = self.segments.back_mut() else { return };
        segment.summary.add(offset, bytes, std::slice::from_ref(record), true);
        let stats = StreamStats::of(record);
        self.streams.entry(record.stream).and_modify(|known| known.join(stats)).or_insert(stats);
        self.groups.insert(record.group, record.last_sequence());
    }

    fn learn(&mut self, summary: &Summary) {
        for (stream, stats) in &summary.streams {
            self.streams.entry(*stream).and_modify(|known| known.join(*stats)).or_insert(*stats);
        }
        for (group, blocks) in &summary.blocks {
            let last = blocks.last().map_or(0, |block| block.last_sequence);
            let known = self.groups.entry(*group).or_default();
            *known = last.max(*known);
        }
    }

    /// The newest segment takes no more.
    pub(crate) fn seal(&mut self) -> Option<&Segment> {
        let newest = self.segments.back_mut()?;
        newest.file = None;
        Some(newest)
    }

    /// Puts a packed file in the place of a sealed one.
    pub(crate) fn replace(&mut self, id: u64, summary: Summary) {
        if let Some(segment) = self.segment_mut(id) {
            segment.generation += 1;
            segment.summary = summary;
        }
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Segment> {
        let at = self.segments.binary_search_by_key(&id, |segment| segment.id).ok()?;
        self.segments.remove(at)
    }

    fn segment_mut(&mut self, id: u64) -> Option<&mut Segment> {
        let at = self.segments.binary_search_by_key(&id, |segment| segment.id).ok()?;
        self.segments.get_mut(at)
    }

    /// All but the one that is written to, oldest first.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.file.is_none())
    }

    pub(crate) fn newest(&self) -> Option<&Segment> {
        self.segments.back()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.summary.bytes).sum()
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        self.segments.iter().map(|segment| segment.summary.last_sequence).max().unwrap_or(0)
    }

    /// Sequences before this one are gone.
    pub(crate) fn first_sequence(&self) -> u64 {
        self.segments.front().map_or(0, |segment| segment.id)
    }

    pub(crate) fn stream(&self, id: u64) -> Option<StreamStats> {
        self.streams.get(&id).copied()
    }

    pub(crate) fn forget_stream(&mut self, id: u64) {
        self.streams.remove(&id);
    }

    pub(crate) fn forget_group(&mut self, id: u64) {
        self.groups.remove(&id);
    }

    /// The newest sequence of a group; 0 when it has no events.
    pub(crate) fn group_last_sequence(&self, group: u64) -> u64 {
        self.groups.get(&group).copied().unwrap_or(0)
    }

    /// What a group takes on the disk.
    pub(crate) fn group_bytes(&self, group: u64) -> u64 {
        self.blocks_of(group).map(|(_, block)| block.bytes).sum()
    }

    fn blocks_of(&self, group: u64) -> impl Iterator<Item = (&Segment, &Block)> {
        let blocks = move |segment: &Segment| segment.summary.blocks.get(&group).map_or(0, Vec::len);
        self.segments
            .iter()
            .flat_map(move |segment| (0..blocks(segment)).map(move |at| (segment, at)))
            .filter_map(move |(segment, at)| Some((segment, segment.summary.blocks.get(&group)?.get(at)?)))
    }

    /// The blocks of a group that `wanted` picks, in the order of their sequences.
    pub(crate) fn pieces(&self, group: u64, wanted: impl Fn(&Block) -> bool) -> Vec<Piece> {
        self.blocks_of(group)
            .filter(|(_, block)| wanted(block))
            .map(|(segment, block)| Piece { segment: segment.id, generation: segment.generation, block: *block })
            .collect()
    }

    /// Whether the group has such a block.
    pub(crate) fn has_block(&self, group: u64, is_it: impl Fn(&Block) -> bool) -> bool {
        self.blocks_of(group).any(|(_, block)| is_it(block))
    }

    /// The file a piece is in; `None` when it has been replaced or deleted since.
    pub(crate) fn open(&self, piece: &Piece) -> io::Result<Option<(Arc<File>, PathBuf)>> {
        let found = self.segments.binary_search_by_key(&piece.segment, |segment| segment.id).ok();
        let Some(segment) = found.map(|at| &self.segments[at]).filter(|found| found.generation == piece.generation)
        else {
            return Ok(None);
        };
        let file = match &segment.file {
            Some(file) => Arc::clone(file),
            None => Arc::new(File::open(&segment.path)?),
        };
        Ok(Some((file, segment.path.clone())))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::segment::Event;

    fn record(group: u64, stream: u64, first_sequence: u64, times: &[i64]) -> Record {
        let events = times.iter().map(|&timestamp_ms| Event { timestamp_ms, message: Bytes::new() }).collect();
        Record { first_sequence, group, stream, ingested_ms: 50, events }
    }

    fn index() -> Index {
        let mut index = Index::default();
        let file = Some(Arc::new(tempfile::tempfile().expect("temp file")));
        let summary = Summary::default();
        index.add_segment(Segment { id: 1, generation: 0, path: PathBuf::new(), file, summary });
        index
    }

    fn offsets(index: &Index, group: u64) -> Vec<u64> {
        index.pieces(group, |_| true).iter().map(|piece| piece.block.offset).collect()
    }

    #[test]
    fn a_group_is_found_in_its_own_blocks() {
        let mut index = index();
        index.add_frame(0, 10, &record(1, 1, 1, &[5, 9]));
        index.add_frame(10, 10, &record(1, 2, 3, &[2]));
        index.add_frame(20, 10, &record(2, 3, 4, &[7]));
        index.add_frame(30, BLOCK_BYTES, &record(1, 1, 5, &[20]));
        index.add_frame(30 + BLOCK_BYTES, 10, &record(1, 1, 6, &[21]));
        assert_eq!(offsets(&index, 1), [0, 30, 30 + BLOCK_BYTES]);
        assert_eq!(offsets(&index, 2), [20]);
        assert_eq!(offsets(&index, 3), [0; 0]);
        let first = index.pieces(1, |_| true)[0].block;
        assert_eq!((first.bytes, first.min_ms, first.max_ms), (20, 2, 9));
        assert_eq!((first.first_sequence, first.last_sequence), (1, 3));
        assert_eq!(index.group_bytes(1), 30 + BLOCK_BYTES);
        assert_eq!((index.group_last_sequence(1), index.group_last_sequence(2)), (6, 4));
        let stats = index.stream(1).expect("known");
        assert_eq!((stats.first_ms, stats.last_ms, stats.last_sequence), (5, 21, 6));
    }

    #[test]
    fn a_summary_rebuilds_the_same_index() {
        let mut index = index();
        index.add_frame(0, 10, &record(1, 1, 1, &[5, 9]));
        let summary = index.seal().expect("a segment").summary.clone();
        let mut again = Index::default();
        again.add_segment(Segment { id: 1, generation: 0, path: PathBuf::new(), file: None, summary });
        assert_eq!(again.stream(1), index.stream(1));
        assert_eq!(offsets(&again, 1), [0]);
        assert_eq!(again.group_last_sequence(1), 2);
    }

    #[test]
    fn a_piece_of_a_replaced_segment_has_no_file() {
        let mut index = index();
        index.add_frame(0, 10, &record(1, 1, 1, &[5]));
        let piece = index.pieces(1, |_| true).remove(0);
        assert!(index.open(&piece).expect("opens").is_some());
        index.replace(1, Summary::default());
        assert!(index.open(&piece).expect("opens").is_none());
        assert!(index.remove(1).is_some() && index.newest().is_none());
    }
}
