//! CreateEventSourceMapping: looks at what is asked for and refuses it, because nothing polls event sources yet.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::Deserialize;
use serde_json::Value;

use super::Nothing;
use super::get_event_source_mapping::mapping_arn;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    event_source_arn: Option<String>,
    self_managed_event_source: Option<Value>,
    starting_position: Option<String>,
}

/// Services that Lambda polls, and whether a mapping must say where to start. Source: Lambda developer guide, "How Lambda
/// processes records from stream and queue-based event sources".
const SOURCES: [(&str, bool); 6] =
    [("sqs", false), ("mq", false), ("kinesis", true), ("dynamodb", true), ("kafka", true), ("rds", true)];

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, None)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:CreateEventSourceMapping", &mapping_arn(&ctx, "*"), &[])?;
    let (source, needs_start) = match (&input.event_source_arn, &input.self_managed_event_source) {
        (None, Some(_)) => ("self-managed Kafka", true),
        (arn, _) => {
            let arn = arn.as_deref().and_then(|arn| arn.parse::<Arn>().ok());
            let known = arn.and_then(|arn| SOURCES.into_iter().find(|(service, _)| *service == arn.service));
            known.ok_or_else(|| LambdaError::invalid("Unrecognized event source."))?
        }
    };
    let function = lambda.functions.get(&ctx.scope(), &target.name);
    if !function.is_some_and(|function| function.has(target.qualifier().as_ref())) {
        return Err(LambdaError::invalid("Function does not exist"));
    }
    if needs_start && input.starting_position.is_none() {
        return Err(LambdaError::invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
        ));
    }
    Err(LambdaError::Unsupported {
        member: "EventSourceArn".to_owned(),
        instead: format!("nothing polls {source} yet; invoke the function from a poller of your own."),
    })
}
