//! What STS answers when it refuses.

use hearth_ports::Denied;
use hearth_wire::ErrorAnswer;
use http::StatusCode;

/// A refused STS request.
#[derive(Debug, thiserror::Error)]
pub enum StsError {
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl StsError {
    /// Source: STS API reference, "Common errors".
    #[must_use]
    pub const fn aws_code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "AccessDenied",
        }
    }

    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::Denied(_) => StatusCode::FORBIDDEN,
        }
    }
}

impl From<StsError> for ErrorAnswer {
    fn from(error: StsError) -> Self {
        Self::new(error.aws_code(), error.http_status(), error.to_string())
    }
}
