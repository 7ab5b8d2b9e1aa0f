//! GetBucketVersioning, PutBucketVersioning.

use http::StatusCode;
use s3s::dto::{
    BucketVersioningStatus, GetBucketVersioningInput, GetBucketVersioningOutput, PutBucketVersioningInput,
    PutBucketVersioningOutput,
};

use crate::convert::refuse_given;
use crate::error::S3Error;
use crate::record::Versioning;
use crate::request::{Call, On};

pub(crate) async fn get(call: Call, input: GetBucketVersioningInput) -> Result<GetBucketVersioningOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketVersioning", on, &[])?;
    let status = match bucket.record.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some(BucketVersioningStatus::from_static("Enabled")),
        Versioning::Suspended => Some(BucketVersioningStatus::from_static("Suspended")),
    };
    Ok(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() })
}

pub(crate) async fn put(call: Call, input: PutBucketVersioningInput) -> Result<PutBucketVersioningOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutBucketVersioning", on, &[])?;
    let wanted = input.versioning_configuration;
    let mfa = wanted.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() == "Enabled");
    refuse_given(&[("MFA Delete", mfa)])?;
    let versioning = match wanted.status.as_ref().map(|status| status.as_str()) {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        Some(_) => return Err(S3Error::malformed_xml()),
        None => {
            let message = "The Versioning element must be specified";
            return Err(S3Error::new("IllegalVersioningConfigurationException", StatusCode::BAD_REQUEST, message));
        }
    };
    s3.edit_bucket(&input.bucket, |record| {
        record.versioning = versioning;
        Ok(())
    })
    .await?;
    Ok(PutBucketVersioningOutput::default())
}
