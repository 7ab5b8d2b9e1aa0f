//! How much of an image is taken.

use std::time::Duration;

/// A manifest, an index or an image's configuration. Source: OCI distribution specification, "Pushing Manifests":
/// registries take at least 4 MiB, and hardly any takes more.
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// How an image is run: its command line, working directory and variables together. An environment is started with one
/// message of 128 KiB, and the function's own variables are in it too.
pub const RUN_BYTES_MAX: usize = 32 << 10;
/// Layers of an image. Source: Docker's own limit.
pub const LAYERS_MAX: usize = 127;
/// Blobs of all layers, as they come. Source: Lambda quotas: 10 GB uncompressed, and nothing compresses to more.
pub const BLOBS_BYTES_MAX: u64 = 10 << 30;
/// Indexes in each other.
pub const INDEX_DEPTH_MAX: usize = 2;
/// An answer of a token server.
pub const TOKEN_BYTES_MAX: usize = 64 << 10;
/// A reference.
pub const REFERENCE_BYTES_MAX: usize = 1_024;
/// From one server to the next.
pub const REDIRECTS_MAX: usize = 5;
/// Until a registry answers.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);
/// Between two pieces of a blob.
pub const PIECE_WAIT_MAX: Duration = Duration::from_secs(30);
/// For a whole blob.
pub const BLOB_WAIT_MAX: Duration = Duration::from_secs(3_600);
/// Connections to one registry that are kept for later.
pub const IDLE_MAX: usize = 1;
