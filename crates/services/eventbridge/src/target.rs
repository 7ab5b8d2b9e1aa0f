//! A rule's target: whom it tells, and what. Checked when it is put. Source: EventBridge API reference, Target; user guide,
//! "Event bus targets in Amazon EventBridge".

use std::collections::BTreeMap;

use hearth_types::{Arn, FunctionRef, Millis, RequestContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::EventsError;
use crate::limits::{EVENT_AGE_S_DEFAULT, RETRIES_DEFAULT};
use crate::template;
use crate::{arn, path};

/// As the API has it, and as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Target {
    pub(crate) id: String,
    pub(crate) arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input_transformer: Option<InputTransformer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sqs_parameters: Option<SqsParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letter_config: Option<DeadLetterConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_policy: Option<RetryPolicy>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InputTransformer {
    #[serde(default)]
    pub(crate) input_paths_map: BTreeMap<String, String>,
    pub(crate) input_template: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SqsParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message_group_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeadLetterConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) arn: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RetryPolicy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_retry_attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_event_age_in_seconds: Option<u64>,
}

impl RetryPolicy {
    pub(crate) fn retries_max(self) -> u32 {
        self.maximum_retry_attempts.unwrap_or(RETRIES_DEFAULT)
    }

    pub(crate) fn age_max(self) -> Millis {
        Millis::from_secs(self.maximum_event_age_in_seconds.unwrap_or(EVENT_AGE_S_DEFAULT))
    }
}

/// Who a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Function(FunctionRef),
    Queue,
    Topic,
    Bus,
}

/// What a request asks for: a target, and what Hearth has no targets for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Asked {
    #[serde(flatten)]
    target: Target,
    kinesis_parameters: Option<Value>,
    run_command_parameters: Option<Value>,
    ecs_parameters: Option<Value>,
    batch_parameters: Option<Value>,
    http_parameters: Option<Value>,
    redshift_data_parameters: Option<Value>,
    sage_maker_pipeline_parameters: Option<Value>,
    app_sync_parameters: Option<Value>,
}

impl Asked {
    pub(crate) fn arn(&self) -> &str {
        &self.target.arn
    }

    /// The target, if it can be one of a rule in the context's account and region.
    ///
    /// # Errors
    /// [`EventsError::Validation`].
    pub(crate) fn check(self, ctx: &RequestContext) -> Result<Target, EventsError> {
        let of_others = [
            ("KinesisParameters", self.kinesis_parameters),
            ("RunCommandParameters", self.run_command_parameters),
            ("EcsParameters", self.ecs_parameters),
            ("BatchParameters", self.batch_parameters),
            ("HttpParameters", self.http_parameters),
            ("RedshiftDataParameters", self.redshift_data_parameters),
            ("SageMakerPipelineParameters", self.sage_maker_pipeline_parameters),
            ("AppSyncParameters", self.app_sync_parameters),
        ];
        if let Some((name, _)) = of_others.iter().find(|(_, given)| given.is_some()) {
            return Err(EventsError::unsupported(name));
        }
        self.target.check(ctx)?;
        Ok(self.target)
    }
}

impl Target {
    fn check(&self, ctx: &RequestContext) -> Result<(), EventsError> {
        let Self { id, .. } = self;
        let (arn, kind) = self.kind()?;
        self.check_input()?;
        let is_fifo = kind == Kind::Queue && arn.resource.ends_with(".fifo");
        let group = self.sqs_parameters.as_ref().and_then(|parameters| parameters.message_group_id.as_ref());
        match (&kind, group, &self.sqs_parameters) {
            (Kind::Queue, None, _) if is_fifo => {
                return Err(EventsError::validation(format!(
                    "Parameter(s) SqsParameters must be specified for target: {id}."
                )));
            }
            (Kind::Queue, ..) | (_, _, None) => {}
            _ => {
                return Err(EventsError::validation(format!("Parameter(s) SqsParameters not valid for target: {id}.")));
            }
        }
        if kind == Kind::Bus {
            let is_here = arn.account == ctx.account.as_str() && arn.region == ctx.region.as_str();
            if !is_here && self.role_arn.is_none() {
                return Err(EventsError::validation(format!("RoleArn is required for target {}.", self.arn)));
            }
            let has_input = self.input.is_some() || self.input_path.is_some() || self.input_transformer.is_some();
            if has_input {
                return Err(EventsError::unsupported(
                    "Input, InputPath or InputTransformer of a target that is an event bus",
                ));
            }
        }
        if let Some(letters) = self.dead_letter_config.as_ref().and_then(|config| config.arn.as_ref()) {
            let queue = letters.parse::<Arn>().ok().filter(|arn| arn.service == "sqs" && !arn.resource.is_empty());
            let Some(queue) = queue else { return Err(arn::invalid(letters)) };
            if queue.resource.ends_with(".fifo") {
                return Err(EventsError::validation(format!(
                    "Parameter {letters} is not valid. Reason: the dead-letter queue of a target is a standard queue."
                )));
            }
        }
        if let Some(role) = &self.role_arn {
            let is_role = |arn: &Arn| arn.service == "iam" && arn.resource.starts_with("role/");
            if !role.parse::<Arn>().as_ref().is_ok_and(is_role) {
                return Err(arn::invalid(role));
            }
        }
        Ok(())
    }

