//! How the build of a runtime is named, in INIT_START lines and in `RuntimeVersionConfig`. One rule for both.

use hearth_types::{Partition, Region};
use sha2::{Digest, Sha256};

use crate::function::{Architecture, RuntimeId};

/// Hearth's build of every runtime; grows when a bootstrap changes in a way that functions can notice.
const BUILD: u32 = 1;

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

/// `arn:aws:lambda:us-east-1::runtime:<64 hex>`. There is one build per identifier and architecture, so those make the id.
#[must_use]
pub fn arn(partition: Partition, region: &Region, runtime: &RuntimeId, architecture: Architecture) -> String {
    let architecture = match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "arm64",
    };
    let digest = Sha256::digest(format!("{} {architecture}", runtime.0));
    let id: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("arn:{partition}:lambda:{region}::runtime:{id}")
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
        let of = |architecture| {
            arn(Partition::Aws, &Region::from("us-east-1"), &RuntimeId("python3.11".into()), architecture)
        };
        let text = of(Architecture::X86_64);
        let id = text.strip_prefix("arn:aws:lambda:us-east-1::runtime:").expect("recorded form");
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(text, of(Architecture::Arm64));
    }
}
