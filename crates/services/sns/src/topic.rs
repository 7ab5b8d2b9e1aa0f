//! A topic: what it is set to, and its subscriptions. In memory as in the store; changes are durable first.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_authz::Policy;
use hearth_types::{Arn, Scope};
use parking_lot::{RwLock, RwLockReadGuard};

use crate::delivery_policy::DeliveryPolicy;
use crate::error::SnsError;
use crate::fifo::Ledger;
use crate::limits::{DISPLAY_NAME_MAX, FIFO_SUFFIX, TOPIC_NAME_MAX};
use crate::message::Order;
use crate::policy;
use crate::record::{State, TopicRecord};
use crate::subscription::{DELIVERY, Subscription};

pub(crate) const POLICY: &str = "Policy";
const DISPLAY_NAME: &str = "DisplayName";
const TRACING: &str = "TracingConfig";
const FIFO: &str = "FifoTopic";
const CONTENT_DEDUPLICATION: &str = "ContentBasedDeduplication";
const THROUGHPUT_SCOPE: &str = "FifoThroughputScope";
/// What a FIFO topic is set to from the start.
const FIFO_DEFAULTS: [(&str, &str); 3] =
    [(FIFO, "true"), (CONTENT_DEDUPLICATION, "false"), (THROUGHPUT_SCOPE, "Topic")];
const SIGNATURE_VERSION: &str = "SignatureVersion";

/// What SNS has and Hearth does not, and the value that asks for nothing.
const UNSUPPORTED: [(&str, &str); 17] = [
    ("ArchivePolicy", ""),
    ("KmsMasterKeyId", ""),
    ("HTTPSuccessFeedbackRoleArn", ""),
    ("HTTPSuccessFeedbackSampleRate", "0"),
    ("HTTPFailureFeedbackRoleArn", ""),
    ("FirehoseSuccessFeedbackRoleArn", ""),
    ("FirehoseSuccessFeedbackSampleRate", "0"),
    ("FirehoseFailureFeedbackRoleArn", ""),
    ("LambdaSuccessFeedbackRoleArn", ""),
    ("LambdaSuccessFeedbackSampleRate", "0"),
    ("LambdaFailureFeedbackRoleArn", ""),
    ("ApplicationSuccessFeedbackRoleArn", ""),
    ("ApplicationSuccessFeedbackSampleRate", "0"),
    ("ApplicationFailureFeedbackRoleArn", ""),
    ("SQSSuccessFeedbackRoleArn", ""),
    ("SQSSuccessFeedbackSampleRate", "0"),
    ("SQSFailureFeedbackRoleArn", ""),
];

/// Sets an attribute. Source: SNS API reference, CreateTopic and SetTopicAttributes.
///
/// # Errors
/// [`SnsError::Parameter`] for a name or value that cannot be.
pub(crate) fn set(
    attributes: &mut BTreeMap<String, String>,
    is_fifo: bool,
    name: &str,
    value: &str,
) -> Result<(), SnsError> {
    let is_one_of = |values: &[&str]| values.contains(&value).then_some(()).ok_or_else(|| SnsError::parameter(name));
    match name {
        FIFO => {
            is_one_of(if is_fifo { &["true"] } else { &["false"] })?;
            if !is_fifo {
                return Ok(());
            }
        }
        CONTENT_DEDUPLICATION if is_fifo => is_one_of(&["true", "false"])?,
        THROUGHPUT_SCOPE if is_fifo => is_one_of(&["Topic", "MessageGroup"])?,
        CONTENT_DEDUPLICATION | THROUGHPUT_SCOPE => return is_one_of(&["", "false"]),
        DISPLAY_NAME if value.chars().count() > DISPLAY_NAME_MAX || value.chars().any(char::is_control) => {
            return Err(SnsError::parameter("DisplayName"));
        }
        DISPLAY_NAME => {}
        POLICY => {
            policy::parse(value)?;
        }
        DELIVERY if value.is_empty() => {
            attributes.remove(name);
            return Ok(());
        }
        DELIVERY => drop(DeliveryPolicy::of_topic(value)?),
        SIGNATURE_VERSION if value == "2" => {}
        SIGNATURE_VERSION => return Err(SnsError::unsupported(format_args!("{SIGNATURE_VERSION} {value}"))),
        TRACING if value == "PassThrough" => {}
        TRACING => return Err(SnsError::unsupported(format_args!("{TRACING}: {value}"))),
        _ => {
            return match UNSUPPORTED.iter().find(|(unsupported, _)| *unsupported == name) {
                Some((_, nothing)) if value.is_empty() || *nothing == value => Ok(()),
                Some(_) => Err(SnsError::unsupported(name)),
                None => Err(SnsError::parameter(format!("Invalid attribute name: {name}"))),
            };
        }
    }
    attributes.insert(name.to_owned(), value.to_owned());
    Ok(())
}

