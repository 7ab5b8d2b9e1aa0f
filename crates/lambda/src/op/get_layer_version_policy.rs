//! GetLayerVersionPolicy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::layer::LayerTarget;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    layer_name: String,
    version_number: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// JSON text.
    policy: String,
    revision_id: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = LayerTarget::parse(&ctx, &input.layer_name)?;
    let ctx = target.context(ctx)?;
    let number = LayerTarget::check_number(input.version_number)?;
    let arn = target.version_arn(number);
    lambda.authorize(&ctx, "lambda:GetLayerVersionPolicy", &arn, &[])?;
    let version = lambda.layers.version(&ctx.scope(), &target.name, number);
    let version = version.ok_or_else(|| LambdaError::NoLayerVersion { arn: arn.to_string() })?;
    let policy = version.record.policy.as_ref().ok_or(LambdaError::NoPolicy)?;
    Ok(Output { policy: policy.document(), revision_id: policy.revision_id.clone() })
}
