//! What a schedule has done, and by whom. Source: EventBridge Scheduler API reference, Target; user guide, "Managing
//! targets in EventBridge Scheduler".

use hearth_types::{Arn, FunctionRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::SchedulerError;
use crate::input::Moment;
use crate::limits::{AGE_S_MAX, INPUT_BYTES_MAX, RETRIES_MAX};

/// As requests and answers have it, and as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Target {
    pub(crate) arn: String,
    pub(crate) role_arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<String>,
    #[serde(default)]
    pub(crate) retry_policy: RetryPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letter_config: Option<DeadLetterConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sqs_parameters: Option<SqsParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_bridge_parameters: Option<EventBridgeParameters>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RetryPolicy {
    pub(crate) maximum_event_age_in_seconds: u32,
    pub(crate) maximum_retry_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { maximum_event_age_in_seconds: AGE_S_MAX, maximum_retry_attempts: RETRIES_MAX }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeadLetterConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) arn: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SqsParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message_group_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EventBridgeParameters {
    pub(crate) detail_type: String,
    pub(crate) source: String,
}

/// Parameters of targets that Hearth has not.
const UNSUPPORTED: [&str; 5] = [
    "EcsParameters",
    "KinesisParameters",
    "SageMakerPipelineParameters",
    "EventBridgePutEventsV2Parameters",
    "EventBridgePutRawEventsParameters",
];

/// The call that an invocation makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Invoke { arn: Arn, function: FunctionRef, payload: String, is_event: bool },
    SendMessage { queue: Arn, body: String, group_id: Option<String>, deduplication_id: Option<String> },
    Publish { topic: Arn, message: String, subject: Option<String>, group_id: Option<String> },
    PutEvents { bus: Arn, detail_type: String, source: String, detail: String },
}

