//! STS: who am I, and temporary credentials. One file per operation in `op/`.
//!
//! What never lives here: keys, roles and sessions themselves. They are IAM's; STS meets them in `ports`.

mod error;
mod issuer;
mod jwt;
mod op;
mod policies;
mod role;
mod tags;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use hearth_ports::{Access, Authorizer, Denied, Roles, TemporaryCredentials};
use hearth_types::{Clock, RequestContext};
use hearth_wire::Service;

pub use error::StsError;
pub use issuer::{IssuerError, Issuers};

/// A whole request: the longest has a web identity token of 20,000 characters, session policies and tags.
const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// What STS is made of.
pub struct StsParts {
    pub authorizer: Arc<dyn Authorizer>,
    pub roles: Arc<dyn Roles>,
    pub credentials: Arc<dyn TemporaryCredentials>,
    /// Identity providers whose tokens are believed.
    pub issuers: Issuers,
    /// The wall clock: tokens are judged by it.
    pub clock: Arc<dyn Clock>,
}

/// The security token service.
pub struct Sts {
    authorizer: Arc<dyn Authorizer>,
    roles: Arc<dyn Roles>,
    credentials: Arc<dyn TemporaryCredentials>,
    issuers: Issuers,
    clock: Arc<dyn Clock>,
}

impl Sts {
    #[must_use]
    pub fn new(parts: StsParts) -> Self {
        let StsParts { authorizer, roles, credentials, issuers, clock } = parts;
        Self { authorizer, roles, credentials, issuers, clock }
    }

    fn authorize(&self, ctx: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
        self.authorizer.authorize(ctx, access)
    }
}

/// The STS API over `sts`.
#[must_use]
pub fn service(sts: Arc<Sts>) -> Arc<dyn Service> {
    hearth_wire::service(hearth_wire::models::sts(), sts)
        .op("AssumeRole", REQUEST_BYTES_MAX, op::assume_role::run)
        .op("AssumeRoleWithWebIdentity", REQUEST_BYTES_MAX, op::assume_role_with_web_identity::run)
        .op("GetCallerIdentity", REQUEST_BYTES_MAX, op::get_caller_identity::run)
        .op("GetSessionToken", REQUEST_BYTES_MAX, op::get_session_token::run)
        .build()
}
