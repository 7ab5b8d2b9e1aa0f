//! The layers of a function: which it may have, and how large they are together with its code.

use hearth_ports::Condition;
use hearth_types::{RequestContext, limits};

use super::name::LayerTarget;
use super::record::LayerRef;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::package::Pin;
use crate::record::Code;

/// Layers that a request names: all there, all permitted. They stay there until this is dropped.
pub(crate) struct Attached {
    pub(crate) layers: Vec<LayerRef>,
    _pins: Vec<Pin>,
}

impl Lambda {
    /// What `arns` name, in their order.
    ///
    /// # Errors
    /// Too many, one that does not exist or that the caller may not use, or one twice.
    pub(crate) async fn attach(&self, ctx: &RequestContext, arns: &[String]) -> Result<Attached, LambdaError> {
        if arns.len() > limits::LAYERS_MAX {
            return Err(LambdaError::invalid(format!("Cannot reference more than {} layers.", limits::LAYERS_MAX)));
        }
        let mut attached = Attached { layers: Vec::new(), _pins: Vec::new() };
        let mut targets: Vec<LayerTarget> = Vec::new();
        for arn in arns {
            let missing = || LambdaError::invalid(format!("Layer version {arn} does not exist."));
            let (target, number) = LayerTarget::parse_version(arn).ok_or_else(missing)?;
            if target.arn.region != ctx.region.as_str() {
                return Err(LambdaError::invalid(format!(
                    "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                    ctx.region
                )));
            }
            let owner = target.context(ctx.clone())?;
            self.authorize(&owner, "lambda:GetLayerVersion", &target.version_arn(number), &[])?;
            let find = || self.layers.version(&owner.scope(), &target.name, number).ok_or_else(missing);
            let pin = self.packages.pin(find()?.record.code.digest).await;
            // Once more: it may have been deleted, and its package with it, before the pin held it.
            let code = find()?.record.code;
            if let Some(at) = targets.iter().position(|other| *other == target) {
                return Err(LambdaError::invalid(format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. {} and {arn} are versions of the same layer.",
                    arns[at]
                )));
            }
            targets.push(target);
            attached.layers.push(LayerRef { arn: arn.clone(), code });
            attached._pins.push(pin);
        }
        Ok(attached)
    }
}

/// The layers a request wants to use. Source: "Actions, resources, and condition keys for AWS Lambda".
pub(crate) fn conditions(layers: Option<&[String]>) -> Option<Condition> {
    let layers = layers.filter(|layers| !layers.is_empty())?;
    Some(Condition::many("lambda:Layer", layers.to_vec()))
}

/// # Errors
/// Code and layers are larger than a function may be. Not recorded; the text users report.
pub(crate) fn check_size(code: Code, layers: &[LayerRef]) -> Result<(), LambdaError> {
    let bytes = layers.iter().map(|layer| layer.code.unpacked_bytes).sum::<u64>() + code.unpacked_bytes;
    if bytes <= limits::UNZIPPED_BYTES_MAX {
        return Ok(());
    }
    Err(LambdaError::invalid(format!(
        "Function code combined with layers exceeds the maximum allowed size of {} bytes. The actual size is {bytes} bytes.",
        limits::UNZIPPED_BYTES_MAX
    )))
}
