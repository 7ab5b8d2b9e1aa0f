//! Archives are strangers' bytes and reading them is a lot of code, so it is done by a process of its own that ends with
//! each archive: this same program, started again. It has the archive as its standard input, the tree as its working
//! directory, its standard output for one answer, and nothing else: no network, no other file, no other process, and no
//! more memory and time than an archive within the limits takes. An archive is a zip, or one layer of an image.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hearth_ports::{ImageLayer, LayerCompression, PackageError};
use hearth_types::limits::UNZIPPED_BYTES_MAX;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::layer::{self, Amount, Applied};
use super::unpack::{UnpackError, unpack};
use crate::{landlock, seccomp};

/// The name by which a program knows that it is to unpack.
pub(crate) const PROGRAM_NAME: &str = "hearth-unpacker";
/// All files of an image, unpacked. Source: Lambda quotas, container image.
pub(super) const IMAGE_BYTES_MAX: u64 = 10 << 30;
/// Files, directories and links of an image.
pub(super) const IMAGE_NODES_MAX: u64 = 1_000_000;
/// Bytes of the answer.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// What to do with the standard input; the process's only argument.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Task {
    Zip,
    Layer { compression: LayerCompression, bytes_max: u64, nodes_max: u64 },
}

/// Limits of the process: hard and soft alike.
const ZIP_LIMITS: &[(Resource, u64)] = &[
    // The archive twice (as it came, and its directory), and room to work. Some is mapped before main.
    (Resource::As, 2 << 30),
    (Resource::Cpu, 120),
    (Resource::Fsize, UNZIPPED_BYTES_MAX),
    (Resource::Nofile, 16),
    (Resource::Core, 0),
];
/// A layer is read as it comes; deleting a directory of an earlier one has one descriptor open per level.
const LAYER_LIMITS: &[(Resource, u64)] = &[
    (Resource::As, 2 << 30),
    (Resource::Cpu, 900),
    (Resource::Fsize, IMAGE_BYTES_MAX),
    (Resource::Nofile, 256),
    (Resource::Core, 0),
];

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Unpacked { bytes: u64 },
    Applied { bytes: u64, nodes: u64, diff_id: [u8; 32] },
    TooLarge { max: u64 },
    Unreadable { why: String },
    DiskFull,
    Failed { why: String },
}

/// The program that unpacks; it must call [`crate::helper_main_if_requested`] first in its `main`.
#[derive(Clone, Debug)]
pub struct Unpacker {
    program: PathBuf,
}

impl Default for Unpacker {
    /// This program.
    fn default() -> Self {
        Self { program: PathBuf::from("/proc/self/exe") }
    }
}

impl Unpacker {
    #[must_use]
    pub const fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// Unpacks into the empty directory `root` and returns the bytes of all files. What was written before an error
    /// stays: the caller removes `root`.
    pub(super) fn unpack(&self, zip: &[u8], root: &Path) -> Result<u64, PackageError> {
        let mut archive =
            File::from(memfd_create(c"archive", MemfdFlags::CLOEXEC).map_err(|error| ended(error.into()))?);
        archive.write_all(zip).and_then(|()| archive.rewind()).map_err(ended)?;
        match self.run(Task::Zip, archive, root)? {
            Answer::Unpacked { bytes } => Ok(bytes),
            other => Err(other.failure("code package")),
        }
    }

    /// Applies a layer of an image to the tree at `root`, which may become as large as `max` says. After an error the
    /// tree is of no use.
    pub(super) fn apply(
        &self,
        blob: File,
        layer: &ImageLayer,
        root: &Path,
        max: Amount,
    ) -> Result<Applied, PackageError> {
        let task = Task::Layer { compression: layer.compression, bytes_max: max.bytes, nodes_max: max.nodes };
        match self.run(task, blob, root)? {
            Answer::Applied { bytes, nodes, diff_id } => Ok(Applied { amount: Amount { bytes, nodes }, diff_id }),
            other => Err(other.failure("layer of an image")),
        }
    }

