//! GetAccountSettings: the limits of an account in a region, and what of them is used.

use std::sync::Arc;

use hearth_types::{RequestContext, limits};
use serde::{Deserialize, Serialize};

use super::list_functions::every_function;
use crate::error::LambdaError;
use crate::lambda::Lambda;

#[derive(Debug, Deserialize)]
pub(super) struct Input {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    account_limit: AccountLimit,
    account_usage: AccountUsage,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccountLimit {
    total_code_size: u64,
    code_size_unzipped: u64,
    code_size_zipped: usize,
    concurrent_executions: u32,
    unreserved_concurrent_executions: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccountUsage {
    total_code_size: u64,
    function_count: usize,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, _: Input) -> Result<Output, LambdaError> {
    // It has no resource: only a policy for every function covers it.
    lambda.authorize(&ctx, "lambda:GetAccountSettings", &every_function(&ctx), &[])?;
    let scope = ctx.scope();
    let committed = lambda.functions.catalog().committed(&scope);
    Ok(Output {
        account_limit: AccountLimit {
            total_code_size: limits::CODE_STORAGE_BYTES_MAX,
            code_size_unzipped: limits::UNZIPPED_BYTES_MAX,
            code_size_zipped: limits::ZIP_BYTES_MAX,
            concurrent_executions: lambda.account_concurrency,
            unreserved_concurrent_executions: lambda.account_concurrency.saturating_sub(committed),
        },
        account_usage: AccountUsage {
            total_code_size: lambda.code_bytes(&scope),
            function_count: lambda.functions.catalog().usage(&scope).0,
        },
    })
}
