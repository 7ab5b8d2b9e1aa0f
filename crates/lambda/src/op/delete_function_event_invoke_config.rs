//! DeleteFunctionEventInvokeConfig: the defaults hold again.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::event_invoke;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let target = event_invoke::qualified(target);
    let ctx = target.context(ctx)?;
    let arn = target.qualified_arn();
    lambda.authorize(&ctx, "lambda:DeleteFunctionEventInvokeConfig", &arn, &[])?;
    let none = || LambdaError::NoEventInvokeConfig { arn: arn.to_string() };
    lambda.function(&ctx, &target).map_err(|_| none())?;
    lambda
        .change(&ctx, &target, |function| {
            let mut record = (*function.record).clone();
            record.event_invoke.remove(target.qualifier.as_deref().unwrap_or_default()).ok_or_else(none)?;
            Ok((Some(Change::record(record)), Nothing {}))
        })
        .await
}
