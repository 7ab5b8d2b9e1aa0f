//! HeadObject: what GetObject tells, without the bytes.

use s3s::dto::{HeadObjectInput, HeadObjectOutput};

use crate::error::S3Error;
use crate::reading::{described, find, wanted};
use crate::request::{Call, On};

pub(crate) async fn run(call: Call, input: HeadObjectInput) -> Result<HeadObjectOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let action = if input.version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, action, on, &[])?;
    let found = find(&s3, &ctx, &bucket, &input.key, &wanted!(input, "HEAD")).await?;
    Ok(described!(HeadObjectOutput, input, &bucket, &found))
}
