//! DeleteLayerVersion: nobody can use it any more; the functions that have it keep it.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::layer::{LayerChange, LayerTarget};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    layer_name: String,
    version_number: i64,
}

/// Deleting a version that is not there is no error, on the real service either.
pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = LayerTarget::parse(&ctx, &input.layer_name)?;
    let ctx = target.context(ctx)?;
    let number = LayerTarget::check_number(input.version_number)?;
    lambda.authorize(&ctx, "lambda:DeleteLayerVersion", &target.version_arn(number), &[])?;
    lambda
        .layers
        .change(&ctx.scope(), &target.name, |layer| {
            let is_there = layer.is_some_and(|layer| layer.versions.contains_key(&number));
            Ok((is_there.then_some(LayerChange::Delete(number)), ()))
        })
        .await?;
    lambda.agenda.collect_packages();
    Ok(Nothing {})
}
