//! DeleteAlias: the name goes with all that was set for it; the versions stay.

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
    name: String,
}

/// Deleting an alias that is not there is no error, on the real service either.
pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:DeleteAlias", &target.arn, &[])?;
    lambda
        .change(&ctx, &target, |function| {
            let mut record = (*function.record).clone();
            let is_there = record.aliases.remove(&input.name).is_some();
            record.policies.remove(&input.name);
            record.event_invoke.remove(&input.name);
            record.provisioned.remove(&input.name);
            record.urls.remove(&input.name);
            Ok((is_there.then(|| Change::record(record)), Nothing {}))
        })
        .await
}
