//! Reading a file, or a part of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::writer::checksum;
use super::{BLOCK_BYTES, BlobFiles, CHECKSUM_BYTES, FileId, Pin};
use crate::blobs::failure;
use crate::limits::FILE_BUFFER_BYTES;
use crate::store::StoreError;

/// The content of a file from some offset, piece by piece.
pub struct FileReader {
    files: BlobFiles,
    id: FileId,
    file: Option<Arc<File>>,
    offset: u64,
    left: u64,
    _pin: Pin,
}

impl FileReader {
    pub(super) fn new(files: &BlobFiles, id: FileId, offset: u64, length: u64) -> Self {
        Self { files: files.clone(), id, file: None, offset, left: length, _pin: files.pin(vec![id]) }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a block is not what was written, or the file is shorter; the store's.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.left == 0 {
            return Ok(None);
        }
        let (id, file, offset, left) = (self.id, self.file.take(), self.offset, self.left);
        let read = self.files.run(move |inner| {
            let path = inner.path(id);
            let file = match file {
                Some(file) => file,
                None => Arc::new(File::open(&path).map_err(|error| failure(&path, &error))?),
            };
            match read_piece(&file, offset, left) {
                Ok(Some(piece)) => Ok((file, piece)),
                Ok(None) => Err(StoreError::Damaged(format!("{} is not what was written", path.display()))),
                Err(error) => Err(failure(&path, &error)),
            }
        });
        let (file, piece) = read.await?;
        self.file = Some(file);
        self.offset += piece.len() as u64;
        self.left -= piece.len() as u64;
        Ok(Some(piece))
    }
}

/// What of the blocks from the one with `offset` in it is asked for; `None` when a block is not whole.
fn read_piece(file: &File, offset: u64, left: u64) -> io::Result<Option<Bytes>> {
    let block = BLOCK_BYTES as u64;
    let (first, skip) = (offset / block, usize::try_from(offset % block).unwrap_or(0));
    let wanted = usize::try_from(left).unwrap_or(FILE_BUFFER_BYTES).min(FILE_BUFFER_BYTES - skip);
    let blocks = (skip + wanted).div_ceil(BLOCK_BYTES);
    let stride = BLOCK_BYTES + CHECKSUM_BYTES;
    let mut raw = vec![0; blocks * stride];
    let mut filled = 0;
    while filled < raw.len() {
        match file.read_at(&mut raw[filled..], first * stride as u64 + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut content = BytesMut::with_capacity(blocks * BLOCK_BYTES);
    for chunk in raw[..filled].chunks(stride) {
        let Some((data, found)) = chunk.split_last_chunk::<CHECKSUM_BYTES>() else { return Ok(None) };
        if checksum(data) != *found {
            return Ok(None);
        }
        content.extend_from_slice(data);
    }
    if content.len() < skip + wanted {
        return Ok(None);
    }
    Ok(Some(content.freeze().slice(skip..skip + wanted)))
}
