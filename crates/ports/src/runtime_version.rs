//! Builds of runtimes, as INIT_START lines, `RuntimeVersionConfig` and runtime management name them. One rule for all.

use std::fmt::Write as _;
use std::sync::Arc;

use hearth_types::{Partition, Region};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::function::{Architecture, RuntimeId};

/// Hearth's build of every runtime; grows when a bootstrap changes in a way that functions can notice.
const BUILD: u32 = 1;

/// What a runtime is made of on a machine: two are equal when functions could not tell one from the other. 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeVersion(Arc<str>);

impl RuntimeVersion {
    /// `origin`: whatever changes when the interpreter, or the image it comes with, does.
    #[must_use]
    pub fn new(runtime: &RuntimeId, architecture: Architecture, origin: &str) -> Self {
        let digest = Sha256::digest(format!("{} {architecture} {BUILD} {origin}", runtime.0));
        let mut id = String::with_capacity(64);
        for byte in digest {
            // Writing to a string never fails.
            let _ = write!(id, "{byte:02x}");
        }
        Self(id.into())
    }

    /// `arn:aws:lambda:us-east-1::runtime:<64 hex>`.
    #[must_use]
    pub fn arn(&self, partition: Partition, region: &Region) -> String {
        format!("arn:{partition}:lambda:{region}::runtime:{}", self.0)
    }
}

/// `python:3.11.v1` for `python3.11`, `nodejs:20.v1` for `nodejs20.x`, `provided:al2023.v1` for `provided.al2023`.
#[must_use]
pub fn name(runtime: &RuntimeId) -> String {
    let id = runtime.0.as_ref();
    let family_bytes = id.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(id.len());
    let (family, version) = id.split_at(family_bytes);
    let version = version.strip_prefix('.').unwrap_or(version);
    let version = version.strip_suffix(".x").unwrap_or(version);
    format!("{family}:{version}.v{BUILD}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_recorded_form() {
        let table = [
            ("python3.11", "python:3.11.v1"),
            ("nodejs20.x", "nodejs:20.v1"),
            ("provided.al2023", "provided:al2023.v1"),
            ("java17.al2023", "java:17.al2023.v1"),
        ];
        for (id, want) in table {
            assert_eq!(name(&RuntimeId(id.into())), want);
        }
    }

    #[test]
    fn the_arn_has_no_account_and_sixty_four_hex_digits() {
        let version = RuntimeVersion::new(&RuntimeId("python3.11".into()), Architecture::X86_64, "3.11.2");
        let text = version.arn(Partition::Aws, &Region::from("us-east-1"));
        let id = text.strip_prefix("arn:aws:lambda:us-east-1::runtime:").expect("recorded form");
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn a_version_is_of_one_runtime_architecture_and_origin() {
        let of =
            |runtime: &str, architecture, origin| RuntimeVersion::new(&RuntimeId(runtime.into()), architecture, origin);
        let version = of("python3.11", Architecture::X86_64, "3.11.2");
        assert_eq!(version, of("python3.11", Architecture::X86_64, "3.11.2"));
        assert_ne!(version, of("python3.12", Architecture::X86_64, "3.11.2"));
        assert_ne!(version, of("python3.11", Architecture::Arm64, "3.11.2"));
        assert_ne!(version, of("python3.11", Architecture::X86_64, "3.11.3"));
    }
}
