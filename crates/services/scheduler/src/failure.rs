//! Why a target was not called: whether waiting may mend it, and what a dead letter says of it. Codes are those of the
//! target's own API, as EventBridge Scheduler hands them on.

use hearth_ports::{EventBusError, InvokeError, QueueError, RoleRefused, TopicError};

use crate::error::SchedulerError;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// A later attempt may find it otherwise.
    pub(crate) is_transient: bool,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

const UNAVAILABLE: &str = "ServiceUnavailableException";
const DENIED: &str = "AccessDeniedException";

impl Failure {
    fn new(is_transient: bool, code: &'static str, error: &dyn std::fmt::Display) -> Self {
        Self { is_transient, code, message: error.to_string() }
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        let code = match &error {
            QueueError::NotFound => "AWS.SimpleQueueService.NonExistentQueue",
            QueueError::AccessDenied { .. } => DENIED,
            QueueError::Invalid { .. } => "InvalidParameterValue",
            QueueError::DiskFull | QueueError::Unavailable { .. } | QueueError::Elsewhere { .. } => UNAVAILABLE,
        };
        Self::new(error.is_transient(), code, &error)
    }
}

impl From<TopicError> for Failure {
    fn from(error: TopicError) -> Self {
        let code = match &error {
            TopicError::NotFound => "NotFoundException",
            TopicError::AccessDenied { .. } => "AuthorizationErrorException",
            TopicError::Invalid { .. } => "InvalidParameterException",
            TopicError::DiskFull | TopicError::Unavailable { .. } => UNAVAILABLE,
        };
        Self::new(error.is_transient(), code, &error)
    }
}

impl From<EventBusError> for Failure {
    fn from(error: EventBusError) -> Self {
        let code = match &error {
            EventBusError::NotFound => "ResourceNotFoundException",
            EventBusError::AccessDenied { .. } => DENIED,
            EventBusError::Invalid { .. } => "ValidationException",
            EventBusError::DiskFull | EventBusError::Unavailable { .. } => UNAVAILABLE,
        };
        Self::new(error.is_transient(), code, &error)
    }
}

impl From<InvokeError> for Failure {
    fn from(error: InvokeError) -> Self {
        let (is_transient, code) = match &error {
            InvokeError::NotReady { .. } => (true, "ResourceConflictException"),
            InvokeError::Throttled { .. } => (true, "TooManyRequestsException"),
            InvokeError::DiskFull | InvokeError::Internal { .. } => (true, "ServiceException"),
            InvokeError::FunctionNotFound { .. } => (false, "ResourceNotFoundException"),
            InvokeError::InvalidRequestContent { .. } => (false, "InvalidRequestContentException"),
            InvokeError::PayloadTooLarge { .. } => (false, "RequestTooLargeException"),
            InvokeError::RecursiveLoop => (false, "RecursiveInvocationException"),
            InvokeError::AccessDenied { .. } => (false, DENIED),
            InvokeError::InvalidRuntime { .. } => (false, "InvalidRuntimeException"),
        };
        Self::new(is_transient, code, &error)
    }
}

impl From<RoleRefused> for Failure {
    fn from(error: RoleRefused) -> Self {
        Self::new(false, DENIED, &error)
    }
}

/// A target that cannot be called as it is set.
impl From<SchedulerError> for Failure {
    fn from(error: SchedulerError) -> Self {
        Self::new(false, "ValidationException", &error)
    }
}
