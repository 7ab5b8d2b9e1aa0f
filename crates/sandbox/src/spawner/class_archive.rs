//! Takes over the archive of classes that a root's Java has written in a slot: from then on it is in `/var/runtime` of all
//! slots of that root. What never lives here: starting a Java, which is hearth-init's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, fchmod, fchown, fstat, openat, openat2, renameat, unlinkat,
};
use rustix::process::Pid;

use super::identity::OWNER;
use crate::runtimes::Root;
use crate::runtimes::class_archive::{BYTES_MAX, NAME, WRITTEN};

/// Its name while it is not complete.
const INCOMPLETE: &str = ".bootstrap.jsa";

/// The `/var/runtime` of roots that can have an archive and have none yet, where it can be written to.
#[derive(Default)]
pub(super) struct Awaiting(BTreeMap<Root, OwnedFd>);

impl Awaiting {
    pub(super) fn insert(&mut self, root: Root, runtime: OwnedFd) {
        self.0.insert(root, runtime);
    }

    pub(super) fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }

    /// Puts what the Java in the slot of `process` has written where all slots of the root find it. Once: after that nothing
    /// can be written there any more.
    pub(super) fn keep(&mut self, root: Root, process: Pid) -> io::Result<()> {
        let archive = written(process)?;
        let runtime = self.0.remove(&root).ok_or_else(|| io::Error::other("the root takes no archive of classes"))?;
        let put = put(archive, &runtime);
        if put.is_err() {
            // Fails when it is not there.
            let _ = unlinkat(&runtime, INCOMPLETE, rustix::fs::AtFlags::empty());
        }
        put
    }
}

/// Whatever the slot's processes have made of its `/tmp`: a file right in it.
fn written(process: Pid) -> io::Result<File> {
    let slot = format!("/proc/{}/root", process.as_raw_nonzero());
    let slot = openat(CWD, slot, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(&slot, WRITTEN, flags, Mode::empty(), resolve)?;
    let found = fstat(&file)?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    if !is_file || u64::try_from(found.st_size).map_or(true, |bytes| bytes > BYTES_MAX) {
        return Err(io::Error::other(format!("what Java has written is no file of at most {BYTES_MAX} bytes")));
    }
    Ok(file.into())
}

fn put(archive: File, runtime: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let copy = openat(runtime, INCOMPLETE, flags, Mode::RUSR)?;
    // It could still grow.
    io::copy(&mut archive.take(BYTES_MAX), &mut File::from(copy.try_clone()?))?;
    fchmod(&copy, Mode::from_raw_mode(0o644))?;
    fchown(&copy, Some(Uid::from_raw(OWNER)), Some(Gid::from_raw(OWNER)))?;
    Ok(renameat(runtime.as_fd(), INCOMPLETE, runtime.as_fd(), NAME)?)
}
