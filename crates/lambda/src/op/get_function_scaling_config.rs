//! GetFunctionScalingConfig: no function has one. It is about functions on instances of a capacity provider.

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
    qualifier: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    function_arn: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, Some(&input.qualifier))?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetFunctionScalingConfig", &target.qualified_arn(), &[])?;
    let function = lambda.function(&ctx, &target)?;
    if !function.has(target.qualifier().as_ref()) {
        return Err(target.not_found());
    }
    Ok(Output { function_arn: target.qualified_arn().to_string() })
}
