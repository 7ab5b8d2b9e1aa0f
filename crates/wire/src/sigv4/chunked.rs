//! Bodies in aws-chunked form: `size[;chunk-signature=…]`, data, and a trailer with a checksum.
//! Source: S3 API reference, "Signature calculations for the authorization header: transferring payload in multiple
//! chunks" and "including trailing headers".

use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::checksum::Checksum;
use super::{AuthError, EMPTY_SHA256, SigningKey, hex_digest, sha256};

pub use stream::Decoder;

mod stream;

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
pub struct Signer {
    pub(super) key: SigningKey,
    pub(super) timestamp: String,
    pub(super) scope: String,
    /// The signature before this one; at first that of the head.
    pub(super) previous: String,
}

impl Signer {
    /// Of a chunk with that SHA-256.
    fn chunk(&mut self, sha256: &[u8; 32]) -> &str {
        let mut buffer = [0; 64];
        let hash = hex_digest(sha256, &mut buffer).to_owned();
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
    mut signer: Option<Signer>,
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
            same(signer.chunk(&sha256(data)), signature)?;
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
    signer: Option<&mut Signer>,
    announced: Option<&str>,
) -> Result<(), AuthError> {
    for (name, value) in read_trailers(&mut rest, signer, announced)? {
        if let Some(checksum) = Checksum::of_header(&name)
            && checksum.of(content) != value
        {
            return Err(AuthError::Checksum { algorithm: checksum.name() });
        }
    }
    Ok(())
}

/// The trailers, once their signature is checked and all that were announced are there. Their checksums are whoever knows
/// the content's to compare.
fn read_trailers(
    rest: &mut &[u8],
    signer: Option<&mut Signer>,
    announced: Option<&str>,
) -> Result<Vec<(String, String)>, AuthError> {
    let mut signature = None;
    let mut read: Vec<(String, String)> = Vec::new();
    while let Some(line) = line(rest).filter(|line| !line.is_empty()) {
        let text = std::str::from_utf8(line).map_err(|_| AuthError::Chunks("a trailer is no text"))?;
        let (name, value) = text.split_once(':').ok_or(AuthError::Chunks("a trailer has no name"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "x-amz-trailer-signature" {
            signature = Some(value);
            continue;
        }
        if read.len() >= TRAILERS_MAX {
            return Err(AuthError::Chunks("it has too many trailers"));
        }
        read.push((name, value.to_owned()));
    }
    let announced = announced.unwrap_or_default().split(',').map(|name| name.trim().to_ascii_lowercase());
    if announced.filter(|name| !name.is_empty()).any(|name| !read.iter().any(|(known, _)| *known == name)) {
        return Err(AuthError::Chunks("a trailer it announces is missing"));
    }
    if let Some(signer) = signer {
        let mut lines: Vec<String> = read.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        lines.sort_unstable();
        same(signer.trailer(lines.concat().as_bytes()), signature)?;
    }
    Ok(read)
}

fn same(expected: &str, given: Option<&str>) -> Result<(), AuthError> {
    let given = given.unwrap_or_default();
    if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) { Ok(()) } else { Err(AuthError::Mismatch) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigv4::Credential;

    // The examples of the S3 API reference, "Example calculations": 65 KiB and 1 KiB of the letter a.
    const TIMESTAMP: &str = "20130524T000000Z";

    fn key() -> SigningKey {
        let credential = Credential {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            date: "20130524".to_owned(),
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
        };
        SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &credential)
    }

    fn signer(key: &SigningKey, seed: &str) -> Signer {
        let scope = "20130524/us-east-1/s3/aws4_request".to_owned();
        Signer { key: key.clone(), timestamp: TIMESTAMP.to_owned(), scope, previous: seed.to_owned() }
    }

    fn body(signatures: [&str; 3], trailer: &str) -> String {
        let [first, second, last] = signatures;
        format!(
            "10000;chunk-signature={first}\r\n{}\r\n400;chunk-signature={second}\r\n{}\r\n0;chunk-signature={last}\r\n{trailer}\r\n",
            "a".repeat(65_536),
            "a".repeat(1_024)
        )
    }

    const SIGNED_SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";

    fn signed() -> String {
        body(
            [
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ],
            "",
        )
    }

    const TRAILER_SEED: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";

    fn with_trailer(checksum: &str) -> String {
        body(
            [
                "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
            ],
            &format!(
                "x-amz-checksum-crc32c:{checksum}\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"
            ),
        )
    }

    #[test]
    fn the_documented_signed_chunks_verify() {
        let key = key();
        let decoded = decode(&signed().into(), Mode::Signed, Some(signer(&key, SIGNED_SEED)), Some(66_560), None);
        assert_eq!(decoded.map(|content| content.len()), Ok(66_560));
    }

    #[test]
    fn the_documented_signed_trailer_verifies() {
        let key = key();
        let body = with_trailer("sOO8/Q==").into();
        let announced = Some("x-amz-checksum-crc32c");
        let decoded = decode(&body, Mode::SignedTrailer, Some(signer(&key, TRAILER_SEED)), Some(66_560), announced);
        assert_eq!(decoded.map(|content| content.len()), Ok(66_560));
    }

    #[test]
    fn another_byte_or_signature_is_refused() {
        let key = key();
        for changed in [signed().replacen("aaa", "aba", 1), signed().replacen("=00556", "=10556", 1)] {
            let decoded = decode(&changed.into(), Mode::Signed, Some(signer(&key, SIGNED_SEED)), None, None);
            assert_eq!(decoded, Err(AuthError::Mismatch));
        }
    }

    #[test]
    fn a_wrong_checksum_is_refused_even_unsigned() {
        let body = with_trailer("AAAAAA==").into();
        assert_eq!(
            decode(&body, Mode::UnsignedTrailer, None, None, None),
            Err(AuthError::Checksum { algorithm: "CRC32C" })
        );
    }

    /// The content and trailers of a body that comes in pieces of that length.
    fn streamed(
        body: &str,
        mode: Mode,
        signer: Option<Signer>,
        length: u64,
        announced: Option<&str>,
        piece: usize,
    ) -> Result<(usize, Vec<(String, String)>), AuthError> {
        let mut decoder = Decoder::new(mode, signer);
        let mut content = 0;
        for part in body.as_bytes().chunks(piece) {
            let mut input = Bytes::copy_from_slice(part);
            while let Some(found) = decoder.next(&mut input)? {
                assert!(found.iter().all(|byte| *byte == b'a'));
                content += found.len();
            }
            assert!(input.is_empty());
        }
        Ok((content, decoder.finish(Some(length), announced)?))
    }

    #[test]
    fn the_documented_bodies_verify_in_pieces_of_any_length() {
        let key = key();
        for piece in [1, 2, 7, 86, 87, 1_000, 65_536, 70_000] {
            let whole = streamed(&signed(), Mode::Signed, Some(signer(&key, SIGNED_SEED)), 66_560, None, piece);
            assert_eq!(whole, Ok((66_560, vec![])), "{piece}");
            let (body, announced) = (with_trailer("sOO8/Q=="), Some("x-amz-checksum-crc32c"));
            let whole =
                streamed(&body, Mode::SignedTrailer, Some(signer(&key, TRAILER_SEED)), 66_560, announced, piece);
            let trailers = vec![("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())];
            assert_eq!(whole, Ok((66_560, trailers)), "{piece}");
        }
    }

    #[test]
    fn pieces_of_another_body_are_refused() {
        let key = key();
        let signer = || Some(signer(&key, SIGNED_SEED));
        let changed = signed().replacen("=00556", "=10556", 1);
        assert_eq!(streamed(&changed, Mode::Signed, signer(), 66_560, None, 1_000), Err(AuthError::Mismatch));
        let whole = signed();
        for end in [0, 10, 100, 65_700, whole.len() - 90] {
            assert!(streamed(&whole[..end], Mode::Signed, None, 66_560, None, 1_000).is_err(), "{end}");
        }
        assert!(streamed(&whole, Mode::Signed, signer(), 1, None, 1_000).is_err());
        let (body, announced) = (with_trailer("sOO8/Q=="), Some("x-amz-checksum-sha1"));
        assert!(streamed(&body, Mode::UnsignedTrailer, None, 66_560, announced, 1_000).is_err());
    }

    #[test]
    fn what_is_cut_off_or_not_as_promised_is_refused() {
        let whole = signed();
        for end in [0, 10, 100, 65_700, whole.len() - 90] {
            assert!(decode(&whole[..end].to_owned().into(), Mode::Signed, None, None, None).is_err(), "{end}");
        }
        assert!(decode(&whole.clone().into(), Mode::Signed, None, Some(1), None).is_err());
        let announced = Some("x-amz-checksum-sha1");
        assert!(decode(&with_trailer("sOO8/Q==").into(), Mode::UnsignedTrailer, None, None, announced).is_err());
    }
}
