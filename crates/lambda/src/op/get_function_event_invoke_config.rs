//! GetFunctionEventInvokeConfig.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::error::LambdaError;
use crate::event_invoke::{self, EventInvokeConfig};
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
}

/// Recorded: without a configuration, and without the function, the answer is the same.
pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<EventInvokeConfig, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let target = event_invoke::qualified(target);
    let ctx = target.context(ctx)?;
    let arn = target.qualified_arn();
    lambda.authorize(&ctx, "lambda:GetFunctionEventInvokeConfig", &arn, &[])?;
    let none = || LambdaError::NoEventInvokeConfig { arn: arn.to_string() };
    let function = lambda.function(&ctx, &target).map_err(|_| none())?;
    let config = function.record.event_invoke.get(target.qualifier.as_deref().unwrap_or_default());
    Ok(EventInvokeConfig::new(&arn, config.ok_or_else(none)?))
}
