//! CreateFunctionUrlConfig: gives a function or an alias its URL.

use std::sync::Arc;

use hearth_types::RequestContext;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::url::config::{self, FunctionUrlConfig, Input, UrlRecord};

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<FunctionUrlConfig, LambdaError> {
    let Input { function_name, qualifier, requested } = input;
    let target = config::target(&ctx, &function_name, qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:CreateFunctionUrlConfig", &target.qualified_arn(), &requested.conditions())?;
    let url = UrlRecord::new(requested, lambda.clock.now_ms(), &*lambda.random)?;
    // Recorded: what is not there has a text of its own here.
    lambda.function(&ctx, &target).map_err(|_| LambdaError::FunctionDoesNotExist)?;
    lambda
        .change(&ctx, &target, |function| {
            if !function.has(target.qualifier().as_ref()) {
                return Err(LambdaError::FunctionDoesNotExist);
            }
            if config::find(&function.record, &target).is_some() {
                return Err(LambdaError::UrlExists { arn: target.qualified_arn().to_string() });
            }
            let answer = FunctionUrlConfig::new(&ctx, &lambda.urls, &target, &url).of_creation();
            Ok((Some(config::set(function, &target, Some(url.clone()))), answer))
        })
        .await
}
