//! What a function's role must be allowed before the function's events go to a queue or a topic: dead-letter queues and
//! destinations.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::{Arn, RequestContext};
use serde::Deserialize;

use crate::error::LambdaError;
use crate::lambda::Lambda;

/// `DeadLetterConfig` of the API model.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct DeadLetterConfig {
    target_arn: Option<String>,
}

impl DeadLetterConfig {
    /// The queue or topic; `None` when the configuration says that there is none. Source: Lambda developer guide, "Adding a
    /// dead-letter queue": a standard queue or a standard topic.
    ///
    /// # Errors
    /// It is something else. The text is Hearth's own.
    pub(crate) fn target(&self) -> Result<Option<String>, LambdaError> {
        let Some(text) = self.target_arn.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        match text.parse::<Arn>() {
            Ok(arn) if takes_messages(&arn) => Ok(Some(text.to_owned())),
            _ => Err(LambdaError::invalid(format!(
                "The dead-letter target {text} is invalid: it is the ARN of a standard SQS queue or SNS topic."
            ))),
        }
    }
}

/// Whether dead letters and records can go there. Source: as [`DeadLetterConfig::target`].
pub(crate) fn takes_messages(to: &Arn) -> bool {
    matches!(&*to.service, "sqs" | "sns") && !to.resource.ends_with(".fifo")
}

/// Whether records can go there: an event bus.
pub(crate) fn is_event_bus(to: &Arn) -> bool {
    to.service == "events" && to.resource.strip_prefix("event-bus/").is_some_and(|name| !name.is_empty())
}

/// May the function's role send to that queue, topic or event bus? Other targets are not looked at.
///
/// # Errors
/// It may not; the text is recorded for SQS.
pub(crate) fn check(
    lambda: &Arc<Lambda>,
    ctx: &RequestContext,
    (role, function): (&str, &Arn),
    to: &str,
) -> Result<(), LambdaError> {
    let Ok(to) = to.parse::<Arn>() else { return Ok(()) };
    let (action, shown) = match &*to.service {
        "sqs" => ("sqs:SendMessage", "SendMessage on SQS"),
        "sns" => ("sns:Publish", "Publish on SNS"),
        "s3" => {
            let object = Arn { resource: format!("{}/*", to.resource), ..to.clone() };
            // A bucket's ARN names no account.
            let as_role = lambda.as_role(ctx, role, function, function)?;
            return lambda.authorizer.authorize(&as_role, &Access::new("s3:PutObject", &object)).map_err(|_| {
                LambdaError::invalid("The provided execution role does not have permissions to call PutObject on S3")
            });
        }
        "events" => ("events:PutEvents", "PutEvents on EventBridge"),
        _ => return Ok(()),
    };
    let as_role = lambda.as_role(ctx, role, function, &to)?;
    lambda.authorizer.authorize(&as_role, &Access::new(action, &to)).map_err(|_| {
        LambdaError::invalid(format!("The provided execution role does not have permissions to call {shown}"))
    })
}
