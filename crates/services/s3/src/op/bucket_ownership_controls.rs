//! GetBucketOwnershipControls, PutBucketOwnershipControls, DeleteBucketOwnershipControls: every object is its bucket
//! owner's; other arrangements are refused.

use s3s::dto::{
    DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput, GetBucketOwnershipControlsInput,
    GetBucketOwnershipControlsOutput, OwnershipControls, OwnershipControlsRule, PutBucketOwnershipControlsInput,
    PutBucketOwnershipControlsOutput,
};

use crate::error::S3Error;
use crate::request::{Call, On};

pub(crate) const OWNERSHIPS: [&str; 3] = ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"];

pub(crate) async fn get(
    call: Call,
    input: GetBucketOwnershipControlsInput,
) -> Result<GetBucketOwnershipControlsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketOwnershipControls", on, &[])?;
    let Some(ownership) = &bucket.record.ownership else {
        let message = "The bucket ownership controls were not found";
        return Err(S3Error::not_configured("OwnershipControlsNotFoundError", message, bucket.name()));
    };
    let rules = vec![OwnershipControlsRule { object_ownership: ownership.clone().into() }];
    Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(OwnershipControls { rules }) })
}

pub(crate) async fn put(
    call: Call,
    input: PutBucketOwnershipControlsInput,
) -> Result<PutBucketOwnershipControlsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutBucketOwnershipControls", on, &[])?;
    let [rule] = input.ownership_controls.rules.as_slice() else { return Err(S3Error::malformed_xml()) };
    let ownership = rule.object_ownership.as_str();
    if !OWNERSHIPS.contains(&ownership) {
        return Err(S3Error::malformed_xml());
    }
    if ownership == "ObjectWriter" {
        return Err(S3Error::unsupported("Ownership of objects by their writers"));
    }
    let ownership = ownership.to_owned();
    s3.edit_bucket(&input.bucket, |record| {
        record.ownership = Some(ownership);
        Ok(())
    })
    .await?;
    Ok(PutBucketOwnershipControlsOutput::default())
}

pub(crate) async fn delete(
    call: Call,
    input: DeleteBucketOwnershipControlsInput,
) -> Result<DeleteBucketOwnershipControlsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutBucketOwnershipControls", on, &[])?;
    s3.edit_bucket(&input.bucket, |record| {
        record.ownership = None;
        Ok(())
    })
    .await?;
    Ok(DeleteBucketOwnershipControlsOutput::default())
}
