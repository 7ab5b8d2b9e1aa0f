//! Queue attributes: their names, ranges and defaults as a table, and what a queue's mean.
//! Source: SQS API reference, CreateQueue and SetQueueAttributes; texts as recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_authz::Policy;
use hearth_authz::PolicyKind;

use crate::engine::Terms;
use crate::error::SqsError;
use crate::redrive::{RedriveAllow, RedrivePolicy};

struct Range {
    name: &'static str,
    min: u32,
    max: u32,
    default: u32,
}

const VISIBILITY: &str = "VisibilityTimeout";
const MESSAGE_BYTES: &str = "MaximumMessageSize";
const RETENTION: &str = "MessageRetentionPeriod";
const DELAY: &str = "DelaySeconds";
const WAIT: &str = "ReceiveMessageWaitTimeSeconds";
pub(crate) const POLICY: &str = "Policy";
pub(crate) const REDRIVE: &str = "RedrivePolicy";
const REDRIVE_ALLOW: &str = "RedriveAllowPolicy";
pub(crate) const FIFO: &str = "FifoQueue";
const CONTENT_DEDUP: &str = "ContentBasedDeduplication";
const DEDUP_SCOPE: &str = "DeduplicationScope";
const THROUGHPUT: &str = "FifoThroughputLimit";
const SSE: &str = "SqsManagedSseEnabled";
const KMS_KEY: &str = "KmsMasterKeyId";
const KMS_REUSE: &str = "KmsDataKeyReusePeriodSeconds";

/// Seconds and bytes.
const NUMBERS: [Range; 5] = [
    Range { name: VISIBILITY, min: 0, max: 43_200, default: 30 },
    Range { name: MESSAGE_BYTES, min: 1_024, max: 1_048_576, default: 1_048_576 },
    Range { name: RETENTION, min: 60, max: 1_209_600, default: 345_600 },
    Range { name: DELAY, min: 0, max: 900, default: 0 },
    Range { name: WAIT, min: 0, max: 20, default: 0 },
];

/// What GetQueueAttributes knows beside what can be set.
pub(crate) const COMPUTED: [&str; 6] = [
    "QueueArn",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
];

const SETTABLE: [&str; 15] = [
    VISIBILITY,
    MESSAGE_BYTES,
    RETENTION,
    DELAY,
    WAIT,
    POLICY,
    REDRIVE,
    REDRIVE_ALLOW,
    FIFO,
    CONTENT_DEDUP,
    DEDUP_SCOPE,
    THROUGHPUT,
    SSE,
    KMS_KEY,
    KMS_REUSE,
];

pub(crate) fn is_known(name: &str) -> bool {
    SETTABLE.contains(&name) || COMPUTED.contains(&name)
}

pub(crate) fn unknown(name: &str) -> SqsError {
    SqsError::AttributeName(format!("Unknown Attribute {name}."))
}

fn bad_value(name: &str) -> SqsError {
    SqsError::AttributeValue(format!("Invalid value for the parameter {name}."))
}

/// What a queue's attributes mean.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) is_fifo: bool,
    pub(crate) visibility_timeout_s: u32,
    pub(crate) message_bytes_max: usize,
    pub(crate) retention_s: u32,
    pub(crate) delay_s: u32,
    pub(crate) wait_s: u32,
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) redrive: Option<RedrivePolicy>,
    pub(crate) redrive_allow: RedriveAllow,
    pub(crate) content_dedup: bool,
    /// Deduplication ids count within their message group.
    pub(crate) dedup_by_group: bool,
}

impl Settings {
    /// Reads attributes that have been checked when they were set.
    ///
    /// # Errors
    /// What is wrong with the first wrong one.
    pub(crate) fn of(attributes: &BTreeMap<String, String>) -> Result<Self, SqsError> {
        let text = |name: &str| attributes.get(name).map(String::as_str);
        let number = |name: &str| number(name, text(name));
        let parsed = |name: &str| text(name).filter(|text| !text.is_empty());
        let policy = parsed(POLICY).map(|text| Policy::parse(text, PolicyKind::Resource)).transpose();
        Ok(Self {
            is_fifo: text(FIFO) == Some("true"),
            visibility_timeout_s: number(VISIBILITY)?,
            message_bytes_max: number(MESSAGE_BYTES)? as usize,
            retention_s: number(RETENTION)?,
            delay_s: number(DELAY)?,
            wait_s: number(WAIT)?,
            policy: policy.map_err(|_| bad_value(POLICY))?.map(Arc::new),
            redrive: parsed(REDRIVE).map(RedrivePolicy::parse).transpose()?,
            redrive_allow: parsed(REDRIVE_ALLOW).map(RedriveAllow::parse).transpose()?.unwrap_or_default(),
            content_dedup: text(CONTENT_DEDUP) == Some("true"),
            dedup_by_group: text(DEDUP_SCOPE) == Some("messageGroup"),
        })
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms {
            is_fifo: self.is_fifo,
            retention_ms: i64::from(self.retention_s) * 1_000,
            receives_max: self.redrive.as_ref().map(|redrive| redrive.receives_max),
        }
    }
}

