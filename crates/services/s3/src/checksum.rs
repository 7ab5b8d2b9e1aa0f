//! Checksums of objects: computed while the bytes come, compared with what the client says, kept and told.
//! Source: S3 user guide, "Checking object integrity in Amazon S3".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use hearth_wire::front::Trailers;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::error::S3Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    #[serde(rename = "CRC32")]
    Crc32,
    #[serde(rename = "CRC32C")]
    Crc32c,
    #[serde(rename = "CRC64NVME")]
    Crc64Nvme,
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
}

/// How the checksum of an upload in parts is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    #[serde(rename = "FULL_OBJECT")]
    FullObject,
    /// Of the parts' checksums.
    #[serde(rename = "COMPOSITE")]
    Composite,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }
}

/// Of an object or a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) kind: Kind,
    /// Base64; of a composite one with `-PARTS` behind it.
    pub(crate) value: String,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub(crate) fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    /// # Errors
    /// [`S3Error`], as recorded.
    pub(crate) fn parse(name: &str) -> Result<Self, S3Error> {
        Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| {
            S3Error::request(
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, \
                 CRC32C, CRC64NVME, SHA1, SHA256]",
            )
        })
    }

    const fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// # Errors
    /// [`S3Error`]: it is no checksum of this algorithm.
    pub(crate) fn check_form(self, value: &str) -> Result<(), S3Error> {
        match STANDARD.decode(value) {
            Ok(bytes) if bytes.len() == self.length() => Ok(()),
            _ => Err(S3Error::request(format!("Value for {} header is invalid.", self.header()))),
        }
    }

    /// Of an upload in parts, where the client does not say.
    pub(crate) const fn default_kind(self) -> Kind {
        match self {
            Self::Crc64Nvme => Kind::FullObject,
            Self::Crc32 | Self::Crc32c | Self::Sha1 | Self::Sha256 => Kind::Composite,
        }
    }

    /// # Errors
    /// [`S3Error`], as recorded: the two do not go together.
    pub(crate) fn check_kind(self, kind: Kind) -> Result<(), S3Error> {
        let fits = match kind {
            Kind::FullObject => self.crc().is_some(),
            Kind::Composite => self != Self::Crc64Nvme,
        };
        if fits {
            return Ok(());
        }
        let name = self.name().to_ascii_lowercase();
        let message = format!("The {} checksum type cannot be used with the {name} checksum algorithm.", kind.as_str());
        Err(S3Error::request(message))
    }

    /// The checksum of an object from those of its parts, with their lengths. `None`: one is missing or no checksum.
    pub(crate) fn of_parts(self, kind: Kind, parts: &[(&str, u64)]) -> Option<Checksum> {
        let parts: Option<Vec<(Vec<u8>, u64)>> =
            parts.iter().map(|(value, size)| Some((STANDARD.decode(value).ok()?, *size))).collect();
        let parts = parts?;
        let value = match kind {
            Kind::Composite => {
                let mut running = Running::new(self);
                parts.iter().for_each(|(bytes, _)| running.update(bytes));
                format!("{}-{}", running.finish(), parts.len())
            }
            Kind::FullObject => {
                let crc = self.crc()?;
                let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
                let mut parts = parts.iter();
                let first = number(&parts.next()?.0);
                let whole =
                    parts.fold(first, |sum, (bytes, size)| crc_fast::checksum_combine(crc, sum, number(bytes), *size));
                STANDARD.encode(&whole.to_be_bytes()[8 - self.length()..])
            }
        };
        Some(Checksum { algorithm: self, kind, value })
    }
}

