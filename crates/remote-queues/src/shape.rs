//! What goes over the wire, as far as it is used. Source: SQS API reference; names are the API model's.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_ports::{AttributeValue, MessageAttribute, MessageAttributes, OutgoingMessage, ReceivedMessage};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SendMessage<'a> {
    pub(crate) queue_url: &'a str,
    message_body: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<String, Attribute>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_system_attributes: BTreeMap<&'static str, Attribute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_deduplication_id: Option<String>,
}

impl<'a> SendMessage<'a> {
    pub(crate) fn new(queue_url: &'a str, message: OutgoingMessage) -> Self {
        let OutgoingMessage { body, attributes, trace_header, group_id, deduplication_id } = message;
        let trace = trace_header.map(|text| ("AWSTraceHeader", Attribute::text("String", text)));
        Self {
            queue_url,
            message_body: body,
            message_attributes: attributes.into_iter().map(|(name, value)| (name, value.into())).collect(),
            message_system_attributes: trace.into_iter().collect(),
            message_group_id: group_id,
            message_deduplication_id: deduplication_id,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Sent {
    pub(crate) message_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReceiveMessage<'a> {
    pub(crate) queue_url: &'a str,
    pub(crate) max_number_of_messages: u32,
    pub(crate) wait_time_seconds: u32,
    /// The newer and the older name of the same: not every implementation knows both.
    pub(crate) message_system_attribute_names: [&'static str; 1],
    pub(crate) attribute_names: [&'static str; 1],
    pub(crate) message_attribute_names: [&'static str; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Received {
    #[serde(default)]
    pub(crate) messages: Option<Vec<Message>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Message {
    message_id: String,
    receipt_handle: String,
    #[serde(default)]
    body: String,
    #[serde(rename = "MD5OfBody", default)]
    body_md5: String,
    #[serde(default)]
    attributes: Option<BTreeMap<String, String>>,
    #[serde(default)]
    message_attributes: Option<BTreeMap<String, Attribute>>,
    #[serde(rename = "MD5OfMessageAttributes", default)]
    attributes_md5: Option<String>,
}

impl From<Message> for ReceivedMessage {
    fn from(message: Message) -> Self {
        let attributes = message.message_attributes.unwrap_or_default().into_iter();
        let attributes: MessageAttributes =
            attributes.filter_map(|(name, attribute)| Some((name, attribute.known()?))).collect();
        Self {
            message_id: message.message_id,
            receipt_handle: message.receipt_handle,
            body: message.body,
            body_md5: message.body_md5,
            system_attributes: message.attributes.unwrap_or_default(),
            attributes,
            attributes_md5: message.attributes_md5,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attribute {
    data_type: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    string_value: Option<String>,
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    binary_value: Option<String>,
}

impl Attribute {
    fn text(data_type: &str, text: String) -> Self {
        Self { data_type: data_type.to_owned(), string_value: Some(text), binary_value: None }
    }

    fn known(self) -> Option<MessageAttribute> {
        let value = match (self.string_value, self.binary_value) {
            (Some(text), _) => AttributeValue::Text(text),
            (None, Some(text)) => AttributeValue::Binary(Bytes::from(STANDARD.decode(text).ok()?)),
            (None, None) => return None,
        };
        Some(MessageAttribute { data_type: self.data_type, value })
    }
}

impl From<MessageAttribute> for Attribute {
    fn from(attribute: MessageAttribute) -> Self {
        let MessageAttribute { data_type, value } = attribute;
        match value {
            AttributeValue::Text(text) => Self { data_type, string_value: Some(text), binary_value: None },
            AttributeValue::Binary(bytes) => {
                Self { data_type, string_value: None, binary_value: Some(STANDARD.encode(bytes)) }
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Batch<'a> {
    pub(crate) queue_url: &'a str,
    pub(crate) entries: Vec<BatchEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchEntry<'a> {
    pub(crate) id: String,
    pub(crate) receipt_handle: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) visibility_timeout: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchAnswer {
    #[serde(default)]
    pub(crate) failed: Option<Vec<Failed>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Failed {
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: Option<String>,
    pub(crate) sender_fault: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetQueueAttributes<'a> {
    pub(crate) queue_url: &'a str,
    pub(crate) attribute_names: [&'static str; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueueAttributes {
    #[serde(default)]
    pub(crate) attributes: Option<BTreeMap<String, String>>,
}
