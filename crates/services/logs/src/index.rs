//! Where a group's events are: which chunks of which segments hold some. Pure, in memory.
//!
//! The unit is a chunk (some 64 KiB of frames), not a frame: a full log of 1 GiB has some 16,000 chunks, so the index
//! stays small however many invocations it covers, and a reader scans one chunk to find a group's frames in it.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use hearth_types::Scope;
use serde::{Deserialize, Serialize};

/// A chunk is closed when it has at least this many bytes.
pub(crate) const CHUNK_BYTES: u64 = 64 << 10;

/// Scope and group as one text. A group name contains no line feed (CloudWatch Logs pattern `[\.\-_/#A-Za-z0-9]+`).
pub(crate) fn group_key(scope: &Scope, group: &str) -> String {
    let region = scope.region.as_ref().map_or("", hearth_types::Region::as_str);
    format!("{}:{}:{region}\n{group}", scope.partition, scope.account)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
}

/// The index of one sealed segment, kept beside it so that a start need not read the segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) bytes: u64,
    pub(crate) chunks: Vec<Chunk>,
    /// For each group, the positions in `chunks` that hold some of its events.
    pub(crate) groups: Vec<(String, Vec<u32>)>,
}

pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) path: PathBuf,
    /// Kept open: a reader is not disturbed when retention deletes the file.
    pub(crate) file: Arc<File>,
    pub(crate) bytes: u64,
    pub(crate) chunks: Vec<Chunk>,
}

#[derive(Default)]
struct Group {
    /// (segment id, position in its chunks), ascending.
    postings: VecDeque<(u64, u32)>,
    last_sequence: u64,
}

/// A piece of a segment to be scanned.
pub(crate) struct Piece {
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) last_sequence: u64,
}

#[derive(Default)]
pub(crate) struct Index {
    segments: VecDeque<Segment>,
    groups: HashMap<String, Group>,
}

impl Index {
    /// Starts a segment; ids ascend.
    pub(crate) fn open_segment(&mut self, id: u64, path: PathBuf, file: Arc<File>) {
        self.segments.push_back(Segment { id, path, file, bytes: 0, chunks: Vec::new() });
    }

    /// Takes over a sealed segment as its summary describes it.
    pub(crate) fn add_sealed(&mut self, id: u64, path: PathBuf, file: Arc<File>, summary: Summary) {
        for (key, positions) in summary.groups {
            let group = self.groups.entry(key).or_default();
            for position in positions {
                let Some(chunk) = summary.chunks.get(position as usize) else { continue };
                group.postings.push_back((id, position));
                group.last_sequence = group.last_sequence.max(chunk.last_sequence);
            }
        }
        self.segments.push_back(Segment { id, path, file, bytes: summary.bytes, chunks: summary.chunks });
    }

    /// Notes a frame of the newest segment.
    pub(crate) fn add_frame(&mut self, key: &str, offset: u64, bytes: u64, first_sequence: u64, last_sequence: u64) {
        let Some(segment) = self.segments.back_mut() else { return };
        match segment.chunks.last_mut() {
            // Damage between frames may leave a gap; a chunk then covers it, and the reader skips it again.
            Some(chunk) if chunk.bytes < CHUNK_BYTES => {
                chunk.bytes = offset + bytes - chunk.offset;
                chunk.last_sequence = last_sequence;
            }
            _ => segment.chunks.push(Chunk { offset, bytes, first_sequence, last_sequence }),
        }
        segment.bytes = offset + bytes;
        let posting = (segment.id, (segment.chunks.len() - 1) as u32);
        let group = match self.groups.get_mut(key) {
            Some(group) => group,
            None => self.groups.entry(key.to_owned()).or_default(),
        };
        if group.postings.back() != Some(&posting) {
            group.postings.push_back(posting);
        }
        group.last_sequence = last_sequence;
    }

    pub(crate) fn summary(&self, id: u64) -> Option<Summary> {
        let segment = self.segments.iter().find(|segment| segment.id == id)?;
        let mut groups: Vec<(String, Vec<u32>)> = self
            .groups
            .iter()
            .map(|(key, group)| (key.clone(), group.positions_in(id)))
            .filter(|(_, positions)| !positions.is_empty())
            .collect();
        groups.sort_unstable();
        Some(Summary { bytes: segment.bytes, chunks: segment.chunks.clone(), groups })
    }

