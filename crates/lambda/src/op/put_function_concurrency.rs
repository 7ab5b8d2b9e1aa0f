//! PutFunctionConcurrency: keeps a part of the account's concurrency for a function, and the function to it.

use std::sync::Arc;

use hearth_types::{RequestContext, limits};
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::provisioned;
use crate::record::FunctionRecord;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    reserved_concurrent_executions: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    reserved_concurrent_executions: u32,
}

/// The number in it is [`limits::UNRESERVED_CONCURRENCY_MIN`].
const TOO_MUCH: &str = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].";

/// Recorded with these spaces.
fn less_than_provisioned(wanted: u32, provisioned: u32) -> String {
    format!(
        " ReservedConcurrentExecutions  {wanted} should not be lower than function's total provisioned concurrency [{provisioned}]."
    )
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PutFunctionConcurrency", &target.arn, &[])?;
    let wanted = input.reserved_concurrent_executions;
    // The reservations of all functions have a limit together: one decides at a time.
    let _alone = lambda.reservations.lock().await;
    // Recorded: a function that is not there is told by the name of its `$LATEST`.
    lambda
        .change(&ctx, &target.qualified("$LATEST"), |function| {
            let provisioned = provisioned::total(&function.record);
            if wanted < provisioned {
                return Err(LambdaError::InvalidUntyped(less_than_provisioned(wanted, provisioned)));
            }
            let others = lambda.functions.catalog().committed(&ctx.scope()).saturating_sub(function.committed());
            let left = lambda.account_concurrency.checked_sub(others).and_then(|left| left.checked_sub(wanted));
            // To switch a function off takes nothing away from others.
            if wanted > 0 && left.is_none_or(|left| left < limits::UNRESERVED_CONCURRENCY_MIN) {
                return Err(LambdaError::InvalidUntyped(TOO_MUCH.to_owned()));
            }
            let record = FunctionRecord { reserved_concurrency: Some(wanted), ..(*function.record).clone() };
            Ok((Some(Change::record(record)), ()))
        })
        .await?;
    Ok(Output { reserved_concurrent_executions: wanted })
}
