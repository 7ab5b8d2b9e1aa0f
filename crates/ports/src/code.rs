//! Code packages: from an uploaded archive to an unpacked, read-only tree.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::image::{ImageError, Images, PinnedImage};

/// SHA-256 of a package as uploaded; names both the blob and the unpacked tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CodeDigest(pub [u8; 32]);

impl CodeDigest {
    /// Lower-case hexadecimal, as directory names use it.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstalledPackage {
    pub digest: CodeDigest,
    pub unpacked_bytes: u64,
}

/// Why a package was refused. Texts recorded from the real service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Not a zip, damaged, or with entries that leave the tree.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again.")]
    Unreadable,
    #[error("Unzipped size must be smaller than {max} bytes")]
    TooLarge { max: u64 },
    /// Hearth's own text.
    #[error("the disk is full")]
    DiskFull,
    #[error("{0}")]
    Internal(String),
}

/// Unpacks archives once per digest.
#[async_trait]
pub trait CodePackages: Send + Sync + 'static {
    /// Checks and unpacks; the tree is complete and durable when this returns. Idempotent.
    ///
    /// # Errors
    /// [`PackageError`]; nothing is left behind then.
    async fn install(
        &self,
        ctx: &RequestContext,
        digest: CodeDigest,
        zip: Bytes,
    ) -> Result<InstalledPackage, PackageError>;

    /// Fetches and unpacks an image, layer by layer; the tree is complete and durable when this returns. Idempotent.
    ///
    /// # Errors
    /// [`ImageError`]; nothing is left behind then.
    async fn install_image(&self, image: &PinnedImage, images: Arc<dyn Images>) -> Result<(), ImageError>;

    /// Whether the tree of a package is there.
    fn is_installed(&self, digest: &CodeDigest) -> bool;

    /// Deletes trees that no digest in `keep` names and that no environment uses.
    async fn retain(&self, keep: &[CodeDigest]);
}
