//! OCI layouts: directories with `index.json` and `blobs/sha256/…`. Source: OCI image specification, "OCI Image Layout
//! Specification".
//!
//! A reference is a stranger's, so only layouts below directories that the operator lists are read, and no link or `..`
//! leads out of those.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hearth_ports::CodeDigest;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use crate::limits::MANIFEST_BYTES_MAX;

/// A layout that may be read.
#[derive(Debug)]
pub(crate) struct Layout {
    directory: OwnedFd,
}

impl Layout {
    /// `None` when no listed directory contains it.
    pub(crate) fn open(path: &Path, listed: &[PathBuf]) -> Option<io::Result<Self>> {
        let (root, rest) = listed.iter().find_map(|root| Some((root, path.strip_prefix(root).ok()?)))?;
        Some(Self::open_below(root, rest))
    }

    fn open_below(root: &Path, rest: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, root, flags, Mode::empty())?;
        let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
        Ok(Self { directory: openat2(root.as_fd(), rest, flags, Mode::empty(), beneath())? })
    }

    /// `index.json`.
    pub(crate) fn index(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file("index.json")?.take(MANIFEST_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "index.json is too large"));
        }
        Ok(bytes)
    }

    /// A blob, which nobody has checked.
    pub(crate) fn blob(&self, digest: &CodeDigest) -> io::Result<File> {
        self.file(&format!("blobs/sha256/{}", digest.hex()))
    }

    fn file(&self, name: &str) -> io::Result<File> {
        // A pipe would be waited for.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat2(self.directory.as_fd(), name, flags, Mode::empty(), beneath())?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "not a file")),
        }
    }
}

fn beneath() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_is_below_a_listed_directory_is_read() {
        let dir = tempfile::tempdir().expect("directory");
        let listed = dir.path().join("listed");
        for name in ["listed/app", "other"] {
            fs::create_dir_all(dir.path().join(name)).expect("directory");
            fs::write(dir.path().join(name).join("index.json"), name).expect("file");
        }
        symlink("../other", listed.join("out")).expect("link");
        symlink(dir.path().join("other"), listed.join("absolute")).expect("link");
        symlink("app", listed.join("inside")).expect("link");
        let read = |path: &Path| Layout::open(path, std::slice::from_ref(&listed)).map(|layout| layout?.index());
        for name in ["app", "inside"] {
            assert_eq!(read(&listed.join(name)).expect("listed").expect("read"), b"listed/app", "{name}");
        }
        for name in ["out", "absolute"] {
            read(&listed.join(name)).expect("listed").expect_err(name);
        }
        assert!(read(&dir.path().join("other")).is_none());
        assert!(Layout::open(&dir.path().join("listed-too"), &[listed]).is_none(), "whole names only");
    }

    #[test]
    fn a_blob_that_is_a_link_to_elsewhere_is_not_read() {
        let dir = tempfile::tempdir().expect("directory");
        let digest = CodeDigest([7; 32]);
        let blobs = dir.path().join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("directory");
        symlink("/etc/passwd", blobs.join(digest.hex())).expect("link");
        let layout = Layout::open(dir.path(), &[dir.path().to_owned()]).expect("listed").expect("opened");
        layout.blob(&digest).expect_err("it leads out");
    }
}
