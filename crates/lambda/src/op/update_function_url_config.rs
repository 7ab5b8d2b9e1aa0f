//! UpdateFunctionUrlConfig: changes what is named; the URL itself stays.

use std::sync::Arc;

use hearth_types::RequestContext;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::url::config::{self, FunctionUrlConfig, Input};

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<FunctionUrlConfig, LambdaError> {
    let Input { function_name, qualifier, requested } = input;
    let target = config::target(&ctx, &function_name, qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:UpdateFunctionUrlConfig", &target.qualified_arn(), &requested.conditions())?;
    lambda.function(&ctx, &target).map_err(|_| LambdaError::ResourceNotFound)?;
    lambda
        .change(&ctx, &target, |function| {
            let former = config::find(&function.record, &target).ok_or(LambdaError::ResourceNotFound)?;
            let url = former.updated(&requested, lambda.clock.now_ms());
            let answer = FunctionUrlConfig::new(&ctx, &lambda.urls, &target, &url);
            Ok((Some(config::set(function, &target, Some(url))), answer))
        })
        .await
}
