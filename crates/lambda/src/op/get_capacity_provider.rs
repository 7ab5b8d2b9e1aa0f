//! GetCapacityProvider: functions run on this server.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::lambda::Lambda;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    pub(super) capacity_provider_name: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let arn = capacity_provider_arn(&ctx, &input.capacity_provider_name);
    lambda.authorize(&ctx, "lambda:GetCapacityProvider", &arn, &[])?;
    Err(LambdaError::NoCapacityProvider { arn: arn.to_string() })
}

/// A provider's name may be given as an ARN.
pub(super) fn capacity_provider_arn(ctx: &RequestContext, name: &str) -> Arn {
    name.parse().unwrap_or_else(|_| Arn { resource: format!("capacity-provider:{name}"), ..ctx.function_arn("") })
}
