//! DeleteFunctionUrlConfig: the URL leads nowhere from now on, and nobody ever gets it again.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::url::config;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = config::target(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    let function = lambda.function(&ctx, &target);
    let conditions = config::conditions(function.as_deref().ok(), &target);
    lambda.authorize(&ctx, "lambda:DeleteFunctionUrlConfig", &target.qualified_arn(), &conditions)?;
    function.map_err(|_| LambdaError::ResourceNotFound)?;
    lambda
        .change(&ctx, &target, |function| {
            config::find(&function.record, &target).ok_or(LambdaError::ResourceNotFound)?;
            Ok((Some(config::set(function, &target, None)), Nothing {}))
        })
        .await
}
