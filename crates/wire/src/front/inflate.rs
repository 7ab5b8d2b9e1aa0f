//! Bodies that clients compress: the operations whose model says so, within a bound that is known beforehand.
//! Source: Smithy specification, "requestCompression".

use std::io::Read as _;

use bytes::Bytes;
use http::request::Parts;

use super::Mounted;
use super::detect::Detected;
use crate::sigv4::header;

/// Why a body is not what it says.
pub(super) enum Broken {
    TooLarge,
    NotGzip,
}

impl Mounted {
    /// Whether the body of what was detected is compressed.
    pub(super) fn is_compressed(&self, detected: &Detected, head: &Parts) -> bool {
        let model = self.service.model();
        let may = match detected {
            Detected::Operation { target, .. } => model.operation(target.operation).takes_compressed(),
            // Which operation it is stands in the body itself.
            Detected::Form { .. } => model.operations().any(|(_, operation)| operation.takes_compressed()),
        };
        may && header(&head.headers, http::header::CONTENT_ENCODING.as_str())
            .is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip"))
    }
}

/// The body without its compression.
pub(super) fn inflate(body: &[u8], limit: usize) -> Result<Bytes, Broken> {
    let mut inflated = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(body).take(limit as u64 + 1);
    reader.read_to_end(&mut inflated).map_err(|_| Broken::NotGzip)?;
    if inflated.len() > limit { Err(Broken::TooLarge) } else { Ok(Bytes::from(inflated)) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(body).expect("memory");
        writer.finish().expect("memory")
    }

    #[test]
    fn a_body_comes_back_within_its_limit_only() {
        let body = vec![b'a'; 10_000];
        let sent = deflate(&body);
        assert_eq!(inflate(&sent, 10_000).ok().expect("a body"), body);
        assert!(matches!(inflate(&sent, 9_999), Err(Broken::TooLarge)));
        assert!(matches!(inflate(b"no gzip", 10), Err(Broken::NotGzip)));
        assert!(matches!(inflate(&sent[..sent.len() - 1], 10_000), Err(Broken::NotGzip)));
    }
}
