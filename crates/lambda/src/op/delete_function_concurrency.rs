//! DeleteFunctionConcurrency: the function shares the account's concurrency again.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::record::FunctionRecord;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:DeleteFunctionConcurrency", &target.arn, &[])?;
    lambda
        .change(&ctx, &target, |function| {
            let record = FunctionRecord { reserved_concurrency: None, ..(*function.record).clone() };
            let is_reserved = function.record.reserved_concurrency.is_some();
            Ok((is_reserved.then(|| Change::record(record)), Nothing {}))
        })
        .await
}
