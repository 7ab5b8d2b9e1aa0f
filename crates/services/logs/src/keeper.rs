//! The log keeper: a thread that packs sealed segments and takes what has been deleted or has expired off the disk.
//!
//! ```text
//! raw segment ──seal──▶ sealed ──pack──▶ packed ──(again, when a group was deleted or events expired)──▶ … ──▶ deleted
//! ```
//! A packed file is written aside, synced and renamed into its place, so that a crash leaves one or the other.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use hearth_types::Clock;
use parking_lot::RwLock;
use tokio::runtime::Handle;

use crate::directory::Directory;
use crate::index::{Index, Segment};
use crate::pack::pack;
use crate::queue::Queue;
use crate::segments::{segment_path, summary_path, write_summary};

/// How often it looks around without being asked.
const INTERVAL: Duration = Duration::from_secs(60);
/// A packed segment is packed again for what has expired in it at most so often.
const REPACK_INTERVAL_MS: i64 = 60 * 60 * 1_000;
/// A stream that nobody made on purpose goes when it has had no events for so long.
const IDLE_STREAM_MS: i64 = 24 * 60 * 60 * 1_000;

pub(crate) struct Keeper {
    pub(crate) path: PathBuf,
    pub(crate) total_bytes_max: u64,
    pub(crate) index: Arc<RwLock<Index>>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: Handle,
    /// When each packed segment was packed.
    pub(crate) packed_ms: HashMap<u64, i64>,
}

impl Keeper {
    /// Works until the other end of `wake` is gone.
    pub(crate) fn run(mut self, wake: &Receiver<()>) {
        loop {
            match wake.recv_timeout(INTERVAL) {
                Ok(()) => {}
                // The writer seals an old segment.
                Err(RecvTimeoutError::Timeout) => self.queue.nudge(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.pass();
        }
    }

    fn pass(&mut self) {
        let now_ms = self.clock.now_ms();
        self.make_room();
        let trimmed = self.directory.take_trimmed();
        let due: Vec<u64> = {
            let index = self.index.read();
            let due = index.sealed().filter(|segment| self.is_due(segment, &trimmed, now_ms));
            due.map(|segment| segment.id).collect()
        };
        for id in due {
            match self.pack(id, now_ms) {
                Ok(()) => {
                    self.packed_ms.insert(id, now_ms);
                }
                Err(error) => {
                    tracing::error!(%error, segment = id, "a log segment cannot be packed; trying again later")
                }
            }
        }
        self.make_room();
        self.remove_idle_streams(now_ms);
    }

    /// Deletes the oldest segments while all together are too large.
    fn make_room(&mut self) {
        loop {
            let mut index = self.index.write();
            if index.bytes() <= self.total_bytes_max {
                return;
            }
            let Some(oldest) = index.sealed().next().map(|segment| segment.id) else { return };
            let bytes = index.remove(oldest).map_or(0, |segment| segment.summary.bytes);
            drop(index);
            tracing::info!(segment = oldest, bytes, "log retention: oldest segment deleted");
            self.delete_files(oldest);
        }
    }

    fn delete_files(&mut self, id: u64) {
        self.packed_ms.remove(&id);
        for path in [segment_path(&self.path, id), summary_path(&self.path, id)] {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::error!(%error, path = %path.display(), "log retention cannot delete");
            }
        }
    }

    fn is_due(&self, segment: &Segment, trimmed: &HashSet<u64>, now_ms: i64) -> bool {
        let summary = &segment.summary;
        if !summary.is_packed || summary.blocks.keys().any(|group| trimmed.contains(group)) {
            return true;
        }
        let is_dead = |(group, blocks): (&u64, &Vec<crate::index::Block>)| {
            let cutoff_ms = self.directory.cutoff_ms(*group, now_ms);
            cutoff_ms.is_none_or(|cutoff_ms| blocks.iter().any(|block| block.max_ms < cutoff_ms))
        };
        let is_rested = self.packed_ms.get(&segment.id).is_none_or(|packed| now_ms - packed >= REPACK_INTERVAL_MS);
        is_rested && summary.blocks.iter().any(is_dead)
    }

    fn pack(&mut self, id: u64, now_ms: i64) -> io::Result<()> {
        let path = segment_path(&self.path, id);
        let keep = |group, stream| self.directory.keeps(group, stream, now_ms);
        let (bytes, summary) = pack(&fs::read(&path)?, &keep).map_err(io::Error::other)?;
        if bytes.is_empty() {
            self.index.write().remove(id);
            self.delete_files(id);
            return Ok(());
        }
        let aside = path.with_extension("tmp");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        // A summary of the raw file must not be taken for one of the packed file.
        if let Err(error) = fs::remove_file(summary_path(&self.path, id))
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        {
            let mut index = self.index.write();
            fs::rename(&aside, &path)?;
            index.replace(id, summary.clone());
        }
        sync_directory(&self.path)?;
        write_summary(&self.path, id, &summary)
    }

    fn remove_idle_streams(&self, now_ms: i64) {
        let idle = {
            let index = self.index.read();
            let first_sequence = index.first_sequence();
            self.directory.idle_streams(|group, stream| {
                now_ms - stream.created_at_ms >= IDLE_STREAM_MS
                    && index.stream(stream.id).is_none_or(|stats| {
                        let is_gone = stats.last_sequence < first_sequence;
                        let is_expired = stats.last_ms < group.cutoff_ms(now_ms);
                        now_ms - stats.ingested_ms >= IDLE_STREAM_MS && (is_gone || is_expired)
                    })
            })
        };
        let mut by_group: HashMap<u64, Vec<String>> = HashMap::new();
        idle.into_iter().for_each(|(group, stream)| by_group.entry(group).or_default().push(stream));
        for (group, streams) in by_group {
            match self.runtime.block_on(self.directory.delete_streams(group, &streams)) {
                Ok(ids) => {
                    let mut index = self.index.write();
                    ids.into_iter().for_each(|id| index.forget_stream(id));
                }
                Err(error) => tracing::warn!(%error, "empty log streams cannot be removed"),
            }
        }
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
