//! ListTags. Tags are given at creation; only functions can have them yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    resource: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    tags: BTreeMap<String, String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    // The model's pattern admits nothing but ARNs.
    let arn: Arn = input.resource.parse().map_err(LambdaError::internal)?;
    let ctx = match arn.account.parse() {
        Ok(owner) => ctx.in_account(owner),
        Err(_) => ctx,
    };
    lambda.authorize(&ctx, "lambda:ListTags", &arn, &[])?;
    if !arn.resource.starts_with("function:") {
        return Err(LambdaError::ResourceNotFound);
    }
    let target = Target::parse(&ctx, &input.resource, None)?;
    if target.qualifier.is_some() {
        return Err(LambdaError::invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    let function = lambda.function(&ctx, &target)?;
    Ok(Output { tags: function.record.tags.clone() })
}
