//! Why a target has not got an event, in the codes that dead letters carry. Source: EventBridge user guide, "Using
//! dead-letter queues to process undelivered events".

use std::fmt::Display;

use hearth_ports::{InvokeError, QueueError, RoleRefused, TopicError};

use crate::error::EventsError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    ErrorFromTarget,
    FailedToAssumeRole,
    InternalError,
    InvalidJson,
    InvalidParameter,
    NoPermissions,
    NoResource,
    ThirdAccountHop,
    Throttling,
}

impl Code {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ErrorFromTarget => "ERROR_FROM_TARGET",
            Self::FailedToAssumeRole => "FAILED_TO_ASSUME_ROLE",
            Self::InternalError => "INTERNAL_ERROR",
            Self::InvalidJson => "INVALID_JSON",
            Self::InvalidParameter => "INVALID_PARAMETER",
            Self::NoPermissions => "NO_PERMISSIONS",
            Self::NoResource => "NO_RESOURCE",
            Self::ThirdAccountHop => "THIRD_ACCOUNT_HOP_DETECTED",
            Self::Throttling => "THROTTLING",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) code: Code,
    pub(crate) reason: String,
    /// A later attempt may find it otherwise.
    pub(crate) is_for_now: bool,
}

impl Failed {
    pub(crate) fn for_good(code: Code, reason: impl Display) -> Self {
        Self { code, reason: reason.to_string(), is_for_now: false }
    }

    fn for_now(code: Code, reason: impl Display) -> Self {
        Self { code, reason: reason.to_string(), is_for_now: true }
    }
}

impl From<QueueError> for Failed {
    fn from(error: QueueError) -> Self {
        match &error {
            QueueError::NotFound => Self::for_good(Code::NoResource, error),
            QueueError::AccessDenied { .. } => Self::for_good(Code::NoPermissions, error),
            QueueError::Invalid { .. } => Self::for_good(Code::InvalidParameter, error),
            QueueError::DiskFull | QueueError::Unavailable { .. } | QueueError::Elsewhere { .. } => {
                Self::for_now(Code::InternalError, error)
            }
        }
    }
}

impl From<TopicError> for Failed {
    fn from(error: TopicError) -> Self {
        match &error {
            TopicError::NotFound => Self::for_good(Code::NoResource, error),
            TopicError::AccessDenied { .. } => Self::for_good(Code::NoPermissions, error),
            TopicError::Invalid { .. } => Self::for_good(Code::InvalidParameter, error),
            TopicError::DiskFull | TopicError::Unavailable { .. } => Self::for_now(Code::InternalError, error),
        }
    }
}

impl From<InvokeError> for Failed {
    fn from(error: InvokeError) -> Self {
        match &error {
            InvokeError::Throttled { .. } => Self::for_now(Code::Throttling, error),
            InvokeError::NotReady { .. } | InvokeError::DiskFull | InvokeError::Internal { .. } => {
                Self::for_now(Code::InternalError, error)
            }
            InvokeError::FunctionNotFound { .. } => Self::for_good(Code::NoResource, error),
            InvokeError::AccessDenied { .. } => Self::for_good(Code::NoPermissions, error),
            InvokeError::InvalidRequestContent { .. } | InvokeError::PayloadTooLarge { .. } => {
                Self::for_good(Code::InvalidParameter, error)
            }
            InvokeError::RecursiveLoop | InvokeError::InvalidRuntime { .. } => {
                Self::for_good(Code::ErrorFromTarget, error)
            }
        }
    }
}

impl From<RoleRefused> for Failed {
    fn from(error: RoleRefused) -> Self {
        Self::for_good(Code::FailedToAssumeRole, error)
    }
}

impl From<EventsError> for Failed {
    fn from(error: EventsError) -> Self {
        match &error {
            EventsError::NotFound(_) => Self::for_good(Code::NoResource, error),
            EventsError::Denied(_) => Self::for_good(Code::NoPermissions, error),
            error if error.http_status().is_server_error() => Self::for_now(Code::InternalError, error),
            _ => Self::for_good(Code::InvalidParameter, error),
        }
    }
}
