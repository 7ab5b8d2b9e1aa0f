//! CreateMultipartUpload: begins an upload in parts.

use s3s::dto::{CreateMultipartUploadInput, CreateMultipartUploadOutput};

use crate::checksum::{Algorithm, Kind};
use crate::convert::{encryption, headers_of, refuse_extras, tagging_header};
use crate::error::S3Error;
use crate::request::{Call, On};
use crate::upload::kind_of;

pub(crate) async fn run(call: Call, input: CreateMultipartUploadInput) -> Result<CreateMultipartUploadOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:PutObject", on, &[])?;
    let tags = tagging_header(input.tagging.as_ref())?;
    if !tags.is_empty() {
        s3.authorize(&ctx, "s3:PutObjectTagging", on, &[])?;
    }
    refuse_extras!(input);
    let algorithm = input.checksum_algorithm.as_ref().map(|name| Algorithm::parse(name.as_str())).transpose()?;
    let kind = input.checksum_type.as_ref().map(|kind| read_kind(kind.as_str())).transpose()?;
    match (algorithm, kind) {
        (None, Some(_)) => {
            let message = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
            return Err(S3Error::request(message));
        }
        (Some(algorithm), Some(kind)) => algorithm.check_kind(kind)?,
        _ => {}
    }
    let headers = headers_of!(input)?;
    let upload = s3.begin_upload(&bucket, &input.key, headers, tags, (algorithm, kind)).await?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        checksum_algorithm: algorithm.map(|algorithm| algorithm.name().to_owned().into()),
        checksum_type: algorithm.map(|_| kind_of(&upload).as_str().to_owned().into()),
        server_side_encryption: Some(encryption()),
        upload_id: Some(upload.id),
        ..CreateMultipartUploadOutput::default()
    })
}

pub(crate) fn read_kind(text: &str) -> Result<Kind, S3Error> {
    match text {
        "FULL_OBJECT" => Ok(Kind::FullObject),
        "COMPOSITE" => Ok(Kind::Composite),
        _ => Err(S3Error::request("Value for x-amz-checksum-type header is invalid.")),
    }
}
