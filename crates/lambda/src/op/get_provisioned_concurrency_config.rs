//! GetProvisionedConcurrencyConfig: environments are started on demand.

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
    lambda.authorize(&ctx, "lambda:GetProvisionedConcurrencyConfig", &target.qualified_arn(), &[])?;
    let function = lambda.function(&ctx, &target)?;
    if input.qualifier == "$LATEST" {
        return Err(LambdaError::invalid("The function resource provided must be an alias or a published version."));
    }
    if !function.has(target.qualifier().as_ref()) {
        return Err(target.not_found());
    }
    Err(LambdaError::NoProvisionedConcurrency)
}
