//! A body in aws-chunked form taken apart while it comes: no more of it is in memory than the piece at hand.

use bytes::{Buf as _, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::{Mode, Signer, chunk_head, read_trailers, same};
use crate::sigv4::AuthError;

/// The head of a chunk: its size and a signature of 64 digits.
const HEAD_BYTES_MAX: usize = 1_024;
/// All trailers together.
const TRAILER_BYTES_MAX: usize = 16 * 1_024;

enum At {
    Head,
    Data {
        left: usize,
        signature: Option<String>,
    },
    /// The line end behind a chunk's data.
    DataEnd,
    /// Behind the last chunk.
    Trailers,
}

/// Takes pieces as they come and gives out what they hold. A chunk's signature is checked when its last byte has been given
/// out: nothing may be made of the content before [`Decoder::finish`].
pub struct Decoder {
    mode: Mode,
    signer: Option<Signer>,
    at: At,
    hash: Sha256,
    /// Of a head or of trailers, until they are whole.
    held: BytesMut,
    content_bytes: u64,
}

impl Decoder {
    /// Without a signer (unknown keys) signatures are read over.
    #[must_use]
    pub fn new(mode: Mode, signer: Option<Signer>) -> Self {
        let signer = signer.filter(|_| mode.is_signed());
        Self { mode, signer, at: At::Head, hash: Sha256::new(), held: BytesMut::new(), content_bytes: 0 }
    }

    /// The next content in `input`, of which that much is taken; `None`: there is none in it any more.
    ///
    /// # Errors
    /// [`AuthError::Chunks`], [`AuthError::Mismatch`].
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, AuthError> {
        loop {
            match &mut self.at {
                At::Data { left, .. } if *left > 0 => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let piece = input.split_to(input.len().min(*left));
                    *left -= piece.len();
                    if self.signer.is_some() {
                        self.hash.update(&piece);
                    }
                    self.content_bytes += piece.len() as u64;
                    return Ok(Some(piece));
                }
                At::Data { signature, .. } => {
                    let signature = signature.take();
                    self.check_chunk(signature.as_deref())?;
                    self.at = At::DataEnd;
                }
                At::DataEnd => {
                    let Some(line) = self.line(input)? else { return Ok(None) };
                    if !line.is_empty() {
                        return Err(AuthError::Chunks("a chunk is longer than its size"));
                    }
                    self.at = At::Head;
                }
                At::Head => {
                    let Some(line) = self.line(input)? else { return Ok(None) };
                    let (size, signature) = chunk_head(&line)?;
                    let signature = signature.map(str::to_owned);
                    if size == 0 {
                        self.check_chunk(signature.as_deref())?;
                        self.at = At::Trailers;
                    } else {
                        self.at = At::Data { left: size, signature };
                    }
                }
                At::Trailers => {
                    self.held.extend_from_slice(input);
                    input.clear();
                    if self.held.len() > TRAILER_BYTES_MAX {
                        return Err(AuthError::Chunks("its trailers are too long"));
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// All has come: the trailers, by name.
    ///
    /// # Errors
    /// As [`Decoder::next`]; it is cut off, or not as long as `decoded_length` says.
    pub fn finish(
        &mut self,
        decoded_length: Option<u64>,
        announced: Option<&str>,
    ) -> Result<Vec<(String, String)>, AuthError> {
        if !matches!(self.at, At::Trailers) {
            return Err(AuthError::Chunks("it ends before its last chunk"));
        }
        if decoded_length.is_some_and(|length| length != self.content_bytes) {
            return Err(AuthError::Chunks("its content is not as long as x-amz-decoded-content-length says"));
        }
        if !self.mode.has_trailer() {
            return Ok(Vec::new());
        }
        let held = self.held.split();
        read_trailers(&mut &held[..], self.signer.as_mut(), announced)
    }

    fn check_chunk(&mut self, signature: Option<&str>) -> Result<(), AuthError> {
        let Some(signer) = &mut self.signer else { return Ok(()) };
        let hash = std::mem::replace(&mut self.hash, Sha256::new()).finalize();
        same(signer.chunk(&hash.into()), signature)
    }

    /// The next line without its end, once it is whole.
    fn line(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, AuthError> {
        while input.has_remaining() {
            let byte = input.get_u8();
            self.held.extend_from_slice(&[byte]);
            if self.held.ends_with(b"\r\n") {
                self.held.truncate(self.held.len() - 2);
                return Ok(Some(self.held.split().freeze()));
            }
            if self.held.len() > HEAD_BYTES_MAX {
                return Err(AuthError::Chunks("a chunk's head is too long"));
            }
        }
        Ok(None)
    }
}
