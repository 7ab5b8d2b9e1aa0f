//! What a function may write to its disk a second. The limit belongs to a block device, and so to whoever has the device
//! next: the spawner keeps the device from when it limits it until it has taken the limit away.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;

use rustix::fs::{fstat, major, minor};

use super::storage;
use crate::cgroup::{Cgroup, CgroupError, Device};
use crate::mutation::{self, Control};

/// Said once, at the start.
pub(super) const NOTE: &str = "functions write to /tmp as fast as the disk goes: limits need the blkio controller of \
     cgroup v1 with its root group in sight, or the io controller of v2 (delegate it)";

/// A limit that has been set.
pub(super) struct WriteLimit {
    device: Device,
    /// While it is open the device shows what it shows.
    open: File,
}

impl WriteLimit {
    /// Limits the disk that a slot's `/tmp` is, if it is one.
    pub(super) fn set(cgroup: &Cgroup, tmp: BorrowedFd<'_>, bytes_per_second: NonZeroU64) -> io::Result<Option<Self>> {
        if mutation::is_off(Control::StorageRate) {
            return Ok(None);
        }
        let number = fstat(tmp)?.st_dev;
        let device = Device { major: major(number), minor: minor(number) };
        let Some(open) = storage::opened(device)? else { return Ok(None) };
        cgroup.limit_writes(device, bytes_per_second.get()).map_err(io::Error::other)?;
        Ok(Some(Self { device, open }))
    }

    /// Not before, what is still to be written when a slot ends would be written at this pace, and the end wait for it.
    pub(super) fn lift(self, cgroup: &Cgroup) -> Result<(), CgroupError> {
        let lifted = cgroup.unlimit_writes(self.device);
        drop(self.open);
        lifted
    }
}
