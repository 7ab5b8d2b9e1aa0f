//! STS: who am I? One file per operation in `op/`.
//!
//! What never lives here: keys and sessions themselves. They are IAM's; STS meets them in `ports`.

mod error;
mod op;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hearth_ports::Authorizer;
use hearth_types::{Arn, RequestContext};
use hearth_wire::Service;

pub use error::StsError;

/// A whole request: the longest has a session policy and tags.
const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// The security token service.
pub struct Sts {
    authorizer: Arc<dyn Authorizer>,
}

impl Sts {
    #[must_use]
    pub fn new(authorizer: Arc<dyn Authorizer>) -> Self {
        Self { authorizer }
    }

    fn authorize(&self, ctx: &RequestContext, action: &'static str, resource: &Arn) -> Result<(), StsError> {
        Ok(self.authorizer.authorize(ctx, action, resource, &[])?)
    }
}

/// The STS API over `sts`.
#[must_use]
pub fn service(sts: Arc<Sts>) -> Arc<dyn Service> {
    hearth_wire::service(hearth_wire::models::sts(), sts)
        .op("GetCallerIdentity", REQUEST_BYTES_MAX, op::get_caller_identity::run)
        .build()
}
