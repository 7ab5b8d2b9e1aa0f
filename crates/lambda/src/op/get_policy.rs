//! GetPolicy: no function has a resource policy yet.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
}

/// Recorded: without a policy, and without the function, the answer is the same.
pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    lambda.authorize(&ctx, "lambda:GetPolicy", &target.qualified_arn(), &[])?;
    Err(LambdaError::ResourceNotFound)
}
