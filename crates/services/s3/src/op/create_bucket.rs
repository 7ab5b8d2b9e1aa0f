//! CreateBucket: a name of which there is one for all accounts, in the request's region.

use http::StatusCode;
use s3s::dto::{CreateBucketInput, CreateBucketOutput, ObjectOwnership};

use crate::bucket::is_name;
use crate::convert::{check_canned, refuse_given};
use crate::error::S3Error;
use crate::request::{Call, On};

/// Whose location has no name.
const FIRST_REGION: &str = "us-east-1";

pub(crate) async fn run(call: Call, input: CreateBucketInput) -> Result<CreateBucketOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let name = &input.bucket;
    match s3.authorize(&ctx, "s3:CreateBucket", On::bucket(name, None), &[]) {
        Ok(_) => {}
        Err(error) if error.code() == "NoSuchBucket" => {}
        // Whose it is nobody is told.
        Err(error) => match s3.find_bucket(name) {
            Some(bucket) if bucket.account() != ctx.account => {}
            _ => return Err(error),
        },
    }
    if !is_name(name) {
        let error = S3Error::new("InvalidBucketName", StatusCode::BAD_REQUEST, "The specified bucket is not valid.");
        return Err(error.with("BucketName", name));
    }
    check_canned(input.acl.as_ref().map(|acl| acl.as_str()))?;
    refuse_given(&[
        ("Object Lock", input.object_lock_enabled_for_bucket.unwrap_or(false)),
        ("x-amz-grant-full-control", input.grant_full_control.is_some()),
        ("x-amz-grant-read", input.grant_read.is_some()),
        ("x-amz-grant-read-acp", input.grant_read_acp.is_some()),
        ("x-amz-grant-write", input.grant_write.is_some()),
        ("x-amz-grant-write-acp", input.grant_write_acp.is_some()),
    ])?;
    let ownership = input.object_ownership.as_ref().map_or("BucketOwnerEnforced", ObjectOwnership::as_str);
    if !crate::op::bucket_ownership_controls::OWNERSHIPS.contains(&ownership) {
        let message = format!("Invalid x-amz-object-ownership header: {ownership}");
        return Err(S3Error::argument_name("x-amz-object-ownership", message));
    }
    if ownership == "ObjectWriter" {
        return Err(S3Error::unsupported("Ownership of objects by their writers"));
    }
    let configuration = input.create_bucket_configuration.as_ref();
    refuse_given(&[(
        "A directory bucket",
        configuration.is_some_and(|configuration| configuration.bucket.is_some() || configuration.location.is_some()),
    )])?;
    let constraint = configuration.and_then(|configuration| configuration.location_constraint.as_ref());
    check_location(ctx.region.as_str(), constraint.map(|constraint| constraint.as_str()))?;
    let created = s3.create_bucket(&ctx.scope(), name, ownership).await;
    match created {
        // There, to make it again changes nothing.
        Err(error) if error.code() == "BucketAlreadyOwnedByYou" && ctx.region.as_str() == FIRST_REGION => {}
        created => created?,
    }
    Ok(CreateBucketOutput { location: Some(format!("/{name}")) })
}

/// # Errors
/// [`S3Error`], as recorded.
fn check_location(region: &str, constraint: Option<&str>) -> Result<(), S3Error> {
    let is_region = |text: &str| text.split('-').count() >= 3 && text.ends_with(|c: char| c.is_ascii_digit());
    match constraint.filter(|constraint| !constraint.is_empty()) {
        None if region == FIRST_REGION => Ok(()),
        Some(constraint) if constraint == region && region != FIRST_REGION => Ok(()),
        Some(constraint) if region == FIRST_REGION && !is_region(constraint) && constraint != "EU" => {
            let message = "The specified location-constraint is not valid";
            let error = S3Error::new("InvalidLocationConstraint", StatusCode::BAD_REQUEST, message);
            Err(error.with("LocationConstraint", constraint))
        }
        other => {
            let constraint = other.unwrap_or("unspecified");
            let message = format!(
                "The {constraint} location constraint is incompatible for the region specific endpoint this request was \
                 sent to."
            );
            Err(S3Error::new("IllegalLocationConstraintException", StatusCode::BAD_REQUEST, message))
        }
    }
}
