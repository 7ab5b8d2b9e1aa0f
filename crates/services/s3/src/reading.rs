//! What a read is about: which version, under which conditions, which of its bytes; and how an object is described, which
//! GetObject and HeadObject do alike.

use std::sync::Arc;

use s3s::dto::{ETagCondition, Range, Timestamp};

use crate::S3;
use crate::bucket::Bucket;
use crate::convert::{condition, millis};
use crate::error::S3Error;
use crate::record::ObjectRecord;

/// What an input of GetObject or HeadObject asks for.
macro_rules! wanted {
    ($input:expr, $method:literal) => {
        $crate::reading::Wanted {
            version: $input.version_id.as_deref(),
            method: $method,
            range: $input.range,
            part: $input.part_number,
            if_match: $input.if_match.as_ref(),
            if_none_match: $input.if_none_match.as_ref(),
            if_modified_since: $input.if_modified_since.as_ref(),
            if_unmodified_since: $input.if_unmodified_since.as_ref(),
        }
    };
}

/// The output of either that describes what was [found](find), with the headers that the input would rather have.
macro_rules! described {
    ($Output:ident, $input:expr, $bucket:expr, $found:expr) => {{
        let $crate::reading::Found { object, slice } = $found;
        let kept = object.headers.clone();
        let mut output = $Output {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: $input.response_cache_control.or(kept.cache_control),
            content_disposition: $input.response_content_disposition.or(kept.content_disposition),
            content_encoding: $input.response_content_encoding.or(kept.content_encoding),
            content_language: $input.response_content_language.or(kept.content_language),
            content_length: i64::try_from(slice.length).ok(),
            content_range: slice.content_range(object.size),
            content_type: $input.response_content_type.or(kept.content_type).or_else($crate::reading::default_type),
            e_tag: Some($crate::convert::etag(&object.etag)),
            expiration: $crate::op::put_object::expiration(&$bucket.record.lifecycle, object),
            expires: $input.response_expires.or_else(|| kept.expires_ms.map($crate::convert::timestamp)),
            last_modified: Some($crate::convert::timestamp(object.modified_ms)),
            metadata: $crate::convert::metadata(&object.headers.user),
            parts_count: slice.parts_count,
            server_side_encryption: Some($crate::convert::encryption()),
            version_id: $crate::reading::shown_version($bucket, object),
            ..$Output::default()
        };
        if $input.checksum_mode.is_some() && slice.is_whole {
            $crate::convert::set_checksums!(output, object.checksum.as_ref());
            output.checksum_type = object.checksum.as_ref().map(|checksum| checksum.kind.as_str().to_owned().into());
        }
        output
    }};
}

pub(crate) use {described, wanted};

pub(crate) fn default_type() -> Option<String> {
    Some("binary/octet-stream".to_owned())
}

/// Of buckets that never had versioning nobody is told a version.
pub(crate) fn shown_version(bucket: &Bucket, object: &ObjectRecord) -> Option<String> {
    bucket.is_versioned().then(|| object.version_text().to_owned())
}

/// What a read asks for.
pub(crate) struct Wanted<'w> {
    pub(crate) version: Option<&'w str>,
    pub(crate) method: &'static str,
    pub(crate) range: Option<Range>,
    pub(crate) part: Option<i32>,
    pub(crate) if_match: Option<&'w ETagCondition>,
    pub(crate) if_none_match: Option<&'w ETagCondition>,
    pub(crate) if_modified_since: Option<&'w Timestamp>,
    pub(crate) if_unmodified_since: Option<&'w Timestamp>,
}

/// What is read.
pub(crate) struct Found {
    pub(crate) object: ObjectRecord,
    pub(crate) slice: Slice,
}

/// Which bytes.
pub(crate) struct Slice {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) is_whole: bool,
    /// Where a part is asked for.
    pub(crate) parts_count: Option<i32>,
}

impl Slice {
    pub(crate) fn content_range(&self, size: u64) -> Option<String> {
        let last = (self.offset + self.length).checked_sub(1)?;
        (!self.is_whole).then(|| format!("bytes {}-{last}/{size}", self.offset))
    }
}

/// The version that a read is about, if its conditions hold.
///
/// # Errors
/// [`S3Error`], as recorded.
pub(crate) async fn find(
    s3: &Arc<S3>,
    ctx: &hearth_types::RequestContext,
    bucket: &Bucket,
    key: &str,
    wanted: &Wanted<'_>,
) -> Result<Found, S3Error> {
    let object = locate(s3, ctx, bucket, key, wanted.version, wanted.method).await?;
    check_conditions(&object, wanted)?;
    let slice = slice(&object, wanted)?;
    Ok(Found { object, slice })
}

