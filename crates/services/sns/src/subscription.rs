//! A subscription: whom it tells, and what it is set to.
//! Source: SNS API reference, Subscribe and SetSubscriptionAttributes; texts as recorded.

use std::collections::BTreeMap;

use hearth_types::{Arn, FunctionRef};
use http::Uri;
use serde_json::Value;

use crate::deliver::is_fifo;
use crate::delivery_policy::DeliveryPolicy;
use crate::error::SnsError;
use crate::filter::{self, Filter, Scope as FilterScope};
use crate::limits::ENDPOINT_MAX;
use crate::record::{State, SubscriptionRecord};

pub(crate) const FILTER: &str = "FilterPolicy";
pub(crate) const FILTER_SCOPE: &str = "FilterPolicyScope";
pub(crate) const RAW: &str = "RawMessageDelivery";
pub(crate) const REDRIVE: &str = "RedrivePolicy";
pub(crate) const DELIVERY: &str = "DeliveryPolicy";
/// What SNS has and Hearth does not.
const UNSUPPORTED: [&str; 2] = ["SubscriptionRoleArn", "ReplayPolicy"];

/// Protocols of SNS that Hearth does not speak.
const PROTOCOLS_NOT_HERE: [&str; 5] = ["email", "email-json", "sms", "application", "firehose"];

/// Whom a subscription tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Endpoint {
    Queue(Arn),
    /// The ARN is the function's own, without a qualifier.
    Function {
        arn: Arn,
        function: FunctionRef,
    },
    Http(Uri),
}

/// Protocols of [`Endpoint::Http`].
pub(crate) fn is_web(protocol: &str) -> bool {
    matches!(protocol, "http" | "https")
}

impl Endpoint {
    /// # Errors
    /// [`SnsError::Parameter`] for what cannot be subscribed here.
    pub(crate) fn parse(protocol: &str, endpoint: &str, topic: &Arn) -> Result<Self, SnsError> {
        let is_fifo = is_fifo(topic);
        let arn =
            || endpoint.parse::<Arn>().ok().filter(|arn| !arn.resource.is_empty() && endpoint.len() <= ENDPOINT_MAX);
        match protocol {
            "sqs" => match arn().filter(|arn| arn.service == "sqs") {
                Some(arn) if self::is_fifo(&arn) && !is_fifo => Err(SnsError::parameter(
                    "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
                )),
                Some(arn) => Ok(Self::Queue(arn)),
                None => Err(SnsError::parameter("SQS endpoint ARN")),
            },
            other if is_fifo && (other == "lambda" || is_web(other) || PROTOCOLS_NOT_HERE.contains(&other)) => {
                Err(SnsError::parameter("Invalid parameter: Endpoint Reason: Please use FIFO SQS queue"))
            }
            "lambda" => {
                let arn = arn().filter(|arn| arn.service == "lambda" && arn.resource.starts_with("function:"));
                let function = FunctionRef::parse(endpoint);
                match (arn, function) {
                    (Some(arn), Ok(function)) => Ok(Self::Function { arn, function }),
                    _ => Err(SnsError::parameter("Lambda endpoint ARN")),
                }
            }
            other if is_web(other) => match endpoint.parse::<Uri>() {
                Ok(url) if url.scheme_str() != Some(other) => {
                    Err(SnsError::parameter("Endpoint must match the specified protocol"))
                }
                Ok(url) if url.host().is_some_and(|host| !host.is_empty()) && endpoint.len() <= ENDPOINT_MAX => {
                    Ok(Self::Http(url))
                }
                _ => Err(SnsError::parameter("Endpoint")),
            },
            other if PROTOCOLS_NOT_HERE.contains(&other) => {
                Err(SnsError::parameter(format!("Hearth does not deliver by this protocol: {other}")))
            }
            other => Err(SnsError::parameter(format!("Amazon SNS does not support this protocol string: {other}"))),
        }
    }

    /// Its messages have to come in order.
    fn is_fifo(&self) -> bool {
        matches!(self, Self::Queue(arn) if is_fifo(arn))
    }

