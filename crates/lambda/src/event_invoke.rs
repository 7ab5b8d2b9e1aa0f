//! How asynchronous invocations are dealt with: retries, age and destinations of a function, version or alias. Pure.
//!
//! Source: Lambda API reference, PutFunctionEventInvokeConfig; the refusals are recorded.

use hearth_ports::EventTerms;
use hearth_types::{Arn, Millis};
use hearth_wire::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::Function;
use crate::error::LambdaError;
use crate::name::Target;

/// Services that events can be sent on to. Source: Lambda developer guide, "Capturing records of Lambda asynchronous
/// invocations".
const SERVICES: [&str; 4] = ["lambda", "sqs", "sns", "events"];
const SERVICES_ON_FAILURE: [&str; 1] = ["s3"];

/// What was set; the rest is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventInvokeRecord {
    pub(crate) retries_max: Option<u32>,
    pub(crate) age_max_seconds: Option<u32>,
    pub(crate) last_modified_ms: i64,
}

impl EventInvokeRecord {
    pub(crate) fn terms(&self) -> EventTerms {
        let default = EventTerms::default();
        EventTerms {
            retries_max: self.retries_max.unwrap_or(default.retries_max),
            age_max: self.age_max_seconds.map_or(default.age_max, |seconds| Millis::from_secs(seconds.into())),
        }
    }
}

/// What Put and Update ask for. Their ranges are the model's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Requested {
    pub(crate) maximum_retry_attempts: Option<u32>,
    pub(crate) maximum_event_age_in_seconds: Option<u32>,
    destination_config: Option<DestinationConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DestinationConfig {
    on_success: Option<Destination>,
    on_failure: Option<Destination>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Destination {
    destination: Option<String>,
}

impl Destination {
    fn arn(destination: Option<&Self>) -> Option<&str> {
        destination.and_then(|destination| destination.destination.as_deref()).filter(|arn| !arn.is_empty())
    }
}

impl Requested {
    /// `exists`: whether there is a function of that name here.
    ///
    /// # Errors
    /// Nothing is asked for, or a destination, which Hearth cannot honour yet.
    pub(crate) fn check(&self, target: &Target, exists: impl Fn(&str) -> bool) -> Result<(), LambdaError> {
        let is_error_handling = self.maximum_retry_attempts.is_some() || self.maximum_event_age_in_seconds.is_some();
        let Some(destinations) = &self.destination_config else {
            return if is_error_handling {
                Ok(())
            } else {
                Err(LambdaError::invalid("You must specify at least one of error handling or destination setting."))
            };
        };
        destinations.check(target, exists)
    }
}

impl DestinationConfig {
    fn check(&self, target: &Target, exists: impl Fn(&str) -> bool) -> Result<(), LambdaError> {
        let success = Destination::arn(self.on_success.as_ref());
        let failure = Destination::arn(self.on_failure.as_ref());
        let also_s3 = [&SERVICES[..], &SERVICES_ON_FAILURE].concat();
        for (arn, services) in [(failure, &also_s3[..]), (success, &SERVICES)] {
            let Some(text) = arn else { continue };
            let arn = text.parse::<Arn>().ok().filter(|arn| services.contains(&arn.service.as_str()));
            let Some(arn) = arn else {
                let shown = |name: &str, arn: Option<&str>| match arn {
                    Some(arn) => format!("{name}(destination={arn})"),
                    None => "null".to_owned(),
                };
                return Err(LambdaError::invalid(format!(
                    "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
                    shown("OnSuccess", success),
                    shown("OnFailure", failure)
                )));
            };
            if arn.service == "lambda" {
                let name = arn.resource.strip_prefix("function:").and_then(|named| named.split(':').next());
                let name = name.filter(|name| exists(name));
                let name = name.ok_or_else(|| invalid_destination(text))?;
                if name == target.name {
                    return Err(LambdaError::invalid("You can't specify the function as a destination for itself."));
                }
            }
        }
        for (member, arn) in [("OnFailure", failure), ("OnSuccess", success)] {
            if arn.is_some() {
                return Err(LambdaError::Unsupported {
                    member: format!("DestinationConfig.{member}"),
                    instead: "events are not sent on.".to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn invalid_destination(arn: &str) -> LambdaError {
    LambdaError::invalid(format!("The destination ARN {arn} is invalid."))
}

/// What the configuration is for: `$LATEST` when the request names nothing else.
pub(crate) fn qualified(target: Target) -> Target {
    match target.qualifier {
        Some(_) => target,
        None => target.qualified("$LATEST"),
    }
}

/// # Errors
/// The function has no such version or alias.
pub(crate) fn check_qualifier(target: &Target, function: &Function) -> Result<(), LambdaError> {
    function.has(target.qualifier().as_ref()).then_some(()).ok_or(LambdaError::NoSuchFunction)
}

/// `FunctionEventInvokeConfig` of the API model.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EventInvokeConfig {
    last_modified: Timestamp,
    function_arn: String,
    maximum_retry_attempts: Option<u32>,
    maximum_event_age_in_seconds: Option<u32>,
    /// Recorded: shown with both members empty.
    destination_config: NoDestinations,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NoDestinations {
    on_success: Empty,
    on_failure: Empty,
}

#[derive(Debug, Default, Serialize)]
struct Empty {}

impl EventInvokeConfig {
    pub(crate) fn new(arn: &Arn, record: &EventInvokeRecord) -> Self {
        Self {
            last_modified: Timestamp::from_ms(record.last_modified_ms),
            function_arn: arn.to_string(),
            maximum_retry_attempts: record.retries_max,
            maximum_event_age_in_seconds: record.age_max_seconds,
            destination_config: NoDestinations::default(),
        }
    }
}
