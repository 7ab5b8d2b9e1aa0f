//! What STS answers when it refuses.

use hearth_authz::PolicyError;
use hearth_ports::Denied;
use hearth_wire::ErrorAnswer;
use http::StatusCode;

/// A refused STS request. Source: STS API reference, the errors of each operation; texts are recorded ones where a
/// recording exists.
#[derive(Debug, thiserror::Error)]
pub enum StsError {
    #[error(transparent)]
    Denied(#[from] Denied),
    /// AWS tells neither whether the role exists nor why its trust does not cover the request.
    #[error("User: {caller} is not authorized to perform: {action} on resource: {resource}")]
    NotAuthorized { caller: String, action: &'static str, resource: String },
    #[error("Not authorized to perform sts:AssumeRoleWithWebIdentity")]
    WebIdentityNotAuthorized,
    #[error("MultiFactorAuthentication failed with invalid MFA one time pass code.")]
    NoSuchMfaDevice,
    #[error("Cannot call GetSessionToken with session credentials")]
    SessionCredentials,
    #[error("{0}")]
    Validation(String),
    #[error("{0}")]
    InvalidParameterValue(&'static str),
    #[error(transparent)]
    MalformedPolicy(#[from] PolicyError),
    #[error("Packed policy consumes {percent}% of allotted space, please use smaller policy.")]
    PackedPolicyTooLarge { percent: usize },
    #[error("{0}")]
    InvalidIdentityToken(String),
    #[error("Token expired: current date/time {now_s} must be before the expiration date/time {expired_at_s}")]
    TokenExpired { now_s: i64, expired_at_s: i64 },
    #[error("{0}")]
    RejectedClaim(String),
    /// A defect of Hearth; the text goes to the log.
    #[error("{0}")]
    Internal(String),
}

impl StsError {
    #[must_use]
    pub const fn aws_code(&self) -> &'static str {
        match self {
            Self::Denied(_)
            | Self::NotAuthorized { .. }
            | Self::WebIdentityNotAuthorized
            | Self::NoSuchMfaDevice
            | Self::SessionCredentials => "AccessDenied",
            Self::Validation(_) => "ValidationError",
            Self::InvalidParameterValue(_) => "InvalidParameterValue",
            Self::MalformedPolicy(_) => "MalformedPolicyDocument",
            Self::PackedPolicyTooLarge { .. } => "PackedPolicyTooLarge",
            Self::InvalidIdentityToken(_) => "InvalidIdentityToken",
            Self::TokenExpired { .. } => "ExpiredTokenException",
            Self::RejectedClaim(_) => "IDPRejectedClaim",
            Self::Internal(_) => "InternalFailure",
        }
    }

    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::Denied(_)
            | Self::NotAuthorized { .. }
            | Self::WebIdentityNotAuthorized
            | Self::NoSuchMfaDevice
            | Self::SessionCredentials
            | Self::RejectedClaim(_) => StatusCode::FORBIDDEN,
            Self::Validation(_)
            | Self::InvalidParameterValue(_)
            | Self::MalformedPolicy(_)
            | Self::PackedPolicyTooLarge { .. }
            | Self::InvalidIdentityToken(_)
            | Self::TokenExpired { .. } => StatusCode::BAD_REQUEST,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<StsError> for ErrorAnswer {
    fn from(error: StsError) -> Self {
        if let StsError::Internal(detail) = &error {
            tracing::error!(detail, "STS request failed");
            return Self::internal();
        }
        Self::new(error.aws_code(), error.http_status(), error.to_string())
    }
}
