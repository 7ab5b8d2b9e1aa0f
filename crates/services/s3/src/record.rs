//! What the store keeps of buckets, objects and uploads, and under which keys. All of an account and region is in the shard
//! of its deliveries, so that an object and its notifications are one commit.

use std::collections::BTreeMap;

use hearth_store::{FileId, Key, Record};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

use crate::checksum::{Algorithm, Checksum, Kind};
use crate::cors::CorsRule;
use crate::lifecycle::LifecycleRule;
use crate::notification::Notifications;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Versioning {
    /// Never switched on.
    #[default]
    Off,
    Enabled,
    Suspended,
}

/// Source: S3 API reference, PublicAccessBlockConfiguration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublicAccess {
    pub(crate) block_acls: bool,
    pub(crate) ignore_acls: bool,
    pub(crate) block_policy: bool,
    pub(crate) restrict_buckets: bool,
}

impl PublicAccess {
    /// What a new bucket has. Source: S3 user guide, "Default settings for new S3 buckets FAQ".
    pub(crate) const NEW: Self =
        Self { block_acls: true, ignore_acls: true, block_policy: true, restrict_buckets: true };
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BucketRecord {
    pub(crate) name: String,
    /// Another for each life of the name.
    pub(crate) uid: String,
    pub(crate) created_ms: i64,
    pub(crate) versioning: Versioning,
    #[serde(default)]
    pub(crate) tags: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) policy: Option<String>,
    #[serde(default)]
    pub(crate) cors: Vec<CorsRule>,
    #[serde(default)]
    pub(crate) lifecycle: Vec<LifecycleRule>,
    #[serde(default)]
    pub(crate) notifications: Notifications,
    #[serde(default)]
    pub(crate) public_access: Option<PublicAccess>,
    /// `BucketOwnerEnforced` and its like; `None`: taken away.
    #[serde(default)]
    pub(crate) ownership: Option<String>,
    /// Of the default encryption, which is SSE-S3.
    #[serde(default)]
    pub(crate) bucket_key_enabled: bool,
}

impl Record for BucketRecord {
    const KIND: &'static str = "s3.bucket";
    const VERSION: u32 = 1;
}

/// Where bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    File(FileId),
    /// Under a key of their own, by this id.
    Inline(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) number: u32,
    pub(crate) place: Place,
    pub(crate) size: u64,
    /// MD5, hexadecimal.
    pub(crate) md5: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<String>,
    pub(crate) modified_ms: i64,
}

impl Record for PartRecord {
    const KIND: &'static str = "s3.part";
    const VERSION: u32 = 1;
}

/// The headers that are kept with an object and given back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Headers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_ms: Option<i64>,
    /// `x-amz-meta-…`, by what is behind that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) user: BTreeMap<String, String>,
}

/// One version of an object, or a delete marker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectRecord {
    pub(crate) key: String,
    /// `None`: the null version.
    pub(crate) version_id: Option<String>,
    /// Grows with each change of the key: the order of versions, and a notification's `sequencer`.
    pub(crate) sequence: u64,
    /// Wall clock.
    pub(crate) modified_ms: i64,
    /// Service clock: what lifecycle rules count from.
    pub(crate) born_ms: i64,
    /// Service clock: since when it is no longer the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) superseded_ms: Option<i64>,
    #[serde(default)]
    pub(crate) is_marker: bool,
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) parts: Vec<PartRecord>,
    /// Made by an upload in parts.
    #[serde(default)]
    pub(crate) is_multipart: bool,
    #[serde(default)]
    pub(crate) headers: Headers,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Checksum>,
}

impl Record for ObjectRecord {
    const KIND: &'static str = "s3.object";
    const VERSION: u32 = 1;
}

impl ObjectRecord {
    /// Empty, and not stamped yet.
    pub(crate) fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            version_id: None,
            sequence: 0,
            modified_ms: 0,
            born_ms: 0,
            superseded_ms: None,
            is_marker: false,
            size: 0,
            etag: String::new(),
            parts: Vec::new(),
            is_multipart: false,
            headers: Headers::default(),
            tags: Vec::new(),
            checksum: None,
        }
    }

    /// As the API has it.
    pub(crate) fn version_text(&self) -> &str {
        self.version_id.as_deref().unwrap_or("null")
    }
}

/// An upload in parts that has begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    pub(crate) key: String,
    pub(crate) id: String,
    /// Wall clock.
    pub(crate) initiated_ms: i64,
    /// Service clock.
    pub(crate) born_ms: i64,
    pub(crate) headers: Headers,
    pub(crate) tags: Vec<(String, String)>,
    /// As the client said; `None`: it said nothing.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) kind: Option<Kind>,
}

impl Record for UploadRecord {
    const KIND: &'static str = "s3.upload";
    const VERSION: u32 = 1;
}

pub(crate) fn buckets(scope: &Scope) -> Key {
    Key::new(scope, "s3.bucket")
}

pub(crate) fn bucket_key(scope: &Scope, name: &str) -> Key {
    buckets(scope).part(name)
}

/// The newest versions of a bucket's keys.
pub(crate) fn objects(scope: &Scope, bucket: &str) -> Key {
    Key::new(scope, "s3.object").part(bucket)
}

/// The number behind the key lets a walk begin at the key itself.
pub(crate) fn object_key(scope: &Scope, bucket: &str, key: &str) -> Key {
    objects(scope, bucket).part(key).part_u64(0)
}

/// The versions of a key that are not the newest, the youngest first.
pub(crate) fn versions(scope: &Scope, bucket: &str, key: &str) -> Key {
    Key::new(scope, "s3.version").part(bucket).part(key)
}

pub(crate) fn version_key(scope: &Scope, bucket: &str, key: &str, sequence: u64) -> Key {
    versions(scope, bucket, key).part_u64(u64::MAX - sequence)
}

pub(crate) fn inline_key(scope: &Scope, bucket: &str, id: &str) -> Key {
    Key::new(scope, "s3.bytes").part(bucket).part(id)
}

pub(crate) fn uploads(scope: &Scope, bucket: &str) -> Key {
    Key::new(scope, "s3.upload").part(bucket)
}

pub(crate) fn upload_key(scope: &Scope, bucket: &str, key: &str, id: &str) -> Key {
    uploads(scope, bucket).part(key).part(id)
}

pub(crate) fn parts(scope: &Scope, bucket: &str, upload: &str) -> Key {
    Key::new(scope, "s3.part").part(bucket).part(upload)
}

pub(crate) fn part_key(scope: &Scope, bucket: &str, upload: &str, number: u32) -> Key {
    parts(scope, bucket, upload).part_u64(u64::from(number))
}
