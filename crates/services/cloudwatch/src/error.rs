//! What CloudWatch answers when it refuses: one enum, with AWS's codes, their older forms and HTTP status beside it. Texts
//! are the recorded ones where a recording exists.

use hearth_ports::Denied;
use hearth_store::{RecordError, StoreError};
use hearth_wire::{ErrorAnswer, Fault};
use http::StatusCode;

/// A refused request. The text is what the caller sees; internal detail goes to the log instead.
#[derive(Debug, thiserror::Error)]
pub enum CloudWatchError {
    #[error("The parameter {0} is required.")]
    Missing(String),
    #[error("{0}")]
    Value(String),
    #[error("{0}")]
    Combination(String),
    /// GetMetricData and expressions.
    #[error("{0}")]
    Validation(String),
    #[error("The value for parameter NextToken is invalid.")]
    Token,
    #[error("There are as many metrics in this account and region as Hearth keeps: {0}.")]
    TooManyMetrics(usize),
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

impl From<StoreError> for CloudWatchError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::DiskFull,
            error => Self::Store(error),
        }
    }
}

impl CloudWatchError {
    pub(crate) fn value(text: impl Into<String>) -> Self {
        Self::Value(text.into())
    }

    /// The parameter and what is wrong with it.
    pub(crate) fn invalid(parameter: &str, value: impl std::fmt::Display) -> Self {
        Self::Value(format!("The value {value} for parameter {parameter} is invalid."))
    }

    /// Of what CloudWatch has and Hearth does not.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::Value(format!("{what} is not supported by Hearth."))
    }

    /// The name of the error's shape, and its code in the query form.
    #[must_use]
    pub const fn aws_code(&self) -> (&'static str, &'static str) {
        match self {
            Self::Missing(_) => ("MissingRequiredParameterException", "MissingParameter"),
            Self::Value(_) => ("InvalidParameterValueException", "InvalidParameterValue"),
            Self::Combination(_) => ("InvalidParameterCombinationException", "InvalidParameterCombination"),
            Self::Validation(_) => ("ValidationException", "ValidationError"),
            Self::Token => ("InvalidNextToken", "InvalidNextToken"),
            Self::TooManyMetrics(_) => ("LimitExceededFault", "LimitExceeded"),
            Self::Denied(_) => ("AccessDeniedException", "AccessDenied"),
            Self::DiskFull => ("ServiceUnavailable", "ServiceUnavailable"),
            Self::Store(_) | Self::Record(_) | Self::Internal(_) => ("InternalServiceFault", "InternalServiceError"),
        }
    }

    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::DiskFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Record(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<CloudWatchError> for ErrorAnswer {
    fn from(error: CloudWatchError) -> Self {
        let (status, (code, query)) = (error.http_status(), error.aws_code());
        let text = if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%error, "CloudWatch request failed");
            Self::internal().message
        } else {
            error.to_string()
        };
        let fault = if status.is_server_error() { Fault::Server } else { Fault::Client };
        Self::new(code, status, text).fault(fault).in_query(query, None)
    }
}
