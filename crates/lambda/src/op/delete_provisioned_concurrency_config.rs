//! DeleteProvisionedConcurrencyConfig: what has none stays so.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, Some(&input.qualifier))?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:DeleteProvisionedConcurrencyConfig", &target.qualified_arn(), &[])?;
    lambda.provisionable(&ctx, &target)?;
    lambda
        .change(&ctx, &target, |function| {
            let mut record = (*function.record).clone();
            let is_there = record.provisioned.remove(&input.qualifier).is_some();
            Ok((is_there.then(|| Change::record(record)), Nothing {}))
        })
        .await
}