/// Whether SetTopicAttributes may ask for it.
pub(crate) fn is_settable(name: &str) -> bool {
    [DISPLAY_NAME, POLICY, TRACING, CONTENT_DEDUPLICATION, THROUGHPUT_SCOPE, DELIVERY, SIGNATURE_VERSION]
        .contains(&name)
        || UNSUPPORTED.iter().any(|(unsupported, _)| *unsupported == name)
}

/// What CreateTopic makes of what was asked for.
///
/// # Errors
/// [`SnsError::Parameter`] for a name or attributes that cannot be.
pub(crate) fn from_asked(name: &str, asked: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, SnsError> {
    let is_fifo = asked.get(FIFO).is_some_and(|value| value == "true");
    check_name(name, is_fifo)?;
    let mut attributes = BTreeMap::new();
    if is_fifo {
        attributes.extend(FIFO_DEFAULTS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    for (name, value) in asked {
        set(&mut attributes, is_fifo, name, value).map_err(SnsError::in_attributes)?;
    }
    Ok(attributes)
}

/// Source: SNS API reference, CreateTopic.
///
/// # Errors
/// [`SnsError::Parameter`].
fn check_name(name: &str, is_fifo: bool) -> Result<(), SnsError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let stem = if is_fifo { name.strip_suffix(FIFO_SUFFIX).unwrap_or_default() } else { name };
    if !stem.is_empty() && name.len() <= TOPIC_NAME_MAX && stem.bytes().all(is_plain) {
        return Ok(());
    }
    Err(SnsError::parameter("Topic Name"))
}

pub(crate) fn arn(scope: &Scope, name: &str) -> Arn {
    Arn {
        partition: scope.partition.as_str().to_owned(),
        service: "sns".to_owned(),
        region: scope.region.as_ref().map(|region| region.as_str().to_owned()).unwrap_or_default(),
        account: scope.account.as_str().to_owned(),
        resource: name.to_owned(),
    }
}

/// What a topic is set to.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) record: TopicRecord,
    pub(crate) policy: Arc<Policy>,
    /// What messages have to say.
    pub(crate) order: Order,
    /// A deduplication id is one of its group, not of the topic.
    pub(crate) deduplicates_by_group: bool,
    /// Of HTTP endpoints.
    pub(crate) delivery: DeliveryPolicy,
}

impl Description {
    /// # Errors
    /// Those of attributes.
    pub(crate) fn new(arn: &Arn, record: TopicRecord) -> Result<Self, SnsError> {
        let policy = Arc::new(policy::parse(&policy_text(arn, &record))?);
        let is = |name, value| record.attributes.get(name).is_some_and(|set| set == value);
        let order =
            if is(FIFO, "true") { Order::Fifo { by_content: is(CONTENT_DEDUPLICATION, "true") } } else { Order::None };
        let delivery = record.attributes.get(DELIVERY).map(|text| DeliveryPolicy::of_topic(text));
        let delivery = delivery.transpose()?.unwrap_or_default();
        Ok(Self { policy, order, delivery, deduplicates_by_group: is(THROUGHPUT_SCOPE, "MessageGroup"), record })
    }
}

/// The topic's policy, or the one it has without.
pub(crate) fn policy_text(arn: &Arn, record: &TopicRecord) -> String {
    record.attributes.get(POLICY).cloned().unwrap_or_else(|| policy::default(arn))
}

pub(crate) struct Topic {
    pub(crate) scope: Scope,
    pub(crate) arn: Arn,
    description: RwLock<Arc<Description>>,
    subscriptions: RwLock<BTreeMap<String, Arc<Subscription>>>,
    /// Of a FIFO topic; empty for others.
    pub(crate) ledger: tokio::sync::Mutex<Ledger>,
}

impl Topic {
    /// # Errors
    /// Those of attributes.
    pub(crate) fn new(scope: &Scope, record: TopicRecord) -> Result<Self, SnsError> {
        let arn = arn(scope, &record.name);
        let description = RwLock::new(Arc::new(Description::new(&arn, record)?));
        let (subscriptions, ledger) = (RwLock::default(), tokio::sync::Mutex::default());
        Ok(Self { scope: scope.clone(), arn, description, subscriptions, ledger })
    }

    pub(crate) fn name(&self) -> &str {
        &self.arn.resource
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.name().ends_with(FIFO_SUFFIX)
    }

    pub(crate) fn describe(&self) -> Arc<Description> {
        self.description.read().clone()
    }

    pub(crate) fn set_description(&self, description: Description) {
        *self.description.write() = Arc::new(description);
    }

    /// By id. Not to be held while anything is awaited.
    pub(crate) fn subscriptions(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<Subscription>>> {
        self.subscriptions.read()
    }

    /// One that has not ended.
    pub(crate) fn subscription(&self, id: &str) -> Option<Arc<Subscription>> {
        self.subscriptions.read().get(id).filter(|found| found.record.state != State::Ended).cloned()
    }

    pub(crate) fn put_subscription(&self, subscription: Arc<Subscription>) {
        self.subscriptions.write().insert(subscription.record.id.clone(), subscription);
    }

    pub(crate) fn remove_subscription(&self, id: &str) {
        self.subscriptions.write().remove(id);
    }
}
