//! The file: tar in zstd. Writing entries with their checksums, and reading them back.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use crate::Progress;
use crate::manifest::FileEntry;

/// zstd's own default.
const COMPRESSION_LEVEL: i32 = 3;
/// Nobody but the owner.
pub(crate) const MODE: u32 = 0o600;

pub(crate) struct Writer<W: Write> {
    tar: tar::Builder<zstd::Encoder<'static, W>>,
    mtime_s: u64,
    pub(crate) files: BTreeMap<String, FileEntry>,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(to: W, mtime_s: u64) -> io::Result<Self> {
        let mut compressed = zstd::Encoder::new(to, COMPRESSION_LEVEL)?;
        compressed.include_checksum(true)?;
        Ok(Self { tar: tar::Builder::new(compressed), mtime_s, files: BTreeMap::new() })
    }

    /// Adds exactly `bytes` bytes of `content`, and answers their SHA-256.
    pub(crate) fn add(
        &mut self,
        name: &str,
        bytes: u64,
        content: impl Read,
        progress: &dyn Progress,
    ) -> io::Result<[u8; 32]> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(MODE);
        header.set_mtime(self.mtime_s);
        let mut content = Hashed::new(content.take(bytes), progress);
        self.tar.append_data(&mut header, name, &mut content)?;
        if content.bytes != bytes {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was copied"));
        }
        let digest = content.finish();
        self.files.insert(name.to_owned(), FileEntry { bytes, sha256: hex::encode(digest) });
        Ok(digest)
    }

    pub(crate) fn finish(self) -> io::Result<W> {
        self.tar.into_inner()?.finish()
    }
}

/// Passes bytes on and remembers what they were.
pub(crate) struct Hashed<'a, R> {
    from: R,
    hash: Sha256,
    pub(crate) bytes: u64,
    progress: &'a dyn Progress,
}

impl<'a, R: Read> Hashed<'a, R> {
    pub(crate) fn new(from: R, progress: &'a dyn Progress) -> Self {
        Self { from, hash: Sha256::new(), bytes: 0, progress }
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        self.progress.advance(count as u64);
        Ok(count)
    }
}

/// Passes bytes on and tells how many.
pub(crate) struct Counted<'a, R> {
    pub(crate) from: R,
    pub(crate) progress: &'a dyn Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.progress.advance(count as u64);
        Ok(count)
    }
}
