//! PutFunctionRecursionConfig: lets a chain of requests come back to the function, or stops it.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use super::get_function_recursion_config::shown;
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::record::FunctionRecord;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    recursive_loop: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    recursive_loop: &'static str,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PutFunctionRecursionConfig", &target.arn, &[])?;
    let allows_loops = match input.recursive_loop.as_str() {
        "Allow" => true,
        "Terminate" => false,
        other => {
            // Exempt from the generic validation: recorded with another order than the model's.
            return Err(LambdaError::Validation {
                value: other.to_owned(),
                member: "recursiveLoop",
                constraint: "Member must satisfy enum value set: [Terminate, Allow]".to_owned(),
            });
        }
    };
    lambda
        .change(&ctx, &target, |function| {
            let record = FunctionRecord { allows_loops, ..(*function.record).clone() };
            Ok((Some(Change::record(record)), ()))
        })
        .await?;
    Ok(Output { recursive_loop: shown(allows_loops) })
}
