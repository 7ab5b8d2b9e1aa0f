//! Runtimes that `hearth runtimes install` has put somewhere: a data directory with them for a server, and the interpreter of a
//! root file system, run in that root as it is.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use hearth_sandbox::runtimes::IMAGE_EXTENSION;
use serde_json::Value;
use tokio::process::Command;

use super::{Origin, Subject};
use crate::BenchError;
use crate::cold::starts::with;
use crate::directory::Directory;

/// How references to layouts begin.
const LAYOUT: &str = "oci:";
/// Where it lies in a data directory.
const RUNTIMES: &str = "runtimes";

/// A new data directory that has what a runtime needs of the installed ones, and no other: a server makes all that it has
/// ready.
pub(super) fn data_directory(subject: &Subject, installed: &Path) -> Result<Directory, BenchError> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let directory = Directory::new(&format!("data-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))?;
    let runtimes = directory.0.join(RUNTIMES);
    let made = std::fs::create_dir_all(&runtimes).and_then(|()| match &subject.origin {
        Origin::Function => Ok(()),
        Origin::Image(_, reference) => {
            std::fs::write(runtimes.join(format!("{}.{IMAGE_EXTENSION}", subject.id)), reference)
        }
        Origin::Interpreter(language, _) => match std::fs::canonicalize(installed.join(language.slug())) {
            Ok(interpreter) => symlink(interpreter, runtimes.join(language.slug())),
            // It is one of the machine's.
            Err(_) => Ok(()),
        },
    });
    made.map_err(BenchError::io("temporary directory"))?;
    Ok(directory)
}

/// The root file system of an image, unpacked.
pub(super) struct Tree(Directory);

impl Tree {
    /// `None`: it is no layout of one archive, or it cannot be unpacked here, for which this has to be root.
    pub(super) fn unpack(reference: &str) -> Result<Option<Self>, BenchError> {
        let Some(archive) = archive(reference) else { return Ok(None) };
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let tree = Self(Directory::new("root")?);
        let mut tar = Blocking::new("tar");
        tar.arg("--extract").arg("--file").arg(archive).arg("--directory").arg(&tree.0.0);
        let unpacked = tar.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        Ok(unpacked.is_ok_and(|status| status.success()).then_some(tree))
    }

    /// A program of it, which sees nothing else.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = with(Command::new("chroot"), &[]);
        command.arg(&self.0.0).arg(program).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }
}

/// The only layer of an image in a layout. Source: OCI image layout and manifest.
fn archive(reference: &str) -> Option<PathBuf> {
    let (place, _tag) = reference.strip_prefix(LAYOUT)?.rsplit_once(':')?;
    let layout = Path::new(place);
    let read = |path: &Path| -> Option<Value> { serde_json::from_slice(&std::fs::read(path).ok()?).ok() };
    let blob = |descriptor: &Value| -> Option<PathBuf> {
        let (algorithm, digest) = descriptor["digest"].as_str()?.split_once(':')?;
        Some(layout.join("blobs").join(algorithm).join(digest))
    };
    let manifest = read(&blob(&read(&layout.join("index.json"))?["manifests"][0])?)?;
    match manifest["layers"].as_array()?.as_slice() {
        [layer] => blob(layer),
        _ => None,
    }
}