/// The input of the universal targets. What they have beside these members is not supported.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct InvokeInput {
    function_name: String,
    #[serde(default)]
    invocation_type: Option<String>,
    #[serde(default)]
    payload: Option<Value>,
    #[serde(default)]
    qualifier: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessageInput {
    queue_url: String,
    message_body: String,
    #[serde(default)]
    message_group_id: Option<String>,
    #[serde(default)]
    message_deduplication_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PublishInput {
    topic_arn: String,
    message: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    message_group_id: Option<String>,
}

impl Target {
    /// # Errors
    /// [`SchedulerError::Validation`].
    pub(crate) fn read(value: Value) -> Result<Self, SchedulerError> {
        if let Some(name) = UNSUPPORTED.iter().find(|name| value.get(name).is_some_and(|value| !value.is_null())) {
            return Err(SchedulerError::unsupported(name));
        }
        serde_json::from_value(value).map_err(|error| SchedulerError::validation(error.to_string()))
    }

    /// Whether it could be called like that.
    ///
    /// # Errors
    /// [`SchedulerError::Validation`].
    pub(crate) fn check(&self, schedule: &Arn) -> Result<(), SchedulerError> {
        let invalid = SchedulerError::validation;
        if self.input.as_ref().is_some_and(|input| input.len() > INPUT_BYTES_MAX) {
            return Err(invalid(format!("The input of a target has at most {INPUT_BYTES_MAX} bytes.")));
        }
        let arn: Arn = self.arn.parse().map_err(|_| invalid("Provided Arn is not in correct format.".to_owned()))?;
        if self.sqs_parameters.is_some() && arn.service != "sqs" {
            return Err(invalid("SqsParameters are for targets that are queues.".to_owned()));
        }
        if self.event_bridge_parameters.is_some() && arn.service != "events" {
            return Err(invalid("EventBridgeParameters are for targets that are event buses.".to_owned()));
        }
        if let Some(queue) = self.dead_letter_config.as_ref().and_then(|config| config.arn.as_ref()) {
            let queue: Option<Arn> = queue.parse().ok().filter(|queue: &Arn| queue.service == "sqs");
            if queue.is_none_or(|queue| is_fifo(&queue)) {
                return Err(invalid("A dead-letter queue is a standard queue of Amazon SQS.".to_owned()));
            }
        }
        // As it would be called: context attributes are there, and are replaced before anything is read.
        self.call(&Moment::example(schedule)).map(drop)
    }

    /// What is to be done at that moment.
    ///
    /// # Errors
    /// [`SchedulerError::Validation`]: nothing can be.
    pub(crate) fn call(&self, moment: &Moment<'_>) -> Result<Call, SchedulerError> {
        let invalid = SchedulerError::validation;
        let arn: Arn = self.arn.parse().map_err(|_| invalid("Provided Arn is not in correct format."))?;
        let input = moment.fill(self.input.as_deref());
        let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        match &*arn.service {
            "lambda" => {
                let function = function(&self.arn)?;
                if !is_json(&input) {
                    return Err(invalid("The input of a function is well-formed JSON."));
                }
                Ok(Call::Invoke { arn, function, payload: input, is_event: true })
            }
            "sqs" => {
                let group_id = self.sqs_parameters.as_ref().and_then(|parameters| parameters.message_group_id.clone());
                if is_fifo(&arn) && group_id.is_none() {
                    return Err(invalid("A target that is a FIFO queue needs SqsParameters with a MessageGroupId."));
                }
                // What one occurrence sends again is the same message.
                let deduplication_id = is_fifo(&arn).then(|| moment.execution_id.to_owned());
                Ok(Call::SendMessage { queue: arn, body: input, group_id, deduplication_id })
            }
            "sns" => Ok(Call::Publish { topic: arn, message: input, subject: None, group_id: None }),
            "events" => {
                let EventBridgeParameters { detail_type, source } = self
                    .event_bridge_parameters
                    .clone()
                    .ok_or_else(|| invalid("A target that is an event bus needs EventBridgeParameters."))?;
                let is_object = serde_json::from_str::<Value>(&input).is_ok_and(|value| value.is_object());
                if !is_object {
                    return Err(invalid("The input of an event bus is a JSON object."));
                }
                Ok(Call::PutEvents { bus: arn, detail_type, source, detail: input })
            }
            "scheduler" => self.universal(&arn, &input, moment),
            other => Err(SchedulerError::unsupported(format_args!("A target of {other}"))),
        }
    }

    /// A call of an API by its name. Source: user guide, "Using universal targets in EventBridge Scheduler".
    fn universal(&self, arn: &Arn, input: &str, moment: &Moment<'_>) -> Result<Call, SchedulerError> {
        let here = moment.schedule;
        let of_queue = |url: &str| -> Option<Arn> {
            let (rest, name) = url.rsplit_once('/')?;
            let account = rest.rsplit_once('/')?.1.to_owned();
            Some(Arn { service: "sqs".to_owned(), account, resource: name.to_owned(), ..here.clone() })
        };
        match &*arn.resource {
            "aws-sdk:lambda:invoke" => {
                let InvokeInput { function_name, invocation_type, payload, qualifier } = read(input)?;
                let is_event = match invocation_type.as_deref() {
                    None | Some("RequestResponse") => false,
                    Some("Event") => true,
                    Some(other) => {
                        return Err(SchedulerError::unsupported(format_args!("The InvocationType {other}")));
                    }
                };
                let mut function = function(&function_name)?;
                function.qualifier = qualifier.or(function.qualifier);
                let arn = function_name.parse().unwrap_or_else(|_| Arn {
                    service: "lambda".to_owned(),
                    resource: format!("function:{}", function.name),
                    ..here.clone()
                });
                // A string is the payload's text, as the API has it.
                let payload = match payload {
                    None => "{}".to_owned(),
                    Some(Value::String(text)) => text,
                    Some(value) => value.to_string(),
                };
                Ok(Call::Invoke { arn, function, payload, is_event })
            }
            "aws-sdk:sqs:sendMessage" => {
                let input: SendMessageInput = read(input)?;
                let queue = of_queue(&input.queue_url)
                    .ok_or_else(|| SchedulerError::validation("QueueUrl is not the URL of a queue."))?;
                let deduplication_id =
                    input.message_deduplication_id.or_else(|| is_fifo(&queue).then(|| moment.execution_id.to_owned()));
                let (body, group_id) = (input.message_body, input.message_group_id);
                Ok(Call::SendMessage { queue, body, group_id, deduplication_id })
            }
            "aws-sdk:sns:publish" => {
                let PublishInput { topic_arn, message, subject, message_group_id: group_id } = read(input)?;
                let topic = topic_arn.parse().map_err(|_| SchedulerError::validation("TopicArn is not an ARN."))?;
                Ok(Call::Publish { topic, message, subject, group_id })
            }
            other => Err(SchedulerError::unsupported(format_args!("The target {other}"))),
        }
    }
}

fn function(name: &str) -> Result<FunctionRef, SchedulerError> {
    FunctionRef::parse(name).map_err(|_| SchedulerError::validation(format!("{name} names no function.")))
}

fn read<T: serde::de::DeserializeOwned>(input: &str) -> Result<T, SchedulerError> {
    serde_json::from_str(input)
        .map_err(|error| SchedulerError::validation(format!("The input of the target cannot be read: {error}.")))
}

pub(crate) fn is_fifo(queue: &Arn) -> bool {
    queue.resource.ends_with(".fifo")
}
