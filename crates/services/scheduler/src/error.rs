//! What EventBridge Scheduler answers when it refuses: one enum, with AWS's codes and HTTP status beside it. Texts are the
//! recorded ones where a recording exists.

use hearth_delivery::timetable::TimetableError;
use hearth_ports::Denied;
use hearth_store::{RecordError, StoreError};
use hearth_wire::ErrorAnswer;
use http::StatusCode;

/// A refused request. The text is what the caller sees; internal detail goes to the log instead.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    #[error("{0}")]
    Validation(String),
    #[error("{0} does not exist.")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Quota(String),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("The server has no room on its disk.")]
    DiskFull,
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<StoreError> for SchedulerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::DiskFull,
            error => Self::Store(error),
        }
    }
}

impl From<TimetableError> for SchedulerError {
    fn from(error: TimetableError) -> Self {
        match error {
            TimetableError::Store(error) => error.into(),
            TimetableError::Record(error) => error.into(),
        }
    }
}

impl SchedulerError {
    pub(crate) fn validation(text: impl Into<String>) -> Self {
        Self::Validation(text.into())
    }

    /// Of what EventBridge Scheduler has and Hearth does not.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::Validation(format!("{what} is not supported by Hearth."))
    }

    pub(crate) fn no_schedule(name: &str) -> Self {
        Self::NotFound(format!("Schedule {name}"))
    }

    pub(crate) fn no_group(name: &str) -> Self {
        Self::NotFound(format!("Schedule group {name}"))
    }

    #[must_use]
    pub const fn aws_code(&self) -> &'static str {
        match self {
            Self::Validation(_) => "ValidationException",
            Self::NotFound(_) => "ResourceNotFoundException",
            Self::Conflict(_) => "ConflictException",
            Self::Quota(_) => "ServiceQuotaExceededException",
            Self::Denied(_) => "AccessDeniedException",
            Self::DiskFull | Self::Store(_) | Self::Record(_) => "InternalServerException",
        }
    }

    /// Source: the API model.
    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::Validation(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Quota(_) => StatusCode::PAYMENT_REQUIRED,
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::DiskFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Record(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<SchedulerError> for ErrorAnswer {
    fn from(error: SchedulerError) -> Self {
        Self::of("EventBridge Scheduler", error.aws_code(), error.http_status(), &error).upper_message()
    }
}
