//! PutFunctionScalingConfig: refused. It is about functions on instances of a capacity provider.

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
    qualifier: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, Some(&input.qualifier))?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PutFunctionScalingConfig", &target.qualified_arn(), &[])?;
    let function = lambda.function(&ctx, &target)?;
    if !function.has(target.qualifier().as_ref()) {
        return Err(target.not_found());
    }
    Err(LambdaError::Unsupported {
        member: "FunctionScalingConfig".to_owned(),
        instead: "functions run on this server; use reserved or provisioned concurrency.".to_owned(),
    })
}
