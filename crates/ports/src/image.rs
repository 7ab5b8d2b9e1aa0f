//! Container images: from a reference to what an image is and says of itself, and to the blobs of its layers.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::code::{CodeDigest, PackageError};
use crate::function::Architecture;

/// How an image is run. Source: OCI image specification, "OCI Image Configuration".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    pub entry_point: Vec<String>,
    pub command: Vec<String>,
    /// Empty: the root directory.
    pub working_directory: String,
    /// `NAME=value`.
    pub environment: Vec<String>,
}

/// What a reference stood for when somebody looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedImage {
    /// Of the manifest for one platform; names the unpacked tree.
    pub digest: CodeDigest,
    /// The reference by digest: it stands for the same image for ever.
    pub pinned_uri: String,
    pub config: ImageConfig,
}

/// What a tree is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedImage {
    pub digest: CodeDigest,
    pub uri: String,
    pub architecture: Architecture,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LayerCompression {
    None,
    Gzip,
    Zstd,
}

/// One layer of an image, the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageLayer {
    /// Of the blob.
    pub digest: CodeDigest,
    /// Size of the blob.
    pub bytes: u64,
    pub compression: LayerCompression,
    /// Of what the blob contains, uncompressed.
    pub diff_id: CodeDigest,
}

/// Why there is no image. Texts as real Lambda answers CreateFunction, but for those that say "Hearth".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("Source image {uri} does not exist. Provide a valid source image.")]
    NotFound { uri: String },
    #[error("Lambda does not have permission to access the ECR image. Check the ECR permissions.")]
    AccessDenied { why: String },
    #[error("Source image {uri} is not valid. Provide a valid source image.")]
    Invalid { uri: String, why: String },
    #[error("The image manifest, config or layer media type for the source image {uri} is not supported.")]
    MediaType { uri: String, found: String },
    #[error("Architectures mismatch: the source image {uri} is for {image}, the function for {function}.")]
    Architecture { uri: String, image: String, function: Architecture },
    #[error("Hearth takes no images from {what}: {instead}")]
    Refused { what: String, instead: &'static str },
    #[error("Hearth cannot reach the registry of the source image {uri}: {why}")]
    Unreachable { uri: String, why: String },
    #[error(transparent)]
    Package(#[from] PackageError),
}

/// Where images come from.
#[async_trait]
pub trait Images: Send + Sync + 'static {
    /// Looks a reference up.
    ///
    /// # Errors
    /// [`ImageError`]: there is none for this architecture, or it is not one that can be run.
    async fn resolve(&self, uri: &str, architecture: Architecture) -> Result<ResolvedImage, ImageError>;

    /// The layers of an image, the lowest first.
    ///
    /// # Errors
    /// [`ImageError`].
    async fn layers(&self, image: &PinnedImage) -> Result<Vec<ImageLayer>, ImageError>;

    /// The blob of a layer, whose digest has been checked, at its start.
    ///
    /// # Errors
    /// [`ImageError`].
    async fn fetch(&self, image: &PinnedImage, layer: &ImageLayer) -> Result<std::fs::File, ImageError>;
}

/// What is run of an image, once its settings are known.
#[derive(Clone, PartialEq, Eq)]
pub struct ImageLaunch {
    /// Program and arguments.
    pub command_line: Vec<String>,
    pub working_directory: String,
    /// `NAME=value`.
    pub environment: Vec<String>,
}

impl fmt::Debug for ImageLaunch {
    /// Without the environment: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command_line, working_directory, .. } = self;
        f.debug_struct("ImageLaunch").field("command_line", command_line).field("in", working_directory).finish()
    }
}
