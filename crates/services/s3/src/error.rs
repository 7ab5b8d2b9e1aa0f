//! What S3 answers when it refuses: codes, HTTP status, texts and further elements as recorded from the real one, where a
//! recording exists.

use std::borrow::Cow;

use hearth_ports::Denied;
use hearth_store::{RecordError, StoreError};
use http::{HeaderName, HeaderValue, StatusCode};

/// A refused request. Internal detail goes to the log.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    #[error(transparent)]
    Told(Box<Told>),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("The server has no room on its disk.")]
    DiskFull,
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A defect of Hearth or a broken disk.
    #[error("{0}")]
    Internal(String),
}

/// An answer that says what the caller did wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Told {
    pub code: &'static str,
    pub status: StatusCode,
    pub message: Cow<'static, str>,
    /// Further elements of the answer.
    pub fields: Vec<(&'static str, String)>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::DiskFull,
            error => Self::Store(error),
        }
    }
}

const BAD: StatusCode = StatusCode::BAD_REQUEST;

impl S3Error {
    pub(crate) fn new(code: &'static str, status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Told(Box::new(Told { code, status, message: message.into(), fields: Vec::new(), headers: Vec::new() }))
    }

    /// With one element more.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Told(told) = &mut self {
            told.fields.push((name, value.into()));
        }
        self
    }

    /// With one header more; what is no header's value is left out.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let (Self::Told(told), Ok(value)) = (&mut self, HeaderValue::from_str(value)) {
            told.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    /// As it is told.
    pub(crate) fn told(self) -> Told {
        match self {
            Self::Told(told) => *told,
            Self::Denied(denied) => {
                let message = if denied.message.is_empty() { "Access Denied".to_owned() } else { denied.message };
                answer("AccessDenied", StatusCode::FORBIDDEN, message)
            }
            Self::DiskFull => {
                answer("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE, "The server has no room on its disk.")
            }
            error @ (Self::Store(_) | Self::Record(_) | Self::Internal(_)) => {
                tracing::error!(%error, "S3 request failed");
                let message = "We encountered an internal error. Please try again.";
                answer("InternalError", StatusCode::INTERNAL_SERVER_ERROR, message)
            }
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Told(told) => told.code,
            Self::Denied(_) => "AccessDenied",
            Self::DiskFull => "ServiceUnavailable",
            Self::Store(_) | Self::Record(_) | Self::Internal(_) => "InternalError",
        }
    }
}

fn answer(code: &'static str, status: StatusCode, message: impl Into<Cow<'static, str>>) -> Told {
    Told { code, status, message: message.into(), fields: Vec::new(), headers: Vec::new() }
}

/// The errors, by their names.
impl S3Error {
    pub(crate) fn no_such_bucket(name: &str) -> Self {
        let message = "The specified bucket does not exist";
        Self::new("NoSuchBucket", StatusCode::NOT_FOUND, message).with("BucketName", name)
    }

    pub(crate) fn no_such_key(key: &str) -> Self {
        Self::new("NoSuchKey", StatusCode::NOT_FOUND, "The specified key does not exist.").with("Key", key)
    }

    pub(crate) fn no_such_version(key: &str, version: &str) -> Self {
        let message = "The specified version does not exist.";
        Self::new("NoSuchVersion", StatusCode::NOT_FOUND, message).with("Key", key).with("VersionId", version)
    }

    pub(crate) fn no_such_upload(id: &str) -> Self {
        let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                       aborted or completed.";
        Self::new("NoSuchUpload", StatusCode::NOT_FOUND, message).with("UploadId", id)
    }

    /// A sub-resource of a bucket that was never set.
    pub(crate) fn not_configured(code: &'static str, message: &'static str, bucket: &str) -> Self {
        Self::new(code, StatusCode::NOT_FOUND, message).with("BucketName", bucket)
    }

    pub(crate) fn argument(name: &str, value: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::argument_name(name, message).with("ArgumentValue", value)
    }

    pub(crate) fn argument_name(name: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("InvalidArgument", BAD, message).with("ArgumentName", name)
    }

    pub(crate) fn request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("InvalidRequest", BAD, message)
    }

    pub(crate) fn malformed_xml() -> Self {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        Self::new("MalformedXML", BAD, message)
    }

    pub(crate) fn precondition(condition: &'static str) -> Self {
        let message = "At least one of the pre-conditions you specified did not hold";
        Self::new("PreconditionFailed", StatusCode::PRECONDITION_FAILED, message).with("Condition", condition)
    }

    pub(crate) fn conflict(condition: &'static str, key: &str) -> Self {
        let message = "The conditional request cannot succeed due to a conflicting operation against this resource.";
        let error = Self::new("ConditionalRequestConflict", StatusCode::CONFLICT, message);
        error.with("Condition", condition).with("Key", key)
    }

    pub(crate) fn not_modified(etag: &str) -> Self {
        Self::new("NotModified", StatusCode::NOT_MODIFIED, "Not Modified").header("etag", &format!("\"{etag}\""))
    }

    pub(crate) fn delete_marker(method: &'static str) -> Self {
        let message = "The specified method is not allowed against this resource.";
        let error = Self::new("MethodNotAllowed", StatusCode::METHOD_NOT_ALLOWED, message);
        error.with("Method", method).with("ResourceType", "DeleteMarker").header("x-amz-delete-marker", "true")
    }

    pub(crate) fn range(wanted: &str, size: u64) -> Self {
        let message = "The requested range is not satisfiable";
        let error = Self::new("InvalidRange", StatusCode::RANGE_NOT_SATISFIABLE, message);
        let error = error.with("RangeRequested", wanted).with("ActualObjectSize", size.to_string());
        error.header("content-range", &format!("bytes */{size}"))
    }

    pub(crate) fn access_denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("AccessDenied", StatusCode::FORBIDDEN, message)
    }

    /// Of what S3 has and Hearth does not.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new("NotImplemented", StatusCode::NOT_IMPLEMENTED, format!("{what} is not supported by Hearth."))
    }

    pub(crate) fn header_unsupported(header: &'static str, more: Option<&'static str>) -> Self {
        let message = "A header you provided implies functionality that is not implemented";
        let error = Self::new("NotImplemented", StatusCode::NOT_IMPLEMENTED, message).with("Header", header);
        match more {
            Some(more) => error.with("additionalMessage", more),
            None => error,
        }
    }

    pub(crate) fn bad_digest(algorithm: &str) -> Self {
        Self::new("BadDigest", BAD, format!("The {algorithm} you specified did not match the calculated checksum."))
    }

    pub(crate) fn bucket_owner(text: &str) -> Self {
        let message = format!("The value of the expected bucket owner parameter must be an AWS Account ID... [{text}]");
        Self::new("InvalidBucketOwnerAWSAccountID", BAD, message)
    }

    pub(crate) fn too_large(proposed: u64, max: u64) -> Self {
        let message = "Your proposed upload exceeds the maximum allowed size";
        let error = Self::new("EntityTooLarge", BAD, message);
        error.with("ProposedSize", proposed.to_string()).with("MaxSizeAllowed", max.to_string())
    }
}
