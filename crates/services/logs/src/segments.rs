//! The segment files of one directory as the writer thread has them: recovery at start, writing, rotation.
//!
//! ```text
//! <data>/logs/<first sequence, 16 hex digits>.seg     frames; the newest is written to
//! <data>/logs/<the same>.idx                          summary of a sealed segment; made again when missing
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crc_fast::{CrcAlgorithm, checksum};
use parking_lot::RwLock;

use crate::index::{Index, Segment, Summary};
use crate::segment::{self, Item, Record};
use crate::{Damage, LogsConfig, OpenError};

/// Written data reaches the disk at most this much later.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Sequences skipped at each start, so that a follower that saw events lost in a power cut misses no later ones.
const SEQUENCE_GAP: u64 = 1 << 20;
/// A segment is sealed when its first event is so old: what is deleted or expires in it leaves the disk then.
const SEGMENT_AGE_MS_MAX: i64 = 24 * 60 * 60 * 1_000;

pub(crate) struct Segments {
    directory: PathBuf,
    config: LogsConfig,
    index: Arc<RwLock<Index>>,
    active: Active,
    buffer: Vec<u8>,
    next_sequence: u64,
}

struct Active {
    file: Arc<File>,
    bytes: u64,
    /// When the oldest unsynced write happened.
    dirty_since: Option<Instant>,
}

pub(crate) struct Opened {
    pub(crate) segments: Segments,
    pub(crate) index: Arc<RwLock<Index>>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) next_sequence: u64,
}

