//! HeadBucket: whether it is there and the caller may use it.

use s3s::dto::{HeadBucketInput, HeadBucketOutput};

use crate::error::S3Error;
use crate::request::{Call, On};

pub(crate) async fn run(call: Call, input: HeadBucketInput) -> Result<HeadBucketOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:ListBucket", on, &[])?;
    Ok(HeadBucketOutput {
        bucket_region: Some(bucket.region().to_owned()),
        access_point_alias: Some(false),
        ..HeadBucketOutput::default()
    })
}
