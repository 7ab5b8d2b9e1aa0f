//! Signatures of messages, and the certificate that they are verified by.
//! Source: SNS developer guide, "Verifying the signatures of Amazon SNS messages".

use std::io::ErrorKind;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_tls::AuthorityError;

use crate::Sns;
use crate::error::SnsError;

/// How the certificate's path begins, on Hearth's own endpoint.
const PREFIX: &str = "/SimpleNotificationService-";
const SUFFIX: &str = ".pem";

/// Whether a path is one of a certificate.
#[must_use]
pub fn is_certificate(path: &str) -> bool {
    path.starts_with(PREFIX) && path.ends_with(SUFFIX)
}

impl From<AuthorityError> for SnsError {
    fn from(error: AuthorityError) -> Self {
        match &error {
            AuthorityError::Io { error, .. } if error.kind() == ErrorKind::StorageFull => Self::DiskFull,
            _ => Self::Internal(error.to_string()),
        }
    }
}

impl Sns {
    /// In base64.
    pub(crate) fn sign(&self, text: &str) -> Result<String, SnsError> {
        Ok(STANDARD.encode(self.signer.sign(text.as_bytes())?))
    }

    pub(crate) fn certificate_url(&self, base_url: &str) -> Result<String, SnsError> {
        Ok(format!("{base_url}{PREFIX}{}{SUFFIX}", self.signer.id()?))
    }

    /// The certificate of that path, for whoever asks; `None`: there is no such one.
    ///
    /// # Errors
    /// [`SnsError::Internal`]: it cannot be read.
    pub fn certificate(&self, path: &str) -> Result<Option<String>, SnsError> {
        let id = path.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
        if id.is_none_or(|id| self.signer.known_id().as_deref() != Some(id)) {
            return Ok(None);
        }
        Ok(Some(self.signer.pem()?))
    }
}
