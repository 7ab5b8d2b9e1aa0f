//! Backups of a data directory, taken while a server uses it or while none does, and their return to an empty directory.
//!
//! ```text
//! data directory ─take─▶ one file: tar, zstd ─restore─▶ another data directory
//!
//! hearth-backup           the format's number
//! store/                  a copy of the records, whole and verified, as of one moment
//! blobs/ab/cd/<digest>    packages: all that these records name, perhaps some more
//! logs/, audit/           append-only files, each up to its last whole entry
//! keys/, tls/             only if asked for: with them, the file opens all secrets
//! manifest.json           every file above with its size and SHA-256; last, so that a cut file has none
//! ```
//!
//! What was acknowledged before a backup began is in it. The records are copied first; from before that until the blobs
//! are copied, too, no blob is deleted ([`hearth_store::BlobHold`]). What can be made again is left out: unpacked
//! packages, summaries of log segments, images of runtimes.
//!
//! What never lives here: knowing what a record says or how a log is written. Another engine than the embedded one makes
//! backups of its own.

mod archive;
mod error;
mod manifest;
mod restore;
mod take;

pub use error::BackupError;
pub use restore::{Restore, Restored, restore};
pub use take::{Journal, Take, Taken, Whole, take};

/// Told how far long work is.
pub trait Progress {
    /// Now begins work on so many bytes.
    fn begin(&self, what: &'static str, bytes: u64);
    /// So many more are done.
    fn advance(&self, bytes: u64);
}

/// Tells nobody.
impl Progress for () {
    fn begin(&self, _: &'static str, _: u64) {}
    fn advance(&self, _: u64) {}
}