    /// ARN and kind.
    ///
    /// # Errors
    /// [`EventsError::Validation`] for what is no ARN, and for who cannot be told here.
    pub(crate) fn kind(&self) -> Result<(Arn, Kind), EventsError> {
        let arn: Arn = self.arn.parse().map_err(|_| arn::invalid(&self.arn))?;
        let named = |text: &str| !text.is_empty() && !text.contains([':', '/']);
        let kind = match &*arn.service {
            "lambda" if arn.resource.starts_with("function:") => {
                Kind::Function(FunctionRef::parse(&self.arn).map_err(|_| arn::invalid(&self.arn))?)
            }
            "sqs" if named(&arn.resource) => Kind::Queue,
            "sns" if named(&arn.resource) => Kind::Topic,
            "events" if arn.resource.strip_prefix("event-bus/").is_some_and(named) => Kind::Bus,
            "lambda" | "sqs" | "sns" => return Err(arn::invalid(&self.arn)),
            _ => {
                return Err(EventsError::unsupported(format_args!(
                    "A target that is no function, queue, topic or event bus ({})",
                    self.arn
                )));
            }
        };
        if arn.account.is_empty() || arn.region.is_empty() {
            return Err(arn::invalid(&self.arn));
        }
        Ok((arn, kind))
    }

    fn check_input(&self) -> Result<(), EventsError> {
        let Self { id, input, input_path, input_transformer, .. } = self;
        let given = [input.is_some(), input_path.is_some(), input_transformer.is_some()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            // Recorded.
            return Err(EventsError::validation(format!(
                "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
            )));
        }
        if let Some(input) = input
            && serde_json::from_str::<serde::de::IgnoredAny>(input).is_err()
        {
            return Err(EventsError::validation(format!("JSON syntax error in input for target {id}.")));
        }
        if let Some(path) = input_path
            && path::parse(path).is_none()
        {
            return Err(EventsError::validation(format!("Invalid InputPath for target {id}.")));
        }
        if let Some(transformer) = input_transformer {
            let InputTransformer { input_paths_map, input_template } = transformer;
            for (name, path) in input_paths_map {
                if name.to_ascii_lowercase().starts_with("aws") {
                    return Err(EventsError::validation(format!(
                        "InputPathsMap for target {id} contains the reserved key {name}."
                    )));
                }
                if path::parse(path).is_none() {
                    return Err(EventsError::validation(format!("Invalid InputPathsMap for target {id}: {path}.")));
                }
            }
            let unknown = template::placeholders(input_template)
                .find(|name| !input_paths_map.contains_key(*name) && !template::RESERVED.contains(name));
            if let Some(name) = unknown {
                // Recorded.
                return Err(EventsError::validation(format!(
                    "InputTemplate for target {id} contains invalid placeholder {name}."
                )));
            }
        }
        Ok(())
    }

    pub(crate) fn dead_letters(&self) -> Option<Arn> {
        self.dead_letter_config.as_ref()?.arn.as_ref()?.parse().ok()
    }

    pub(crate) fn group_id(&self) -> Option<&str> {
        self.sqs_parameters.as_ref()?.message_group_id.as_deref()
    }
}
