//! Between the API's shapes and what is kept.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use percent_encoding::percent_decode_str;
use s3s::dto::{ETag, ETagCondition, ObjectCannedACL, Owner, ServerSideEncryption, StorageClass, Tag, Timestamp};

use crate::bucket::Bucket;
use crate::checksum::Checksum;
use crate::error::S3Error;
use crate::limits::{METADATA_BYTES_MAX, TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX};
use crate::record::Headers;

pub(crate) type Tags = Vec<(String, String)>;

/// Whole seconds, as S3 tells times.
pub(crate) fn timestamp(at_ms: i64) -> Timestamp {
    let seconds = u64::try_from(at_ms.div_euclid(1_000)).unwrap_or(0);
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

pub(crate) fn millis(at: &Timestamp) -> i64 {
    let mut text = Vec::new();
    let written = at.format(s3s::dto::TimestampFormat::DateTime, &mut text);
    let text = written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_default();
    hearth_types::clock::parse_rfc3339_ms(&text).unwrap_or(0)
}

pub(crate) fn etag(text: &str) -> ETag {
    ETag::Strong(text.to_owned())
}

/// The ETag of a condition; `*` for any.
pub(crate) fn condition(condition: &ETagCondition) -> &str {
    match condition {
        ETagCondition::ETag(tag) => tag.value(),
        ETagCondition::Any => "*",
    }
}

pub(crate) fn owner(bucket: &Bucket) -> Owner {
    Owner { id: Some(crate::notification::owner_id(bucket.account().as_str())), display_name: None }
}

/// The five values of the API's shapes, at the algorithm's place.
pub(crate) fn checksum_values(checksum: Option<&Checksum>) -> [Option<String>; 5] {
    crate::checksum::Algorithm::ALL.map(|algorithm| {
        checksum.filter(|checksum| checksum.algorithm == algorithm).map(|checksum| checksum.value.clone())
    })
}

/// Sets the five checksums of a shape, and their type where it has one.
macro_rules! set_checksums {
    ($output:expr, $checksum:expr) => {{
        let [crc32, crc32c, crc64nvme, sha1, sha256] = $crate::convert::checksum_values($checksum);
        $output.checksum_crc32 = crc32;
        $output.checksum_crc32c = crc32c;
        $output.checksum_crc64nvme = crc64nvme;
        $output.checksum_sha1 = sha1;
        $output.checksum_sha256 = sha256;
    }};
}

/// The five checksums of an input.
macro_rules! checksums_of {
    ($input:expr) => {
        [
            $input.checksum_crc32.clone(),
            $input.checksum_crc32c.clone(),
            $input.checksum_crc64nvme.clone(),
            $input.checksum_sha1.clone(),
            $input.checksum_sha256.clone(),
        ]
    };
}

/// The headers of an input that are kept with an object.
macro_rules! headers_of {
    ($input:expr) => {
        $crate::convert::headers($crate::record::Headers {
            content_type: $input.content_type.clone(),
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.clone().filter(|encoding| !encoding.is_empty()),
            content_language: $input.content_language.clone(),
            expires_ms: $input.expires.as_ref().map($crate::convert::millis),
            user: $input.metadata.iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    };
}

/// Refuses what an input asks for beyond that: other storage classes, keys, grants.
macro_rules! refuse_extras {
    ($input:expr) => {{
        $crate::convert::check_class($input.storage_class.as_ref())?;
        $crate::convert::check_encryption($input.server_side_encryption.as_ref(), $input.ssekms_key_id.is_some())?;
        $crate::convert::check_acl($input.acl.as_ref())?;
        $crate::convert::refuse_given(&[
            ("x-amz-grant-full-control", $input.grant_full_control.is_some()),
            ("x-amz-grant-read", $input.grant_read.is_some()),
            ("x-amz-grant-read-acp", $input.grant_read_acp.is_some()),
            ("x-amz-grant-write-acp", $input.grant_write_acp.is_some()),
        ])?;
    }};
}

pub(crate) use {checksums_of, headers_of, refuse_extras, set_checksums};

/// # Errors
/// [`S3Error`]: too much of it.
pub(crate) fn headers(headers: Headers) -> Result<Headers, S3Error> {
    let bytes: usize = headers.user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        let message = "Your metadata headers exceed the maximum allowed metadata size";
        let error = S3Error::new("MetadataTooLarge", http::StatusCode::BAD_REQUEST, message);
        return Err(error.with("Size", bytes.to_string()).with("MaxSizeAllowed", METADATA_BYTES_MAX.to_string()));
    }
    Ok(headers)
}

pub(crate) fn metadata(user: &BTreeMap<String, String>) -> Option<s3s::dto::Metadata> {
    (!user.is_empty()).then(|| user.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// # Errors
/// [`S3Error`]: the first that was given.
pub(crate) fn refuse_given(given: &[(&str, bool)]) -> Result<(), S3Error> {
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((what, _)) => Err(S3Error::unsupported(what)),
        None => Ok(()),
    }
}

/// All classes there are: what is none is told so, and of the others there is one.
const CLASSES: [&str; 11] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
    "FSX_OPENZFS",
];

pub(crate) fn check_class(class: Option<&StorageClass>) -> Result<(), S3Error> {
    match class.map(StorageClass::as_str) {
        None | Some("STANDARD") => Ok(()),
        Some(class) if CLASSES.contains(&class) => Err(S3Error::unsupported(format!("The storage class {class}"))),
        Some(class) => {
            let message = "The storage class you specified is not valid";
            let error = S3Error::new("InvalidStorageClass", http::StatusCode::BAD_REQUEST, message);
            Err(error.with("StorageClassRequested", class))
        }
    }
}

pub(crate) fn check_encryption(encryption: Option<&ServerSideEncryption>, has_key: bool) -> Result<(), S3Error> {
    match encryption.map(ServerSideEncryption::as_str) {
        Some(kms @ ("aws:kms" | "aws:kms:dsse")) => Err(S3Error::unsupported(format!("Encryption with {kms}"))),
        Some("AES256") | None if !has_key => Ok(()),
        Some("AES256") | None => Err(S3Error::unsupported("Encryption with aws:kms")),
        Some(other) => {
            let message = "The Encryption request you specified is not valid. Supported value: AES256.";
            let error = S3Error::new("InvalidEncryptionAlgorithmError", http::StatusCode::BAD_REQUEST, message);
            Err(error.with("ArgumentName", "x-amz-server-side-encryption").with("ArgumentValue", other))
        }
    }
}

/// Of ACLs there are those that give nothing to anybody but the owner.
pub(crate) fn check_acl(acl: Option<&ObjectCannedACL>) -> Result<(), S3Error> {
    check_canned(acl.map(ObjectCannedACL::as_str))
}

const CANNED: [&str; 8] = [
    "private",
    "public-read",
    "public-read-write",
    "aws-exec-read",
    "authenticated-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "log-delivery-write",
];

pub(crate) fn check_canned(acl: Option<&str>) -> Result<(), S3Error> {
    match acl {
        None | Some("private" | "bucket-owner-full-control") => Ok(()),
        Some(acl) if CANNED.contains(&acl) => {
            let message = "The bucket does not allow ACLs";
            Err(S3Error::new("AccessControlListNotSupported", http::StatusCode::BAD_REQUEST, message))
        }
        Some(acl) => Err(S3Error::argument("x-amz-acl", acl, "")),
    }
}

pub(crate) fn encryption() -> ServerSideEncryption {
    ServerSideEncryption::from_static(ServerSideEncryption::AES256)
}

/// # Errors
/// [`S3Error`], as recorded.
pub(crate) fn tags(set: &[Tag], max: usize) -> Result<Tags, S3Error> {
    let invalid = |key: &str, message: &'static str| {
        S3Error::new("InvalidTag", http::StatusCode::BAD_REQUEST, message).with("TagKey", key)
    };
    let is_allowed =
        |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c));
    let mut tags: Tags = Vec::new();
    for tag in set {
        let (key, value) = (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(&key, "System tags cannot be added/updated by requester"));
        }
        if !(1..=TAG_KEY_CHARS_MAX).contains(&key.chars().count()) || !is_allowed(&key) {
            return Err(invalid(&key, "The TagKey you have provided is invalid"));
        }
        if value.chars().count() > TAG_VALUE_CHARS_MAX || !is_allowed(&value) {
            return Err(invalid(&key, "The TagValue you have provided is invalid").with("TagValue", value));
        }
        if tags.iter().any(|(known, _)| *known == key) {
            return Err(invalid(&key, "Cannot provide multiple Tags with the same key"));
        }
        tags.push((key, value));
    }
    if tags.len() > max {
        let message = format!("Object tags cannot be greater than {max}");
        return Err(S3Error::new("BadRequest", http::StatusCode::BAD_REQUEST, message));
    }
    Ok(tags)
}

/// `x-amz-tagging`.
///
/// # Errors
/// [`S3Error`], as recorded.
pub(crate) fn tagging_header(text: Option<&String>) -> Result<Tags, S3Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let malformed = || {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters \
                       without tag name duplicates.";
        S3Error::argument("x-amz-tagging", text, message)
    };
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().map(|text| text.into_owned());
    let mut set: Vec<Tag> = Vec::new();
    for pair in text.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if value.contains('=') {
            return Err(malformed());
        }
        let (Ok(key), Ok(value)) = (decoded(key), decoded(value)) else { return Err(malformed()) };
        if set.iter().any(|known| known.key.as_ref() == Some(&key)) {
            return Err(malformed());
        }
        set.push(Tag { key: Some(key), value: Some(value) });
    }
    tags(&set, crate::limits::OBJECT_TAGS_MAX)
}

pub(crate) fn tag_set(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}
