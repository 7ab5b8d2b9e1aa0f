//! ListLayers: each layer with its newest version, or the newest that suits.

use std::sync::Arc;

use hearth_ports::Architecture;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::layer::{Layer, LayerDetails, LayerVersion, layer_arn};
use crate::page::{Position, cut, page_size};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    compatible_runtime: Option<String>,
    compatible_architecture: Option<Architecture>,
    marker: Option<String>,
    max_items: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    layers: Vec<Item>,
    next_marker: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    layer_name: String,
    layer_arn: String,
    latest_matching_version: LayerDetails,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    // ListLayers has no resource: only a policy for every layer covers it.
    lambda.authorize(&ctx, "lambda:ListLayers", &layer_arn(&ctx, "*"), &[])?;
    let from = Position::from_marker(input.marker.as_deref())?.name;
    let size = page_size(input.max_items);
    let item = |layer: &Layer| {
        let mut newest_first = layer.versions.values().rev();
        let suits = |version: &&LayerVersion| {
            version.record.suits(input.compatible_runtime.as_deref(), input.compatible_architecture)
        };
        let version = newest_first.find(suits)?;
        let arn = layer_arn(&ctx, &layer.record.name);
        Some(Item {
            layer_name: layer.record.name.clone(),
            latest_matching_version: LayerDetails::new(&arn, &version.record),
            layer_arn: arn.to_string(),
        })
    };
    let items = lambda.layers.list(&ctx.scope(), &from, size + 1, item);
    let (layers, next_marker) = cut(items, size, |item| Position { name: item.layer_name.clone(), number: 0 });
    Ok(Output { layers, next_marker })
}
