//! ListBuckets: the caller's account's, by name, page by page where that is asked for.

use hearth_ports::Access;
use s3s::dto::{Bucket, ListBucketsInput, ListBucketsOutput, Owner};

use crate::bucket::arn;
use crate::convert::timestamp;
use crate::error::S3Error;
use crate::request::Call;

pub(crate) async fn run(call: Call, input: ListBucketsInput) -> Result<ListBucketsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let resource = arn(&ctx.scope(), "*");
    s3.authorizer.authorize(&ctx, &Access::new("s3:ListAllMyBuckets", &resource))?;
    let limit = match input.max_buckets {
        None => usize::MAX,
        Some(limit) => usize::try_from(limit).ok().filter(|limit| (1..=10_000).contains(limit)).ok_or_else(|| {
            S3Error::argument("max-buckets", limit.to_string(), "max-buckets must be between 1 and 10000")
        })?,
    };
    let prefix = input.prefix.clone().unwrap_or_default();
    let mut found: Vec<Bucket> = Vec::new();
    let mut next = None;
    for bucket in s3.buckets_of(ctx.account) {
        let is_behind = input.continuation_token.as_deref().is_none_or(|token| bucket.name() > token);
        let is_of_region = input.bucket_region.as_deref().is_none_or(|region| bucket.region() == region);
        if !is_behind || !is_of_region || !bucket.name().starts_with(&prefix) {
            continue;
        }
        if found.len() == limit {
            next = found.last().and_then(|last| last.name.clone());
            break;
        }
        found.push(Bucket {
            name: Some(bucket.name().to_owned()),
            creation_date: Some(timestamp(bucket.record.created_ms)),
            bucket_region: Some(bucket.region().to_owned()),
        });
    }
    Ok(ListBucketsOutput {
        buckets: Some(found),
        continuation_token: next,
        owner: Some(Owner { id: Some(crate::notification::owner_id(ctx.account.as_str())), display_name: None }),
        prefix: input.prefix,
    })
}
