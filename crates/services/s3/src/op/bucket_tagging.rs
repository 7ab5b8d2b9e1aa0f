//! GetBucketTagging, PutBucketTagging, DeleteBucketTagging.

use s3s::dto::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, GetBucketTaggingInput, GetBucketTaggingOutput,
    PutBucketTaggingInput, PutBucketTaggingOutput,
};

use crate::convert::{tag_set, tags};
use crate::error::S3Error;
use crate::limits::BUCKET_TAGS_MAX;
use crate::request::{Call, On};

pub(crate) async fn get(call: Call, input: GetBucketTaggingInput) -> Result<GetBucketTaggingOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketTagging", on, &[])?;
    if bucket.record.tags.is_empty() {
        return Err(S3Error::not_configured("NoSuchTagSet", "The TagSet does not exist", bucket.name()));
    }
    Ok(GetBucketTaggingOutput { tag_set: tag_set(&bucket.record.tags) })
}

pub(crate) async fn put(call: Call, input: PutBucketTaggingInput) -> Result<PutBucketTaggingOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutBucketTagging", on, &[])?;
    let tags = tags(&input.tagging.tag_set, BUCKET_TAGS_MAX)?;
    s3.edit_bucket(&input.bucket, |record| {
        record.tags = tags;
        Ok(())
    })
    .await?;
    Ok(PutBucketTaggingOutput::default())
}

pub(crate) async fn delete(call: Call, input: DeleteBucketTaggingInput) -> Result<DeleteBucketTaggingOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutBucketTagging", on, &[])?;
    s3.edit_bucket(&input.bucket, |record| {
        record.tags.clear();
        Ok(())
    })
    .await?;
    Ok(DeleteBucketTaggingOutput::default())
}
