//! PublishLayerVersion: a package becomes the next version of a layer.

use std::sync::Arc;

use bytes::Bytes;
use hearth_types::RequestContext;
use serde::Deserialize;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::layer::{Compatible, Layer, LayerChange, LayerTarget, LayerVersionAnswer, LayerVersionRecord};
use crate::settings::Rest;
use crate::source::Source;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    layer_name: String,
    description: Option<String>,
    content: Content,
    compatible_runtimes: Option<Vec<String>>,
    compatible_architectures: Option<Vec<String>>,
    license_info: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    zip_file: Option<Bytes>,
    s3_bucket: Option<String>,
    s3_key: Option<String>,
    s3_object_version: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<LayerVersionAnswer, LambdaError> {
    let target = LayerTarget::parse(&ctx, &input.layer_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PublishLayerVersion", &target.arn, &[])?;
    input.content.rest.refuse("Content.")?;
    let compatible = Compatible::check(input.compatible_runtimes, input.compatible_architectures)?;
    let source = Source {
        zip_file: input.content.zip_file,
        s3_bucket: input.content.s3_bucket,
        s3_key: input.content.s3_key,
        s3_object_version: input.content.s3_object_version,
    };
    let zip = source.zip(&lambda, &ctx).await?;
    let zip = zip.ok_or_else(|| LambdaError::invalid("Please provide a source for layer content."))?;
    lambda
        .with_package(&ctx, zip, async |code| {
            let decide = |layer: Option<&Layer>| {
                let version = LayerVersionRecord {
                    layer: target.name.clone(),
                    number: layer.map_or(0, |layer| layer.record.versions_issued) + 1,
                    created_ms: lambda.clock.now_ms(),
                    description: input.description.unwrap_or_default(),
                    license_info: input.license_info,
                    compatible_runtimes: compatible.runtimes,
                    compatible_architectures: compatible.architectures,
                    code,
                    policy: None,
                };
                let answer = LayerVersionAnswer::new(&lambda, &ctx, &target.arn, &version);
                Ok((Some(LayerChange::Put(Box::new(version))), answer))
            };
            lambda.layers.change(&ctx.scope(), &target.name, decide).await
        })
        .await
}
