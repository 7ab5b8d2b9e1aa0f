//! How asynchronous invocations are dealt with: retries, age and destinations of a function, version or alias. Pure.
//!
//! Source: Lambda API reference, PutFunctionEventInvokeConfig; the refusals are recorded.

use std::sync::Arc;

use hearth_ports::EventTerms;
use hearth_types::{Arn, Millis, RequestContext};
use hearth_wire::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::Function;
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::sending;

/// Services that events can be sent on to. Source: Lambda developer guide, "Capturing records of Lambda asynchronous
/// invocations".
const SERVICES: [&str; 4] = ["lambda", "sqs", "sns", "events"];
const SERVICES_ON_FAILURE: [&str; 1] = ["s3"];

/// What was set; the rest is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventInvokeRecord {
    pub(crate) retries_max: Option<u32>,
    pub(crate) age_max_seconds: Option<u32>,
    pub(crate) last_modified_ms: i64,
    #[serde(default)]
    pub(crate) destinations: Destinations,
}

/// ARNs of functions, queues, topics and event buses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Destinations {
    on_success: Option<String>,
    on_failure: Option<String>,
}

impl Destinations {
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        [&self.on_success, &self.on_failure].into_iter().flatten().map(String::as_str)
    }
}

impl EventInvokeRecord {
    pub(crate) fn terms(&self) -> EventTerms {
        let default = EventTerms::default();
        EventTerms {
            retries_max: self.retries_max.unwrap_or(default.retries_max),
            age_max: self.age_max_seconds.map_or(default.age_max, |seconds| Millis::from_secs(seconds.into())),
            on_success: self.destinations.on_success.as_deref().and_then(|arn| arn.parse().ok()),
            on_failure: self.destinations.on_failure.as_deref().and_then(|arn| arn.parse().ok()),
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

/// The input of Put and of Update.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    pub(crate) function_name: String,
    pub(crate) qualifier: Option<String>,
    #[serde(flatten)]
    pub(crate) requested: Requested,
}

impl Requested {
    /// The destinations, if the request names any. `exists`: whether there is a function of that name here.
    ///
    /// # Errors
    /// Nothing is asked for, or a destination that Hearth cannot honour yet.
    pub(crate) fn check(
        &self,
        target: &Target,
        exists: impl Fn(&str) -> bool,
    ) -> Result<Option<Destinations>, LambdaError> {
        let is_error_handling = self.maximum_retry_attempts.is_some() || self.maximum_event_age_in_seconds.is_some();
        let Some(destinations) = &self.destination_config else {
            return if is_error_handling {
                Ok(None)
            } else {
                Err(LambdaError::invalid("You must specify at least one of error handling or destination setting."))
            };
        };
        destinations.check(target, exists).map(Some)
    }
}

impl DestinationConfig {
    fn check(&self, target: &Target, exists: impl Fn(&str) -> bool) -> Result<Destinations, LambdaError> {
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
        // A function of the same account and region: what ends and what is told of it go in one commit.
        let is_near = |text: &str| {
            let arn = text.parse::<Arn>();
            arn.is_ok_and(|arn| match arn.service.as_str() {
                "lambda" => arn.region == target.arn.region && arn.account == target.arn.account,
                // Of a failure only; a bucket, not something in it.
                "s3" => !arn.resource.is_empty() && !arn.resource.contains('/'),
                _ => sending::takes_messages(&arn) || sending::is_event_bus(&arn),
            })
        };
        for (member, arn) in [("OnFailure", failure), ("OnSuccess", success)] {
            if arn.is_some_and(|arn| !is_near(arn)) {
                return Err(LambdaError::Unsupported {
                    member: format!("DestinationConfig.{member}"),
                    instead:
                        "a destination is a function of the same account and region, a standard queue or topic, an event \
                         bus, or, of a failure, a bucket."
                            .to_owned(),
                });
            }
        }
        Ok(Destinations { on_success: success.map(str::to_owned), on_failure: failure.map(str::to_owned) })
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

/// Sets the configuration of what `target` names: the change of the function, and the answer.
///
/// # Errors
/// The function's role may not send to a destination.
pub(crate) fn set(
    lambda: &Arc<Lambda>,
    ctx: &RequestContext,
    function: &Function,
    target: &Target,
    config: EventInvokeRecord,
) -> Result<(Change, EventInvokeConfig), LambdaError> {
    let mut record = (*function.record).clone();
    let role = &record.latest.settings.role;
    config.destinations.all().try_for_each(|to| sending::check(lambda, ctx, (role, &target.arn), to))?;
    let answer = EventInvokeConfig::new(&target.qualified_arn(), &config);
    record.event_invoke.insert(target.qualifier.clone().unwrap_or_default(), config);
    Ok((Change::record(record), answer))
}

/// `FunctionEventInvokeConfig` of the API model.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EventInvokeConfig {
    last_modified: Timestamp,
    function_arn: String,
    maximum_retry_attempts: Option<u32>,
    maximum_event_age_in_seconds: Option<u32>,
    /// Recorded: both members are always shown, if need be empty.
    destination_config: DestinationsShown,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationsShown {
    on_success: DestinationShown,
    on_failure: DestinationShown,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationShown {
    destination: Option<String>,
}

impl EventInvokeConfig {
    pub(crate) fn new(arn: &Arn, record: &EventInvokeRecord) -> Self {
        Self {
            last_modified: Timestamp::from_ms(record.last_modified_ms),
            function_arn: arn.to_string(),
            maximum_retry_attempts: record.retries_max,
            maximum_event_age_in_seconds: record.age_max_seconds,
            destination_config: DestinationsShown {
                on_success: DestinationShown { destination: record.destinations.on_success.clone() },
                on_failure: DestinationShown { destination: record.destinations.on_failure.clone() },
            },
        }
    }
}
