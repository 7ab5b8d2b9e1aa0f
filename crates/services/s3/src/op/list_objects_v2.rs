//! ListObjectsV2: keys of a bucket, page by page.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_ports::Condition;
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass, Owner,
};

use crate::S3;
use crate::bucket::Bucket;
use crate::convert::{etag, owner, refuse_given, timestamp};
use crate::error::S3Error;
use crate::limits::KEYS_MAX;
use crate::listing::{Page, Wanted, encoded};
use crate::record::{ObjectRecord, object_key, objects};
use crate::request::{Call, On};

pub(crate) async fn run(call: Call, input: ListObjectsV2Input) -> Result<ListObjectsV2Output, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let conditions = conditions(input.prefix.as_deref(), input.delimiter.as_deref(), input.max_keys);
    let bucket = s3.authorize(&ctx, "s3:ListBucket", on, &conditions)?;
    refuse_given(&[("OptionalObjectAttributes", input.optional_object_attributes.is_some())])?;
    let is_url = is_url(input.encoding_type.as_ref())?;
    let limit = limit(input.max_keys)?;
    let token = input.continuation_token.as_deref().map(read_token).transpose()?;
    let after = token.clone().or_else(|| input.start_after.clone());
    let wanted = Wanted {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        limit,
        after: after.as_deref(),
    };
    let page = page(&s3, &bucket, &wanted).await?;
    let shown = input.fetch_owner.unwrap_or(false).then(|| owner(&bucket));
    Ok(ListObjectsV2Output {
        name: Some(input.bucket.clone()),
        prefix: Some(encoded(wanted.prefix, is_url)),
        delimiter: input.delimiter.as_deref().map(|delimiter| encoded(delimiter, is_url)),
        max_keys: i32::try_from(limit).ok(),
        key_count: i32::try_from(page.len()).ok(),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_deref().map(|next| STANDARD.encode(next)),
        continuation_token: input.continuation_token,
        start_after: input.start_after.map(|after| encoded(&after, is_url)),
        encoding_type: input.encoding_type,
        common_prefixes: prefixes(&page.prefixes, is_url),
        contents: Some(page.items.iter().map(|object| shown_object(object, is_url, shown.clone())).collect()),
        ..ListObjectsV2Output::default()
    })
}

/// What policies may ask about a listing.
pub(crate) fn conditions(prefix: Option<&str>, delimiter: Option<&str>, max_keys: Option<i32>) -> Vec<Condition> {
    let prefix = Condition::one("s3:prefix", prefix.unwrap_or_default());
    let delimiter = delimiter.map(|delimiter| Condition::one("s3:delimiter", delimiter));
    let max_keys = max_keys.map(|max| Condition::one("s3:max-keys", max.to_string()));
    std::iter::once(prefix).chain(delimiter).chain(max_keys).collect()
}

pub(crate) fn is_url(encoding: Option<&EncodingType>) -> Result<bool, S3Error> {
    match encoding.map(EncodingType::as_str) {
        None => Ok(false),
        Some("url") => Ok(true),
        Some(other) => Err(S3Error::argument("encoding-type", other, "Invalid Encoding Method specified in Request")),
    }
}

pub(crate) fn limit(max: Option<i32>) -> Result<usize, S3Error> {
    let max = max.unwrap_or(KEYS_MAX);
    usize::try_from(max.min(KEYS_MAX)).map_err(|_| {
        let message = "Argument max-keys must be an integer between 0 and 2147483647";
        S3Error::argument("max-keys", max.to_string(), message)
    })
}

fn read_token(token: &str) -> Result<String, S3Error> {
    let text = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| S3Error::argument_name("continuation-token", "The continuation token provided is incorrect"))
}

/// A page of the newest versions that are no markers.
pub(crate) async fn page(s3: &Arc<S3>, bucket: &Bucket, wanted: &Wanted<'_>) -> Result<Page<ObjectRecord>, S3Error> {
    let mut page = Page::default();
    if wanted.limit == 0 {
        return Ok(page);
    }
    s3.walk(bucket, begin(bucket, wanted), |object| {
        let key = object.key.clone();
        page.take(wanted, &key, || (!object.is_marker).then_some(object))
    })
    .await?;
    Ok(page)
}

/// Where a walk for a page begins.
pub(crate) fn begin(bucket: &Bucket, wanted: &Wanted<'_>) -> Option<hearth_store::Key> {
    let (scope, uid) = (&bucket.scope, bucket.uid());
    match wanted.after.filter(|after| *after >= wanted.prefix) {
        Some(after) => Some(object_key(scope, uid, after)),
        None if wanted.prefix.is_empty() => None,
        None => Some(objects(scope, uid).part(wanted.prefix)),
    }
}

pub(crate) fn prefixes(prefixes: &[String], is_url: bool) -> Option<Vec<CommonPrefix>> {
    let shown = prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(encoded(prefix, is_url)) });
    Some(shown.collect())
}

pub(crate) fn shown_object(object: &ObjectRecord, is_url: bool, owner: Option<Owner>) -> Object {
    let checksum = object.checksum.as_ref();
    Object {
        key: Some(encoded(&object.key, is_url)),
        last_modified: Some(timestamp(object.modified_ms)),
        e_tag: Some(etag(&object.etag)),
        checksum_algorithm: checksum.map(|checksum| vec![checksum.algorithm.name().to_owned().into()]),
        checksum_type: checksum.map(|checksum| checksum.kind.as_str().to_owned().into()),
        size: i64::try_from(object.size).ok(),
        storage_class: Some(ObjectStorageClass::from_static("STANDARD")),
        owner,
        ..Object::default()
    }
}
