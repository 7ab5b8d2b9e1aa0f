//! Sub-resources that no bucket of Hearth has: tools read that they are not there, and to set them is refused (`s3s` answers
//! that for those that are not here at all).

use http::StatusCode;
use s3s::dto::{
    DeleteBucketReplicationInput, DeleteBucketReplicationOutput, DeleteBucketWebsiteInput, DeleteBucketWebsiteOutput,
    GetBucketAccelerateConfigurationInput, GetBucketAccelerateConfigurationOutput, GetBucketLoggingInput,
    GetBucketLoggingOutput, GetBucketReplicationInput, GetBucketReplicationOutput, GetBucketRequestPaymentInput,
    GetBucketRequestPaymentOutput, GetBucketWebsiteInput, GetBucketWebsiteOutput, GetObjectLockConfigurationInput,
    GetObjectLockConfigurationOutput, Payer, PutBucketRequestPaymentInput, PutBucketRequestPaymentOutput,
};

use crate::error::S3Error;
use crate::request::{Call, On};

pub(crate) async fn get_website(call: Call, input: GetBucketWebsiteInput) -> Result<GetBucketWebsiteOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketWebsite", on, &[])?;
    let message = "The specified bucket does not have a website configuration";
    Err(S3Error::not_configured("NoSuchWebsiteConfiguration", message, bucket.name()))
}

pub(crate) async fn delete_website(
    call: Call,
    input: DeleteBucketWebsiteInput,
) -> Result<DeleteBucketWebsiteOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:DeleteBucketWebsite", on, &[])?;
    Ok(DeleteBucketWebsiteOutput::default())
}

pub(crate) async fn get_replication(
    call: Call,
    input: GetBucketReplicationInput,
) -> Result<GetBucketReplicationOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetReplicationConfiguration", on, &[])?;
    let message = "The replication configuration was not found";
    Err(S3Error::not_configured("ReplicationConfigurationNotFoundError", message, bucket.name()))
}

pub(crate) async fn delete_replication(
    call: Call,
    input: DeleteBucketReplicationInput,
) -> Result<DeleteBucketReplicationOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutReplicationConfiguration", on, &[])?;
    Ok(DeleteBucketReplicationOutput::default())
}

pub(crate) async fn get_object_lock(
    call: Call,
    input: GetObjectLockConfigurationInput,
) -> Result<GetObjectLockConfigurationOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketObjectLockConfiguration", on, &[])?;
    let message = "Object Lock configuration does not exist for this bucket";
    Err(S3Error::not_configured("ObjectLockConfigurationNotFoundError", message, bucket.name()))
}

pub(crate) async fn get_accelerate(
    call: Call,
    input: GetBucketAccelerateConfigurationInput,
) -> Result<GetBucketAccelerateConfigurationOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:GetAccelerateConfiguration", on, &[])?;
    Ok(GetBucketAccelerateConfigurationOutput::default())
}

pub(crate) async fn get_logging(call: Call, input: GetBucketLoggingInput) -> Result<GetBucketLoggingOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:GetBucketLogging", on, &[])?;
    Ok(GetBucketLoggingOutput::default())
}

pub(crate) async fn get_request_payment(
    call: Call,
    input: GetBucketRequestPaymentInput,
) -> Result<GetBucketRequestPaymentOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:GetBucketRequestPayment", on, &[])?;
    Ok(GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(Payer::BUCKET_OWNER)) })
}

/// To what it is anyway.
pub(crate) async fn put_request_payment(
    call: Call,
    input: PutBucketRequestPaymentInput,
) -> Result<PutBucketRequestPaymentOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutBucketRequestPayment", on, &[])?;
    match input.request_payment_configuration.payer.as_str() {
        "BucketOwner" => Ok(PutBucketRequestPaymentOutput::default()),
        "Requester" => Err(S3Error::unsupported("Payment by the requester")),
        _ => Err(S3Error::new("MalformedXML", StatusCode::BAD_REQUEST, S3Error::malformed_xml().told().message)),
    }
}
