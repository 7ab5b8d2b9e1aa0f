//! Making a prepared slot a function's: its code, its layers, and what its sizes show. A slot whose root is a function's image
//! has its code already. Done from outside, in the slot's
//! mount namespace, which belongs to the initial user namespace: the function can undo none of it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use hearth_ports::CodeDigest;
use nix::sched::{CloneFlags, setns};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, chdir};

use super::roots::Roots;
use super::views::Views;
use super::{faces, mounts, slot};
use crate::mutation::{self, Control};
use crate::protocol::{FurnishSlot, ImageHolds, ImageTree, PrepareSlot};

/// Mounts in the slot of `process` what `request` asks for and `prepared` does not have yet. Refers to what its `/tmp` is then.
pub(super) fn furnish(
    roots: &Roots,
    views: &mut Views,
    process: Pid,
    prepared: &PrepareSlot,
    request: &FurnishSlot,
) -> io::Result<OwnedFd> {
    let (code, below) = match &prepared.image {
        None => (Some(code(roots, views, &request.code)?), None),
        Some(ImageTree { digest, holds: ImageHolds::Runtime(_) }) => {
            (Some(code(roots, views, &request.code)?), Some(tree(roots, digest)?))
        }
        Some(image) if image.digest == request.code && request.layers.is_empty() => (None, None),
        Some(_) => return Err(io::Error::other("the slot is for another image")),
    };
    let layers = layers(roots, views, &request.layers, below.as_ref())?;
    let faces = if prepared.memory == Some(request.memory) { Vec::new() } else { faces::of(request.memory)? };
    let storage = if prepared.ephemeral_storage == request.ephemeral_storage {
        None
    } else {
        Some(slot::storage(roots.storage.as_ref(), request.ephemeral_storage, false)?)
    };
    let namespace = namespace(roots, process)?;
    setns(&namespace, CloneFlags::CLONE_NEWNS)?;
    let attached = attach(code.as_ref(), layers.as_ref(), storage.as_ref(), &faces);
    let attached = attached.and_then(|()| mounts::directory("/tmp"));
    // Whatever happened there.
    setns(&roots.home, CloneFlags::CLONE_NEWNS)?;
    chdir("/")?;
    attached
}

/// The slot's own mount namespace. Before the slot has one its process is in one of ours, where nothing may change.
fn namespace(roots: &Roots, process: Pid) -> io::Result<File> {
    let namespace = File::open(format!("/proc/{}/ns/mnt", process.as_raw_nonzero()))?;
    let id = namespace.metadata()?.ino();
    for ours in std::iter::once(&roots.home).chain(roots.namespaces.values()) {
        if rustix::fs::fstat(ours)?.st_ino == id && !mutation::is_off(Control::OwnMountsOnly) {
            return Err(io::Error::other("the slot is not up yet"));
        }
    }
    Ok(namespace)
}

fn attach(
    code: Option<&OwnedFd>,
    layers: Option<&OwnedFd>,
    storage: Option<&OwnedFd>,
    faces: &[(&str, OwnedFd)],
) -> io::Result<()> {
    if let Some(code) = code {
        mounts::attach(code.as_fd(), "/var/task")?;
    }
    if let Some(layers) = layers {
        mounts::attach(layers.as_fd(), "/opt")?;
    }
    if let Some(storage) = storage {
        unmount("/tmp", UnmountFlags::DETACH)?;
        mounts::attach(storage.as_fd(), "/tmp")?;
    }
    faces.iter().try_for_each(|(covered, face)| mounts::attach(face.as_fd(), covered))
}

/// The tree of a digest.
fn tree(roots: &Roots, digest: &CodeDigest) -> io::Result<OwnedFd> {
    within(&roots.trees, &digest.hex())
}

/// Whatever a directory may contain: a name leads to a directory right in it.
fn within(directory: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let resolve = if mutation::is_off(Control::TreeResolution) { ResolveFlags::empty() } else { resolve };
    Ok(openat2(directory, name, flags, Mode::empty(), resolve)?)
}

fn code(roots: &Roots, views: &mut Views, digest: &CodeDigest) -> io::Result<OwnedFd> {
    views.of(vec![tree(roots, digest)?], roots.empty.as_fd())
}

/// A root made of an image, mounted nowhere yet: what every sandbox has, and below it the tree.
pub(super) fn image(roots: &Roots, image: &ImageTree) -> io::Result<OwnedFd> {
    let tree = tree(roots, &image.digest)?;
    let mut layers = vec![roots.over_images.as_fd()];
    if let ImageHolds::Runtime(client) = image.holds {
        let client = client.map(|client| roots.clients.get(&client).ok_or_else(|| io::Error::other("no such client")));
        layers.push(roots.over_runtimes.as_fd());
        layers.extend(client.transpose()?.map(AsFd::as_fd));
    }
    layers.push(tree.as_fd());
    mounts::view(&layers, roots.empty.as_fd())
}

/// The layers over each other and over what an image has in their place, or none.
fn layers(
    roots: &Roots,
    views: &mut Views,
    digests: &[CodeDigest],
    image: Option<&OwnedFd>,
) -> io::Result<Option<OwnedFd>> {
    if digests.is_empty() {
        return Ok(None);
    }
    // In an overlay the first one is on top; of layers the last one is.
    let mut trees = digests.iter().rev().map(|digest| tree(roots, digest)).collect::<io::Result<Vec<_>>>()?;
    trees.extend(image.and_then(|image| within(image, "opt").ok()));
    views.of(trees, roots.empty.as_fd()).map(Some)
}
