//! GetPublicAccessBlock, PutPublicAccessBlock, DeletePublicAccessBlock.

use s3s::dto::{
    DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput, GetPublicAccessBlockInput, GetPublicAccessBlockOutput,
    PublicAccessBlockConfiguration, PutPublicAccessBlockInput, PutPublicAccessBlockOutput,
};

use crate::error::S3Error;
use crate::record::PublicAccess;
use crate::request::{Call, On};

pub(crate) async fn get(call: Call, input: GetPublicAccessBlockInput) -> Result<GetPublicAccessBlockOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketPublicAccessBlock", on, &[])?;
    let Some(access) = bucket.record.public_access else {
        let message = "The public access block configuration was not found";
        return Err(S3Error::not_configured("NoSuchPublicAccessBlockConfiguration", message, bucket.name()));
    };
    Ok(GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(PublicAccessBlockConfiguration {
            block_public_acls: Some(access.block_acls),
            block_public_policy: Some(access.block_policy),
            ignore_public_acls: Some(access.ignore_acls),
            restrict_public_buckets: Some(access.restrict_buckets),
        }),
    })
}

pub(crate) async fn put(call: Call, input: PutPublicAccessBlockInput) -> Result<PutPublicAccessBlockOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutBucketPublicAccessBlock", on, &[])?;
    let wanted = input.public_access_block_configuration;
    let access = PublicAccess {
        block_acls: wanted.block_public_acls.unwrap_or(false),
        ignore_acls: wanted.ignore_public_acls.unwrap_or(false),
        block_policy: wanted.block_public_policy.unwrap_or(false),
        restrict_buckets: wanted.restrict_public_buckets.unwrap_or(false),
    };
    s3.edit_bucket(&input.bucket, |record| {
        record.public_access = Some(access);
        Ok(())
    })
    .await?;
    Ok(PutPublicAccessBlockOutput::default())
}

pub(crate) async fn delete(
    call: Call,
    input: DeletePublicAccessBlockInput,
) -> Result<DeletePublicAccessBlockOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutBucketPublicAccessBlock", on, &[])?;
    s3.edit_bucket(&input.bucket, |record| {
        record.public_access = None;
        Ok(())
    })
    .await?;
    Ok(DeletePublicAccessBlockOutput::default())
}
