//! What EventBridge answers when it refuses: one enum, with AWS's codes and HTTP status beside it. Texts are the recorded
//! ones where a recording exists.

use hearth_delivery::timetable::TimetableError;
use hearth_ports::{Denied, EventBusError};
use hearth_store::{RecordError, StoreError};
use hearth_wire::ErrorAnswer;
use http::StatusCode;

/// A refused request. The text is what the caller sees; internal detail goes to the log instead.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    #[error("{0}")]
    Validation(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    AlreadyExists(String),
    #[error("The requested resource exceeds the maximum number allowed.")]
    LimitExceeded,
    /// The reason.
    #[error("Event pattern is not valid. Reason: {0}")]
    Pattern(String),
    #[error("The policy is longer than {0} characters.")]
    PolicyLength(usize),
    #[error("{0}")]
    IllegalStatus(String),
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

impl From<StoreError> for EventsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::DiskFull,
            error => Self::Store(error),
        }
    }
}

impl From<TimetableError> for EventsError {
    fn from(error: TimetableError) -> Self {
        match error {
            TimetableError::Store(error) => error.into(),
            TimetableError::Record(error) => error.into(),
        }
    }
}

impl EventsError {
    pub(crate) fn validation(text: impl Into<String>) -> Self {
        Self::Validation(text.into())
    }

    /// Of what EventBridge has and Hearth does not.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::Validation(format!("{what} is not supported by Hearth."))
    }

    pub(crate) fn no_bus(name: &str) -> Self {
        Self::NotFound(format!("Event bus {name} does not exist."))
    }

    pub(crate) fn no_rule(rule: &str, bus: &str) -> Self {
        Self::NotFound(format!("Rule {rule} does not exist on EventBus {bus}."))
    }

    #[must_use]
    pub const fn aws_code(&self) -> &'static str {
        match self {
            Self::Validation(_) => "ValidationException",
            Self::NotFound(_) => "ResourceNotFoundException",
            Self::AlreadyExists(_) => "ResourceAlreadyExistsException",
            Self::LimitExceeded => "LimitExceededException",
            Self::Pattern(_) => "InvalidEventPatternException",
            Self::PolicyLength(_) => "PolicyLengthExceededException",
            Self::IllegalStatus(_) => "IllegalStatusException",
            Self::Denied(_) => "AccessDeniedException",
            Self::DiskFull | Self::Store(_) | Self::Record(_) | Self::Internal(_) => "InternalException",
        }
    }

    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::DiskFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Record(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<EventsError> for ErrorAnswer {
    fn from(error: EventsError) -> Self {
        Self::of("EventBridge", error.aws_code(), error.http_status(), &error)
    }
}

impl From<EventsError> for EventBusError {
    fn from(error: EventsError) -> Self {
        match error {
            EventsError::NotFound(_) => Self::NotFound,
            EventsError::Denied(denied) => Self::AccessDenied { message: denied.message },
            EventsError::DiskFull => Self::DiskFull,
            error if error.http_status().is_server_error() => Self::Unavailable { detail: error.to_string() },
            error => Self::Invalid { message: error.to_string() },
        }
    }
}