impl Segments {
    /// Opens the directory, making it when missing. A torn tail of the newest segment is cut off; damage elsewhere is
    /// reported and stepped over.
    pub(crate) fn open(directory: &Path, config: LogsConfig) -> Result<Opened, OpenError> {
        let failed = |source| OpenError::Directory { path: directory.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let mut index = Index::default();
        let mut damage = Vec::new();
        let ids = segment_ids(directory).map_err(failed)?;
        for (position, &id) in ids.iter().enumerate() {
            let newest = position + 1 == ids.len();
            let segment = load(&mut damage, directory, id, newest)
                .map_err(|source| OpenError::Directory { path: segment_path(directory, id), source })?;
            index.add_segment(segment);
        }
        for found in &damage {
            tracing::error!(path = %found.path.display(), offset = found.offset, bytes = found.bytes, torn = found.torn_tail,
                "damaged log segment: {}", if found.torn_tail { "cut off the torn tail" } else { "these bytes are lost" });
        }
        let next_sequence = index.last_sequence() + SEQUENCE_GAP;
        let active = match index.newest() {
            Some(Segment { file: Some(file), summary, .. }) if summary.bytes < config.segment_bytes_max => {
                Active { file: Arc::clone(file), bytes: summary.bytes, dirty_since: None }
            }
            _ => start(directory, &mut index, next_sequence).map_err(failed)?,
        };
        let index = Arc::new(RwLock::new(index));
        let segments = Self {
            directory: directory.to_owned(),
            config,
            index: Arc::clone(&index),
            active,
            buffer: Vec::new(),
            next_sequence,
        };
        Ok(Opened { segments, index, damage, next_sequence })
    }

    /// Writes a batch; whether all of it was written. What cannot be written is lost and logged; the file is left as it
    /// was before.
    pub(crate) fn write(&mut self, mut records: Vec<Record>) -> bool {
        self.buffer.clear();
        // Frames of one group make one block when they lie side by side.
        records.sort_by_key(|record| record.group);
        let mut frames = Vec::with_capacity(records.len());
        let mut is_whole = true;
        for mut record in records {
            let start = self.buffer.len();
            match segment::encode(&record, &mut self.buffer) {
                Ok(()) => {
                    self.next_sequence = self.next_sequence.max(record.last_sequence() + 1);
                    // The index wants times and sequences only.
                    record.events.iter_mut().for_each(|event| event.message.clear());
                    frames.push((start, self.buffer.len(), record));
                }
                Err(error) => {
                    tracing::error!(%error, records = record.events.len(), "log records lost");
                    is_whole = false;
                }
            }
        }
        if frames.is_empty() {
            return is_whole;
        }
        let at = self.active.bytes;
        if let Err(error) = self.active.file.write_all_at(&self.buffer, at) {
            tracing::error!(%error, frames = frames.len(), "log records lost: the segment cannot be written");
            if let Err(error) = self.active.file.set_len(at) {
                tracing::error!(%error, "a half-written log segment cannot be cut back");
            }
            return false;
        }
        self.active.bytes += self.buffer.len() as u64;
        self.active.dirty_since.get_or_insert_with(Instant::now);
        let mut index = self.index.write();
        for (start, end, record) in &frames {
            index.add_frame(at + *start as u64, (end - start) as u64, record);
        }
        is_whole
    }

    /// When [`Self::sync`] must be called at the latest.
    pub(crate) fn sync_due(&self) -> Option<Instant> {
        self.active.dirty_since.map(|since| since + SYNC_INTERVAL)
    }

    /// Whether everything that was written is on disk.
    pub(crate) fn sync(&mut self) -> bool {
        if self.active.dirty_since.take().is_none() {
            return true;
        }
        let Err(error) = self.active.file.sync_data() else { return true };
        // The kernel may have dropped the pages: nothing written to this file can be trusted to be on disk.
        tracing::error!(%error, "log segment not durable: fsync failed; starting another");
        self.rotate();
        false
    }

    /// Seals the segment and starts another one when it is large or old enough; whether it did.
    pub(crate) fn rotate_if_due(&mut self, now_ms: i64) -> bool {
        let is_old = || {
            let index = self.index.read();
            let first = index.newest().map_or(now_ms, |segment| segment.summary.first_ingested_ms);
            now_ms - first >= SEGMENT_AGE_MS_MAX
        };
        let due = self.active.bytes >= self.config.segment_bytes_max || (self.active.bytes > 0 && is_old());
        due && self.rotate()
    }

    fn rotate(&mut self) -> bool {
        if self.active.dirty_since.take().is_some()
            && let Err(error) = self.active.file.sync_data()
        {
            tracing::error!(%error, "log segment not durable: fsync failed");
        }
        let mut index = self.index.write();
        let sealed = index.newest().map(|segment| (segment.id, segment.summary.clone()));
        match start(&self.directory, &mut index, self.next_sequence) {
            Ok(active) => self.active = active,
            // The segment grows on; the next write tries again.
            Err(error) => {
                tracing::error!(%error, "no new log segment can be made");
                return false;
            }
        }
        drop(index);
        if let Some((id, summary)) = sealed
            && let Err(error) = write_summary(&self.directory, id, &summary)
        {
            tracing::warn!(%error, segment = id, "the next start reads this log segment: its summary was not written");
        }
        true
    }
}

pub(crate) fn segment_path(directory: &Path, id: u64) -> PathBuf {
    directory.join(format!("{id:016x}.seg"))
}

pub(crate) fn summary_path(directory: &Path, id: u64) -> PathBuf {
    directory.join(format!("{id:016x}.idx"))
}

fn segment_ids(directory: &Path) -> io::Result<Vec<u64>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let id = path.file_stem().and_then(|stem| u64::from_str_radix(stem.to_str()?, 16).ok());
        match (extension, id) {
            (Some("seg"), Some(id)) => ids.push(id),
            // What a crash left half written.
            (Some("tmp"), Some(_)) => fs::remove_file(&path)?,
            (Some("log"), Some(_)) => {
                tracing::warn!(path = %path.display(), "logs of an earlier development version are not read; delete the file");
            }
            _ => {}
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Seals the newest segment, if any, and starts another.
fn start(directory: &Path, index: &mut Index, id: u64) -> io::Result<Active> {
    let path = segment_path(directory, id);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    let file = Arc::new(file);
    File::open(directory)?.sync_all()?;
    index.seal();
    index.add_segment(Segment { id, generation: 0, path, file: Some(Arc::clone(&file)), summary: Summary::default() });
    Ok(Active { file, bytes: 0, dirty_since: None })
}

fn load(damage: &mut Vec<Damage>, directory: &Path, id: u64, newest: bool) -> io::Result<Segment> {
    let path = segment_path(directory, id);
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    if !newest && let Some(summary) = read_summary(directory, id, file.metadata()?.len()) {
        return Ok(Segment { id, generation: 0, path, file: None, summary });
    }
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0)?;
    let mut summary = Summary { is_packed: !bytes.is_empty(), ..Summary::default() };
    for item in segment::walk(&bytes) {
        match item {
            Item::Frame { range, records } => {
                let is_raw = records.len() == 1 && bytes[range.start..].starts_with(segment::RAW);
                summary.is_packed &= !is_raw;
                summary.add(range.start as u64, range.len() as u64, &records, is_raw);
            }
            Item::Damage { range } => {
                let torn_tail = newest && range.end == bytes.len();
                if torn_tail {
                    file.set_len(range.start as u64)?;
                    file.sync_all()?;
                }
                damage.push(Damage {
                    path: path.clone(),
                    offset: range.start as u64,
                    bytes: range.len() as u64,
                    torn_tail,
                });
            }
        }
    }
    let file = (newest && !summary.is_packed).then(|| Arc::new(file));
    if file.is_none() {
        write_summary(directory, id, &summary)?;
    }
    Ok(Segment { id, generation: 0, path, file, summary })
}

/// CRC-32C, then the summary in postcard. Written aside and renamed, so that it is whole or absent.
pub(crate) fn write_summary(directory: &Path, id: u64, summary: &Summary) -> io::Result<()> {
    let body = postcard::to_allocvec(summary).map_err(io::Error::other)?;
    let path = summary_path(directory, id);
    let aside = path.with_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(&(checksum(CrcAlgorithm::Crc32Iscsi, &body) as u32).to_le_bytes())?;
    file.write_all(&body)?;
    file.sync_all()?;
    fs::rename(aside, path)
}

/// `None` when it is missing, damaged or of another state of the segment: the segment is read instead.
fn read_summary(directory: &Path, id: u64, segment_bytes: u64) -> Option<Summary> {
    let bytes = fs::read(summary_path(directory, id)).ok()?;
    let (sum, body) = bytes.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*sum) != checksum(CrcAlgorithm::Crc32Iscsi, body) as u32 {
        return None;
    }
    postcard::from_bytes::<Summary>(body).ok().filter(|summary| summary.bytes == segment_bytes)
}
