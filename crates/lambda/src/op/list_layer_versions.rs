//! ListLayerVersions: the newest first.

use std::sync::Arc;

use hearth_ports::Architecture;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::layer::{LayerDetails, LayerTarget};
use crate::page::{Position, cut, page_size};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    layer_name: String,
    compatible_runtime: Option<String>,
    compatible_architecture: Option<Architecture>,
    marker: Option<String>,
    max_items: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    layer_versions: Vec<LayerDetails>,
    next_marker: Option<String>,
}

/// Recorded: a layer that is not there is refused.
pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = LayerTarget::parse(&ctx, &input.layer_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:ListLayerVersions", &target.arn, &[])?;
    let layer = lambda.layers.get(&ctx.scope(), &target.name).ok_or(LambdaError::ResourceNotFound)?;
    let position = Position::from_marker(input.marker.as_deref())?;
    let from = if position == Position::default() { u64::MAX } else { position.number };
    let size = page_size(input.max_items);
    let versions = layer.versions.range(..=from).rev().map(|(_, version)| &version.record);
    let versions = versions
        .filter(|version| version.suits(input.compatible_runtime.as_deref(), input.compatible_architecture))
        .take(size + 1)
        .map(|version| LayerDetails::new(&target.arn, version))
        .collect();
    let (layer_versions, next_marker) =
        cut(versions, size, |version: &LayerDetails| Position { name: target.name.clone(), number: version.version });
    Ok(Output { layer_versions, next_marker })
}
