//! What one request may cost, in one table. The body limit of an operation is given with its handler.

use std::time::Duration;

/// Longest wait for the next piece of a request's body.
pub const BODY_IDLE_MAX: Duration = Duration::from_secs(30);
/// What is read and thrown away of a body that is too large, bytes, so that the client gets to read its answer.
pub const BODY_DRAIN_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Longest time that goes into throwing it away.
pub const BODY_DRAIN_MAX: Duration = Duration::from_secs(10);
/// Framing of an aws-chunked body over its content: signatures and sizes, bytes for each started 8 KiB.
pub const CHUNK_OVERHEAD_BYTES: usize = 256;
/// Body of a request that has shown no credentials yet, bytes: the longest is a SAML answer of 100,000 characters, which
/// grow in a form. Source: STS API reference, AssumeRoleWithSAML.
pub const UNAUTHENTICATED_BYTES_MAX: usize = 512 * 1024;
/// Path and query of a request together, bytes.
pub const TARGET_BYTES_MAX: usize = 64 * 1024;
/// Largest body that is decoded where it arrives, bytes; larger ones must not hold up other requests.
pub const DECODED_INLINE_BYTES_MAX: usize = 256 * 1024;
/// How far a signature's time may be from ours. Source: IAM user guide, "Troubleshoot signed requests".
pub const CLOCK_SKEW_MS_MAX: i64 = 15 * 60 * 1000;
/// Longest validity of a presigned URL, seconds. Source: IAM user guide, "Elements of an AWS API request signature".
pub const PRESIGNED_SECONDS_MAX: i64 = 7 * 24 * 60 * 60;
/// Access keys whose derived signing keys are kept.
pub const CACHED_KEYS_MAX: usize = 4_096;
/// Derived signing keys of one access key: dates, regions and services it is used with.
pub const CACHED_SCOPES_MAX: usize = 16;
/// How deep structures, lists and maps of a CBOR body may be within each other.
pub const CBOR_DEPTH_MAX: usize = 128;
/// How many times larger than what was sent a compressed body may become: metrics shrink to a twentieth.
pub const INFLATED_FACTOR_MAX: usize = 16;
