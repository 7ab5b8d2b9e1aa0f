//! May this caller do this to that?

use std::borrow::Cow;
use std::sync::Arc;

use hearth_authz::Policy;
use hearth_types::{Arn, RequestContext};

pub use hearth_authz::ResourcePolicy;

/// A condition key and its values, as IAM knows them (for example `lambda:FunctionArn`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub key: Cow<'static, str>,
    pub values: Vec<String>,
}

impl Condition {
    #[must_use]
    pub fn one(key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        Self { key: key.into(), values: vec![value.into()] }
    }

    #[must_use]
    pub fn many(key: impl Into<Cow<'static, str>>, values: Vec<String>) -> Self {
        Self { key: key.into(), values }
    }
}

/// What is asked. The resource belongs to the account of the request context.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// `service:Operation`, as IAM spells it.
    pub action: &'a str,
    pub resource: &'a Arn,
    /// Of this request and resource, beside the global ones.
    pub conditions: &'a [Condition],
    /// The resource's own policy, which its service keeps.
    pub policy: ResourcePolicy<'a>,
}

impl<'a> Access<'a> {
    /// Of a resource that has no policy.
    #[must_use]
    pub const fn new(action: &'a str, resource: &'a Arn) -> Self {
        Self { action, resource, conditions: &[], policy: ResourcePolicy::None }
    }

    #[must_use]
    pub const fn under(self, conditions: &'a [Condition]) -> Self {
        Self { conditions, ..self }
    }

    #[must_use]
    pub const fn with_policy(self, policy: ResourcePolicy<'a>) -> Self {
        Self { policy, ..self }
    }
}

/// What a service keeps of a resource that decides about requests for it.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    pub policy: Option<Arc<Policy>>,
    /// `aws:ResourceTag/…`.
    pub conditions: Vec<Condition>,
}

impl Guard {
    #[must_use]
    pub fn policy(&self) -> ResourcePolicy<'_> {
        self.policy.as_deref().map_or(ResourcePolicy::None, ResourcePolicy::Of)
    }
}

/// The answer no. The text is the one AWS shows the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    pub message: String,
}

/// Decides; implemented over the policy evaluator. Called by every operation, and answers from memory.
pub trait Authorizer: Send + Sync + 'static {
    /// # Errors
    /// [`Denied`] with the text for the caller.
    fn authorize(&self, ctx: &RequestContext, access: &Access<'_>) -> Result<(), Denied>;

    /// Grows with every change of a policy or principal: an answer may be kept for as long as this stays the same.
    fn revision(&self) -> u64;
}
