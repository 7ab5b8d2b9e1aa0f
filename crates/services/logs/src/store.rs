//! The segment files of one directory: recovery at start, writing, rotation, retention.
//!
//! ```text
//! <data>/logs/<first sequence, 16 hex digits>.log     frames; the newest is written to
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

use crate::index::{Index, Summary, group_key};
use crate::queue::Append;
use crate::segment::{self, Event, Item, Record};
use crate::{Damage, LogsConfig, LogsError};

/// Written data reaches the disk at most this much later.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Sequences skipped at each start, so that a follower that saw events lost in a power cut misses no later ones.
const SEQUENCE_GAP: u64 = 1 << 20;

pub(crate) struct SegmentStore {
    directory: PathBuf,
    config: LogsConfig,
    index: Arc<RwLock<Index>>,
    active: Active,
    buffer: Vec<u8>,
    next_sequence: u64,
}

struct Active {
    id: u64,
    file: Arc<File>,
    bytes: u64,
    /// When the oldest unsynced write happened.
    dirty_since: Option<Instant>,
}

pub(crate) struct Opened {
    pub(crate) store: SegmentStore,
    pub(crate) index: Arc<RwLock<Index>>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) next_sequence: u64,
}

impl SegmentStore {
    /// Opens the directory, making it when missing. A torn tail of the newest segment is cut off; damage elsewhere is
    /// reported and stepped over.
    pub(crate) fn open(directory: &Path, config: LogsConfig) -> Result<Opened, LogsError> {
        let failed = |source| LogsError::Open { path: directory.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let mut index = Index::default();
        let mut damage = Vec::new();
        let ids = segment_ids(directory).map_err(failed)?;
        for (position, &id) in ids.iter().enumerate() {
            let newest = position + 1 == ids.len();
            load(&mut index, &mut damage, directory, id, newest)
                .map_err(|source| LogsError::Open { path: segment_path(directory, id), source })?;
        }
        for found in &damage {
            tracing::error!(path = %found.path.display(), offset = found.offset, bytes = found.bytes, torn = found.torn_tail,
                "damaged log segment: {}", if found.torn_tail { "cut off the torn tail" } else { "these bytes are lost" });
        }
        let next_sequence = index.last_sequence() + SEQUENCE_GAP;
        let active = match index.newest() {
            Some(newest) if newest.bytes < config.segment_bytes_max => {
                Active { id: newest.id, file: Arc::clone(&newest.file), bytes: newest.bytes, dirty_since: None }
            }
            _ => start_segment(directory, &mut index, next_sequence).map_err(failed)?,
        };
        let index = Arc::new(RwLock::new(index));
        let store = Self {
            directory: directory.to_owned(),
            config,
            index: Arc::clone(&index),
            active,
            buffer: Vec::new(),
            next_sequence,
        };
        Ok(Opened { store, index, damage, next_sequence })
    }

    /// Writes a batch. What cannot be written is lost and logged; the file is left as it was before.
    pub(crate) fn write(&mut self, appends: Vec<Append>) {
        self.buffer.clear();
        let mut frames = Vec::with_capacity(appends.len());
        for append in appends {
            let record = Record {
                first_sequence: append.first_sequence,
                group: group_key(&append.scope, &append.group),
                stream: append.stream,
                events: append
                    .events
                    .into_iter()
                    .map(|event| Event { timestamp_ms: event.timestamp_ms, message: event.message })
                    .collect(),
            };
            let start = self.buffer.len();
            match segment::encode(&record, &mut self.buffer) {
                Ok(()) => {
                    let last_sequence = record.last_sequence();
                    frames.push((record.group, start, self.buffer.len(), record.first_sequence, last_sequence));
                }
                Err(error) => tracing::error!(%error, records = record.events.len(), "log records lost"),
            }
        }
        if frames.is_empty() {
            return;
        }
        if let Some(frame) = frames.last() {
            self.next_sequence = frame.4 + 1;
        }
        let at = self.active.bytes;
        if let Err(error) = self.active.file.write_all_at(&self.buffer, at) {
            tracing::error!(%error, frames = frames.len(), "log records lost: the segment cannot be written");
            if let Err(error) = self.active.file.set_len(at) {
                tracing::error!(%error, "a half-written log segment cannot be cut back");
            }
            return;
        }
        self.active.bytes += self.buffer.len() as u64;
        self.active.dirty_since.get_or_insert_with(Instant::now);
        let mut index = self.index.write();
        for (key, start, end, first_sequence, last_sequence) in &frames {
            index.add_frame(key, at + *start as u64, (end - start) as u64, *first_sequence, *last_sequence);
        }
        drop(index);
        if self.active.bytes >= self.config.segment_bytes_max {
            self.rotate();
        }
    }

    /// When [`Self::sync`] must be called at the latest.
    pub(crate) fn sync_due(&self) -> Option<Instant> {
        self.active.dirty_since.map(|since| since + SYNC_INTERVAL)
    }

    pub(crate) fn sync(&mut self) {
        if self.active.dirty_since.take().is_none() {
            return;
        }
        if let Err(error) = self.active.file.sync_data() {
            // The kernel may have dropped the pages: nothing written to this file can be trusted to be on disk.
            tracing::error!(%error, segment = self.active.id, "log segment not durable: fsync failed; starting another");
            self.rotate();
        }
    }

    fn rotate(&mut self) {
        if self.active.dirty_since.take().is_some()
            && let Err(error) = self.active.file.sync_data()
        {
            tracing::error!(%error, segment = self.active.id, "log segment not durable: fsync failed");
        }
        let sealed = self.active.id;
        let summary = self.index.read().summary(sealed);
        if let Some(summary) = summary
            && let Err(error) = write_summary(&self.directory, sealed, &summary)
        {
            tracing::warn!(%error, segment = sealed, "the next start reads this log segment: its summary was not written");
        }
        let started = start_segment(&self.directory, &mut self.index.write(), self.next_sequence);
        match started {
            Ok(active) => self.active = active,
            // The sealed segment grows on; the next write tries again.
            Err(error) => tracing::error!(%error, "no new log segment can be made"),
        }
        self.retain();
    }

    fn retain(&mut self) {
        loop {
            let mut index = self.index.write();
            if index.bytes() <= self.config.total_bytes_max {
                return;
            }
            let Some(oldest) = index.drop_oldest() else { return };
            drop(index);
            tracing::info!(segment = oldest.id, bytes = oldest.bytes, "log retention: oldest segment deleted");
            for path in [oldest.path, summary_path(&self.directory, oldest.id)] {
                if let Err(error) = fs::remove_file(&path)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    tracing::error!(%error, path = %path.display(), "log retention cannot delete");
                }
            }
        }
    }
}

