//! GetEventSourceMapping.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::mapping::{MappingConfiguration, mapping_arn};

#[derive(Debug, Deserialize)]
pub(super) struct Input {
    #[serde(rename = "UUID")]
    uuid: String,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<MappingConfiguration, LambdaError> {
    let record = lambda.mappings.get(&ctx.scope(), &input.uuid);
    let conditions = record.iter().map(|record| record.condition(&ctx)).collect::<Vec<_>>();
    lambda.authorize(&ctx, "lambda:GetEventSourceMapping", &mapping_arn(&ctx, &input.uuid), &conditions)?;
    let record = record.ok_or(LambdaError::ResourceNotFound)?;
    Ok(lambda.mappings.show(&ctx, &record))
}
