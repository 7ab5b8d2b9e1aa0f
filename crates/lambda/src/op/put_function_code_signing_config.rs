//! PutFunctionCodeSigningConfig: nobody can have made a configuration.

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
    code_signing_config_arn: String,
    function_name: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PutFunctionCodeSigningConfig", &target.arn, &[])?;
    lambda.function(&ctx, &target)?;
    Err(LambdaError::CodeSigningConfigNotFound { arn: input.code_signing_config_arn })
}
