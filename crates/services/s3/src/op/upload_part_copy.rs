//! UploadPartCopy: a part from an object that is there, or from a range of it.

use s3s::dto::{CopyPartResult, StreamingBlob, UploadPartCopyInput, UploadPartCopyOutput};

use super::copy_object::{of_source, source};
use crate::checksum::Algorithm;
use crate::content::Expected;
use crate::convert::{encryption, etag, set_checksums, timestamp};
use crate::error::S3Error;
use crate::limits::PUT_BYTES_MAX;
use crate::reading::{Wanted, find, shown_version};
use crate::request::{Call, On};
use crate::upload::check_number;

pub(crate) async fn run(call: Call, input: UploadPartCopyInput) -> Result<UploadPartCopyOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:PutObject", on, &[])?;
    let (from_bucket, from_key, from_version) = source(&input.copy_source)?;
    let action = if from_version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    let from = On::object(from_bucket, from_key, input.expected_source_bucket_owner.as_ref());
    let from_bucket = s3.authorize(&ctx, action, from, &[])?;
    let number = check_number(input.part_number)?;
    let upload = s3.upload(&bucket, &input.key, &input.upload_id).await?;
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
    let original = find(&s3, &ctx, &from_bucket, from_key, &wanted).await.map_err(of_source)?.object;
    let (offset, length) = match &input.copy_source_range {
        Some(range) => read_range(range, original.size)?,
        None => (0, original.size),
    };
    let content = StreamingBlob::wrap(s3.content(&from_bucket, &original, offset, length));
    let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let expected = Expected { default: Some(algorithm), ..Expected::default() };
    let received = s3.receive(Some(content), expected, PUT_BYTES_MAX).await?;
    let checksum = received.checksum.clone().filter(|_| upload.algorithm.is_some());
    let part = s3.put_part(&bucket, &upload, number, received).await?;
    let mut result = CopyPartResult {
        e_tag: Some(etag(&part.md5)),
        last_modified: Some(timestamp(part.modified_ms)),
        ..CopyPartResult::default()
    };
    set_checksums!(result, checksum.as_ref());
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: shown_version(&from_bucket, &original),
        server_side_encryption: Some(encryption()),
        ..UploadPartCopyOutput::default()
    })
}

/// `bytes=first-last`: offset and length.
///
/// # Errors
/// [`S3Error`], as recorded.
fn read_range(text: &str, size: u64) -> Result<(u64, u64), S3Error> {
    let parsed = text.strip_prefix("bytes=").and_then(|range| {
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
        Some((number(first)?, number(last)?)).filter(|(first, last)| first <= last)
    });
    let Some((first, last)) = parsed else {
        let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are \
                       the zero-based offsets of the first and last bytes to copy";
        return Err(S3Error::argument("x-amz-copy-source-range", text, message));
    };
    if first >= size {
        return Err(S3Error::request("The specified copy range is invalid for the source object size"));
    }
    if last >= size {
        let message = format!("Range specified is not valid for source object of size: {size}");
        return Err(S3Error::argument("x-amz-copy-source-range", text, message));
    }
    Ok((first, last - first + 1))
}

#[cfg(test)]
mod tests {
    use super::read_range;

    /// Recorded: of an object of ten bytes.
    #[test]
    fn only_a_first_and_a_last_byte_are_a_range() {
        assert_eq!(read_range("bytes=0-8", 10).ok(), Some((0, 9)));
        assert_eq!(read_range("bytes=9-9", 10).ok(), Some((9, 1)));
        for text in [
            "0-8",
            "bytes=-",
            "bytes=-0",
            "bytes=-1-",
            "bytes=-15",
            "bytes=0--1",
            "bytes=0-1,3-4,7-9",
            "bytes=1-",
            "bytes=1-0",
        ] {
            let told = read_range(text, 10).expect_err(text).told();
            assert!(told.message.starts_with("The x-amz-copy-source-range value must be"), "{text}");
        }
        let told = read_range("bytes=0-100", 10).expect_err("too long").told();
        assert_eq!(told.message, "Range specified is not valid for source object of size: 10");
    }
}