/// The version, by its id or the newest one; no marker.
///
/// # Errors
/// [`S3Error`], as recorded.
pub(crate) async fn locate(
    s3: &S3,
    ctx: &hearth_types::RequestContext,
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
    method: &'static str,
) -> Result<ObjectRecord, S3Error> {
    match version {
        Some(version) => match s3.version(bucket, key, version).await? {
            Some(found) if found.is_marker => {
                Err(S3Error::delete_marker(method).header("x-amz-version-id", found.version_text()))
            }
            Some(found) => Ok(found),
            None => Err(S3Error::no_such_version(key, version)),
        },
        None => match s3.current(bucket, key).await? {
            Some((found, _)) if found.is_marker => {
                let error = s3.missing_key(ctx, bucket, key).header("x-amz-delete-marker", "true");
                Err(error.header("x-amz-version-id", found.version_text()))
            }
            Some((found, _)) => Ok(found),
            None => Err(s3.missing_key(ctx, bucket, key)),
        },
    }
}

/// Source: RFC 9110, "Precedence of preconditions"; S3 API reference, GetObject.
fn check_conditions(object: &ObjectRecord, wanted: &Wanted<'_>) -> Result<(), S3Error> {
    let matches = |tag: &ETagCondition| matches!(condition(tag), "*") || condition(tag) == object.etag;
    let modified = object.modified_ms.div_euclid(1_000);
    let is_later = |at: &Timestamp| modified > millis(at).div_euclid(1_000);
    match (wanted.if_match, wanted.if_unmodified_since) {
        (Some(tag), _) if !matches(tag) => return Err(S3Error::precondition("If-Match")),
        (None, Some(at)) if is_later(at) => return Err(S3Error::precondition("If-Unmodified-Since")),
        _ => {}
    }
    match (wanted.if_none_match, wanted.if_modified_since) {
        (Some(tag), _) if matches(tag) => Err(S3Error::not_modified(&object.etag)),
        (None, Some(at)) if !is_later(at) => Err(S3Error::not_modified(&object.etag)),
        _ => Ok(()),
    }
}

fn slice(object: &ObjectRecord, wanted: &Wanted<'_>) -> Result<Slice, S3Error> {
    let whole = Slice { offset: 0, length: object.size, is_whole: true, parts_count: None };
    match (wanted.range, wanted.part) {
        (None, None) => Ok(whole),
        (Some(_), Some(_)) => Err(S3Error::request("Cannot specify both Range header and partNumber query parameter")),
        (Some(range), None) => {
            let (offset, end) = match range {
                Range::Int { first, last } => {
                    (first, last.map_or(object.size, |last| last.saturating_add(1)).min(object.size))
                }
                Range::Suffix { length } => (object.size.saturating_sub(length), object.size),
            };
            if offset >= end {
                return Err(S3Error::range(&text_of(range), object.size));
            }
            Ok(Slice { offset, length: end - offset, is_whole: false, parts_count: None })
        }
        (None, Some(number)) => {
            crate::upload::check_number(number)?;
            let position = object.parts.iter().position(|part| i64::from(part.number) == i64::from(number));
            let position = if object.is_multipart { position } else { (number == 1).then_some(0) };
            let Some(position) = position else {
                let message = "The requested partnumber is not satisfiable";
                let error = S3Error::new("InvalidPartNumber", http::StatusCode::RANGE_NOT_SATISFIABLE, message);
                let error = error.with("ActualPartCount", object.parts.len().to_string());
                return Err(error.with("PartNumberRequested", number.to_string()));
            };
            let offset = object.parts[..position].iter().map(|part| part.size).sum();
            let length = object.parts.get(position).map_or(0, |part| part.size);
            let parts_count = object.is_multipart.then(|| i32::try_from(object.parts.len()).unwrap_or(i32::MAX));
            Ok(Slice { offset, length, is_whole: length == object.size && !object.is_multipart, parts_count })
        }
    }
}

fn text_of(range: Range) -> String {
    match range {
        Range::Int { first, last: Some(last) } => format!("bytes={first}-{last}"),
        Range::Int { first, last: None } => format!("bytes={first}-"),
        Range::Suffix { length } => format!("bytes=-{length}"),
    }
}
