//! The parts of answers that several operations share.

use hearth_ports::TemporaryKey;
use hearth_types::Caller;
use hearth_wire::Timestamp;
use serde::Serialize;

use crate::StsError;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CredentialsView {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: Timestamp,
}

impl CredentialsView {
    pub(crate) fn of(key: &TemporaryKey) -> Self {
        let credentials = &key.credentials;
        Self {
            access_key_id: credentials.access_key_id.clone(),
            secret_access_key: credentials.secret_access_key.clone(),
            session_token: credentials.session_token.clone(),
            // Whole seconds, as the real service writes it.
            expiration: Timestamp::from_ms(credentials.expires_at_ms.div_euclid(1_000) * 1_000),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AssumedRoleUser {
    assumed_role_id: String,
    arn: String,
}

impl AssumedRoleUser {
    pub(crate) fn of(key: &TemporaryKey) -> Result<Self, StsError> {
        match &key.caller {
            Caller::RoleSession { assumed_role_id, session_arn, .. } => {
                Ok(Self { assumed_role_id: assumed_role_id.to_string(), arn: session_arn.to_string() })
            }
            _ => Err(StsError::Internal("a role's credentials are for somebody else".to_owned())),
        }
    }
}
