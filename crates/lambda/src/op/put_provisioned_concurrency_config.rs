//! PutProvisionedConcurrencyConfig: has environments initialised ahead for a version or an alias.

use std::sync::Arc;

use hearth_types::{RequestContext, limits};
use serde::Deserialize;

use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::provisioned::{self, ONLY_PUBLISHED, ProvisionedRecord, ProvisionedShown};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: String,
    provisioned_concurrent_executions: u32,
}

/// The number in it is [`limits::UNRESERVED_CONCURRENCY_MIN`].
const TOO_LITTLE_LEFT: &str = "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].";

fn more_than_unreserved(unreserved: u32) -> String {
    format!(
        "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}]."
    )
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<ProvisionedShown, LambdaError> {
    let Input { function_name, qualifier, provisioned_concurrent_executions: count } = input;
    let target = Target::parse(&ctx, &function_name, Some(&qualifier))?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PutProvisionedConcurrencyConfig", &target.qualified_arn(), &[])?;
    // Provisioned and reserved concurrency of all functions have a limit together: one decides at a time.
    let _alone = lambda.reservations.lock().await;
    lambda
        .change(&ctx, &target, |function| {
            if qualifier == "$LATEST" {
                return Err(LambdaError::invalid(ONLY_PUBLISHED));
            }
            if !function.has(target.qualifier().as_ref()) {
                return Err(target.not_found());
            }
            provisioned::check(&function.record, &qualifier)?;
            let mut record = (*function.record).clone();
            let config = ProvisionedRecord { count, last_modified_ms: lambda.clock.now_ms() };
            record.provisioned.insert(qualifier.clone(), config);
            let total = provisioned::total(&record);
            match record.reserved_concurrency {
                Some(reserved) if total > reserved => {
                    return Err(LambdaError::invalid(
                        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
                    ));
                }
                Some(_) => {}
                None => {
                    let all = lambda.functions.catalog().committed(&ctx.scope());
                    let others = all.saturating_sub(function.committed());
                    let taken = others.saturating_add(total - count);
                    let unreserved = lambda.account_concurrency.saturating_sub(taken);
                    match unreserved.checked_sub(count) {
                        None => return Err(LambdaError::InvalidUntyped(more_than_unreserved(unreserved))),
                        Some(left) if left < limits::UNRESERVED_CONCURRENCY_MIN => {
                            return Err(LambdaError::InvalidUntyped(TOO_LITTLE_LEFT.to_owned()));
                        }
                        Some(_) => {}
                    }
                }
            }
            Ok((Some(Change::record(record)), ProvisionedShown::new(config, None)))
        })
        .await
}
