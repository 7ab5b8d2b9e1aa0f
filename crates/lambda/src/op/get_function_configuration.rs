//! GetFunctionConfiguration.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::shape::FunctionConfiguration;
use crate::view;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<FunctionConfiguration, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetFunctionConfiguration", &target.qualified_arn(), &[])?;
    let function = lambda.function(&ctx, &target)?;
    view::version(&ctx, &function, &target).map(|(configuration, _)| configuration)
}
