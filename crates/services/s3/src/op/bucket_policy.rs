//! GetBucketPolicy, PutBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus: who is let in, beside the account's own.

use s3s::dto::{
    DeleteBucketPolicyInput, DeleteBucketPolicyOutput, GetBucketPolicyInput, GetBucketPolicyOutput,
    GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput, PolicyStatus, PutBucketPolicyInput, PutBucketPolicyOutput,
};

use crate::bucket::Bucket;
use crate::error::S3Error;
use crate::policy::{check, is_public};
use crate::request::{Call, On};

fn missing(bucket: &Bucket) -> S3Error {
    S3Error::not_configured("NoSuchBucketPolicy", "The bucket policy does not exist", bucket.name())
}

pub(crate) async fn get(call: Call, input: GetBucketPolicyInput) -> Result<GetBucketPolicyOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketPolicy", on, &[])?;
    let policy = bucket.record.policy.clone().ok_or_else(|| missing(&bucket))?;
    Ok(GetBucketPolicyOutput { policy: Some(policy) })
}

pub(crate) async fn put(call: Call, input: PutBucketPolicyInput) -> Result<PutBucketPolicyOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:PutBucketPolicy", on, &[])?;
    check(&input.policy, &bucket.arn().to_string())?;
    s3.edit_bucket(&input.bucket, |record| {
        if record.public_access.is_some_and(|access| access.block_policy) && is_public(&input.policy) {
            return Err(S3Error::access_denied(
                "Access Denied: public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
            ));
        }
        record.policy = Some(input.policy);
        Ok(())
    })
    .await?;
    Ok(PutBucketPolicyOutput::default())
}

pub(crate) async fn delete(call: Call, input: DeleteBucketPolicyInput) -> Result<DeleteBucketPolicyOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:DeleteBucketPolicy", on, &[])?;
    s3.edit_bucket(&input.bucket, |record| {
        record.policy = None;
        Ok(())
    })
    .await?;
    Ok(DeleteBucketPolicyOutput::default())
}

pub(crate) async fn status(
    call: Call,
    input: GetBucketPolicyStatusInput,
) -> Result<GetBucketPolicyStatusOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketPolicyStatus", on, &[])?;
    let policy = bucket.record.policy.as_deref().ok_or_else(|| missing(&bucket))?;
    Ok(GetBucketPolicyStatusOutput { policy_status: Some(PolicyStatus { is_public: Some(is_public(policy)) }) })
}
