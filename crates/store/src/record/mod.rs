//! Records: typed values in the store, with their version and its migration beside them.
//!
//! Stored as JSON: `{"kind": "iam.role", "version": 2, "data": {…}, "secrets": {…}}`. The last member exists only
//! when the record has [`Secret`] fields.

mod codec;
mod key_ring;
mod secret;

pub use codec::Codec;
pub use key_ring::{KeyRing, KeyRingError};
pub use secret::Secret;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type that the store keeps.
pub trait Record: Serialize + DeserializeOwned {
    /// `service.noun`; stored with the record and never changed.
    const KIND: &'static str;
    /// The version this code writes; the first is 1.
    const VERSION: u32;

    /// Turns the data of version `from` into that of version `from + 1`. Secrets are still sealed here: they may be
    /// moved and dropped, not read.
    ///
    /// # Errors
    /// [`RecordError::UnknownVersion`] when no such step exists.
    fn migrate(from: u32, value: serde_json::Value) -> Result<serde_json::Value, RecordError> {
        let _ = value;
        Err(RecordError::UnknownVersion { kind: Self::KIND, version: from })
    }
}

/// Why bytes are no record, or a record no bytes. No text in here shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("the record is of kind {found}, not {expected}")]
    WrongKind { expected: &'static str, found: String },
    #[error("the {kind} record has version {found}, but this Hearth knows versions up to {known}: use a newer Hearth")]
    Newer { kind: &'static str, found: u32, known: u32 },
    #[error("version {version} of {kind} records cannot be read any more: upgrade through an older Hearth first")]
    UnknownVersion { kind: &'static str, version: u32 },
    #[error("the {kind} record cannot be read or written as JSON: {detail}")]
    Json { kind: &'static str, detail: String },
    #[error("the secrets of the {kind} record are encrypted with key {key}, which is not in the key file")]
    UnknownKey { kind: &'static str, key: String },
    /// Another key under the same id, a record moved to another place, or damage.
    #[error("the secrets of the {kind} record cannot be decrypted: {detail}")]
    Secrets { kind: &'static str, detail: &'static str },
}

#[cfg(test)]
mod tests;
