//! Where events come from, and whether a queue is fit for a function.

use hearth_ports::{QueueError, QueueFacts};
use hearth_types::{Arn, RequestContext};

use super::record::MappingRecord;
use crate::catalog::Function;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;

/// Services that Lambda polls, and whether a mapping must say where to start. Source: Lambda developer guide, "How Lambda
/// processes records from stream and queue-based event sources".
const SOURCES: [(&str, bool); 6] =
    [("sqs", false), ("mq", false), ("kinesis", true), ("dynamodb", true), ("kafka", true), ("rds", true)];

/// What a mapping must be able to do with a queue, by the leave of the function's role. Source: Lambda developer guide,
/// "Creating and configuring an Amazon SQS event source mapping".
const ACTIONS: [&str; 3] = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

#[derive(Debug)]
pub(crate) enum Source {
    Queue(Arn),
    /// One that nothing polls here.
    Other {
        name: &'static str,
        needs_start: bool,
    },
}

impl Source {
    /// # Errors
    /// Lambda has no such source.
    pub(crate) fn parse(arn: Option<&str>, is_self_managed: bool) -> Result<Self, LambdaError> {
        let Some(arn) = arn.filter(|arn| !arn.is_empty()) else {
            return if is_self_managed {
                Ok(Self::Other { name: "self-managed Kafka", needs_start: true })
            } else {
                Err(unrecognized())
            };
        };
        let arn: Arn = arn.parse().map_err(|_| unrecognized())?;
        if arn.service == "sqs" {
            return Ok(Self::Queue(arn));
        }
        let known = SOURCES.into_iter().find(|(service, _)| *service == arn.service);
        known.map(|(name, needs_start)| Self::Other { name, needs_start }).ok_or_else(unrecognized)
    }
}

fn unrecognized() -> LambdaError {
    LambdaError::invalid("Unrecognized event source.")
}

/// By its name, as SQS has it.
pub(crate) fn is_fifo(queue: &Arn) -> bool {
    queue.resource.ends_with(".fifo")
}

/// Whether the function can have messages of the queue: it is there, lets the function's role read it, and hides what it
/// gave for as long as the function may run.
///
/// # Errors
/// It is not fit.
pub(crate) async fn check_queue(
    lambda: &Lambda,
    ctx: &RequestContext,
    function: &Function,
    target: &Target,
    queue: &Arn,
) -> Result<(), LambdaError> {
    if queue.region != ctx.region.as_str() || queue.partition != ctx.partition.as_str() {
        // Not recorded.
        return Err(LambdaError::invalid("The queue must be in the same region as the function."));
    }
    let settings = function.settings(target.qualifier().as_ref()).ok_or_else(no_function)?;
    let as_role = lambda.as_role(ctx, &settings.role, &target.arn, queue)?;
    for action in ACTIONS {
        let allowed = lambda.queues.allows(&as_role, queue, action).await;
        allowed.map_err(|error| unfit(action, error))?;
    }
    let facts = lambda.queues.facts(&as_role, queue).await.map_err(|error| unfit(ACTIONS[2], error))?;
    check_visibility(facts, settings.timeout_seconds)
}

/// Whether the queues that `$LATEST` of a function is mapped to hide their messages for as long as it may run from now on.
/// What cannot be asked is not held against it.
///
/// # Errors
/// One does not.
pub(crate) async fn check_timeout(
    lambda: &Lambda,
    ctx: &RequestContext,
    function: &Function,
    target: &Target,
    timeout_seconds: u32,
) -> Result<(), LambdaError> {
    let is_latest = |record: &MappingRecord| {
        let qualifier = record.qualifier.as_deref().unwrap_or("$LATEST");
        record.function_name == target.name && qualifier == "$LATEST"
    };
    for record in lambda.mappings.list(&ctx.scope(), "", usize::MAX, is_latest) {
        let queue: Arn = record.queue.parse().map_err(LambdaError::internal)?;
        let role = &function.record.latest.settings.role;
        let Ok(as_role) = lambda.as_role(ctx, role, &target.arn, &queue) else { continue };
        if let Ok(facts) = lambda.queues.facts(&as_role, &queue).await {
            check_visibility(facts, timeout_seconds)?;
        }
    }
    Ok(())
}

fn check_visibility(facts: QueueFacts, timeout_seconds: u32) -> Result<(), LambdaError> {
    if facts.visibility_timeout_s >= timeout_seconds {
        return Ok(());
    }
    Err(LambdaError::invalid(format!(
        "Queue visibility timeout: {} seconds is less than Function timeout: {timeout_seconds} seconds",
        facts.visibility_timeout_s
    )))
}

pub(crate) fn no_function() -> LambdaError {
    LambdaError::invalid("Function does not exist")
}

fn unfit(action: &str, error: QueueError) -> LambdaError {
    match error {
        // Recorded.
        QueueError::NotFound => LambdaError::invalid(format!(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: {error}"
        )),
        QueueError::AccessDenied { .. } => LambdaError::invalid(format!(
            "The provided execution role does not have permissions to call {} on SQS",
            action.trim_start_matches("sqs:")
        )),
        QueueError::Invalid { message } | QueueError::Elsewhere { message } => LambdaError::invalid(message),
        QueueError::DiskFull => LambdaError::DiskFull,
        QueueError::Unavailable { detail } => LambdaError::Internal { detail },
    }
}
