//! UpdateEventSourceMapping: what is not mentioned stays.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::Deserialize;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::mapping::{
    ByUuid, MappingConfiguration, MappingRecord, Phase, Requested, check_queue, is_fifo, mapping_arn, no_function,
};
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    #[serde(rename = "UUID")]
    uuid: String,
    function_name: Option<String>,
    #[serde(flatten)]
    requested: Requested,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<MappingConfiguration, LambdaError> {
    let Input { uuid, function_name, requested } = input;
    let base = lambda.mappings.get(&ctx.scope(), &uuid);
    let conditions = base.iter().map(|record| record.condition(&ctx)).collect::<Vec<_>>();
    lambda.authorize(&ctx, "lambda:UpdateEventSourceMapping", &mapping_arn(&ctx, &uuid), &conditions)?;
    let base = base.ok_or(LambdaError::ResourceNotFound)?;
    base.check_settled("update")?;
    let name = function_name.unwrap_or_else(|| base.function_arn(&ctx).to_string());
    let target = Target::parse(&ctx, &name, None)?;
    let queue: Arn = base.queue.parse().map_err(LambdaError::internal)?;
    let is_enabled = requested.enabled.unwrap_or(base.is_enabled);
    let terms = requested.terms(Some(&base.terms), is_fifo(&queue))?;
    let function = lambda.functions.get(&ctx.scope(), &target.name);
    match function.filter(|function| function.has(target.qualifier().as_ref())) {
        Some(function) => check_queue(&lambda, &ctx, &function, &target, &queue).await?,
        // One whose function is gone can be switched off.
        None if !is_enabled => {}
        None => return Err(no_function()),
    }
    let decide = |all: &ByUuid| {
        let record = all.get(&uuid).ok_or(LambdaError::ResourceNotFound)?;
        record.check_settled("update")?;
        let Target { name, qualifier, .. } = &target;
        let is_other = |there: &&Arc<MappingRecord>| there.uuid != uuid;
        let mut others = all.values().filter(is_other);
        if let Some(there) = others.find(|there| there.is_between(&record.queue, name, qualifier.as_deref())) {
            return Err(there.exists());
        }
        Ok(MappingRecord {
            function_name: name.clone(),
            qualifier: qualifier.clone(),
            terms,
            is_enabled,
            phase: Phase::updating(record.is_enabled, is_enabled),
            last_modified_ms: lambda.clock.now_ms(),
            ..(**record).clone()
        })
    };
    let record = lambda.mappings.change(&ctx.scope(), decide).await?;
    Ok(lambda.mappings.show(&ctx, &record))
}
