//! Where a package comes from: the request itself, or an object of S3.

use bytes::Bytes;
use hearth_ports::{ObjectError, ObjectRef};
use hearth_types::RequestContext;

use crate::error::LambdaError;
use crate::lambda::Lambda;

/// A package in S3 may be as large as what it unpacks to. Source: Lambda developer guide, "Lambda quotas".
const OBJECT_BYTES_MAX: u64 = 250 << 20;

/// `ZipFile` and `S3Bucket`, `S3Key`, `S3ObjectVersion` of the API model.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) zip_file: Option<Bytes>,
    pub(crate) s3_bucket: Option<String>,
    pub(crate) s3_key: Option<String>,
    pub(crate) s3_object_version: Option<String>,
}

impl Source {
    pub(crate) const fn is_given(&self) -> bool {
        self.zip_file.is_some() || self.s3_bucket.is_some() || self.s3_key.is_some()
    }

    /// The package; `None` when the request names none. An object is read as the caller.
    ///
    /// # Errors
    /// It names two, or half of one, or the object cannot be read: with S3's reason, as recorded.
    pub(crate) async fn zip(self, lambda: &Lambda, ctx: &RequestContext) -> Result<Option<Bytes>, LambdaError> {
        match (self.zip_file, self.s3_bucket, self.s3_key) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => Err(LambdaError::invalid(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.",
            )),
            (Some(zip), None, None) => Ok(Some(zip)),
            (None, None, None) => Ok(None),
            (None, Some(bucket), Some(key)) => {
                let object = ObjectRef { bucket, key, version: self.s3_object_version };
                lambda.objects.read(ctx, &object, OBJECT_BYTES_MAX).await.map(Some).map_err(refused)
            }
            (None, _, _) => Err(LambdaError::invalid("Please provide both S3Bucket and S3Key.")),
        }
    }
}

fn refused(error: ObjectError) -> LambdaError {
    match error {
        ObjectError::Refused { code, message } => LambdaError::invalid(format!(
            "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
        )),
        error @ ObjectError::TooLarge { .. } => LambdaError::invalid(format!("The package is too large: {error}.")),
        error @ (ObjectError::DiskFull | ObjectError::Unavailable { .. }) => LambdaError::internal(error),
    }
}
