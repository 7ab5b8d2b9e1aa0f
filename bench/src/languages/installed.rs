//! Runtimes that `hearth runtimes install` has put somewhere: a data directory with them for a server, and the interpreter of a
//! root file system, run in that root as it is.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};

use serde_json::Value;
use tokio::process::Command;

use crate::BenchError;
use crate::cold::starts::with;
use crate::directory::Directory;

/// How references to layouts begin.
const LAYOUT: &str = "oci:";
/// Where it lies in a data directory.
const RUNTIMES: &str = "runtimes";

/// A new data directory that has the runtimes of another one.
pub(super) fn data_directory(runtimes: &Path) -> Result<Directory, BenchError> {
    let directory = Directory::new("data")?;
    if let Ok(runtimes) = std::fs::canonicalize(runtimes) {
        symlink(runtimes, directory.0.join(RUNTIMES)).map_err(BenchError::io("temporary directory"))?;
    }
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
