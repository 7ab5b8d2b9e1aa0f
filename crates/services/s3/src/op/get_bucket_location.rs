//! GetBucketLocation: the region; none for the first one.

use s3s::dto::{BucketLocationConstraint, GetBucketLocationInput, GetBucketLocationOutput};

use crate::error::S3Error;
use crate::request::{Call, On};

pub(crate) async fn run(call: Call, input: GetBucketLocationInput) -> Result<GetBucketLocationOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketLocation", on, &[])?;
    let region = if bucket.region() == "us-east-1" { "" } else { bucket.region() };
    Ok(GetBucketLocationOutput { location_constraint: Some(BucketLocationConstraint::from(region.to_owned())) })
}
