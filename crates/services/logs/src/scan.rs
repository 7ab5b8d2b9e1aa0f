//! Reading a group in the order of time, a page at a time, forwards or backwards.
//!
//! Blocks are looked through in the order of their nearest event; the page is full when no block that is left can hold
//! anything nearer than what has been found. At no time are more events held than two pages' worth.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::index::{Block, Index, Piece};
use crate::position::Position;
use crate::segment::{self, Item, Record};

/// Bytes of one page: messages and what each event counts beside. Source: GetLogEvents, FilterLogEvents: 1 MB.
pub(crate) const PAGE_BYTES_MAX: usize = 1_048_576;
/// What an event counts beside its message. Source: PutLogEvents.
pub(crate) const EVENT_OVERHEAD_BYTES: usize = 26;
/// Bytes of events that one page looks through before it ends, full or not.
const SCANNED_BYTES_MAX: usize = 64 << 20;
/// How often a scan begins anew because segments were packed meanwhile.
const ATTEMPTS_MAX: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// What to look for: events in `from..until`.
pub(crate) struct Scan {
    pub(crate) group: u64,
    pub(crate) from: Position,
    pub(crate) until: Position,
    pub(crate) direction: Direction,
    pub(crate) limit: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) position: Position,
    pub(crate) stream: u64,
    pub(crate) ingested_ms: i64,
    pub(crate) message: Bytes,
}

/// A page, in the direction of its scan.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) events: Vec<Found>,
    /// Where there may be more: the new `from` of a forward scan, the new `until` of a backward one.
    pub(crate) more: Option<Position>,
}

/// A block could not be read from the disk.
#[derive(Debug, thiserror::Error)]
#[error("log segment {} cannot be read: {source}", path.display())]
pub(crate) struct ReadError {
    path: PathBuf,
    source: std::io::Error,
}

/// The records of a block; `None` when its segment has been replaced or deleted meanwhile.
pub(crate) fn read_piece(index: &RwLock<Index>, group: u64, piece: &Piece) -> Result<Option<Vec<Record>>, ReadError> {
    let opened = index.read().open(piece).map_err(|source| ReadError { path: PathBuf::new(), source })?;
    let Some((file, path)) = opened else { return Ok(None) };
    let mut buffer = vec![0; usize::try_from(piece.block.bytes).unwrap_or(0)];
    file.read_exact_at(&mut buffer, piece.block.offset).map_err(|source| ReadError { path: path.clone(), source })?;
    let mut all = Vec::new();
    for item in segment::walk(&buffer) {
        match item {
            Item::Frame { records, .. } => all.extend(records.into_iter().filter(|record| record.group == group)),
            Item::Damage { range } => {
                let offset = piece.block.offset + range.start as u64;
                tracing::error!(path = %path.display(), offset, bytes = range.len(), "damaged log segment: these bytes are lost");
            }
        }
    }
    Ok(Some(all))
}

impl Scan {
    /// `wants_stream` is asked for each record, `wants` for each of its events in range.
    pub(crate) fn run(
        &self,
        index: &RwLock<Index>,
        wants_stream: impl Fn(u64) -> bool,
        wants: impl Fn(&[u8]) -> bool,
    ) -> Result<Page, ReadError> {
        for _ in 0..ATTEMPTS_MAX {
            if let Some(page) = self.attempt(index, &wants_stream, &wants)? {
                return Ok(page);
            }
        }
        Err(ReadError { path: PathBuf::new(), source: std::io::Error::other("segments are replaced all the time") })
    }

