//! Bodies in aws-chunked form: `size[;chunk-signature=…]`, data, and a trailer with a checksum.
//! Source: S3 API reference, "Signature calculations for the authorization header: transferring payload in multiple
//! chunks" and "including trailing headers".

use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::checksum::Checksum;
use super::{AuthError, EMPTY_SHA256, SigningKey, hex_digest, sha256};

/// Headers a trailer may have.
const TRAILERS_MAX: usize = 16;

/// What `x-amz-content-sha256` says of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Signed,
    SignedTrailer,
    UnsignedTrailer,
}

impl Mode {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Signed, Self::SignedTrailer, Self::UnsignedTrailer].into_iter().find(|mode| mode.as_str() == text)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::SignedTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }

    const fn is_signed(self) -> bool {
        !matches!(self, Self::UnsignedTrailer)
    }

    const fn has_trailer(self) -> bool {
        !matches!(self, Self::Signed)
    }
}

/// Signs chunk after chunk, each over the signature before it.
pub struct Signer<'k> {
    pub(super) key: &'k SigningKey,
    pub(super) timestamp: String,
    pub(super) scope: String,
    /// The signature before this one; at first that of the head.
    pub(super) previous: String,
}

impl Signer<'_> {
    fn chunk(&mut self, data: &[u8]) -> &str {
        let mut buffer = [0; 64];
        let hash = hex_digest(&sha256(data), &mut buffer).to_owned();
        self.next("AWS4-HMAC-SHA256-PAYLOAD", &[EMPTY_SHA256, "\n", &hash])
    }

    fn trailer(&mut self, canonical: &[u8]) -> &str {
        let mut buffer = [0; 64];
        let hash = hex_digest(&sha256(canonical), &mut buffer).to_owned();
        self.next("AWS4-HMAC-SHA256-TRAILER", &[&hash])
    }

    fn next(&mut self, algorithm: &str, rest: &[&str]) -> &str {
        let mut parts = vec![algorithm, "\n", &self.timestamp, "\n", &self.scope, "\n", &self.previous, "\n"];
        parts.extend(rest);
        let signature = self.key.sign(&parts);
        let mut buffer = [0; 64];
        self.previous = hex_digest(&signature, &mut buffer).to_owned();
        &self.previous
    }
}

/// Takes a chunked body apart. With a signer every chunk's signature is checked; without one (unknown keys) it is read
/// over. `decoded_length` is what `x-amz-decoded-content-length` promises, `trailer` what `x-amz-trailer` names.
///
/// # Errors
/// [`AuthError::Chunks`], [`AuthError::Mismatch`] or [`AuthError::Checksum`].
pub fn decode(
    body: &Bytes,
    mode: Mode,
    mut signer: Option<Signer<'_>>,
    decoded_length: Option<usize>,
    trailer: Option<&str>,
) -> Result<Bytes, AuthError> {
    if !mode.is_signed() {
        signer = None;
    }
    let mut rest: &[u8] = body;
    let mut content = Vec::with_capacity(decoded_length.unwrap_or(0).min(body.len()));
    loop {
        let head = line(&mut rest).ok_or(AuthError::Chunks("a chunk has no head"))?;
        let (size, signature) = chunk_head(head)?;
        if size > rest.len() {
            return Err(AuthError::Chunks("a chunk is shorter than its size"));
        }
        let (data, behind) = rest.split_at(size);
        if let Some(signer) = &mut signer {
            same(signer.chunk(data), signature)?;
        }
        if size == 0 {
            break;
        }
        content.extend_from_slice(data);
        rest = behind.strip_prefix(b"\r\n").ok_or(AuthError::Chunks("a chunk is longer than its size"))?;
    }
    if mode.has_trailer() {
        trailers(rest, &content, signer.as_mut(), trailer)?;
    }
    if decoded_length.is_some_and(|length| length != content.len()) {
        return Err(AuthError::Chunks("its content is not as long as x-amz-decoded-content-length says"));
    }
    Ok(content.into())
}

/// The next line, without its end. The last one may lack the end.
fn line<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    if rest.is_empty() {
        return None;
    }
    let end = rest.windows(2).position(|pair| pair == b"\r\n");
    let (line, behind) = match end {
        Some(end) => (&rest[..end], &rest[end + 2..]),
        None => (*rest, &rest[rest.len()..]),
    };
    *rest = behind;
    Some(line)
}

fn chunk_head(head: &[u8]) -> Result<(usize, Option<&str>), AuthError> {
    let text = std::str::from_utf8(head).map_err(|_| AuthError::Chunks("a chunk's head is no text"))?;
    let (size, extension) = text.split_once(';').map_or((text, None), |(size, extension)| (size, Some(extension)));
    let size = usize::from_str_radix(size, 16).map_err(|_| AuthError::Chunks("a chunk's size is no number"))?;
    Ok((size, extension.and_then(|extension| extension.strip_prefix("chunk-signature="))))
}

fn trailers(
    mut rest: &[u8],
    content: &[u8],
    signer: Option<&mut Signer<'_>>,
    announced: Option<&str>,
) -> Result<(), AuthError> {
    let mut canonical = Vec::new();
    let mut signature = None;
    let mut names = Vec::new();
    while let Some(line) = line(&mut rest).filter(|line| !line.is_empty()) {
        let text = std::str::from_utf8(line).map_err(|_| AuthError::Chunks("a trailer is no text"))?;
        let (name, value) = text.split_once(':').ok_or(AuthError::Chunks("a trailer has no name"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "x-amz-trailer-signature" {
            signature = Some(value);
            continue;
        }
        if names.len() >= TRAILERS_MAX {
            return Err(AuthError::Chunks("it has too many trailers"));
        }
        canonical.extend_from_slice(format!("{name}:{value}\n").as_bytes());
        if let Some(checksum) = Checksum::of_header(&name)
            && checksum.of(content) != value
        {
            return Err(AuthError::Checksum { algorithm: checksum.name() });
        }
        names.push(name);
    }
    let announced = announced.unwrap_or_default().split(',').map(|name| name.trim().to_ascii_lowercase());
    if announced.filter(|name| !name.is_empty()).any(|name| !names.contains(&name)) {
        return Err(AuthError::Chunks("a trailer it announces is missing"));
    }
    match signer {
        Some(signer) => same(signer.trailer(&canonical), signature),
        None => Ok(()),
    }
}

fn same(expected: &str, given: Option<&str>) -> Result<(), AuthError> {
    let given = given.unwrap_or_default();
    if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) { Ok(()) } else { Err(AuthError::Mismatch) }
}
