//! May this caller do this to that?

use hearth_types::{Arn, RequestContext};

/// A condition key and its values, as IAM knows them (for example `lambda:FunctionArn`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub key: &'static str,
    pub values: Vec<String>,
}

/// The answer no. The text is the one AWS shows the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    pub message: String,
}

/// Decides; implemented over the policy evaluator. `action` is `service:Operation`. Called by every operation.
pub trait Authorizer: Send + Sync + 'static {
    /// # Errors
    /// [`Denied`] with the text for the caller.
    fn authorize(
        &self,
        ctx: &RequestContext,
        action: &str,
        resource: &Arn,
        conditions: &[Condition],
    ) -> Result<(), Denied>;
}