/// A checksum in the making.
pub(crate) enum Running {
    Crc(Algorithm, crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Running {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match (algorithm, algorithm.crc()) {
            (_, Some(crc)) => Self::Crc(algorithm, crc_fast::Digest::new(crc)),
            (Algorithm::Sha1, None) => Self::Sha1(Sha1::new()),
            (_, None) => Self::Sha256(Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    /// Base64, as headers carry it.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Crc(algorithm, digest) => STANDARD.encode(&digest.finalize().to_be_bytes()[8 - algorithm.length()..]),
            Self::Sha1(digest) => STANDARD.encode(digest.finalize()),
            Self::Sha256(digest) => STANDARD.encode(digest.finalize()),
        }
    }
}

/// What a request says of the checksum of its body.
#[derive(Default)]
pub(crate) struct Claimed {
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) value: Option<String>,
}

impl Claimed {
    /// From the five headers, what `x-amz-sdk-checksum-algorithm` names, and the trailers that are announced.
    ///
    /// # Errors
    /// [`S3Error`]: several, or one that is none.
    pub(crate) fn read(
        values: [Option<String>; 5],
        named: Option<&str>,
        announced: Option<&str>,
    ) -> Result<Self, S3Error> {
        let mut given =
            Algorithm::ALL.into_iter().zip(values).filter_map(|(algorithm, value)| Some((algorithm, value?)));
        let first = given.next();
        if given.next().is_some() {
            return Err(S3Error::request(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
        if let Some((algorithm, value)) = first {
            algorithm.check_form(&value)?;
            return Ok(Self { algorithm: Some(algorithm), value: Some(value) });
        }
        let announced = announced.unwrap_or_default().split(',').map(str::trim);
        let trailing = announced
            .filter_map(|name| Algorithm::ALL.into_iter().find(|known| known.header().eq_ignore_ascii_case(name)))
            .next();
        let named = named.map(Algorithm::parse).transpose()?;
        Ok(Self { algorithm: trailing.or(named), value: None })
    }

    /// # Errors
    /// [`S3Error`]: what came is not what was said before it or behind it.
    pub(crate) fn compare(self, trailers: &Trailers, found: Option<&str>) -> Result<(), S3Error> {
        let Some(algorithm) = self.algorithm else { return Ok(()) };
        let header = algorithm.header();
        let trailing = || trailers.get().into_iter().find(|(name, _)| *name == header).map(|(_, value)| value);
        match self.value.or_else(trailing) {
            Some(claim) if found != Some(claim.as_str()) => {
                algorithm.check_form(&claim)?;
                Err(S3Error::bad_digest(algorithm.name()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut running = Running::new(algorithm);
        running.update(bytes);
        running.finish()
    }

    #[test]
    fn the_checksum_of_the_whole_follows_from_those_of_the_parts() {
        let whole: Vec<u8> = (0..100_000_u32).map(|at| (at % 253) as u8).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts: Vec<(String, u64)> =
                whole.chunks(33_333).map(|part| (of(algorithm, part), part.len() as u64)).collect();
            let parts: Vec<(&str, u64)> = parts.iter().map(|(value, size)| (value.as_str(), *size)).collect();
            let combined = algorithm.of_parts(Kind::FullObject, &parts).map(|checksum| checksum.value);
            assert_eq!(combined, Some(of(algorithm, &whole)), "{}", algorithm.name());
        }
    }

    #[test]
    fn a_composite_checksum_is_that_of_the_parts_checksums() {
        let parts = [of(Algorithm::Sha256, b"abc"), of(Algorithm::Sha256, b"def")];
        let raw: Vec<u8> = parts.iter().flat_map(|part| STANDARD.decode(part).expect("base64")).collect();
        let list = [(parts[0].as_str(), 3), (parts[1].as_str(), 3)];
        let checksum = Algorithm::Sha256.of_parts(Kind::Composite, &list).map(|checksum| checksum.value);
        assert_eq!(checksum, Some(format!("{}-2", of(Algorithm::Sha256, &raw))));
    }

    #[test]
    fn what_is_no_checksum_is_refused_in_the_recorded_words() {
        let refused = Algorithm::Sha256.check_form("abc=").expect_err("is none");
        assert_eq!(refused.told().message, "Value for x-amz-checksum-sha256 header is invalid.");
        let two = [Some("AAAAAA==".to_owned()), Some("AAAAAA==".to_owned()), None, None, None];
        assert!(Claimed::read(two, None, None).is_err());
    }
}
