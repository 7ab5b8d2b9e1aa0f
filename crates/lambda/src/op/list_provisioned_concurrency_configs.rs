//! ListProvisionedConcurrencyConfigs: environments are started on demand.

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
    marker: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    provisioned_concurrency_configs: [(); 0],
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:ListProvisionedConcurrencyConfigs", &target.arn, &[])?;
    lambda.function(&ctx, &target)?;
    Position::from_marker(input.marker.as_deref())?;
    Ok(Output { provisioned_concurrency_configs: [] })
}
