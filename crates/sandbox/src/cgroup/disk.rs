//! How fast a slot's disk may be written to. In v2 that is a setting of the slot's group and ends with it. In v1 what is
//! written back from caches counts as the root group's, whoever wrote it: there it is a row of the root group's table, by
//! the device's number, and stays until it is taken away. Source: kernel documentation, admin-guide/cgroup-v1
//! (blkio-controller) and admin-guide/cgroup-v2.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::Dialect;
use super::files::{CgroupError, read, write};
use super::layout::{Blkio, Survey};

const V1_TABLE: &str = "blkio.throttle.write_bps_device";
const V2_TABLE: &str = "io.max";
/// Only the root group of a v1 hierarchy has it.
const V1_ROOT_SIGN: &str = "release_agent";
/// The low bits of every limit in v1's tables, by which Hearth's rows are told from others'.
const MARK: u64 = 0x4854;
const MARK_MASK: u64 = 0xffff;

/// A block device's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    pub major: u32,
    pub minor: u32,
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// Where the limits of a slot's disk, or of all of them, are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disks {
    dialect: Dialect,
    /// v1: the root group, and our own, whose processes count as its own where they write past the caches. v2: the
    /// parent of the slots' groups.
    groups: Vec<PathBuf>,
}

impl Disks {
    /// `None` where nothing slows writers down. `parent` is that of the slots' groups in the v2 tree, if v2 limits their
    /// memory: only then it knows whose caches it writes back.
    pub(super) fn find(survey: &Survey, parent: Option<&Path>) -> Option<Self> {
        if let Some(Blkio { mount, own }) = &survey.blkio {
            let mut groups = vec![mount.clone(), own.clone()];
            groups.dedup();
            let writable = |group: &PathBuf| access(group.join(V1_TABLE), Access::WRITE_OK).is_ok();
            let found = mount.join(V1_ROOT_SIGN).exists() && groups.iter().all(writable);
            return found.then_some(Self { dialect: Dialect::V1, groups });
        }
        let parent = parent?;
        // What is not delegated to us we cannot hand on.
        let handed_on = [parent.parent()?, parent].iter().all(|group| {
            let offered = read(&group.join("cgroup.controllers")).unwrap_or_default();
            offered.split_whitespace().any(|name| name == "io")
                && write(&group.join("cgroup.subtree_control"), "+io").is_ok()
        });
        handed_on.then(|| Self { dialect: Dialect::V2, groups: vec![parent.to_owned()] })
    }

    /// Those of one slot.
    pub(super) fn of(&self, slot: u64) -> Self {
        match self.dialect {
            Dialect::V1 => self.clone(),
            Dialect::V2 => Self {
                dialect: Dialect::V2,
                groups: self.groups.iter().map(|group| group.join(slot.to_string())).collect(),
            },
        }
    }

    pub(super) fn limit(&self, device: Device, bytes_per_second: u64) -> Result<(), CgroupError> {
        self.put(match self.dialect {
            Dialect::V1 => format!("{device} {}", bytes_per_second & !MARK_MASK | MARK),
            Dialect::V2 => format!("{device} wbps={bytes_per_second}"),
        })
    }

    pub(super) fn unlimit(&self, device: Device) -> Result<(), CgroupError> {
        self.put(match self.dialect {
            Dialect::V1 => format!("{device} 0"),
            Dialect::V2 => format!("{device} wbps=max"),
        })
    }

    fn put(&self, row: String) -> Result<(), CgroupError> {
        let table = match self.dialect {
            Dialect::V1 => V1_TABLE,
            Dialect::V2 => V2_TABLE,
        };
        self.groups.iter().try_for_each(|group| write(&group.join(table), &row))
    }

    /// Takes away what a life that was killed left in v1's tables, and says how many rows that were. A row is left alone
    /// as long as its device shows the nameless file of some other server. `sys` is the sys file system; `own`
    /// the directory of files that can only be of an earlier life of this one.
    pub(super) fn sweep(&self, sys: &Path, own: &Path) -> Result<usize, CgroupError> {
        if self.dialect == Dialect::V2 {
            return Ok(0);
        }
        let mut swept = 0;
        for group in &self.groups {
            let table = group.join(V1_TABLE);
            for device in read(&table)?.lines().filter_map(marked) {
                if !is_lent(sys, own, device) {
                    write(&table, &format!("{device} 0"))?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }
}

/// The device of a row that Hearth has written.
fn marked(row: &str) -> Option<Device> {
    let (device, limit) = row.split_once(' ')?;
    let (major, minor) = device.split_once(':')?;
    let is_ours = limit.trim().parse::<u64>().ok()? & MARK_MASK == MARK;
    is_ours.then_some(Device { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

/// Whether a loop device shows a file without a name that is in another directory than ours.
fn is_lent(sys: &Path, own: &Path, device: Device) -> bool {
    let file = fs::read_to_string(sys.join(format!("dev/block/{device}/loop/backing_file"))).unwrap_or_default();
    let file = file.trim_end().strip_suffix(" (deleted)").map(Path::new);
    file.is_some_and(|file| file.parent() != Some(own))
}
