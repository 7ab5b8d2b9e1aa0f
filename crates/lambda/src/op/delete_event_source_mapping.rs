//! DeleteEventSourceMapping: it is gone when its batches in flight have ended.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::mapping::{ByUuid, MappingConfiguration, MappingRecord, Phase, mapping_arn};

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
    let conditions = lambda.mappings.get(&ctx.scope(), &input.uuid).map(|record| record.condition(&ctx));
    let conditions = conditions.into_iter().collect::<Vec<_>>();
    lambda.authorize(&ctx, "lambda:DeleteEventSourceMapping", &mapping_arn(&ctx, &input.uuid), &conditions)?;
    let decide = |all: &ByUuid| {
        let record = all.get(&input.uuid).ok_or(LambdaError::ResourceNotFound)?;
        record.check_settled("delete")?;
        Ok(MappingRecord { phase: Phase::Deleting, last_modified_ms: lambda.clock.now_ms(), ..(**record).clone() })
    };
    let record = lambda.mappings.change(&ctx.scope(), decide).await?;
    Ok(lambda.mappings.show(&ctx, &record))
}
