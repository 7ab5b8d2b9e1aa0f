//! GetFunctionRecursionConfig: what becomes of a chain of requests that comes back to the function again and again.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    recursive_loop: &'static str,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetFunctionRecursionConfig", &target.arn, &[])?;
    let function = lambda.function(&ctx, &target)?;
    Ok(Output { recursive_loop: shown(function.record.allows_loops) })
}

pub(super) const fn shown(allows_loops: bool) -> &'static str {
    if allows_loops { "Allow" } else { "Terminate" }
}
