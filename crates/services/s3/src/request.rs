//! What every operation begins with: which bucket, and may the caller?

use std::sync::Arc;

use hearth_ports::{Access, Condition, ResourcePolicy};
use hearth_types::{AccountId, RequestContext};

use crate::S3;
use crate::bucket::{self, Bucket};
use crate::error::S3Error;
use crate::front::Envelope;

/// A request on its way to its operation.
pub(crate) struct Call {
    pub(crate) s3: Arc<S3>,
    pub(crate) ctx: RequestContext,
    pub(crate) envelope: Envelope,
    /// As they came, without those of the signature.
    pub(crate) headers: http::HeaderMap,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What is asked about.
#[derive(Clone, Copy)]
pub(crate) struct On<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: Option<&'a str>,
    /// `x-amz-expected-bucket-owner`.
    pub(crate) owner: Option<&'a str>,
}

impl<'a> On<'a> {
    pub(crate) fn bucket(bucket: &'a str, owner: Option<&'a String>) -> Self {
        Self { bucket, key: None, owner: owner.map(String::as_str) }
    }

    pub(crate) fn object(bucket: &'a str, key: &'a str, owner: Option<&'a String>) -> Self {
        Self { bucket, key: Some(key), owner: owner.map(String::as_str) }
    }
}

impl S3 {
    /// The bucket, if the caller may do this to it or to an object in it. Of one that is not there the caller's own policies
    /// are asked.
    ///
    /// # Errors
    /// [`S3Error`]: denied, or there is no such bucket.
    pub(crate) fn authorize(
        &self,
        ctx: &RequestContext,
        action: &str,
        on: On<'_>,
        conditions: &[Condition],
    ) -> Result<Arc<Bucket>, S3Error> {
        let found = self.find_bucket(on.bucket);
        let scope = found.as_ref().map_or_else(|| ctx.scope(), |bucket| bucket.scope.clone());
        let resource = match on.key {
            Some(key) => bucket::arn(&scope, &format!("{}/{key}", on.bucket)),
            None => bucket::arn(&scope, on.bucket),
        };
        let owner = found.as_ref().map_or(ctx.account, |bucket| bucket.account());
        let policy = found.as_ref().and_then(|bucket| bucket.policy.as_deref());
        let policy = policy.filter(|_| found.as_ref().is_some_and(|bucket| !is_shut_off(ctx, bucket)));
        let policy = policy.map_or(ResourcePolicy::None, ResourcePolicy::Of);
        let access = Access::new(action, &resource).under(conditions).with_policy(policy);
        self.authorizer.authorize(&ctx.in_account(owner), &access)?;
        let bucket = found.ok_or_else(|| S3Error::no_such_bucket(on.bucket))?;
        check_owner(&bucket, on.owner)?;
        Ok(bucket)
    }

    /// Whether the caller may list the bucket: who may not is not told that a key is missing.
    pub(crate) fn may_list(&self, ctx: &RequestContext, bucket: &Bucket) -> bool {
        self.authorize(ctx, "s3:ListBucket", On { bucket: bucket.name(), key: None, owner: None }, &[]).is_ok()
    }

    /// Of a key that is not there.
    pub(crate) fn missing_key(&self, ctx: &RequestContext, bucket: &Bucket, key: &str) -> S3Error {
        if self.may_list(ctx, bucket) { S3Error::no_such_key(key) } else { S3Error::access_denied("Access Denied") }
    }
}

/// # Errors
/// [`S3Error`]: `x-amz-expected-bucket-owner` is another account, or none.
pub(crate) fn check_owner(bucket: &Bucket, expected: Option<&str>) -> Result<(), S3Error> {
    let Some(expected) = expected else { return Ok(()) };
    expected.parse::<AccountId>().map_err(|_| S3Error::bucket_owner(expected))?;
    if expected == bucket.account().as_str() { Ok(()) } else { Err(S3Error::access_denied("Access Denied")) }
}

/// `RestrictPublicBuckets`: a public policy lets nobody in who is not of the bucket's account or a service.
fn is_shut_off(ctx: &RequestContext, bucket: &Bucket) -> bool {
    let restricts = bucket.record.public_access.is_some_and(|access| access.restrict_buckets);
    let is_public = || bucket.record.policy.as_deref().is_some_and(crate::policy::is_public);
    let is_own = ctx.caller.account() == Some(bucket.account());
    let is_service = matches!(ctx.caller, hearth_types::Caller::Service { .. });
    restricts && !is_own && !is_service && is_public()
}
