//! Access keys: issued to function environments, looked up when a signature is verified.

use std::sync::Arc;

use hearth_types::{AccountId, Arn, Caller, Origin, RequestContext};

use crate::roles::TemporaryKey;

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
    pub origin: Origin,
    pub expires_at_ms: Option<i64>,
}

/// What is known of an access key id.
#[derive(Clone)]
pub enum KeyLookup {
    /// The signature must be checked with it, and its expiry looked at.
    Known(Box<AccessKey>),
    /// Hearth made it, and it is void: deactivated, deleted, revoked, or its session token is not the one it came with.
    /// Refused in every mode.
    Void,
    /// Nobody here has ever made it.
    Unknown,
}

/// Finds keys by id. Called on every signed request: answers from memory.
pub trait AccessKeys: Send + Sync + 'static {
    /// `session_token` is what came with the request: temporary credentials are nothing without theirs.
    fn find(&self, access_key_id: &str, session_token: Option<&str>) -> KeyLookup;
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("The role defined for the function cannot be assumed by Lambda.")]
    NotAssumable,
    #[error("Cross-account pass role is not allowed.")]
    OtherAccount,
    #[error("{0}")]
    Internal(String),
}

/// Of a session that nobody signs with.
const UNUSED_SESSION_TTL_MS: u64 = 60_000;

/// Issues the session a function's environment runs with.
pub trait CredentialIssuer: Send + Sync + 'static {
    /// May Lambda assume the role for this function? Looked at when a function is created or gets another role, and at
    /// each start of an environment. In open mode any role will do, even one that does not exist.
    ///
    /// # Errors
    /// [`CredentialError::NotAssumable`].
    fn check_function_role(
        &self,
        ctx: &RequestContext,
        role_arn: &str,
        function_arn: &Arn,
    ) -> Result<(), CredentialError>;

    /// Session `arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION`, valid for `ttl_ms`.
    ///
    /// # Errors
    /// [`CredentialError`].
    fn issue_function_session(
        &self,
        ctx: &RequestContext,
        role_arn: &str,
        function_arn: &Arn,
        ttl_ms: u64,
    ) -> Result<TemporaryKey, CredentialError>;

    /// Forgets a session whose environment is gone.
    fn revoke(&self, ctx: &RequestContext, access_key_id: &str);

    /// Who acts where Lambda itself does something as a function's role, for example reads a queue. Nobody ever signs with
    /// the session, so it is void at once.
    ///
    /// # Errors
    /// [`CredentialError`].
    fn function_role(
        &self,
        ctx: &RequestContext,
        role_arn: &str,
        function_arn: &Arn,
    ) -> Result<Caller, CredentialError> {
        let session = self.issue_function_session(ctx, role_arn, function_arn, UNUSED_SESSION_TTL_MS)?;
        self.revoke(ctx, &session.credentials.access_key_id);
        Ok(session.caller)
    }
}

/// A role is not the service's to act as: there is none, it is another account's, or its trust policy does not say so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{principal} is not authorized to assume the role {role_arn}.")]
pub struct RoleRefused {
    pub principal: &'static str,
    pub role_arn: String,
}

/// Who acts where a service does something as a role that is named for it: a target's of EventBridge, a schedule's.
pub trait ServiceRoles: Send + Sync + 'static {
    /// A session of the role, for `principal` (`events.amazonaws.com`) on behalf of `source_arn`: the role's trust
    /// policy must let it in. Nobody ever signs with it. In open mode any role of the account will do, even one that
    /// does not exist.
    ///
    /// # Errors
    /// [`RoleRefused`].
    fn service_role(
        &self,
        ctx: &RequestContext,
        principal: &'static str,
        role_arn: &str,
        source_arn: &str,
    ) -> Result<Caller, RoleRefused>;
}
