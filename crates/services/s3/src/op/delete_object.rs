//! DeleteObject: a version for good, or the object as its bucket's versioning has it.

use s3s::dto::{DeleteObjectInput, DeleteObjectOutput};

use crate::convert::condition;
use crate::error::S3Error;
use crate::notification::Event;
use crate::request::{Call, On};
use crate::versions::{Conditions, Removal};

pub(crate) async fn run(call: Call, input: DeleteObjectInput) -> Result<DeleteObjectOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let action = if input.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    let on = On::object(&input.bucket, &input.key, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, action, on, &[])?;
    if input.if_match_last_modified_time.is_some() {
        return Err(S3Error::header_unsupported("x-amz-if-match-last-modified-time", None));
    }
    if input.if_match_size.is_some() {
        return Err(S3Error::header_unsupported("x-amz-if-match-size", None));
    }
    refuse_bypass(input.bypass_governance_retention)?;
    let removal = Removal {
        key: input.key,
        version: input.version_id,
        conditions: Conditions {
            if_match: input.if_match.as_ref().map(|tag| condition(tag).to_owned()),
            if_absent: false,
        },
        events: (Event::Deleted, Event::MarkerCreated),
        only: None,
    };
    let removed = s3.remove(&ctx, &bucket, &removal).await?;
    Ok(DeleteObjectOutput {
        delete_marker: removed.is_marker.then_some(true),
        version_id: removed.version_id,
        ..DeleteObjectOutput::default()
    })
}

/// Object Lock is on no bucket here.
///
/// # Errors
/// [`S3Error`], as recorded.
pub(crate) fn refuse_bypass(given: Option<bool>) -> Result<(), S3Error> {
    if given.is_none() {
        return Ok(());
    }
    let message = "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.";
    Err(S3Error::argument_name("x-amz-bypass-governance-retention", message))
}
