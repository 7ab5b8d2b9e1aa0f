//! UpdateFunctionEventInvokeConfig: changes what is named, of what was set before.

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
    lambda.authorize(&ctx, "lambda:UpdateFunctionEventInvokeConfig", &target.qualified_arn(), &[])?;
    let destinations = requested.check(&target, |name| lambda.functions.get(&ctx.scope(), name).is_some())?;
    let none = || LambdaError::NoEventInvokeConfig { arn: target.qualified_arn().to_string() };
    lambda.function(&ctx, &target).map_err(|_| none())?;
    lambda
        .change(&ctx, &target, |function| {
            let former = function.record.event_invoke.get(target.qualifier.as_deref().unwrap_or_default());
            let former = former.ok_or_else(none)?;
            let config = EventInvokeRecord {
                retries_max: requested.maximum_retry_attempts.or(former.retries_max),
                age_max_seconds: requested.maximum_event_age_in_seconds.or(former.age_max_seconds),
                last_modified_ms: lambda.clock.now_ms(),
                destinations: destinations.clone().unwrap_or_else(|| former.destinations.clone()),
            };
            let (change, answer) = event_invoke::set(&lambda, &ctx, function, &target, config)?;
            Ok((Some(change), answer))
        })
        .await
}
