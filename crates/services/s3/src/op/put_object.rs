//! PutObject: takes in an object's bytes and makes them its newest version.

use s3s::dto::{ETagCondition, PutObjectInput, PutObjectOutput};

use crate::checksum::{Algorithm, Claimed};
use crate::content::Expected;
use crate::convert::{
    checksums_of, condition, encryption, etag, headers_of, refuse_extras, refuse_given, set_checksums, tagging_header,
    timestamp,
};
use crate::error::S3Error;
use crate::limits::PUT_BYTES_MAX;
use crate::notification::Event;
use crate::record::ObjectRecord;
use crate::request::{Call, On};
use crate::versions::{Addition, Conditions};

pub(crate) async fn run(call: Call, input: PutObjectInput) -> Result<PutObjectOutput, S3Error> {
    let claimed = Claimed::read(
        checksums_of!(input),
        input.checksum_algorithm.as_ref().map(|name| name.as_str()),
        call.envelope.announced.as_deref(),
    )?;
    let has_conditions = (call.header("if-modified-since").is_some(), call.header("if-unmodified-since").is_some());
    let Call { s3, ctx, envelope, .. } = call;
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:PutObject", on, &[])?;
    let tags = tagging_header(input.tagging.as_ref())?;
    if !tags.is_empty() {
        s3.authorize(&ctx, "s3:PutObjectTagging", on, &[])?;
    }
    refuse_extras!(input);
    refuse_given(&[
        ("If-Modified-Since of a write", has_conditions.0),
        ("If-Unmodified-Since of a write", has_conditions.1),
    ])?;
    let conditions = conditions(input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let headers = headers_of!(input)?;
    let expected = Expected {
        md5: input.content_md5,
        length: input.content_length,
        claimed,
        default: Some(Algorithm::Crc64Nvme),
        trailers: envelope.trailers,
    };
    let mut received = s3.receive(input.body, expected, PUT_BYTES_MAX).await?;
    let object = ObjectRecord {
        size: received.part.size,
        etag: received.part.md5.clone(),
        parts: vec![received.part.clone()],
        headers,
        tags,
        checksum: received.checksum.clone(),
        ..ObjectRecord::new(&input.key)
    };
    let beside = received.mutation(&bucket).into_iter().collect();
    let added = s3.add(&ctx, &bucket, Addition { object, conditions, event: Event::Put, beside }).await;
    received.settle(&added);
    let object = added?;
    let mut output = PutObjectOutput {
        e_tag: Some(etag(&object.etag)),
        version_id: object.version_id.clone(),
        server_side_encryption: Some(encryption()),
        expiration: expiration(&bucket.record.lifecycle, &object),
        checksum_type: object.checksum.as_ref().map(|checksum| checksum.kind.as_str().to_owned().into()),
        ..PutObjectOutput::default()
    };
    set_checksums!(output, object.checksum.as_ref());
    Ok(output)
}

/// Conditions of a write: on a certain version, or on there being none.
///
/// # Errors
/// [`S3Error`], as recorded.
pub(crate) fn conditions(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> Result<Conditions, S3Error> {
    match (if_match, if_none_match) {
        (Some(_), Some(_)) => Err(S3Error::header_unsupported(
            "If-Match,If-None-Match",
            Some("Multiple conditional request headers present in the request"),
        )),
        (_, Some(ETagCondition::ETag(_))) => Err(S3Error::header_unsupported(
            "If-None-Match",
            Some("We don't accept the provided value of If-None-Match header for this API"),
        )),
        (Some(ETagCondition::Any), None) => Err(S3Error::header_unsupported(
            "If-Match",
            Some("We don't accept the provided value of If-Match header for this API"),
        )),
        (if_match, if_none_match) => Ok(Conditions {
            if_match: if_match.map(|tag| condition(tag).to_owned()),
            if_absent: if_none_match.is_some(),
        }),
    }
}

/// `x-amz-expiration`.
pub(crate) fn expiration(rules: &[crate::lifecycle::LifecycleRule], object: &ObjectRecord) -> Option<String> {
    let (at_ms, rule) = crate::lifecycle::expiration(rules, object)?;
    let mut date = Vec::new();
    timestamp(at_ms).format(s3s::dto::TimestampFormat::HttpDate, &mut date).ok()?;
    Some(format!("expiry-date=\"{}\", rule-id=\"{rule}\"", String::from_utf8_lossy(&date)))
}
