//! GetBucketEncryption, PutBucketEncryption, DeleteBucketEncryption: SSE-S3, which every bucket has. Keys of KMS are refused.

use s3s::dto::{
    DeleteBucketEncryptionInput, DeleteBucketEncryptionOutput, GetBucketEncryptionInput, GetBucketEncryptionOutput,
    PutBucketEncryptionInput, PutBucketEncryptionOutput, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};

use crate::convert::{check_encryption, encryption};
use crate::error::S3Error;
use crate::request::{Call, On};

pub(crate) async fn get(call: Call, input: GetBucketEncryptionInput) -> Result<GetBucketEncryptionOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetEncryptionConfiguration", on, &[])?;
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: encryption(),
        }),
        bucket_key_enabled: Some(bucket.record.bucket_key_enabled),
    };
    let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
    Ok(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) })
}

pub(crate) async fn put(call: Call, input: PutBucketEncryptionInput) -> Result<PutBucketEncryptionOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutEncryptionConfiguration", on, &[])?;
    let [rule] = input.server_side_encryption_configuration.rules.as_slice() else {
        return Err(S3Error::malformed_xml());
    };
    if let Some(default) = &rule.apply_server_side_encryption_by_default {
        let has_key = default.kms_master_key_id.is_some();
        if has_key && default.sse_algorithm.as_str() == "AES256" {
            let message =
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
            return Err(S3Error::argument_name("ApplyServerSideEncryptionByDefault", message));
        }
        check_encryption(Some(&default.sse_algorithm), has_key)?;
    }
    let is_enabled = rule.bucket_key_enabled.unwrap_or(false);
    s3.edit_bucket(&input.bucket, |record| {
        record.bucket_key_enabled = is_enabled;
        Ok(())
    })
    .await?;
    Ok(PutBucketEncryptionOutput::default())
}

/// Back to what a new bucket has.
pub(crate) async fn delete(
    call: Call,
    input: DeleteBucketEncryptionInput,
) -> Result<DeleteBucketEncryptionOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutEncryptionConfiguration", on, &[])?;
    s3.edit_bucket(&input.bucket, |record| {
        record.bucket_key_enabled = false;
        Ok(())
    })
    .await?;
    Ok(DeleteBucketEncryptionOutput::default())
}