    fn run(&self, task: Task, archive: File, root: &Path) -> Result<Answer, PackageError> {
        let mut child = Command::new(&self.program)
            .arg0(PROGRAM_NAME)
            .arg(serde_json::to_string(&task).map_err(super::internal)?)
            .env_clear()
            .current_dir(root)
            .stdin(Stdio::from(archive))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ended)?;
        let mut answer = Vec::new();
        let read = child.stdout.take().map_or(Ok(0), |out| out.take(ANSWER_BYTES_MAX).read_to_end(&mut answer));
        // It ends by itself: its processor time is limited, and it waits for nothing.
        let status = child.wait().map_err(ended)?;
        read.map_err(ended)?;
        // Killed at a limit, or by what the archive made of it: no archive anybody needs.
        Ok(postcard::from_bytes(&answer)
            .unwrap_or_else(|_| Answer::Unreadable { why: format!("its unpacker: {status}") }))
    }
}

fn ended(error: io::Error) -> PackageError {
    super::internal(format!("the unpacker: {error}"))
}

impl Answer {
    /// Of an answer that is not the wanted one.
    fn failure(self, what: &str) -> PackageError {
        match self {
            Self::TooLarge { max } => PackageError::TooLarge { max },
            Self::Unreadable { why } => {
                tracing::info!(why, "{what} refused");
                PackageError::Unreadable
            }
            Self::DiskFull => PackageError::DiskFull,
            Self::Failed { why } => super::internal(why),
            Self::Unpacked { .. } | Self::Applied { .. } => super::internal("the unpacker did something else"),
        }
    }
}

/// See [`crate::helper_main_if_requested`].
pub(crate) fn main_if_requested() {
    if std::env::args_os().next().as_deref() != Some(OsStr::new(PROGRAM_NAME)) {
        return;
    }
    let answer = run().unwrap_or_else(|error| Answer::Failed { why: error.to_string() });
    let written = postcard::to_allocvec(&answer).map(|bytes| io::stdout().write_all(&bytes));
    std::process::exit(i32::from(!matches!(written, Ok(Ok(())))));
}

fn run() -> io::Result<Answer> {
    let task = std::env::args().nth(1).unwrap_or_default();
    let done = match serde_json::from_str(&task)? {
        Task::Zip => {
            let mut zip = Vec::new();
            io::stdin().lock().read_to_end(&mut zip)?;
            confine(ZIP_LIMITS, landlock::restrict_unpacker, seccomp::unpacker_filter())?;
            unpack(&zip, Path::new("."), UNZIPPED_BYTES_MAX).map(|bytes| Answer::Unpacked { bytes })
        }
        Task::Layer { compression, bytes_max, nodes_max } => {
            confine(LAYER_LIMITS, landlock::restrict_layer_unpacker, seccomp::layer_unpacker_filter())?;
            let max = Amount { bytes: bytes_max, nodes: nodes_max };
            let applied = layer::apply(io::stdin().lock(), compression, Path::new("."), max);
            applied.map(|Applied { amount, diff_id }| Answer::Applied {
                bytes: amount.bytes,
                nodes: amount.nodes,
                diff_id,
            })
        }
    };
    Ok(match done {
        Ok(answer) => answer,
        Err(UnpackError::TooLarge { max }) => Answer::TooLarge { max },
        Err(UnpackError::Write(error)) => match super::failed(error) {
            PackageError::DiskFull => Answer::DiskFull,
            other => Answer::Failed { why: other.to_string() },
        },
        Err(error) => Answer::Unreadable { why: error.to_string() },
    })
}

fn confine(
    limits: &[(Resource, u64)],
    fence: fn() -> io::Result<()>,
    filter: Result<seccomp::Filter, seccomp::SeccompError>,
) -> io::Result<()> {
    for (resource, limit) in limits {
        setrlimit(*resource, Rlimit { current: Some(*limit), maximum: Some(*limit) })?;
    }
    fence()?;
    filter.and_then(|filter| seccomp::install(&filter)).map_err(io::Error::other)
}