    /// Whether something was ever written to the group and has not been deleted with its segment.
    pub(crate) fn has_group(&self, key: &str) -> bool {
        self.groups.contains_key(key)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub(crate) fn newest(&self) -> Option<&Segment> {
        self.segments.back()
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        self.segments
            .iter()
            .filter_map(|segment| segment.chunks.last())
            .map(|chunk| chunk.last_sequence)
            .max()
            .unwrap_or(0)
    }

    /// Forgets the oldest segment unless it is the newest too.
    pub(crate) fn drop_oldest(&mut self) -> Option<Segment> {
        if self.segments.len() < 2 {
            return None;
        }
        let oldest = self.segments.pop_front()?;
        self.groups.retain(|_, group| {
            while group.postings.front().is_some_and(|(id, _)| *id <= oldest.id) {
                group.postings.pop_front();
            }
            !group.postings.is_empty()
        });
        Some(oldest)
    }

    /// The newest sequence of a group; 0 when it has no events.
    pub(crate) fn group_last_sequence(&self, key: &str) -> u64 {
        self.groups.get(key).map_or(0, |group| group.last_sequence)
    }

    /// At most `limit` pieces that may hold events of the group after `after_sequence`, oldest first.
    pub(crate) fn pieces(&self, key: &str, after_sequence: u64, limit: usize) -> Vec<Piece> {
        let Some(group) = self.groups.get(key) else { return Vec::new() };
        let chunk_of = |&(id, position): &(u64, u32)| {
            let at = self.segments.binary_search_by_key(&id, |segment| segment.id).ok()?;
            let segment = &self.segments[at];
            Some((segment, segment.chunks.get(position as usize)?))
        };
        let start = group.postings.partition_point(|posting| {
            chunk_of(posting).is_some_and(|(_, chunk)| chunk.last_sequence <= after_sequence)
        });
        group
            .postings
            .range(start..)
            .filter_map(chunk_of)
            .take(limit)
            .map(|(segment, chunk)| Piece {
                file: Arc::clone(&segment.file),
                path: segment.path.clone(),
                offset: chunk.offset,
                bytes: chunk.bytes,
                last_sequence: chunk.last_sequence,
            })
            .collect()
    }
}

impl Group {
    fn positions_in(&self, id: u64) -> Vec<u32> {
        let start = self.postings.partition_point(|posting| posting.0 < id);
        self.postings.range(start..).take_while(|posting| posting.0 == id).map(|posting| posting.1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Arc<File> {
        Arc::new(tempfile::tempfile().expect("temp file"))
    }

    fn offsets(index: &Index, key: &str, after: u64) -> Vec<u64> {
        index.pieces(key, after, 100).iter().map(|piece| piece.offset).collect()
    }

    #[test]
    fn a_group_is_found_in_its_chunks_only() {
        let mut index = Index::default();
        index.open_segment(1, PathBuf::new(), file());
        index.add_frame("a", 0, CHUNK_BYTES, 1, 10);
        index.add_frame("b", CHUNK_BYTES, CHUNK_BYTES, 11, 20);
        index.add_frame("a", 2 * CHUNK_BYTES, 10, 21, 21);
        index.add_frame("b", 2 * CHUNK_BYTES + 10, 10, 22, 22);
        assert_eq!(offsets(&index, "a", 0), [0, 2 * CHUNK_BYTES]);
        assert_eq!(offsets(&index, "b", 0), [CHUNK_BYTES, 2 * CHUNK_BYTES]);
        assert_eq!(offsets(&index, "a", 10), [2 * CHUNK_BYTES]);
        assert_eq!(offsets(&index, "c", 0), [0; 0]);
        assert_eq!(index.group_last_sequence("b"), 22);
        assert_eq!(index.last_sequence(), 22);
    }

    #[test]
    fn a_summary_rebuilds_the_same_index() {
        let mut index = Index::default();
        index.open_segment(1, PathBuf::new(), file());
        index.add_frame("a", 0, CHUNK_BYTES, 1, 10);
        index.add_frame("b", CHUNK_BYTES, 9, 11, 11);
        let summary = index.summary(1).expect("exists");
        let mut again = Index::default();
        again.add_sealed(1, PathBuf::new(), file(), summary.clone());
        assert_eq!(again.summary(1), Some(summary));
        assert_eq!(offsets(&again, "b", 0), [CHUNK_BYTES]);
    }

    #[test]
    fn the_oldest_segment_takes_its_groups_with_it_and_the_newest_stays() {
        let mut index = Index::default();
        index.open_segment(1, PathBuf::new(), file());
        index.add_frame("old", 0, 5, 1, 1);
        index.add_frame("both", 5, 5, 2, 2);
        index.open_segment(3, PathBuf::new(), file());
        index.add_frame("both", 0, 5, 3, 3);
        assert_eq!(index.drop_oldest().map(|segment| segment.id), Some(1));
        assert_eq!(index.group_last_sequence("old"), 0);
        assert_eq!(offsets(&index, "both", 0), [0]);
        assert!(index.drop_oldest().is_none());
        assert_eq!(index.bytes(), 5);
    }
}
