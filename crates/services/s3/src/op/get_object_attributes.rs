//! GetObjectAttributes: what is asked for of ETag, checksum, parts, size and storage class.

use s3s::dto::{
    Checksum as Shown, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, ObjectPart,
    StorageClass,
};

use crate::checksum::{Checksum, Kind};
use crate::convert::{etag, set_checksums, timestamp};
use crate::error::S3Error;
use crate::reading::{locate, shown_version};
use crate::record::ObjectRecord;
use crate::request::{Call, On};

const PARTS_MAX: i32 = 1_000;

pub(crate) async fn run(call: Call, input: GetObjectAttributesInput) -> Result<GetObjectAttributesOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let actions = if input.version_id.is_some() {
        ["s3:GetObjectVersion", "s3:GetObjectVersionAttributes"]
    } else {
        ["s3:GetObject", "s3:GetObjectAttributes"]
    };
    s3.authorize(&ctx, actions[0], on, &[])?;
    let bucket = s3.authorize(&ctx, actions[1], on, &[])?;
    let object = locate(&s3, &ctx, &bucket, &input.key, input.version_id.as_deref(), "GET").await?;
    // One header has them all.
    let asked = input.object_attributes.iter().flat_map(|attributes| attributes.as_str().split(','));
    let asked: Vec<String> = asked.map(|name| name.trim().to_owned()).collect();
    let asks = |name: &str| asked.iter().any(|known| known == name);
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(timestamp(object.modified_ms)),
        version_id: shown_version(&bucket, &object),
        e_tag: asks("ETag").then(|| etag(&object.etag)),
        object_size: asks("ObjectSize").then(|| i64::try_from(object.size).unwrap_or(i64::MAX)),
        storage_class: asks("StorageClass").then(|| StorageClass::from_static(StorageClass::STANDARD)),
        ..GetObjectAttributesOutput::default()
    };
    if asks("Checksum")
        && let Some(checksum) = &object.checksum
    {
        let mut shown = Shown { checksum_type: Some(checksum.kind.as_str().to_owned().into()), ..Shown::default() };
        set_checksums!(shown, Some(checksum));
        output.checksum = Some(shown);
    }
    if asks("ObjectParts") && object.is_multipart {
        output.object_parts = Some(parts(&object, &input)?);
    }
    Ok(output)
}

/// Each with its checksum where the upload had one of its own.
fn parts(object: &ObjectRecord, input: &GetObjectAttributesInput) -> Result<GetObjectAttributesParts, S3Error> {
    let max = input.max_parts.unwrap_or(PARTS_MAX).clamp(0, PARTS_MAX);
    let limit = usize::try_from(max).unwrap_or(0);
    let marker = input.part_number_marker.unwrap_or(0);
    let total = i32::try_from(object.parts.len()).ok();
    let composite = object.checksum.as_ref().filter(|checksum| checksum.kind == Kind::Composite);
    let mut behind = object.parts.iter().filter(|part| i64::from(part.number) > i64::from(marker)).peekable();
    let shown: Vec<_> = std::iter::from_fn(|| behind.next()).take(limit).collect();
    let is_truncated = behind.peek().is_some();
    let parts = composite.map(|whole| {
        let part = |part: &&crate::record::PartRecord| {
            let checksum = part.checksum.clone().map(|value| Checksum { value, ..whole.clone() });
            let mut shown = ObjectPart {
                part_number: i32::try_from(part.number).ok(),
                size: i64::try_from(part.size).ok(),
                ..ObjectPart::default()
            };
            set_checksums!(shown, checksum.as_ref());
            shown
        };
        shown.iter().map(part).collect()
    });
    Ok(GetObjectAttributesParts {
        is_truncated: composite.map(|_| is_truncated),
        max_parts: composite.map(|_| max),
        next_part_number_marker: composite.and_then(|_| i32::try_from(shown.last()?.number).ok()),
        part_number_marker: composite.map(|_| marker),
        parts,
        total_parts_count: total,
    })
}
