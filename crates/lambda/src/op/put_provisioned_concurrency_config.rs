//! PutProvisionedConcurrencyConfig: refused until environments can be started ahead.

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
    function_name: String,
    qualifier: String,
    provisioned_concurrent_executions: u32,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, Some(&input.qualifier))?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PutProvisionedConcurrencyConfig", &target.qualified_arn(), &[])?;
    let function = lambda.function(&ctx, &target)?;
    if input.qualifier == "$LATEST" {
        return Err(LambdaError::invalid(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        ));
    }
    if !function.has(target.qualifier().as_ref()) {
        return Err(target.not_found());
    }
    // Recorded; what was reserved is the most there could be.
    if function.record.reserved_concurrency.is_some_and(|reserved| input.provisioned_concurrent_executions > reserved) {
        return Err(LambdaError::invalid(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
        ));
    }
    Err(LambdaError::Unsupported {
        member: "ProvisionedConcurrentExecutions".to_owned(),
        instead: "environments are started on demand.".to_owned(),
    })
}
