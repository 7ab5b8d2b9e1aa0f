//! GetAlias.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::alias::AliasConfiguration;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    name: String,
}

/// Recorded: without the alias, and without the function, the answer is the same.
pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<AliasConfiguration, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetAlias", &target.arn, &[])?;
    let none = || LambdaError::NoAlias { arn: target.arn.qualified(&input.name).to_string() };
    let function = lambda.function(&ctx, &target).map_err(|_| none())?;
    let alias = function.record.aliases.get(&input.name).ok_or_else(none)?;
    Ok(AliasConfiguration::new(&ctx, &target.name, &input.name, alias))
}
