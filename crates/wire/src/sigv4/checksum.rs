//! The checksums a trailer may carry. Source: S3 user guide, "Checking object integrity".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A checksum algorithm by the header that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Checksum {
    /// `x-amz-checksum-crc32` and its like.
    #[must_use]
    pub fn of_header(name: &str) -> Option<Self> {
        match name.strip_prefix("x-amz-checksum-")? {
            "crc32" => Some(Self::Crc32),
            "crc32c" => Some(Self::Crc32c),
            "crc64nvme" => Some(Self::Crc64Nvme),
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            _ => None,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The checksum of the bytes as headers carry it.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> String {
        let crc32 = |algorithm| STANDARD.encode((crc_fast::checksum(algorithm, bytes) as u32).to_be_bytes());
        match self {
            Self::Crc32 => crc32(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => crc32(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => STANDARD.encode(crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes()),
            Self::Sha1 => STANDARD.encode(Sha1::digest(bytes)),
            Self::Sha256 => STANDARD.encode(Sha256::digest(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The check values of the CRC catalogue for "123456789"; SHA-1 and SHA-256 of "abc" from FIPS 180-4.
    #[test]
    fn the_catalogued_check_values_come_out() {
        let crc = |checksum: Checksum| hex::encode(STANDARD.decode(checksum.of(b"123456789")).expect("base64"));
        assert_eq!(crc(Checksum::Crc32), "cbf43926");
        assert_eq!(crc(Checksum::Crc32c), "e3069283");
        assert_eq!(crc(Checksum::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(Checksum::Sha1.of(b"abc"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        assert_eq!(Checksum::Sha256.of(b"abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }
}
