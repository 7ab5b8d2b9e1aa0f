//! GetProvisionedConcurrencyConfig.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::provisioned::ProvisionedShown;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: String,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<ProvisionedShown, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, Some(&input.qualifier))?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetProvisionedConcurrencyConfig", &target.qualified_arn(), &[])?;
    let function = lambda.provisionable(&ctx, &target)?;
    let config = function.record.provisioned.get(&input.qualifier).ok_or(LambdaError::NoProvisionedConcurrency)?;
    Ok(ProvisionedShown::new(*config, lambda.keeper.provisioned(function.uid(), &input.qualifier)))
}
