//! UploadPart: takes in one part's bytes.

use s3s::dto::{UploadPartInput, UploadPartOutput};

use crate::checksum::{Algorithm, Claimed};
use crate::content::Expected;
use crate::convert::{checksums_of, encryption, etag, set_checksums};
use crate::error::S3Error;
use crate::limits::PUT_BYTES_MAX;
use crate::request::{Call, On};
use crate::upload::check_number;

pub(crate) async fn run(call: Call, input: UploadPartInput) -> Result<UploadPartOutput, S3Error> {
    let claimed = Claimed::read(
        checksums_of!(input),
        input.checksum_algorithm.as_ref().map(|name| name.as_str()),
        call.envelope.announced.as_deref(),
    )?;
    let Call { s3, ctx, envelope, .. } = call;
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:PutObject", on, &[])?;
    let number = check_number(input.part_number)?;
    let upload = s3.upload(&bucket, &input.key, &input.upload_id).await?;
    let wanted = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let claimed = match (claimed.algorithm, upload.algorithm) {
        (Some(claimed), Some(algorithm)) if claimed != algorithm => {
            return Err(mismatch(algorithm, claimed));
        }
        // Compared with the bytes, but of no use for the whole: that needs the upload's own.
        (Some(other), None) if other != wanted => {
            let expected = Expected {
                md5: input.content_md5,
                length: input.content_length,
                claimed,
                default: None,
                trailers: envelope.trailers,
            };
            let received = s3.receive(input.body, expected, PUT_BYTES_MAX).await?;
            return keep(&s3, &bucket, &upload, number, received).await;
        }
        _ => claimed,
    };
    let expected = Expected {
        md5: input.content_md5,
        length: input.content_length,
        claimed,
        default: Some(wanted),
        trailers: envelope.trailers,
    };
    let received = s3.receive(input.body, expected, PUT_BYTES_MAX).await?;
    keep(&s3, &bucket, &upload, number, received).await
}

fn mismatch(expected: Algorithm, found: Algorithm) -> S3Error {
    S3Error::request(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        expected.name().to_ascii_lowercase(),
        found.name().to_ascii_lowercase()
    ))
}

async fn keep(
    s3: &crate::S3,
    bucket: &crate::bucket::Bucket,
    upload: &crate::record::UploadRecord,
    number: u32,
    mut received: crate::content::Received,
) -> Result<UploadPartOutput, S3Error> {
    let checksum = received.checksum.clone();
    let wanted = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    if checksum.as_ref().is_none_or(|checksum| checksum.algorithm != wanted) {
        received.part.checksum = None;
    }
    let part = s3.put_part(bucket, upload, number, received).await?;
    let mut output = UploadPartOutput {
        e_tag: Some(etag(&part.md5)),
        server_side_encryption: Some(encryption()),
        ..UploadPartOutput::default()
    };
    set_checksums!(output, checksum.as_ref());
    Ok(output)
}
