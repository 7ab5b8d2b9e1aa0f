//! ListDurableExecutionsByFunction: no function has one.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::page::Position;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
    marker: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    durable_executions: [(); 0],
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:ListDurableExecutionsByFunction", &target.qualified_arn(), &[])?;
    let function = lambda.function(&ctx, &target)?;
    if !function.has(target.qualifier().as_ref()) {
        return Err(target.not_found());
    }
    Position::from_marker(input.marker.as_deref())?;
    Ok(Output { durable_executions: [] })
}
