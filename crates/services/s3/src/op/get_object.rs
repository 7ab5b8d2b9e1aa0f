//! GetObject: an object's bytes, or a range of them, as they are read.

use s3s::dto::{GetObjectInput, GetObjectOutput, StreamingBlob};

use crate::error::S3Error;
use crate::reading::{Found, described, find, wanted};
use crate::request::{Call, On};

pub(crate) async fn run(call: Call, input: GetObjectInput) -> Result<GetObjectOutput, S3Error> {
    let is_anonymous = call.ctx.caller == hearth_types::Caller::Anonymous;
    let Call { s3, ctx, .. } = call;
    let action = if input.version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, action, on, &[])?;
    let overrides = [
        &input.response_cache_control,
        &input.response_content_disposition,
        &input.response_content_encoding,
        &input.response_content_language,
        &input.response_content_type,
    ];
    let is_overridden = overrides.iter().any(|value| value.is_some()) || input.response_expires.is_some();
    if is_overridden && is_anonymous {
        let message = "Request specific response headers cannot be used for anonymous GET requests.";
        return Err(S3Error::request(message));
    }
    let found = find(&s3, &ctx, &bucket, &input.key, &wanted!(input, "GET")).await?;
    let mut output = described!(GetObjectOutput, input, &bucket, &found);
    let Found { object, slice } = found;
    output.tag_count = i32::try_from(object.tags.len()).ok().filter(|count| *count > 0);
    output.body = Some(StreamingBlob::wrap(s3.content(&bucket, &object, slice.offset, slice.length)));
    Ok(output)
}