    fn attempt(
        &self,
        index: &RwLock<Index>,
        wants_stream: &impl Fn(u64) -> bool,
        wants: &impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Page>, ReadError> {
        let in_range =
            |block: &Block| block.max_ms >= self.from.timestamp_ms && block.min_ms <= self.until.timestamp_ms;
        let mut pieces = index.read().pieces(self.group, in_range);
        pieces.sort_by_key(|piece| self.nearest(&piece.block));
        let mut nearest = Nearest { limit: self.limit.max(1), ..Nearest::default() };
        let mut scanned_bytes = 0;
        for piece in &pieces {
            let edge = self.nearest(&piece.block);
            if nearest.cut().is_some_and(|cut| cut < edge) {
                break;
            }
            // A page that found nothing has to get somewhere, too.
            let boundary = self.boundary(edge);
            if scanned_bytes >= SCANNED_BYTES_MAX && self.is_progress(boundary) {
                return Ok(Some(Page { events: nearest.before(edge), more: Some(boundary) }));
            }
            let Some(records) = read_piece(index, self.group, piece)? else { return Ok(None) };
            scanned_bytes += records.iter().map(Record::bytes).sum::<usize>();
            for record in records {
                if wants_stream(record.stream) {
                    self.collect(record, wants, &mut nearest);
                }
            }
        }
        let (events, is_cut) = nearest.finish();
        let more = events.last().filter(|_| is_cut).map(|last| match self.direction {
            Direction::Forward => last.position.next(),
            Direction::Backward => last.position,
        });
        Ok(Some(Page { events, more }))
    }

    fn collect(&self, record: Record, wants: &impl Fn(&[u8]) -> bool, nearest: &mut Nearest) {
        let Record { first_sequence, stream, ingested_ms, events, .. } = record;
        for (sequence, event) in (first_sequence..).zip(events) {
            let position = Position { timestamp_ms: event.timestamp_ms, sequence };
            let key = self.key(position);
            let is_near = nearest.cut.is_none_or(|cut| key < cut);
            if position >= self.from && position < self.until && is_near && wants(&event.message) {
                nearest.add(key, Found { position, stream, ingested_ms, message: event.message });
            }
        }
    }

    /// Smaller is nearer to where the scan begins.
    fn key(&self, position: Position) -> i128 {
        let key = (i128::from(position.timestamp_ms) << 64) | i128::from(position.sequence);
        match self.direction {
            Direction::Forward => key,
            Direction::Backward => -key,
        }
    }

    fn is_progress(&self, boundary: Position) -> bool {
        match self.direction {
            Direction::Forward => boundary > self.from,
            Direction::Backward => boundary < self.until,
        }
    }

    fn nearest(&self, block: &Block) -> i128 {
        match self.direction {
            Direction::Forward => self.key(Position { timestamp_ms: block.min_ms, sequence: 0 }),
            Direction::Backward => self.key(Position { timestamp_ms: block.max_ms, sequence: u64::MAX }),
        }
    }

    /// The position that a later page begins at so that it sees everything from `edge` on.
    fn boundary(&self, edge: i128) -> Position {
        let split = |key: i128| Position { timestamp_ms: (key >> 64) as i64, sequence: key as u64 };
        match self.direction {
            Direction::Forward => split(edge),
            Direction::Backward => split(-edge).next(),
        }
    }
}

/// The nearest events so far: no more than fit a page, and what has come since that was cut.
#[derive(Default)]
struct Nearest {
    limit: usize,
    events: Vec<(i128, Found)>,
    bytes: usize,
    /// The farthest event of a full page: nothing behind it is wanted.
    cut: Option<i128>,
}

impl Nearest {
    fn add(&mut self, key: i128, found: Found) {
        self.bytes += found.message.len() + EVENT_OVERHEAD_BYTES;
        self.events.push((key, found));
        if self.events.len() >= 2 * self.limit || self.bytes >= 2 * PAGE_BYTES_MAX {
            self.shorten();
        }
    }

    /// The cut, if what has been found fills a page.
    fn cut(&mut self) -> Option<i128> {
        if self.cut.is_none() && (self.events.len() > self.limit || self.bytes > PAGE_BYTES_MAX) {
            self.shorten();
        }
        self.cut
    }

    /// Leaves what fits a page.
    fn shorten(&mut self) {
        self.events.sort_unstable_by_key(|(key, _)| *key);
        let mut bytes = 0;
        let fitting = self.events.iter().take(self.limit).take_while(|(_, found)| {
            let is_first = bytes == 0;
            bytes += found.message.len() + EVENT_OVERHEAD_BYTES;
            is_first || bytes <= PAGE_BYTES_MAX
        });
        let count = fitting.count();
        if count < self.events.len() {
            self.events.truncate(count);
            self.cut = self.events.last().map(|(key, _)| *key);
        }
        self.bytes = self.events.iter().map(|(_, found)| found.message.len() + EVENT_OVERHEAD_BYTES).sum();
    }

    fn before(mut self, edge: i128) -> Vec<Found> {
        self.events.retain(|(key, _)| *key < edge);
        self.finish().0
    }

    /// The page, and whether something was cut off it.
    fn finish(mut self) -> (Vec<Found>, bool) {
        self.shorten();
        let events = self.events.into_iter().map(|(_, found)| found).collect();
        (events, self.cut.is_some())
    }
}
