//! ListParts: what has come of an upload.

use s3s::dto::{Initiator, ListPartsInput, ListPartsOutput, Part, StorageClass};

use crate::checksum::{Checksum, Kind};
use crate::convert::{etag, owner, set_checksums, timestamp};
use crate::error::S3Error;
use crate::limits::KEYS_MAX;
use crate::request::{Call, On};
use crate::upload::kind_of;

pub(crate) async fn run(call: Call, input: ListPartsInput) -> Result<ListPartsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:ListMultipartUploadParts", on, &[])?;
    let upload = s3.upload(&bucket, &input.key, &input.upload_id).await?;
    let max = input.max_parts.unwrap_or(KEYS_MAX).clamp(0, KEYS_MAX);
    let marker = input.part_number_marker.unwrap_or(0);
    let parts = s3.parts_of(&bucket, &upload).await?;
    let mut behind = parts.iter().filter(|part| i64::from(part.number) > i64::from(marker)).peekable();
    let shown: Vec<_> = std::iter::from_fn(|| behind.next()).take(usize::try_from(max).unwrap_or(0)).collect();
    let is_truncated = behind.peek().is_some();
    let algorithm = upload.algorithm;
    let part = |part: &&crate::record::PartRecord| {
        let checksum = algorithm.zip(part.checksum.clone());
        let checksum = checksum.map(|(algorithm, value)| Checksum { algorithm, kind: Kind::FullObject, value });
        let mut shown = Part {
            e_tag: Some(etag(&part.md5)),
            last_modified: Some(timestamp(part.modified_ms)),
            part_number: i32::try_from(part.number).ok(),
            size: i64::try_from(part.size).ok(),
            ..Part::default()
        };
        set_checksums!(shown, checksum.as_ref());
        shown
    };
    let id = owner(&bucket).id;
    Ok(ListPartsOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        upload_id: Some(upload.id.clone()),
        checksum_algorithm: algorithm.map(|algorithm| algorithm.name().to_owned().into()),
        checksum_type: algorithm.map(|_| kind_of(&upload).as_str().to_owned().into()),
        initiator: Some(Initiator { id, display_name: None }),
        owner: Some(owner(&bucket)),
        is_truncated: Some(is_truncated),
        max_parts: Some(max),
        part_number_marker: Some(marker),
        next_part_number_marker: Some(shown.last().and_then(|last| i32::try_from(last.number).ok()).unwrap_or(0)),
        parts: Some(shown.iter().map(part).collect()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..ListPartsOutput::default()
    })
}
