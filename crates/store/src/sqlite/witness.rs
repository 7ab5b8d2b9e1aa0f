//! A second memory of what was acknowledged, outside the engine.
//!
//! A damaged tail of a log looks like the tail of a crash: the engine drops it and opens, older than it was. The
//! witness holds the revision that was acknowledged last; an engine behind it has lost something. It is written
//! after every commit but left to the kernel to bring to the disk: after a power cut it may lag, it never leads.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crc_fast::{CrcAlgorithm, checksum};

const MAGIC: [u8; 8] = *b"HRTHwit1";
const RECORD_BYTES: usize = 40;
/// Two places, written in turn, a sector apart: a torn write spoils one of them.
const PLACES: [u64; 2] = [0, 512];

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) store_id: [u8; 16],
    pub(super) revision: u64,
}

#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    store_id: [u8; 16],
    next_place: usize,
}

impl Witness {
    /// Makes the file, durable except for its name.
    pub(super) fn create(path: &Path, mark: Mark) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        for place in PLACES {
            file.write_all_at(&encode(mark), place)?;
        }
        file.sync_all()
    }

    /// Opens the file and reads the higher mark; `None` when neither can be read.
    pub(super) fn open(path: &Path) -> io::Result<Option<(Self, Mark)>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let best = best_of(&file)?;
        Ok(best.map(|(at, mark)| (Self { file, store_id: mark.store_id, next_place: 1 - at }, mark)))
    }

    /// The higher mark of a file that somebody else may be writing to; `None` when neither can be read.
    pub(super) fn read(path: &Path) -> io::Result<Option<Mark>> {
        Ok(best_of(&File::open(path)?)?.map(|(_, mark)| mark))
    }

    /// Notes that everything up to `revision` is acknowledged. Overwrites in place: needs no room on the disk.
    pub(super) fn note(&mut self, revision: u64) -> io::Result<()> {
        let mark = Mark { store_id: self.store_id, revision };
        self.file.write_all_at(&encode(mark), PLACES[self.next_place])?;
        self.next_place = 1 - self.next_place;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The higher of the two marks, and in which place it is.
fn best_of(file: &File) -> io::Result<Option<(usize, Mark)>> {
    let mut best: Option<(usize, Mark)> = None;
    for (at, place) in PLACES.into_iter().enumerate() {
        let mut bytes = [0; RECORD_BYTES];
        match file.read_exact_at(&mut bytes, place) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => {}
        }
        if let Some(mark) = decode(&bytes)
            && best.is_none_or(|(_, found)| mark.revision > found.revision)
        {
            best = Some((at, mark));
        }
    }
    Ok(best)
}

fn encode(mark: Mark) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(&mark.store_id);
    bytes[24..32].copy_from_slice(&mark.revision.to_be_bytes());
    let crc = checksum(CrcAlgorithm::Crc64Nvme, &bytes[..32]);
    bytes[32..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8; RECORD_BYTES]) -> Option<Mark> {
    let (head, crc) = bytes.split_last_chunk::<8>()?;
    let is_whole = head[..8] == MAGIC && checksum(CrcAlgorithm::Crc64Nvme, head) == u64::from_be_bytes(*crc);
    let mark =
        Mark { store_id: head[8..24].try_into().ok()?, revision: u64::from_be_bytes(head[24..32].try_into().ok()?) };
    is_whole.then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 16] = [7; 16];

    fn revision(path: &Path) -> Option<u64> {
        Witness::open(path).expect("opens").map(|(_, mark)| mark.revision)
    }

    #[test]
    fn the_highest_mark_is_read_back() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("witness");
        Witness::create(&path, Mark { store_id: ID, revision: 0 }).expect("creates");
        for life in 0..3 {
            let (mut witness, mark) = Witness::open(&path).expect("opens").expect("is whole");
            assert_eq!(mark, Mark { store_id: ID, revision: life * 5 });
            (1..=5).for_each(|step| witness.note(life * 5 + step).expect("notes"));
        }
    }

    #[test]
    fn a_torn_write_costs_one_mark_and_never_invents_one() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("witness");
        Witness::create(&path, Mark { store_id: ID, revision: 0 }).expect("creates");
        let (mut witness, _) = Witness::open(&path).expect("opens").expect("is whole");
        (1..=2).for_each(|revision| witness.note(revision).expect("notes"));
        let whole = std::fs::read(&path).expect("reads");
        for at in 0..whole.len() {
            let mut torn = whole.clone();
            torn[at] ^= 0x40;
            std::fs::write(&path, &torn).expect("writes");
            assert!(matches!(revision(&path), Some(1 | 2)), "byte {at}");
        }
        std::fs::write(&path, vec![0; whole.len()]).expect("writes");
        assert_eq!(revision(&path), None);
        std::fs::write(&path, b"").expect("writes");
        assert_eq!(revision(&path), None);
    }
}
