//! PutFunctionEventInvokeConfig: replaces what was set.

use std::sync::Arc;

use hearth_types::RequestContext;

use crate::error::LambdaError;
use crate::event_invoke::{self, EventInvokeConfig, EventInvokeRecord, Input};
use crate::lambda::Lambda;
use crate::name::Target;

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<EventInvokeConfig, LambdaError> {
    let Input { function_name, qualifier, requested } = input;
    let target = event_invoke::qualified(Target::parse(&ctx, &function_name, qualifier.as_deref())?);
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PutFunctionEventInvokeConfig", &target.qualified_arn(), &[])?;
    let destinations = requested.check(&target, |name| lambda.functions.get(&ctx.scope(), name).is_some())?;
    // Recorded: a function that is not there has a text of its own here.
    lambda.function(&ctx, &target).map_err(|_| LambdaError::NoSuchFunction)?;
    lambda
        .change(&ctx, &target, |function| {
            event_invoke::check_qualifier(&target, function)?;
            let config = EventInvokeRecord {
                retries_max: requested.maximum_retry_attempts,
                age_max_seconds: requested.maximum_event_age_in_seconds,
                last_modified_ms: lambda.clock.now_ms(),
                destinations: destinations.clone().unwrap_or_default(),
            };
            let (change, answer) = event_invoke::set(&lambda, &ctx, function, &target, config)?;
            Ok((Some(change), answer))
        })
        .await
}
