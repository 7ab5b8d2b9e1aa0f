//! What CloudWatch Logs answers when it refuses: one enum, with AWS's code and HTTP status beside it.
//!
//! Texts are the recorded ones where a recording exists, else those that clients report or the API reference's.

use hearth_ports::Denied;
use hearth_store::{RecordError, StoreError};
use hearth_wire::ErrorAnswer;
use http::StatusCode;

use crate::pattern::PatternError;

/// A refused request. The text is what the caller sees; internal detail goes to the log instead.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error("The specified log group already exists")]
    GroupExists,
    #[error("The specified log stream already exists")]
    StreamExists,
    #[error("The specified log group does not exist.")]
    NoSuchGroup,
    #[error("The specified log stream does not exist.")]
    NoSuchStream,
    #[error("The specified subscription filter does not exist.")]
    NoSuchFilter,
    #[error("Resource limit exceeded.")]
    LimitExceeded,
    #[error("The specified nextToken is invalid.")]
    InvalidToken,
    #[error("LogGroup name and LogGroup ARN are mutually exclusive parameters.")]
    NameAndArn,
    #[error("{0}")]
    InvalidParameter(String),
    #[error("The resource tag limit of {max} has been exceeded")]
    TooManyTags { max: usize },
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// There is no room for the events now.
    #[error("The service is unable to complete your request at this time.")]
    Unavailable,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A defect of Hearth or a broken disk; the text goes to the log.
    #[error("{0}")]
    Internal(String),
}

impl LogsError {
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::InvalidParameter(text.into())
    }

    #[must_use]
    pub const fn aws_code(&self) -> &'static str {
        match self {
            Self::GroupExists | Self::StreamExists => "ResourceAlreadyExistsException",
            Self::NoSuchGroup | Self::NoSuchStream | Self::NoSuchFilter => "ResourceNotFoundException",
            Self::LimitExceeded => "LimitExceededException",
            Self::InvalidToken | Self::InvalidParameter(_) | Self::Pattern(_) => "InvalidParameterException",
            Self::NameAndArn => "ValidationException",
            Self::TooManyTags { .. } => "TooManyTagsException",
            Self::Denied(_) => "AccessDeniedException",
            Self::Unavailable | Self::Store(StoreError::Full) => "ServiceUnavailableException",
            Self::Store(_) | Self::Record(_) | Self::Internal(_) => "InternalFailure",
        }
    }

    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::Unavailable | Self::Store(StoreError::Full) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Record(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<LogsError> for ErrorAnswer {
    fn from(error: LogsError) -> Self {
        let status = error.http_status();
        Self::new(error.aws_code(), status, hearth_wire::told("CloudWatch Logs", status, &error))
    }
}
