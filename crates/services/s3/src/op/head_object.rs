//! HeadObject: what GetObject tells, without the bytes.

use s3s::dto::{HeadObjectInput, HeadObjectOutput};

use super::get_object::{Found, Wanted, default_type, find, shown_version};
use crate::convert::{encryption, etag, metadata, refuse_given, set_checksums, timestamp};
use crate::error::S3Error;
use crate::request::{Call, On};

pub(crate) async fn run(call: Call, input: HeadObjectInput) -> Result<HeadObjectOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let action = if input.version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, action, on, &[])?;
    refuse_given(&[("SSE-C", input.sse_customer_algorithm.is_some())])?;
    let wanted = Wanted {
        version: input.version_id.as_deref(),
        method: "HEAD",
        range: input.range,
        part: input.part_number,
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    };
    let Found { object, slice } = find(&s3, &ctx, &bucket, &input.key, &wanted).await?;
    let kept = object.headers.clone();
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: input.response_cache_control.or(kept.cache_control),
        content_disposition: input.response_content_disposition.or(kept.content_disposition),
        content_encoding: input.response_content_encoding.or(kept.content_encoding),
        content_language: input.response_content_language.or(kept.content_language),
        content_length: i64::try_from(slice.length).ok(),
        content_range: slice.content_range(object.size),
        content_type: input.response_content_type.or(kept.content_type).or_else(default_type),
        e_tag: Some(etag(&object.etag)),
        expiration: super::put_object::expiration(&bucket.record.lifecycle, &object),
        expires: input.response_expires.or_else(|| kept.expires_ms.map(timestamp)),
        last_modified: Some(timestamp(object.modified_ms)),
        metadata: metadata(&object.headers.user),
        parts_count: slice.parts_count,
        server_side_encryption: Some(encryption()),
        version_id: shown_version(&bucket, &object),
        ..HeadObjectOutput::default()
    };
    if input.checksum_mode.is_some() && slice.is_whole {
        set_checksums!(output, object.checksum.as_ref());
        output.checksum_type = object.checksum.as_ref().map(|checksum| checksum.kind.as_str().to_owned().into());
    }
    Ok(output)
}
