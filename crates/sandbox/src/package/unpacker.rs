//! Archives are strangers' bytes and reading them is a lot of code, so it is done by a process of its own that ends with
//! each archive: this same program, started again. It has the archive as its standard input, the new tree as its working
//! directory, its standard output for one answer, and nothing else: no network, no other file, no other process, and no
//! more memory and time than an archive within the limits takes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hearth_ports::PackageError;
use hearth_types::limits::UNZIPPED_BYTES_MAX;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::unpack::{UnpackError, unpack};
use crate::{landlock, seccomp};

/// The name by which a program knows that it is to unpack.
pub(crate) const PROGRAM_NAME: &str = "hearth-unpacker";
/// Bytes of the answer.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// Limits of the process: hard and soft alike.
const LIMITS: &[(Resource, u64)] = &[
    // The archive twice (as it came, and its directory), and room to work. Some is mapped before main.
    (Resource::As, 2 << 30),
    (Resource::Cpu, 120),
    (Resource::Fsize, UNZIPPED_BYTES_MAX),
    (Resource::Nofile, 16),
    (Resource::Core, 0),
];

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Unpacked { bytes: u64 },
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
        let ended = |error: io::Error| super::internal(format!("the unpacker: {error}"));
        let mut archive =
            File::from(memfd_create(c"archive", MemfdFlags::CLOEXEC).map_err(|error| ended(error.into()))?);
        archive.write_all(zip).and_then(|()| archive.rewind()).map_err(ended)?;
        let mut child = Command::new(&self.program)
            .arg0(PROGRAM_NAME)
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
        match postcard::from_bytes(&answer) {
            Ok(Answer::Unpacked { bytes }) => Ok(bytes),
            Ok(Answer::TooLarge { max }) => Err(PackageError::TooLarge { max }),
            Ok(Answer::Unreadable { why }) => {
                tracing::info!(why, "code package refused");
                Err(PackageError::Unreadable)
            }
            Ok(Answer::DiskFull) => Err(PackageError::DiskFull),
            Ok(Answer::Failed { why }) => Err(super::internal(why)),
            // Killed at a limit, or by what the archive made of it: no archive anybody needs.
            Err(_) => {
                tracing::warn!(%status, "a code package ended its unpacker");
                Err(PackageError::Unreadable)
            }
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
    let mut zip = Vec::new();
    io::stdin().lock().read_to_end(&mut zip)?;
    confine()?;
    Ok(match unpack(&zip, Path::new("."), UNZIPPED_BYTES_MAX) {
        Ok(bytes) => Answer::Unpacked { bytes },
        Err(UnpackError::TooLarge { max }) => Answer::TooLarge { max },
        Err(UnpackError::Write(error)) => match super::failed(error) {
            PackageError::DiskFull => Answer::DiskFull,
            other => Answer::Failed { why: other.to_string() },
        },
        Err(error) => Answer::Unreadable { why: error.to_string() },
    })
}

fn confine() -> io::Result<()> {
    for (resource, limit) in LIMITS {
        setrlimit(*resource, Rlimit { current: Some(*limit), maximum: Some(*limit) })?;
    }
    landlock::restrict_unpacker()?;
    seccomp::unpacker_filter().and_then(|filter| seccomp::install(&filter)).map_err(io::Error::other)
}
