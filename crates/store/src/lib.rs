//! Where state is kept: records in shards, blobs under their digests, and the codec between records and bytes.
//!
//! ```text
//! record ─ Codec ─► bytes ─► Store (trait) ◄── SqliteStore: one commit thread, readers beside it
//!                                          ◄── PostgresStore: the same in a database, through one connection
//! package ────────────────► Blobs (trait) ◄── DirBlobs: files by SHA-256
//! object ─────────────────► BlobFiles: files written and read as streams
//!                              DataDir: one directory, one server
//! ```
//!
//! The promises: what is acknowledged is on disk; what is read is what was written, or an error; nobody sees what is
//! not durable yet. What never lives here: anything that knows what a record means.

mod blobs;
mod data_dir;
mod disk;
mod files;
mod health;
mod key;
pub mod limits;
mod lock;
mod postgres;
mod record;
mod request;
mod sqlite;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod watchers;

pub use blobs::{BlobHold, Blobs, DirBlobs};
pub use data_dir::{DataDir, DataDirError, RestoringDir};
pub use files::{BlobFiles, FileId, FileReader, FileWriter, Pin};
pub use health::OnFatal;
pub use key::{Component, Key, Shard};
pub use lock::LockError;
pub use postgres::{PostgresError, PostgresOptions, PostgresStore, Tenancy};
pub use record::{Codec, KeyRing, KeyRingError, Record, RecordError, Secret};
pub use sqlite::{OpenError, SqliteStore, StoreOptions};
pub use store::{Entry, Epoch, KeyVersion, Mutation, Precondition, Revision, Store, StoreError, scan_all, scopes};
