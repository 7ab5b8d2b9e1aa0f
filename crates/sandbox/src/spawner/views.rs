//! Views of code and layers that are kept mounted: a second mount of one takes a tenth of the time that making it takes.
//! Nothing can be changed through them, so functions may share them, as they share what is below.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::fstat;

use super::mounts;

/// How many are kept; the one that was not used for longest goes first. Each is some kilobytes of the kernel's.
const KEPT_MAX: usize = 32;

#[derive(Default)]
pub(super) struct Views {
    /// The last one was used last.
    kept: VecDeque<View>,
}

struct View {
    /// Holds them: what is there under the same numbers is the same.
    trees: Vec<OwnedFd>,
    ids: Vec<Id>,
    /// Mounted nowhere.
    mount: OwnedFd,
}

/// Device and inode.
type Id = (u64, u64);

impl Views {
    /// A read-only view of directories, see [`mounts::view`].
    pub(super) fn of(&mut self, trees: Vec<OwnedFd>, empty: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let ids = trees
            .iter()
            .map(|tree| fstat(tree).map(|stat| (stat.st_dev, stat.st_ino)))
            .collect::<Result<Vec<Id>, _>>()?;
        if let Some(at) = self.kept.iter().position(|view| view.ids == ids)
            && let Some(view) = self.kept.remove(at)
        {
            let mount = mounts::clone_of(view.mount.as_fd(), "");
            self.kept.push_back(view);
            // Before Linux 6.15 there is no second mount of what is mounted nowhere.
            if mount.is_ok() {
                return mount;
            }
        }
        let mount = mounts::view(&trees.iter().map(AsFd::as_fd).collect::<Vec<_>>(), empty)?;
        if let Ok(second) = mounts::clone_of(mount.as_fd(), "") {
            self.forget_deleted();
            if self.kept.len() >= KEPT_MAX {
                self.kept.pop_front();
            }
            self.kept.push_back(View { trees, ids, mount: second });
        }
        Ok(mount)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Lets go of views whose trees are gone: as long as they are there their files take room on the disk.
    pub(super) fn forget_deleted(&mut self) {
        let is_there = |tree: &OwnedFd| fstat(tree).is_ok_and(|stat| stat.st_nlink > 0);
        self.kept.retain(|view| view.trees.iter().all(is_there));
    }
}
