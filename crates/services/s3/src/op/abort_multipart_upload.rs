//! AbortMultipartUpload: ends an upload, and its parts go.

use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};

use crate::convert::refuse_given;
use crate::error::S3Error;
use crate::request::{Call, On};

pub(crate) async fn run(call: Call, input: AbortMultipartUploadInput) -> Result<AbortMultipartUploadOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:AbortMultipartUpload", on, &[])?;
    refuse_given(&[("x-amz-if-match-initiated-time", input.if_match_initiated_time.is_some())])?;
    let upload = s3.upload(&bucket, &input.key, &input.upload_id).await?;
    s3.remove_upload(&bucket, &upload).await?;
    Ok(AbortMultipartUploadOutput::default())
}
