//! Access keys: issued to function environments, looked up when a signature is verified.

use std::sync::Arc;

use hearth_types::{AccountId, Caller, RequestContext};

/// Temporary credentials as a client uses them. `Debug` never shows the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
    pub expires_at_ms: i64,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// A key Hearth knows.
#[derive(Clone)]
pub struct AccessKey {
    pub secret_access_key: Arc<str>,
    /// Present for temporary credentials; the request must carry the same token.
    pub session_token: Option<Arc<str>>,
    pub account: AccountId,
    pub caller: Caller,
    pub expires_at_ms: Option<i64>,
}

/// Finds keys by id. Called on every signed request: answers from memory.
pub trait AccessKeys: Send + Sync + 'static {
    fn find(&self, access_key_id: &str) -> Option<AccessKey>;
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("The role defined for the function cannot be assumed by Lambda.")]
    NotAssumable,
    #[error("{0}")]
    Internal(String),
}

/// Issues the session a function's environment runs with.
pub trait CredentialIssuer: Send + Sync + 'static {
    /// Session `arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION`, valid for `ttl_ms`.
    ///
    /// # Errors
    /// [`CredentialError`].
    fn issue_function_session(
        &self,
        ctx: &RequestContext,
        role_arn: &str,
        function_name: &str,
        ttl_ms: u64,
    ) -> Result<Credentials, CredentialError>;

    /// Forgets a session whose environment is gone.
    fn revoke(&self, ctx: &RequestContext, access_key_id: &str);
}
