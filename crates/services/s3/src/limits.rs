//! Every bound of S3, in one table. Source: S3 user guide, "Amazon S3 multipart upload limits", "Bucket quotas,
//! limitations, and restrictions", "Working with object metadata".

/// An object up to this size lies beside its record: it costs no file.
pub(crate) const INLINE_BYTES_MAX: usize = 16 * 1024;
/// One upload.
pub(crate) const PUT_BYTES_MAX: u64 = 5 << 30;
/// All parts but the last.
pub(crate) const PART_BYTES_MIN: u64 = 5 << 20;
pub(crate) const PART_NUMBER_MAX: i32 = 10_000;
/// Locks of uploads that are kept though nobody holds them.
pub(crate) const UPLOAD_LOCKS_KEPT: usize = 1_024;
/// A request in XML.
pub(crate) const XML_BYTES_MAX: usize = 2 << 20;
/// Keys of one page, and of one DeleteObjects.
pub(crate) const KEYS_MAX: i32 = 1_000;
pub(crate) const BUCKETS_MAX: usize = 10_000;
/// User metadata of an object, names and values.
pub(crate) const METADATA_BYTES_MAX: usize = 2 * 1024;
pub(crate) const OBJECT_TAGS_MAX: usize = 10;
pub(crate) const BUCKET_TAGS_MAX: usize = 50;
pub(crate) const TAG_KEY_CHARS_MAX: usize = 128;
pub(crate) const TAG_VALUE_CHARS_MAX: usize = 256;
/// A bucket's policy.
pub(crate) const POLICY_BYTES_MAX: usize = 20 * 1024;
pub(crate) const CORS_RULES_MAX: usize = 100;
pub(crate) const LIFECYCLE_RULES_MAX: usize = 1_000;
pub(crate) const NOTIFICATIONS_MAX: usize = 100;
/// A write that others come before is decided again this often.
pub(crate) const COMMIT_ATTEMPTS_MAX: usize = 16;
/// Rows that are read at once for a page.
pub(crate) const SCAN_ROWS: usize = 256;
/// Pieces of an answer that are read ahead of whoever takes it.
pub(crate) const READ_AHEAD_PIECES: usize = 2;
/// What another service may read as a whole by the port.
pub(crate) const PORT_READ_BYTES_MAX: u64 = 512 << 20;
/// Notifications under way at the same time.
pub(crate) const ATTEMPTS_MAX: usize = 64;
