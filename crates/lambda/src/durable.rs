//! Durable executions, of which Hearth has none: `DurableConfig` of a function is refused. What their operations share.

use hearth_types::{Arn, RequestContext};
use serde::Deserialize;

use crate::error::LambdaError;

/// Of the operations on one execution.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Execution {
    durable_execution_arn: String,
}

/// # Errors
/// The text is no ARN.
pub(crate) fn arn(execution: &Execution) -> Result<Arn, LambdaError> {
    execution.durable_execution_arn.parse().map_err(LambdaError::internal)
}

/// A callback does not say whose it is: only a policy for every function's executions covers it.
pub(crate) fn every_execution(ctx: &RequestContext) -> Arn {
    ctx.function_arn("*")
}

/// What AWS's library for durable functions takes for an execution that is another's or over.
pub(crate) fn invalid_token() -> LambdaError {
    LambdaError::invalid("Invalid Checkpoint Token")
}
