//! Writing a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use bytes::BytesMut;

use super::{BLOCK_BYTES, BlobFiles, FileId};
use crate::blobs::failure;
use crate::disk;
use crate::limits::FILE_BUFFER_BYTES;
use crate::store::StoreError;

/// A file that is being written. Dropped before [`FileWriter::finish`] it leaves nothing.
pub struct FileWriter {
    files: BlobFiles,
    id: FileId,
    /// Gone while it is written to, and at the end.
    file: Option<File>,
    /// Content that is not written yet.
    pending: BytesMut,
    length: u64,
    is_finished: bool,
}

impl FileWriter {
    pub(super) async fn create(files: &BlobFiles) -> Result<Self, StoreError> {
        let id = files.new_id();
        let file = files
            .run(move |inner| {
                let path = inner.temporary(id);
                let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                opened.map_err(|error| failure(&path, &error))
            })
            .await?;
        let (files, file) = (files.clone(), Some(file));
        Ok(Self { files, id, file, pending: BytesMut::new(), length: 0, is_finished: false })
    }

    /// Adds content.
    ///
    /// # Errors
    /// The store's: the file is void.
    pub async fn write(&mut self, mut content: &[u8]) -> Result<(), StoreError> {
        self.length += content.len() as u64;
        while !content.is_empty() {
            let (now, later) = content.split_at(content.len().min(FILE_BUFFER_BYTES - self.pending.len()));
            self.pending.extend_from_slice(now);
            content = later;
            if self.pending.len() == FILE_BUFFER_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Bytes of content so far.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The file, durable when this returns.
    ///
    /// # Errors
    /// The store's: there is no file.
    pub async fn finish(mut self) -> Result<FileId, StoreError> {
        self.flush().await?;
        let (file, id) = (self.file.take(), self.id);
        self.files
            .run(move |inner| {
                let (from, to) = (inner.temporary(id), inner.path(id));
                let directory = disk::parent(&to);
                let file = file.ok_or_else(|| StoreError::Internal("a file that failed is finished".to_owned()))?;
                let finished = file
                    .sync_all()
                    .and_then(|()| disk::create_private_dir(directory))
                    .and_then(|()| fs::rename(&from, &to))
                    .and_then(|()| disk::sync_dir(directory));
                finished.map_err(|error| failure(&to, &error))
            })
            .await?;
        self.is_finished = true;
        Ok(id)
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (file, content, id) = (self.file.take(), self.pending.split(), self.id);
        let written = self.files.run(move |inner| {
            let mut file = file.ok_or_else(|| StoreError::Internal("a file that failed is written to".to_owned()))?;
            match write_blocks(&mut file, &content) {
                Ok(()) => Ok(file),
                Err(error) => Err(failure(&inner.temporary(id), &error)),
            }
        });
        self.file = Some(written.await?);
        Ok(())
    }
}

/// Whole blocks, but for the last ones of the file: the buffer is a number of blocks long.
fn write_blocks(file: &mut File, content: &[u8]) -> io::Result<()> {
    for block in content.chunks(BLOCK_BYTES) {
        file.write_all(block)?;
        file.write_all(&checksum(block))?;
    }
    Ok(())
}

pub(super) fn checksum(block: &[u8]) -> [u8; super::CHECKSUM_BYTES] {
    (crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, block) as u32).to_be_bytes()
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            // Removed at the next start if not now.
            let _ = fs::remove_file(self.files.0.temporary(self.id));
        }
    }
}
