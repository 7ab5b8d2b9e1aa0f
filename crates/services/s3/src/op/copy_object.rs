//! CopyObject: another object of the same bytes, without copying them where they are in files.

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETagCondition, MetadataDirective, TaggingDirective,
};

use super::put_object::{conditions, expiration};
use crate::bucket::Bucket;
use crate::checksum::Algorithm;
use crate::content::{Expected, Received};
use crate::convert::{encryption, etag, headers_of, refuse_extras, set_checksums, tagging_header, timestamp};
use crate::error::S3Error;
use crate::limits::PUT_BYTES_MAX;
use crate::notification::Event;
use crate::reading::{Wanted, find, shown_version};
use crate::record::ObjectRecord;
use crate::request::{Call, On};
use crate::versions::Addition;

pub(crate) async fn run(call: Call, input: CopyObjectInput) -> Result<CopyObjectOutput, S3Error> {
    let conditions = conditions(tag_of(&call, "if-match")?.as_ref(), tag_of(&call, "if-none-match")?.as_ref())?;
    let Call { s3, ctx, .. } = call;
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:PutObject", on, &[])?;
    let (from_bucket, from_key, from_version) = source(&input.copy_source)?;
    let action = if from_version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    let from = On::object(from_bucket, from_key, input.expected_source_bucket_owner.as_ref());
    let from_bucket = s3.authorize(&ctx, action, from, &[])?;
    refuse_extras!(input);
    let wanted = Wanted {
        version: from_version,
        method: "PUT",
        range: None,
        part: None,
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        if_modified_since: input.copy_source_if_modified_since.as_ref(),
        if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    let found = find(&s3, &ctx, &from_bucket, from_key, &wanted).await.map_err(of_source)?;
    let original = found.object;
    if original.size > PUT_BYTES_MAX {
        let message = "The specified copy source is larger than the maximum allowable size for a copy source: \
                       5368709120";
        return Err(S3Error::request(message));
    }
    let replaces = |directive: Option<&str>| directive == Some("REPLACE");
    let is_new = replaces(input.metadata_directive.as_ref().map(MetadataDirective::as_str));
    let is_itself = from_bucket.name() == bucket.name() && from_key == input.key && from_version.is_none();
    if is_itself && !is_new && input.server_side_encryption.is_none() && input.storage_class.is_none() {
        let message = "This copy request is illegal because it is trying to copy an object to itself without changing \
                       the object's metadata, storage class, website redirect location or encryption attributes.";
        return Err(S3Error::request(message));
    }
    let headers = if is_new { headers_of!(input)? } else { original.headers.clone() };
    let tags = if replaces(input.tagging_directive.as_ref().map(TaggingDirective::as_str)) {
        tagging_header(input.tagging.as_ref())?
    } else {
        original.tags.clone()
    };
    if !tags.is_empty() {
        s3.authorize(&ctx, "s3:PutObjectTagging", on, &[])?;
    }
    let algorithm = input.checksum_algorithm.as_ref().map(|name| Algorithm::parse(name.as_str())).transpose()?;
    let mut copies = copies(&s3, &from_bucket, &original, algorithm).await?;
    let is_multipart_kept = copies.len() == original.parts.len() && original.is_multipart && copies.len() > 1;
    let object = ObjectRecord {
        size: original.size,
        // One whole object comes of an upload in parts. Source: S3 user guide, "Checking object integrity".
        etag: if original.is_multipart && !is_multipart_kept {
            copies.first().map_or_else(String::new, |copy| copy.part.md5.clone())
        } else {
            original.etag.clone()
        },
        parts: copies.iter().map(|copy| copy.part.clone()).collect(),
        is_multipart: is_multipart_kept,
        headers,
        tags,
        checksum: match copies.as_slice() {
            [one] if one.checksum.is_some() => one.checksum.clone(),
            _ => original.checksum.clone(),
        },
        ..ObjectRecord::new(&input.key)
    };
    let beside = copies.iter().filter_map(|copy| copy.mutation(&bucket)).collect();
    let addition = Addition { object, conditions, event: Event::Copy, beside };
    let added = s3.add(&ctx, &bucket, addition).await;
    copies.iter_mut().for_each(|copy| copy.settle(&added));
    let object = added?;
    let mut result = CopyObjectResult {
        e_tag: Some(etag(&object.etag)),
        last_modified: Some(timestamp(object.modified_ms)),
        checksum_type: object.checksum.as_ref().map(|checksum| checksum.kind.as_str().to_owned().into()),
        ..CopyObjectResult::default()
    };
    set_checksums!(result, object.checksum.as_ref());
    Ok(CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: shown_version(&from_bucket, &original),
        version_id: object.version_id.clone(),
        server_side_encryption: Some(encryption()),
        expiration: expiration(&bucket.record.lifecycle, &object),
        ..CopyObjectOutput::default()
    })
}

/// A condition on what is there already, which `s3s` does not read of a copy.
fn tag_of(call: &Call, header: &str) -> Result<Option<ETagCondition>, S3Error> {
    let tag = call.header(header).map(|text| ETagCondition::parse_http_header(text.as_bytes()));
    tag.transpose().map_err(|_| S3Error::argument(header, "", "Invalid ETag"))
}

/// Bucket, key and version.
///
/// # Errors
/// [`S3Error`]: another kind of source.
pub(crate) fn source(source: &CopySource) -> Result<(&str, &str, Option<&str>), S3Error> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => Ok((bucket, key, version_id.as_deref())),
        CopySource::AccessPoint { .. } => Err(S3Error::unsupported("An access point as the source of a copy")),
        CopySource::Outpost { .. } => Err(S3Error::unsupported("An outpost as the source of a copy")),
    }
}

/// A refusal of a read, as the copy has it.
pub(crate) fn of_source(error: S3Error) -> S3Error {
    match error {
        S3Error::Told(told) if told.code == "PreconditionFailed" => {
            let condition = told.fields.iter().find(|(name, _)| *name == "Condition").map(|(_, value)| value.as_str());
            S3Error::precondition(match condition {
                Some("If-Match") => "x-amz-copy-source-If-Match",
                _ => "x-amz-copy-source-If-Unmodified-Since",
            })
        }
        S3Error::Told(told) if told.code == "NotModified" => S3Error::precondition("x-amz-copy-source-If-None-Match"),
        S3Error::Told(told) if told.code == "MethodNotAllowed" => S3Error::request(
            "The source of a copy request may not specifically refer to a delete marker by version id.",
        ),
        error => error,
    }
}

/// The bytes once more: as they lie, or as one whole where another checksum is asked for.
async fn copies(
    s3: &std::sync::Arc<crate::S3>,
    bucket: &std::sync::Arc<Bucket>,
    original: &ObjectRecord,
    algorithm: Option<Algorithm>,
) -> Result<Vec<Received>, S3Error> {
    let known = original.checksum.as_ref().map(|checksum| checksum.algorithm);
    if algorithm.is_some_and(|algorithm| known != Some(algorithm)) {
        let content = s3.content(bucket, original, 0, original.size);
        let expected = Expected { default: algorithm, ..Expected::default() };
        return Ok(vec![s3.receive(Some(s3s::dto::StreamingBlob::wrap(content)), expected, PUT_BYTES_MAX).await?]);
    }
    let mut copies = Vec::with_capacity(original.parts.len());
    for part in &original.parts {
        copies.push(s3.duplicate(bucket, part).await?);
    }
    Ok(copies)
}
