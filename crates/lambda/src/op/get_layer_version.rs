//! GetLayerVersion.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::layer::{LayerTarget, LayerVersionAnswer};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    layer_name: String,
    version_number: i64,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<LayerVersionAnswer, LambdaError> {
    let target = LayerTarget::parse(&ctx, &input.layer_name)?;
    let ctx = target.context(ctx)?;
    let number = LayerTarget::check_number(input.version_number)?;
    lambda.authorize(&ctx, "lambda:GetLayerVersion", &target.version_arn(number), &[])?;
    let version = lambda.layers.version(&ctx.scope(), &target.name, number).ok_or(LambdaError::ResourceNotFound)?;
    Ok(LayerVersionAnswer::new(&lambda, &ctx, &target.arn, &version.record))
}
