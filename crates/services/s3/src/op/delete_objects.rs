//! DeleteObjects: up to a thousand, each as DeleteObject would.

use s3s::dto::{DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error};

use crate::error::S3Error;
use crate::limits::KEYS_MAX;
use crate::notification::Event;
use crate::request::{Call, On, check_owner};
use crate::versions::{Conditions, Removal, Removed};

pub(crate) async fn run(call: Call, input: DeleteObjectsInput) -> Result<DeleteObjectsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let wanted = input.delete.objects;
    if wanted.is_empty() || i32::try_from(wanted.len()).map_or(true, |count| count > KEYS_MAX) {
        return Err(S3Error::malformed_xml());
    }
    let bucket = s3.find_bucket(&input.bucket).ok_or_else(|| S3Error::no_such_bucket(&input.bucket))?;
    check_owner(&bucket, input.expected_bucket_owner.as_deref())?;
    super::delete_object::refuse_bypass(input.bypass_governance_retention)?;
    let is_quiet = input.delete.quiet.unwrap_or(false);
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for wanted in wanted {
        let action = if wanted.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        let on = On::object(&input.bucket, &wanted.key, input.expected_bucket_owner.as_ref());
        let removal = Removal {
            key: wanted.key.clone(),
            version: wanted.version_id.clone(),
            conditions: Conditions { if_match: wanted.e_tag.map(|tag| tag.value().to_owned()), if_absent: false },
            events: (Event::Deleted, Event::MarkerCreated),
            only: None,
        };
        let removed = match s3.authorize(&ctx, action, on, &[]) {
            Ok(_) if wanted.size.is_some() => Err(S3Error::header_unsupported("x-amz-if-match-size", None)),
            Ok(_) if wanted.last_modified_time.is_some() => {
                Err(S3Error::header_unsupported("x-amz-if-match-last-modified-time", None))
            }
            Ok(bucket) => s3.remove(&ctx, &bucket, &removal).await,
            Err(error) => Err(error),
        };
        match removed {
            Ok(_) if is_quiet => {}
            Ok(Removed { version_id, is_marker, made_marker }) => deleted.push(DeletedObject {
                delete_marker: is_marker.then_some(true),
                delete_marker_version_id: version_id.filter(|_| is_marker),
                key: Some(wanted.key),
                version_id: wanted.version_id.filter(|_| !made_marker),
            }),
            Err(error) => {
                let told = error.told();
                errors.push(Error {
                    code: Some(told.code.to_owned()),
                    key: Some(wanted.key),
                    message: Some(told.message.into_owned()),
                    version_id: wanted.version_id,
                });
            }
        }
    }
    Ok(DeleteObjectsOutput {
        deleted: Some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..DeleteObjectsOutput::default()
    })
}
