//! GetObjectTagging, PutObjectTagging, DeleteObjectTagging.

use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutObjectTaggingInput, PutObjectTaggingOutput,
};

use crate::convert::{tag_set, tags};
use crate::error::S3Error;
use crate::limits::OBJECT_TAGS_MAX;
use crate::notification::Event;
use crate::reading::{locate, shown_version};
use crate::request::{Call, On};

pub(crate) async fn get(call: Call, input: GetObjectTaggingInput) -> Result<GetObjectTaggingOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let action = if input.version_id.is_some() { "s3:GetObjectVersionTagging" } else { "s3:GetObjectTagging" };
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, action, on, &[])?;
    let object = locate(&s3, &ctx, &bucket, &input.key, input.version_id.as_deref(), "GET").await?;
    Ok(GetObjectTaggingOutput { tag_set: tag_set(&object.tags), version_id: shown_version(&bucket, &object) })
}

pub(crate) async fn put(call: Call, input: PutObjectTaggingInput) -> Result<PutObjectTaggingOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let action = if input.version_id.is_some() { "s3:PutObjectVersionTagging" } else { "s3:PutObjectTagging" };
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, action, on, &[])?;
    let object = locate(&s3, &ctx, &bucket, &input.key, input.version_id.as_deref(), "PUT").await?;
    let tags = tags(&input.tagging.tag_set, OBJECT_TAGS_MAX)?;
    s3.set_tags(&ctx, &bucket, &object, &tags, Event::TagsPut).await?;
    Ok(PutObjectTaggingOutput { version_id: shown_version(&bucket, &object) })
}

pub(crate) async fn delete(call: Call, input: DeleteObjectTaggingInput) -> Result<DeleteObjectTaggingOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let action = if input.version_id.is_some() { "s3:DeleteObjectVersionTagging" } else { "s3:DeleteObjectTagging" };
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, action, on, &[])?;
    let object = locate(&s3, &ctx, &bucket, &input.key, input.version_id.as_deref(), "DELETE").await?;
    s3.set_tags(&ctx, &bucket, &object, &[], Event::TagsDeleted).await?;
    Ok(DeleteObjectTaggingOutput { version_id: shown_version(&bucket, &object) })
}
