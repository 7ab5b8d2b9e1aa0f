//! GetLayerVersionByArn: GetLayerVersion for those who have an ARN.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::layer::{LayerTarget, LayerVersionAnswer};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    arn: String,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<LayerVersionAnswer, LambdaError> {
    let (target, number) = LayerTarget::parse_version(&input.arn).ok_or(LambdaError::ResourceNotFound)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetLayerVersion", &target.version_arn(number), &[])?;
    let version = lambda.layers.version(&ctx.scope(), &target.name, number);
    // Of another region there is nothing here.
    let version = version.filter(|_| target.arn.region == ctx.region.as_str()).ok_or(LambdaError::ResourceNotFound)?;
    Ok(LayerVersionAnswer::new(&lambda, &ctx, &target.arn, &version.record))
}