    pub(crate) const fn arn(&self) -> Option<&Arn> {
        match self {
            Self::Queue(arn) | Self::Function { arn, .. } => Some(arn),
            Self::Http(_) => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) arn: String,
    pub(crate) record: SubscriptionRecord,
    pub(crate) endpoint: Endpoint,
    pub(crate) is_raw: bool,
    pub(crate) filter: Option<Filter>,
    pub(crate) dead_letters: Option<Arn>,
}

impl Subscription {
    /// # Errors
    /// [`SnsError::Parameter`] for an attribute or endpoint that cannot be.
    pub(crate) fn new(topic: &Arn, record: SubscriptionRecord) -> Result<Self, SnsError> {
        let endpoint = Endpoint::parse(&record.protocol, &record.endpoint, topic)?;
        let text = |name: &str| record.attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let scope = text(FILTER_SCOPE).map(FilterScope::parse).transpose()?.unwrap_or_default();
        let filter = match text(FILTER) {
            Some(filter) => Filter::compile(filter, scope)?,
            None => None,
        };
        let is_raw = match record.attributes.get(RAW) {
            Some(text) => raw(text, &record.protocol)?,
            None => false,
        };
        if let Some(policy) = text(DELIVERY) {
            if !is_web(&record.protocol) {
                let reason = format!("DeliveryPolicy: protocol [{}] has none", record.protocol);
                return Err(SnsError::parameter(reason));
            }
            DeliveryPolicy::default().over(policy, is_raw)?;
        }
        Ok(Self {
            arn: format!("{topic}:{}", record.id),
            is_raw,
            filter,
            dead_letters: text(REDRIVE).map(|text| redrive(text, topic, endpoint.is_fifo())).transpose()?,
            endpoint,
            record,
        })
    }

    /// What holds for it, as long as this holds for its topic.
    pub(crate) fn delivery_policy(&self, of_topic: &DeliveryPolicy) -> DeliveryPolicy {
        let own = self.record.attributes.get(DELIVERY).filter(|text| !text.is_empty());
        // It was checked when it was set.
        own.and_then(|text| of_topic.over(text, self.is_raw).ok()).unwrap_or_else(|| of_topic.clone())
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.record.state == State::Confirmed
    }

    pub(crate) fn topic_arn(&self) -> &str {
        self.arn.rsplit_once(':').map_or(&self.arn, |(topic, _)| topic)
    }
}

/// Whether there is such an attribute, whatever its value.
///
/// # Errors
/// [`SnsError::Parameter`]: there is none, or not here.
pub(crate) fn check_attribute_name(name: &str) -> Result<(), SnsError> {
    match name {
        FILTER | FILTER_SCOPE | RAW | REDRIVE | DELIVERY => Ok(()),
        name if UNSUPPORTED.contains(&name) => Err(SnsError::unsupported(name)),
        _ => Err(SnsError::parameter("AttributeName")),
    }
}

fn raw(text: &str, protocol: &str) -> Result<bool, SnsError> {
    let is_raw = match text.to_ascii_lowercase().as_str() {
        "true" => true,
        "false" => false,
        _ => {
            let reason = format!("RawMessageDelivery: Invalid value [{text}]. Must be true or false.");
            return Err(SnsError::parameter(reason));
        }
    };
    if is_raw && protocol != "sqs" && !is_web(protocol) {
        let reason = format!("Delivery protocol [{protocol}] does not support raw message delivery.");
        return Err(SnsError::parameter(reason));
    }
    Ok(is_raw)
}

/// The dead-letter queue of a redrive policy. Source: SNS developer guide, "Amazon SNS dead-letter queues".
fn redrive(text: &str, topic: &Arn, in_order: bool) -> Result<Arn, SnsError> {
    let policy: Value =
        serde_json::from_str(text).map_err(|error| filter::unreadable("RedrivePolicy", text, &error))?;
    let target = policy["deadLetterTargetArn"].as_str().and_then(|text| text.parse::<Arn>().ok());
    let is_queue = |arn: &Arn| arn.service == "sqs" && !arn.resource.is_empty() && !arn.resource.contains([':', '/']);
    let Some(target) = target.filter(is_queue) else {
        return Err(SnsError::parameter("RedrivePolicy: deadLetterTargetArn is an invalid arn"));
    };
    if target.region != topic.region || target.account != topic.account {
        let reason = "RedrivePolicy: the dead-letter queue is of the subscription's account and Region";
        return Err(SnsError::parameter(reason));
    }
    match (in_order, is_fifo(&target)) {
        // Recorded.
        (true, false) => Err(SnsError::parameter(
            "RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.",
        )),
        (false, true) => Err(SnsError::parameter(
            "RedrivePolicy: the dead-letter queue of a subscription of a standard queue is a standard queue",
        )),
        (true, true) | (false, false) => Ok(()),
    }?;
    Ok(target)
}

/// Whether what was asked for is what is set: asking again for a subscription that is there.
pub(crate) fn is_as_asked(set: &BTreeMap<String, String>, asked: &BTreeMap<String, String>) -> bool {
    asked.iter().all(|(name, value)| match set.get(name) {
        Some(set) => set == value,
        None => {
            let nothing = [(RAW, "false"), (FILTER, "{}"), (FILTER_SCOPE, "MessageAttributes")];
            value.is_empty() || nothing.contains(&(name, value))
        }
    })
}
