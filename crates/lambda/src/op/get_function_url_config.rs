//! GetFunctionUrlConfig: the URL of a function or of an alias.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::url::config::{self, FunctionUrlConfig};

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
) -> Result<FunctionUrlConfig, LambdaError> {
    let target = config::target(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    let function = lambda.function(&ctx, &target);
    let conditions = config::conditions(function.as_deref().ok(), &target);
    lambda.authorize(&ctx, "lambda:GetFunctionUrlConfig", &target.qualified_arn(), &conditions)?;
    let function = function.map_err(|_| LambdaError::ResourceNotFound)?;
    let url = config::find(&function.record, &target).ok_or(LambdaError::ResourceNotFound)?;
    Ok(FunctionUrlConfig::new(&ctx, &lambda.urls, &target, url))
}
