//! DeleteBucket: of one that is empty.

use s3s::dto::{DeleteBucketInput, DeleteBucketOutput};

use crate::error::S3Error;
use crate::request::{Call, On};

pub(crate) async fn run(call: Call, input: DeleteBucketInput) -> Result<DeleteBucketOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:DeleteBucket", on, &[])?;
    s3.delete_bucket(&input.bucket).await?;
    Ok(DeleteBucketOutput::default())
}
