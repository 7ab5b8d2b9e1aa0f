//! What the API shows of a layer version.

use hearth_ports::Architecture;
use hearth_types::clock::lambda_timestamp;
use hearth_types::{Arn, RequestContext};
use serde::Serialize;

use super::record::LayerVersionRecord;
use crate::lambda::Lambda;
use crate::shape::code_sha256;

/// `LayerVersionsListItem` of the API model, and the part of the other answers that is the same.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LayerDetails {
    layer_version_arn: String,
    pub(crate) version: u64,
    description: String,
    created_date: String,
    /// These three only if given.
    compatible_architectures: Option<Vec<Architecture>>,
    compatible_runtimes: Option<Vec<String>>,
    license_info: Option<String>,
}

impl LayerDetails {
    /// `layer` is the ARN without version.
    pub(crate) fn new(layer: &Arn, version: &LayerVersionRecord) -> Self {
        Self {
            layer_version_arn: layer.qualified(&version.number.to_string()).to_string(),
            version: version.number,
            description: version.description.clone(),
            created_date: lambda_timestamp(version.created_ms),
            compatible_architectures: version.compatible_architectures.clone(),
            compatible_runtimes: version.compatible_runtimes.clone(),
            license_info: version.license_info.clone(),
        }
    }
}

/// What PublishLayerVersion, GetLayerVersion and GetLayerVersionByArn answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LayerVersionAnswer {
    content: Content,
    layer_arn: String,
    #[serde(flatten)]
    details: LayerDetails,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    location: String,
    code_sha256: String,
    code_size: u64,
}

impl LayerVersionAnswer {
    /// `ctx` is of the layer's account.
    pub(crate) fn new(lambda: &Lambda, ctx: &RequestContext, layer: &Arn, version: &LayerVersionRecord) -> Self {
        let (name, number) = (format!("layer/{}", version.layer), version.number.to_string());
        let location = lambda.locations.url(ctx, &name, &number, version.code.digest, lambda.clock.now_ms());
        Self {
            content: Content { location, code_sha256: code_sha256(version.code.digest), code_size: version.code.bytes },
            layer_arn: layer.to_string(),
            details: LayerDetails::new(layer, version),
        }
    }
}
