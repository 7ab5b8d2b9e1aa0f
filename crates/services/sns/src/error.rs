//! What SNS answers when it refuses: one enum, with AWS's codes and HTTP status beside it. Texts are the recorded ones
//! where a recording exists.

use hearth_ports::{Denied, TopicError};
use hearth_store::{RecordError, StoreError};
use hearth_wire::ErrorAnswer;
use http::StatusCode;

/// A refused request. The text is what the caller sees; internal detail goes to the log instead.
#[derive(Debug, thiserror::Error)]
pub enum SnsError {
    #[error("Invalid parameter: {0}")]
    Parameter(String),
    /// A message attribute.
    #[error("{0}")]
    ParameterValue(String),
    #[error("1 validation error detected: Value null at '{0}' failed to satisfy constraint: Member must not be null")]
    Null(String),
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// Tags of what is not there.
    #[error("Resource does not exist")]
    ResourceNotFound,
    #[error("The topic limit for this account has been exceeded.")]
    TopicLimit,
    #[error("The subscription limit for this topic has been exceeded.")]
    SubscriptionLimit,
    #[error("The filter policy limit for this topic has been exceeded.")]
    FilterLimit,
    #[error("Could not complete request: tag quota of per resource exceeded")]
    TagLimit,
    #[error("The batch request doesn't contain any entries.")]
    EmptyBatch,
    #[error("The batch request contains more entries than permissible.")]
    TooManyEntries,
    #[error("Two or more batch entries in the request have the same Id.")]
    RepeatedId,
    #[error("{0}")]
    BatchEntryId(String),
    #[error("The length of all the messages put together is more than the limit.")]
    BatchTooLong,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("The server has no room on its disk.")]
    DiskFull,
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A defect of Hearth or a broken disk; the text goes to the log.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for SnsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::DiskFull,
            error => Self::Store(error),
        }
    }
}

impl SnsError {
    pub(crate) fn parameter(text: impl Into<String>) -> Self {
        Self::Parameter(text.into())
    }

    /// Of what SNS has and Hearth does not.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::Parameter(format!("{what} is not supported by Hearth"))
    }

    /// The same, about a member of a map of attributes: CreateTopic and Subscribe say so.
    pub(crate) fn in_attributes(self) -> Self {
        match self {
            Self::Parameter(text) => Self::Parameter(format!("Attributes Reason: {text}")),
            error => error,
        }
    }

    #[must_use]
    pub const fn aws_code(&self) -> &'static str {
        match self {
            Self::Parameter(_) => "InvalidParameter",
            Self::ParameterValue(_) => "ParameterValueInvalid",
            Self::Null(_) => "ValidationError",
            Self::NotFound(_) => "NotFound",
            Self::ResourceNotFound => "ResourceNotFound",
            Self::TopicLimit => "TopicLimitExceeded",
            Self::SubscriptionLimit => "SubscriptionLimitExceeded",
            Self::FilterLimit => "FilterPolicyLimitExceeded",
            Self::TagLimit => "TagLimitExceeded",
            Self::EmptyBatch => "EmptyBatchRequest",
            Self::TooManyEntries => "TooManyEntriesInBatchRequest",
            Self::RepeatedId => "BatchEntryIdsNotDistinct",
            Self::BatchEntryId(_) => "InvalidBatchEntryId",
            Self::BatchTooLong => "BatchRequestTooLong",
            Self::Denied(_) => "AuthorizationError",
            Self::DiskFull => "ServiceUnavailable",
            Self::Store(_) | Self::Record(_) | Self::Internal(_) => "InternalError",
        }
    }

    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) | Self::ResourceNotFound => StatusCode::NOT_FOUND,
            Self::TopicLimit | Self::SubscriptionLimit | Self::FilterLimit | Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::DiskFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Record(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The text for the caller: nothing of what only the log is to know.
    pub(crate) fn told(&self) -> String {
        hearth_wire::told("SNS", self.http_status(), self)
    }
}

impl From<SnsError> for ErrorAnswer {
    fn from(error: SnsError) -> Self {
        Self::of("SNS", error.aws_code(), error.http_status(), &error)
    }
}

impl From<SnsError> for TopicError {
    fn from(error: SnsError) -> Self {
        match error {
            SnsError::NotFound(_) => Self::NotFound,
            SnsError::Denied(denied) => Self::AccessDenied { message: denied.message },
            SnsError::DiskFull => Self::DiskFull,
            error if error.http_status().is_server_error() => Self::Unavailable { detail: error.to_string() },
            error => Self::Invalid { message: error.to_string() },
        }
    }
}
