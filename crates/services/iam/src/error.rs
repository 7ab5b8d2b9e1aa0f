//! What IAM answers when it refuses: one enum, with AWS's code and HTTP status beside it.
//!
//! Texts are the recorded ones where a recording exists, else those of the IAM API reference.

use hearth_authz::PolicyError;
use hearth_ports::Denied;
use hearth_store::{RecordError, StoreError};
use hearth_wire::ErrorAnswer;
use http::StatusCode;

use crate::tokens::TokenKeyError;

/// A refused IAM request. The text is what the caller sees; internal detail goes to the log instead.
#[derive(Debug, thiserror::Error)]
pub enum IamError {
    #[error("{0}")]
    EntityAlreadyExists(String),
    #[error("{0}")]
    NoSuchEntity(String),
    #[error("Invalid ARN:  Could not be parsed!")]
    UnparsableArn,
    #[error("Cannot delete entity, must {what} first.")]
    DeleteConflict { what: &'static str },
    /// Deleting a managed policy, or a version of one, that is in use.
    #[error("{0}")]
    PolicyInUse(&'static str),
    #[error(transparent)]
    MalformedPolicy(#[from] PolicyError),
    #[error("{0}")]
    InvalidInput(String),
    #[error("{0}")]
    Validation(String),
    #[error("{0}")]
    LimitExceeded(String),
    /// Another request changed the same role again and again while this one tried to.
    #[error(
        "The request was rejected because multiple requests to change this object were submitted simultaneously. \
         Wait a few minutes and submit your request again."
    )]
    ConcurrentModification,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    TokenKey(#[from] TokenKeyError),
}

impl IamError {
    #[must_use]
    pub(crate) fn quota(name: &str, max: usize) -> Self {
        Self::LimitExceeded(format!("Cannot exceed quota for {name}: {max}"))
    }

    /// Attaching a managed policy nobody has.
    #[must_use]
    pub(crate) fn not_attachable(arn: &str) -> Self {
        Self::NoSuchEntity(format!("Policy {arn} does not exist or is not attachable."))
    }

    /// Reading, changing or detaching one.
    #[must_use]
    pub(crate) fn no_such_policy(arn: &str) -> Self {
        Self::NoSuchEntity(format!("Policy {arn} was not found."))
    }

    /// The code of the IAM API model.
    #[must_use]
    pub const fn aws_code(&self) -> &'static str {
        match self {
            Self::EntityAlreadyExists(_) => "EntityAlreadyExists",
            Self::NoSuchEntity(_) => "NoSuchEntity",
            Self::UnparsableArn | Self::Validation(_) => "ValidationError",
            Self::DeleteConflict { .. } | Self::PolicyInUse(_) => "DeleteConflict",
            Self::MalformedPolicy(_) => "MalformedPolicyDocument",
            Self::InvalidInput(_) => "InvalidInput",
            Self::LimitExceeded(_) => "LimitExceeded",
            Self::ConcurrentModification => "ConcurrentModification",
            Self::Denied(_) => "AccessDenied",
            Self::Store(_) | Self::Record(_) | Self::TokenKey(_) => "ServiceFailure",
        }
    }

    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::EntityAlreadyExists(_)
            | Self::DeleteConflict { .. }
            | Self::PolicyInUse(_)
            | Self::LimitExceeded(_)
            | Self::ConcurrentModification => StatusCode::CONFLICT,
            Self::NoSuchEntity(_) => StatusCode::NOT_FOUND,
            Self::UnparsableArn | Self::Validation(_) | Self::MalformedPolicy(_) | Self::InvalidInput(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::Store(_) | Self::Record(_) | Self::TokenKey(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The text for the caller: what went wrong inside stays inside.
    fn external_text(&self) -> String {
        match self {
            Self::Store(StoreError::Full) => "The server has no room on its disk.".to_owned(),
            Self::Store(_) | Self::Record(_) | Self::TokenKey(_) => {
                "The request processing has failed because of an unknown error, exception or failure.".to_owned()
            }
            other => other.to_string(),
        }
    }
}

impl From<IamError> for ErrorAnswer {
    fn from(error: IamError) -> Self {
        let status = error.http_status();
        if status.is_server_error() {
            tracing::error!(%error, "IAM request failed");
        }
        Self::new(error.aws_code(), status, error.external_text())
    }
}
