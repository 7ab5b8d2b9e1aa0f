//! One spawner at a time for a data directory. What never lives here: ending what an earlier one has left.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

/// Pause between two looks whether the earlier life has ended, and how many looks that is worth: ten seconds.
const TURN_LOOK: Duration = Duration::from_millis(10);
const TURN_LOOKS_MAX: usize = 1_000;

/// Waits until the spawner of an earlier life of this server has ended everything: it works in the same control groups,
/// and would take the slots of this life for its own. One that hangs is not waited for for ever.
pub(super) fn take_turn(trees: &Path) -> io::Result<(OwnedFd, bool)> {
    let turn = openat(CWD, trees, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for _ in 0..TURN_LOOKS_MAX {
        match flock(&turn, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok((turn, true)),
            Err(Errno::WOULDBLOCK) => std::thread::sleep(TURN_LOOK),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((turn, false))
}