fn segment_path(directory: &Path, id: u64) -> PathBuf {
    directory.join(format!("{id:016x}.log"))
}

fn summary_path(directory: &Path, id: u64) -> PathBuf {
    directory.join(format!("{id:016x}.idx"))
}

fn segment_ids(directory: &Path) -> io::Result<Vec<u64>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let id =
            name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        ids.extend(id);
    }
    ids.sort_unstable();
    Ok(ids)
}

fn open_file(path: &Path, create_new: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(create_new).mode(0o600).open(path)
}

fn start_segment(directory: &Path, index: &mut Index, id: u64) -> io::Result<Active> {
    let path = segment_path(directory, id);
    let file = Arc::new(open_file(&path, true)?);
    File::open(directory)?.sync_all()?;
    index.open_segment(id, path, Arc::clone(&file));
    Ok(Active { id, file, bytes: 0, dirty_since: None })
}

fn load(index: &mut Index, damage: &mut Vec<Damage>, directory: &Path, id: u64, newest: bool) -> io::Result<()> {
    let path = segment_path(directory, id);
    let file = Arc::new(open_file(&path, false)?);
    if !newest && let Some(summary) = read_summary(directory, id, file.metadata()?.len()) {
        index.add_sealed(id, path, file, summary);
        return Ok(());
    }
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0)?;
    index.open_segment(id, path.clone(), Arc::clone(&file));
    for item in segment::walk(&bytes) {
        match item {
            Item::Frame { range, record } => {
                let last_sequence = record.last_sequence();
                index.add_frame(
                    &record.group,
                    range.start as u64,
                    range.len() as u64,
                    record.first_sequence,
                    last_sequence,
                );
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
    if !newest && let Some(summary) = index.summary(id) {
        write_summary(directory, id, &summary)?;
    }
    Ok(())
}

/// CRC-32C, then the summary in postcard. Written aside and renamed, so that it is whole or absent.
fn write_summary(directory: &Path, id: u64, summary: &Summary) -> io::Result<()> {
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
