//! What STS needs of IAM: roles and their trust, and temporary credentials.

use std::sync::Arc;

use hearth_authz::Policy;
use hearth_types::{Arn, Caller, Origin, RequestContext, Session};

use crate::credentials::Credentials;

/// A role as STS sees it.
#[derive(Clone, Debug)]
pub struct RoleFacts {
    pub arn: Arn,
    pub name: Arc<str>,
    /// `AROA…`.
    pub id: Arc<str>,
    pub trust: Arc<Policy>,
    pub max_session_duration_s: u32,
    /// Tags of the role.
    pub tags: Vec<(String, String)>,
}

/// Answers from memory.
pub trait Roles: Send + Sync + 'static {
    /// The role of exactly that ARN, path included, in whatever account it is.
    fn find_role(&self, ctx: &RequestContext, arn: &Arn) -> Option<RoleFacts>;

    /// The document of a managed policy of the context's account, or of AWS's own.
    fn managed_policy(&self, ctx: &RequestContext, arn: &str) -> Option<Arc<str>>;
}

/// What temporary credentials are for.
#[derive(Clone, Debug)]
pub enum Grant {
    /// A session of that role, under that name.
    Role { role: RoleFacts, session_name: String, session: Session },
    /// The caller, for a while.
    Same { caller: Caller, session: Session },
}

/// Credentials, and whom they stand for.
#[derive(Clone, Debug)]
pub struct TemporaryKey {
    pub credentials: Credentials,
    pub caller: Caller,
}

/// Makes temporary credentials. They outlive a restart of the server, and cannot be taken back before they expire.
pub trait TemporaryCredentials: Send + Sync + 'static {
    /// `origin` is the one of the request that asks: what function code gets is held as function code is.
    fn issue(
        &self,
        ctx: &RequestContext,
        grant: Grant,
        origin: Origin,
        duration_s: u32,
    ) -> Result<TemporaryKey, String>;
}
