//! CreateEventSourceMapping: a queue's messages go to a function from now on. What nothing polls is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_ports::Condition;
use hearth_types::{RequestContext, random};
use serde::Deserialize;
use serde_json::Value;

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::mapping::{
    ByUuid, MappingConfiguration, MappingRecord, Phase, Requested, Source, check_queue, is_fifo, mapping_arn,
    no_function,
};
use crate::name::Target;
use crate::tags;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    event_source_arn: Option<String>,
    self_managed_event_source: Option<Value>,
    starting_position: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(flatten)]
    requested: Requested,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<MappingConfiguration, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, None)?;
    let ctx = target.context(ctx)?;
    let mut conditions = tags::conditions(&input.tags);
    conditions.push(Condition::one("lambda:FunctionArn", target.qualified_arn().to_string()));
    lambda.authorize(&ctx, "lambda:CreateEventSourceMapping", &mapping_arn(&ctx, "*"), &conditions)?;
    if input.self_managed_event_source.is_some() && input.event_source_arn.is_none() && !input.requested.has_access() {
        return Err(LambdaError::invalid("Required 'sourceAccessConfigurations' parameter is missing."));
    }
    let source = Source::parse(input.event_source_arn.as_deref(), input.self_managed_event_source.is_some())?;
    let function = lambda.functions.get(&ctx.scope(), &target.name);
    let function = function.filter(|function| function.has(target.qualifier().as_ref())).ok_or_else(no_function)?;
    let queue = match source {
        Source::Queue(queue) => queue,
        Source::Other { needs_start: true, .. } if input.starting_position.is_none() => {
            return Err(LambdaError::invalid(
                "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
            ));
        }
        Source::Other { name, .. } => {
            return Err(LambdaError::Unsupported {
                member: "EventSourceArn".to_owned(),
                instead: format!("nothing polls {name} yet; invoke the function from a poller of your own."),
            });
        }
    };
    if input.starting_position.is_some() {
        return Err(LambdaError::invalid("StartingPosition is not valid for SQS event sources."));
    }
    if input.self_managed_event_source.is_some() {
        let text = "Unsupported SelfManagedEventSource parameter for given event source mapping type.";
        return Err(LambdaError::invalid(text));
    }
    tags::check_given(&input.tags)?;
    tags::check_count(&input.tags)?;
    let is_enabled = input.requested.enabled.unwrap_or(true);
    let terms = input.requested.terms(None, is_fifo(&queue))?;
    check_queue(&lambda, &ctx, &function, &target, &queue).await?;
    let queue = queue.to_string();
    let decide = |all: &ByUuid| {
        let Target { name, qualifier, .. } = &target;
        if let Some(there) = all.values().find(|there| there.is_between(&queue, name, qualifier.as_deref())) {
            return Err(there.exists());
        }
        Ok(MappingRecord {
            uuid: random::uuid(&*lambda.random),
            queue: queue.clone(),
            function_name: name.clone(),
            qualifier: qualifier.clone(),
            terms,
            is_enabled,
            phase: Phase::Creating,
            last_modified_ms: lambda.clock.now_ms(),
            tags: input.tags.clone(),
        })
    };
    let record = lambda.mappings.change(&ctx.scope(), decide).await?;
    Ok(lambda.mappings.show(&ctx, &record))
}
