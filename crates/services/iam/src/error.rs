//! What IAM answers when it refuses: one enum, with AWS's code and HTTP status beside it.
//!
//! Texts are the recorded ones where a recording exists, else those of the IAM API reference.

use hearth_ports::Denied;
use hearth_store::{RecordError, StoreError};
use hearth_wire::ErrorAnswer;
use http::StatusCode;

use crate::policy::PolicyError;

/// A refused IAM request. The text is what the caller sees; internal detail goes to the log instead.
#[derive(Debug, thiserror::Error)]
pub enum IamError {
    #[error("Role with name {name} already exists.")]
    RoleExists { name: String },
    #[error("The role with name {name} cannot be found.")]
    NoSuchRole { name: String },
    #[error("The role policy with name {policy} cannot be found.")]
    NoSuchRolePolicy { policy: String },
    /// Attaching a managed policy nobody has.
    #[error("Policy {arn} does not exist or is not attachable.")]
    NotAttachable { arn: String },
    /// Detaching a managed policy the role does not have.
    #[error("Policy {arn} was not found.")]
    NotAttached { arn: String },
    #[error("Invalid ARN:  Could not be parsed!")]
    UnparsableArn,
    #[error("Cannot delete entity, must {what} first.")]
    DeleteConflict { what: &'static str },
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
}

impl IamError {
    /// The code of the IAM API model.
    #[must_use]
    pub const fn aws_code(&self) -> &'static str {
        match self {
            Self::RoleExists { .. } => "EntityAlreadyExists",
            Self::NoSuchRole { .. }
            | Self::NoSuchRolePolicy { .. }
            | Self::NotAttachable { .. }
            | Self::NotAttached { .. } => "NoSuchEntity",
            Self::UnparsableArn | Self::Validation(_) => "ValidationError",
            Self::DeleteConflict { .. } => "DeleteConflict",
            Self::MalformedPolicy(_) => "MalformedPolicyDocument",
            Self::InvalidInput(_) => "InvalidInput",
            Self::LimitExceeded(_) => "LimitExceeded",
            Self::ConcurrentModification => "ConcurrentModification",
            Self::Denied(_) => "AccessDenied",
            Self::Store(_) | Self::Record(_) => "ServiceFailure",
        }
    }

    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::RoleExists { .. }
            | Self::DeleteConflict { .. }
            | Self::LimitExceeded(_)
            | Self::ConcurrentModification => StatusCode::CONFLICT,
            Self::NoSuchRole { .. }
            | Self::NoSuchRolePolicy { .. }
            | Self::NotAttachable { .. }
            | Self::NotAttached { .. } => StatusCode::NOT_FOUND,
            Self::UnparsableArn | Self::Validation(_) | Self::MalformedPolicy(_) | Self::InvalidInput(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::Store(_) | Self::Record(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The text for the caller: what went wrong inside stays inside.
    fn external_text(&self) -> String {
        match self {
            Self::Store(_) | Self::Record(_) => {
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
