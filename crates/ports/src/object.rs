//! Objects, as what reads and writes them sees them. S3 owns the other side of this door.

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::RequestContext;

/// An object, and which of its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectRef {
    pub bucket: String,
    pub key: String,
    /// `None`: the newest.
    pub version: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Code and text as S3 tells them.
    #[error("{message}")]
    Refused { code: &'static str, message: String },
    #[error("the object has {size} bytes, more than the {max} that are taken")]
    TooLarge { size: u64, max: u64 },
    #[error("the disk is full")]
    DiskFull,
    /// Worth trying again. Detail for the log.
    #[error("{detail}")]
    Unavailable { detail: String },
}

impl ObjectError {
    /// Whether waiting may mend it.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::DiskFull | Self::Unavailable { .. } => true,
            Self::Refused { .. } | Self::TooLarge { .. } => false,
        }
    }
}

/// Reads and writes objects. Whoever calls is asked about like a client of the API: `s3:GetObject`, `s3:PutObject`, with
/// the bucket's own policy.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// A whole object, of at most so many bytes.
    ///
    /// # Errors
    /// [`ObjectError`].
    async fn read(&self, ctx: &RequestContext, object: &ObjectRef, bytes_max: u64) -> Result<Bytes, ObjectError>;

    /// Resolves when the object is durable.
    ///
    /// # Errors
    /// [`ObjectError`]: there is no such object.
    async fn write(
        &self,
        ctx: &RequestContext,
        bucket: &str,
        key: &str,
        content_type: &str,
        bytes: Bytes,
    ) -> Result<(), ObjectError>;
}
