//! GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl: everything is its bucket owner's, and nobody else's by an ACL.

use http::StatusCode;
use s3s::dto::{
    AccessControlPolicy, GetBucketAclInput, GetBucketAclOutput, GetObjectAclInput, GetObjectAclOutput, Grant, Grantee,
    Permission, PutBucketAclInput, PutBucketAclOutput, PutObjectAclInput, PutObjectAclOutput, Type,
};

use crate::bucket::Bucket;
use crate::convert::{check_canned, owner};
use crate::error::S3Error;
use crate::reading::locate;
use crate::request::{Call, On};

fn grants(bucket: &Bucket) -> Vec<Grant> {
    let grantee = Grantee {
        display_name: None,
        email_address: None,
        id: owner(bucket).id,
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    vec![Grant { grantee: Some(grantee), permission: Some(Permission::from_static(Permission::FULL_CONTROL)) }]
}

/// What a request wants to set, if it is what is there anyway.
fn check(
    bucket: &Bucket,
    canned: Option<&str>,
    policy: Option<&AccessControlPolicy>,
    has_grants: bool,
) -> Result<(), S3Error> {
    let refused = || {
        let message = "The bucket does not allow ACLs";
        S3Error::new("AccessControlListNotSupported", StatusCode::BAD_REQUEST, message)
    };
    if canned.is_some() && has_grants {
        return Err(S3Error::request("Specifying both Canned ACLs and Header Grants is not allowed"));
    }
    if canned.is_none() && policy.is_none() && !has_grants {
        let error = S3Error::new(
            "MissingSecurityHeader",
            StatusCode::BAD_REQUEST,
            "Your request was missing a required header",
        );
        return Err(error.with("MissingHeaderName", "x-amz-acl"));
    }
    check_canned(canned)?;
    if has_grants {
        return Err(refused());
    }
    let Some(policy) = policy else { return Ok(()) };
    let ours = owner(bucket).id;
    let is_ours = policy.owner.as_ref().is_none_or(|owner| owner.id == ours);
    let grants = policy.grants.iter().flatten();
    let gives_nothing =
        grants.into_iter().all(|grant| grant.grantee.as_ref().is_some_and(|grantee| grantee.id == ours));
    if is_ours && gives_nothing { Ok(()) } else { Err(refused()) }
}

pub(crate) async fn get_bucket(call: Call, input: GetBucketAclInput) -> Result<GetBucketAclOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketAcl", on, &[])?;
    Ok(GetBucketAclOutput { grants: Some(grants(&bucket)), owner: Some(owner(&bucket)) })
}

pub(crate) async fn put_bucket(call: Call, input: PutBucketAclInput) -> Result<PutBucketAclOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:PutBucketAcl", on, &[])?;
    let given = [&input.grant_full_control, &input.grant_read, &input.grant_read_acp, &input.grant_write];
    let has_grants = given.iter().any(|grant| grant.is_some()) || input.grant_write_acp.is_some();
    let canned = input.acl.as_ref().map(|acl| acl.as_str());
    check(&bucket, canned, input.access_control_policy.as_ref(), has_grants)?;
    Ok(PutBucketAclOutput::default())
}

pub(crate) async fn get_object(call: Call, input: GetObjectAclInput) -> Result<GetObjectAclOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let action = if input.version_id.is_some() { "s3:GetObjectVersionAcl" } else { "s3:GetObjectAcl" };
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, action, on, &[])?;
    locate(&s3, &ctx, &bucket, &input.key, input.version_id.as_deref(), "GET").await?;
    Ok(GetObjectAclOutput { grants: Some(grants(&bucket)), owner: Some(owner(&bucket)), request_charged: None })
}

pub(crate) async fn put_object(call: Call, input: PutObjectAclInput) -> Result<PutObjectAclOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let action = if input.version_id.is_some() { "s3:PutObjectVersionAcl" } else { "s3:PutObjectAcl" };
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, action, on, &[])?;
    locate(&s3, &ctx, &bucket, &input.key, input.version_id.as_deref(), "PUT").await?;
    let given = [&input.grant_full_control, &input.grant_read, &input.grant_read_acp, &input.grant_write];
    let has_grants = given.iter().any(|grant| grant.is_some()) || input.grant_write_acp.is_some();
    let canned = input.acl.as_ref().map(|acl| acl.as_str());
    check(&bucket, canned, input.access_control_policy.as_ref(), has_grants)?;
    Ok(PutObjectAclOutput::default())
}
