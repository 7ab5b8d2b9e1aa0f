//! Messages as ReceiveMessage shows them, with the attributes that were asked for.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::engine::Taken;
use crate::error::SqsError;
use crate::message::{attributes_md5, uuid_text};
use crate::page::{StoredAttribute, StoredMessage, StoredValue};
use crate::queue::Queue;

const SYSTEM_NAMES: [&str; 10] = [
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ShownMessage {
    pub(crate) message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) receipt_handle: Option<String>,
    #[serde(rename = "MD5OfBody")]
    pub(crate) md5_of_body: String,
    pub(crate) body: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    pub(crate) md5_of_message_attributes: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) message_attributes: BTreeMap<String, ShownAttribute>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ShownAttribute {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<Bytes>,
    pub(crate) data_type: String,
}

/// Which attributes are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    system: Vec<String>,
    user: Vec<String>,
}

impl Selection {
    /// # Errors
    /// [`SqsError::AttributeName`].
    pub(crate) fn new(system: Vec<String>, user: Vec<String>) -> Result<Self, SqsError> {
        // `AttributeNames` may name a queue's attributes, too, as its type says; they are none of a message.
        let is_known = |name: &str| SYSTEM_NAMES.contains(&name) || crate::attributes::is_known(name);
        if let Some(name) = system.iter().find(|name| !is_known(name)) {
            return Err(SqsError::AttributeName(format!("Unknown Attribute {name}.")));
        }
        Ok(Self { system, user })
    }

    pub(crate) fn all() -> Self {
        Self { system: vec!["All".to_owned()], user: vec!["All".to_owned()] }
    }

    fn wants_system(&self, name: &str) -> bool {
        self.system.iter().any(|wanted| wanted == "All" || wanted == name)
    }

    /// Source: SQS API reference, ReceiveMessage, MessageAttributeNames.
    fn wants_user(&self, name: &str) -> bool {
        self.user.iter().any(|wanted| match wanted.as_str() {
            "All" | ".*" => true,
            wanted => wanted == name || wanted.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix)),
        })
    }
}

/// A message that was taken; without a handle when it is only looked at.
pub(crate) fn message(
    queue: &Queue,
    taken: &Taken,
    stored: &StoredMessage<'_>,
    selection: &Selection,
    with_handle: bool,
) -> ShownMessage {
    let wanted: Vec<StoredAttribute<'_>> =
        stored.attributes.iter().filter(|attribute| selection.wants_user(attribute.name)).cloned().collect();
    let attributes_md5 =
        if wanted.len() == stored.attributes.len() { stored.attributes_md5 } else { attributes_md5(&wanted) };
    ShownMessage {
        message_id: uuid_text(&stored.id),
        receipt_handle: with_handle.then(|| queue.receipts.handle(taken.key, taken.seen.nonce)),
        md5_of_body: hex::encode(stored.body_md5),
        body: stored.body.to_owned(),
        attributes: system(taken, stored, |name| selection.wants_system(name)),
        md5_of_message_attributes: attributes_md5.map(hex::encode),
        message_attributes: wanted.iter().map(|attribute| (attribute.name.to_owned(), shown(attribute))).collect(),
    }
}

/// System attributes by name.
pub(crate) fn system(
    taken: &Taken,
    stored: &StoredMessage<'_>,
    wants: impl Fn(&str) -> bool,
) -> BTreeMap<&'static str, String> {
    let mut attributes = BTreeMap::new();
    let mut set = |name: &'static str, value: Option<String>| {
        if let Some(value) = value.filter(|_| wants(name)) {
            attributes.insert(name, value);
        }
    };
    let seen = taken.seen;
    let is_fifo = stored.dedup_id.is_some();
    set("SenderId", Some(stored.sender_id.to_owned()));
    set("SentTimestamp", Some(stored.sent_at_ms.to_string()));
    set("ApproximateReceiveCount", Some(seen.receives.to_string()));
    let first = (seen.first_received_at_ms != 0).then(|| seen.first_received_at_ms.to_string());
    set("ApproximateFirstReceiveTimestamp", first);
    set("SequenceNumber", is_fifo.then(|| Queue::sequence_number(taken.key)));
    set("MessageDeduplicationId", stored.dedup_id.map(str::to_owned));
    set("MessageGroupId", stored.group.map(str::to_owned));
    set("AWSTraceHeader", stored.trace_header.map(str::to_owned));
    set("DeadLetterQueueSourceArn", stored.dead_letter_source.map(str::to_owned));
    attributes
}

fn shown(attribute: &StoredAttribute<'_>) -> ShownAttribute {
    let (string_value, binary_value) = match attribute.value {
        StoredValue::Text(text) => (Some(text.to_owned()), None),
        StoredValue::Binary(bytes) => (None, Some(Bytes::copy_from_slice(bytes))),
    };
    ShownAttribute { string_value, binary_value, data_type: attribute.data_type.to_owned() }
}
