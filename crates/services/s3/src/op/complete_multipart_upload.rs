//! CompleteMultipartUpload: makes an object of the parts that are named.

use s3s::dto::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput};

use super::create_multipart_upload::read_kind;
use super::put_object::{conditions, expiration};
use crate::convert::{checksums_of, encryption, etag, set_checksums};
use crate::error::S3Error;
use crate::request::{Call, On};
use crate::upload::{Named, Whole};

pub(crate) async fn run(
    call: Call,
    input: CompleteMultipartUploadInput,
) -> Result<CompleteMultipartUploadOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:PutObject", on, &[])?;
    let upload = s3.upload(&bucket, &input.key, &input.upload_id).await?;
    let mut parts = Vec::new();
    for part in input.multipart_upload.iter().flat_map(|upload| upload.parts.iter().flatten()) {
        let (Some(number), Some(tag)) = (part.part_number, &part.e_tag) else { return Err(S3Error::malformed_xml()) };
        parts.push(Named { number, etag: tag.value().to_owned(), checksums: checksums_of!(part) });
    }
    let whole = Whole {
        parts,
        size: input.mpu_object_size,
        kind: input.checksum_type.as_ref().map(|kind| read_kind(kind.as_str())).transpose()?,
        checksums: checksums_of!(input),
        conditions: conditions(input.if_match.as_ref(), input.if_none_match.as_ref())?,
    };
    let object = s3.complete(&ctx, &bucket, &upload, whole).await?;
    let scheme = if ctx.secure { "https" } else { "http" };
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        location: Some(format!(
            "{scheme}://{}/{}/{}",
            ctx.host,
            input.bucket,
            crate::listing::encoded(&input.key, true)
        )),
        e_tag: Some(etag(&object.etag)),
        version_id: object.version_id.clone(),
        server_side_encryption: Some(encryption()),
        expiration: expiration(&bucket.record.lifecycle, &object),
        checksum_type: object.checksum.as_ref().map(|checksum| checksum.kind.as_str().to_owned().into()),
        ..CompleteMultipartUploadOutput::default()
    };
    set_checksums!(output, object.checksum.as_ref());
    Ok(output)
}
