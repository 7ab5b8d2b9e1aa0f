//! Mounts as descriptors: made detached, given their attributes, then attached once. Source: fsopen(2), open_tree(2),
//! move_mount(2), mount_setattr(2). Needs Linux 5.12.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::mutation;
use crate::sys::{self, MountAttributes};

/// Everything a function sees, except `/dev` and `/tmp`, has these.
pub(super) const SEALED: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_RDONLY.union(MountAttrFlags::MOUNT_ATTR_NOSUID).union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// A new file system, mounted nowhere yet. An option without a value is a flag.
pub(super) fn new(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        match *value {
            "" => fsconfig_set_flag(context.as_fd(), *name)?,
            value => fsconfig_set_string(context.as_fd(), *name, value)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, mutation::attributes(attributes))?)
}

/// A read-only view of directories laid over each other, the first one on top. Unlike a bind mount it shows nothing of
/// where the directories come from in the mount table. `empty` completes it: an overlay needs two.
pub(super) fn view(directories: &[BorrowedFd<'_>], empty: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let layers: Vec<String> = directories
        .iter()
        .chain([&empty])
        .map(|directory| format!("/proc/self/fd/{}", directory.as_raw_fd()))
        .collect();
    new("overlay", &[("source", "hearth"), ("lowerdir", &layers.join(":"))], SEALED)
}

/// A second mount of what is at `path` below `at`, mounted nowhere yet.
pub(super) fn clone_of(at: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(at, path, flags)?)
}

pub(super) fn attach(mount: BorrowedFd<'_>, path: impl AsRef<Path>) -> io::Result<()> {
    Ok(move_mount(mount, "", CWD, path.as_ref(), MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Adds attributes to a mount.
pub(super) fn seal(mount: BorrowedFd<'_>, attributes: MountAttrFlags) -> io::Result<()> {
    let set = u64::from(mutation::attributes(attributes).bits());
    sys::set_mount_attributes(mount, MountAttributes { set, ids_of: None }, false)
}

/// Lets a detached mount show its owners as the user namespace maps them.
pub(super) fn map_ids(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> io::Result<()> {
    sys::set_mount_attributes(mount, MountAttributes { set: 0, ids_of: Some(namespace) }, false)
}

/// A handle of a directory; following it is still subject to nothing but the descriptor.
pub(super) fn directory(path: impl AsRef<Path>) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path.as_ref(), flags, Mode::empty())?)
}