fn number(name: &str, text: Option<&str>) -> Result<u32, SqsError> {
    let Some(range) = NUMBERS.iter().find(|range| range.name == name) else { return Err(unknown(name)) };
    let Some(text) = text else { return Ok(range.default) };
    let number: u32 = text.trim().parse().map_err(|_| bad_value(name))?;
    if (range.min..=range.max).contains(&number) { Ok(number) } else { Err(bad_value(name)) }
}

/// Adds what a request sets to a queue's attributes: each checked by itself, then all together.
///
/// # Errors
/// [`SqsError::AttributeName`], [`SqsError::AttributeValue`] and those of redrive policies. Nothing is refused late: what
/// Hearth does not do is refused here.
pub(crate) fn set(attributes: &mut BTreeMap<String, String>, asked: &BTreeMap<String, String>) -> Result<(), SqsError> {
    let is_fifo = attributes.get(FIFO).or(asked.get(FIFO)).is_some_and(|value| value == "true");
    for (name, value) in asked {
        check(name, value, is_fifo)?;
        // An empty text takes these away.
        if value.is_empty() && [POLICY, REDRIVE, REDRIVE_ALLOW, KMS_KEY].contains(&name.as_str()) {
            attributes.remove(name);
        } else {
            attributes.insert(name.clone(), value.trim().to_owned());
        }
    }
    let per_group = attributes.get(THROUGHPUT).is_some_and(|limit| limit == "perMessageGroupId");
    if per_group && attributes.get(DEDUP_SCOPE).is_none_or(|scope| scope != "messageGroup") {
        return Err(SqsError::AttributeValue(format!(
            "Invalid value for the parameter {THROUGHPUT}. Reason: It can be perMessageGroupId only when {DEDUP_SCOPE} is \
             messageGroup."
        )));
    }
    Settings::of(attributes).map(|_| ())
}

fn check(name: &str, value: &str, is_fifo: bool) -> Result<(), SqsError> {
    let one_of = |values: &[&str]| if values.contains(&value) { Ok(()) } else { Err(bad_value(name)) };
    match name {
        VISIBILITY | MESSAGE_BYTES | RETENTION | DELAY | WAIT => number(name, Some(value)).map(|_| ()),
        // Read by `Settings::of`.
        POLICY | REDRIVE | REDRIVE_ALLOW => Ok(()),
        // Recorded: standard queues do not have these, not even as false.
        FIFO if value == "false" => Err(unknown(name)),
        FIFO => one_of(&["true"]),
        CONTENT_DEDUP if !is_fifo => Err(unknown(name)),
        CONTENT_DEDUP => one_of(&["true", "false"]),
        DEDUP_SCOPE | THROUGHPUT if !is_fifo => {
            Err(SqsError::AttributeName(format!("You can specify the {name} only when FifoQueue is set to true.")))
        }
        DEDUP_SCOPE => one_of(&["messageGroup", "queue"]),
        THROUGHPUT => one_of(&["perQueue", "perMessageGroupId"]),
        SSE if value == "true" => Err(SqsError::AttributeValue(format!(
            "Invalid value for the parameter {SSE}. Reason: Hearth does not encrypt messages at rest; leave it away."
        ))),
        SSE => one_of(&["false"]),
        KMS_KEY if value.is_empty() => Ok(()),
        KMS_REUSE if value == "300" => Ok(()),
        KMS_KEY | KMS_REUSE => Err(SqsError::AttributeValue(format!(
            "Invalid value for the parameter {name}. Reason: Hearth does not encrypt messages with KMS keys; leave it away."
        ))),
        _ => Err(unknown(name)),
    }
}

/// The attributes that can be set as GetQueueAttributes shows them, defaults too.
pub(crate) fn shown(attributes: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut shown = attributes.clone();
    let mut default = |name: &str, value: String| {
        shown.entry(name.to_owned()).or_insert(value);
    };
    NUMBERS.iter().for_each(|range| default(range.name, range.default.to_string()));
    // What is on the disk is not encrypted, and says so.
    default(SSE, "false".to_owned());
    if attributes.get(FIFO).is_some() {
        default(CONTENT_DEDUP, "false".to_owned());
        default(DEDUP_SCOPE, "queue".to_owned());
        default(THROUGHPUT, "perQueue".to_owned());
    }
    shown.remove(KMS_REUSE);
    shown
}

/// The first attribute that a CreateQueue asks for and that an existing queue has otherwise.
pub(crate) fn difference(existing: &BTreeMap<String, String>, asked: &BTreeMap<String, String>) -> Option<String> {
    let existing = shown(existing);
    let asked = asked.iter().filter(|(name, value)| !(value.is_empty() || *name == KMS_REUSE));
    asked
        .filter(|(name, value)| existing.get(*name).is_none_or(|found| !is_same(found, value)))
        .map(|(name, _)| name.clone())
        .next()
}

/// Documents are compared by what they say.
fn is_same(one: &str, other: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other.trim() || json(one).is_some_and(|one| Some(one) == json(other))
}
