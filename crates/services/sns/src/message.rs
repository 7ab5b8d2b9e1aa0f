//! A message as it comes in: what it may be, and what is kept of it until it is delivered.
//! Source: SNS API reference, Publish; SNS developer guide, "Amazon SNS message attributes"; texts as recorded.

use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_ports::{AttributeValue, MessageAttribute, MessageAttributes};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::SnsError;
use crate::fifo::content_id;
use crate::limits::{ATTRIBUTE_NAME_MAX, DEDUPLICATION_ID_MAX, GROUP_ID_MAX, MESSAGE_BYTES_MAX, SUBJECT_MAX};

/// A message attribute, as requests carry it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct AttributeInput {
    data_type: Option<String>,
    string_value: Option<String>,
    binary_value: Option<Bytes>,
}

impl From<MessageAttribute> for AttributeInput {
    fn from(attribute: MessageAttribute) -> Self {
        let (string_value, binary_value) = match attribute.value {
            AttributeValue::Text(text) => (Some(text), None),
            AttributeValue::Binary(bytes) => (None, Some(bytes)),
        };
        Self { data_type: Some(attribute.data_type), string_value, binary_value }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredValue {
    Text(String),
    Binary(Bytes),
}

/// A message attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredAttribute {
    pub(crate) name: String,
    pub(crate) data_type: String,
    pub(crate) value: StoredValue,
}

/// As a queue takes them.
pub(crate) fn handed_on(attributes: &[StoredAttribute]) -> MessageAttributes {
    let attributes = attributes.iter().map(|StoredAttribute { name, data_type, value }| {
        let value = match value {
            StoredValue::Text(text) => AttributeValue::Text(text.clone()),
            StoredValue::Binary(bytes) => AttributeValue::Binary(bytes.clone()),
        };
        (name.clone(), MessageAttribute { data_type: data_type.clone(), value })
    });
    attributes.collect()
}

/// A message that somebody wants to publish.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Outgoing {
    pub(crate) message: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) message_structure: Option<String>,
    pub(crate) message_attributes: BTreeMap<String, AttributeInput>,
    pub(crate) message_deduplication_id: Option<String>,
    pub(crate) message_group_id: Option<String>,
}

/// A message that may be published.
#[derive(Debug)]
pub(crate) struct Checked {
    text: Text,
    pub(crate) subject: Option<String>,
    /// In the order of their names.
    pub(crate) attributes: Vec<StoredAttribute>,
    pub(crate) group_id: Option<String>,
    /// Of FIFO topics.
    pub(crate) deduplication_id: Option<String>,
}

/// What a topic wants to know of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    None,
    /// FIFO; `by_content`: messages need not tell their deduplication id.
    Fifo {
        by_content: bool,
    },
}

#[derive(Debug)]
enum Text {
    ForAll(String),
    /// `MessageStructure` `json`; there is one for `default`.
    ByProtocol(BTreeMap<String, String>),
}

impl Checked {
    /// What subscriptions of that protocol get.
    pub(crate) fn text_for(&self, protocol: &str) -> &str {
        match &self.text {
            Text::ForAll(text) => text,
            Text::ByProtocol(texts) => {
                texts.get(protocol).or_else(|| texts.get("default")).map(String::as_str).unwrap_or_default()
            }
        }
    }
}

impl Outgoing {
    /// Message and attributes, whatever they are.
    pub(crate) fn bytes(&self) -> usize {
        let attributes = self.message_attributes.iter().map(|(name, input)| {
            let text = [&input.data_type, &input.string_value].into_iter().flatten().map(String::len).sum::<usize>();
            name.len() + text + input.binary_value.as_ref().map_or(0, Bytes::len)
        });
        self.message.as_deref().map_or(0, str::len) + attributes.sum::<usize>()
    }

    /// Whether it says what the topic's order asks for; texts as recorded.
    ///
    /// # Errors
    /// [`SnsError::Parameter`].
    pub(crate) fn check_order(&self, order: Order) -> Result<(), SnsError> {
        let (group_id, deduplication_id) = (&self.message_group_id, &self.message_deduplication_id);
        match order {
            Order::None if deduplication_id.is_some() => Err(SnsError::parameter(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid \
                 for this topic type",
            )),
            Order::Fifo { .. } if group_id.is_none() => {
                Err(SnsError::parameter("The MessageGroupId parameter is required for FIFO topics"))
            }
            Order::Fifo { by_content: false } if deduplication_id.is_none() => Err(SnsError::parameter(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                 explicitly",
            )),
            Order::None | Order::Fifo { .. } => Ok(()),
        }
    }

    /// `place`: where the message stands in the request.
    ///
    /// # Errors
    /// What is wrong with it, in the words of the real service.
    pub(crate) fn check(self, order: Order, place: &str) -> Result<Checked, SnsError> {
        let (bytes, order_kept) = (self.bytes(), self.check_order(order));
        let message = self.message.ok_or_else(|| SnsError::Null(format!("{place}message")))?;
        if message.is_empty() {
            return Err(SnsError::parameter("Empty message"));
        }
        if bytes > MESSAGE_BYTES_MAX {
            return Err(SnsError::parameter("Message too long"));
        }
        if self.subject.as_deref().is_some_and(|subject| !is_subject(subject)) {
            return Err(SnsError::parameter("Subject"));
        }
        order_kept?;
        if self.message_group_id.as_deref().is_some_and(|id| !is_id(id, GROUP_ID_MAX)) {
            return Err(SnsError::parameter("MessageGroupId"));
        }
        if self.message_deduplication_id.as_deref().is_some_and(|id| !is_id(id, DEDUPLICATION_ID_MAX)) {
            return Err(SnsError::parameter("MessageDeduplicationId"));
        }
        let deduplication_id = match order {
            Order::None => None,
            Order::Fifo { .. } => Some(self.message_deduplication_id.unwrap_or_else(|| content_id(&message))),
        };
        let text = match self.message_structure.as_deref() {
            None | Some("") => Text::ForAll(message),
            Some("json") => Text::ByProtocol(by_protocol(&message)?),
            Some(_) => return Err(SnsError::parameter("MessageStructure")),
        };
        let attributes = self.message_attributes.into_iter().map(|(name, input)| stored(name, input, place));
        let attributes = attributes.collect::<Result<_, _>>()?;
        Ok(Checked { text, subject: self.subject, attributes, group_id: self.message_group_id, deduplication_id })
    }
}

/// Source: SNS API reference, Publish, Subject.
fn is_subject(text: &str) -> bool {
    (1..=SUBJECT_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_id(id: &str, max: usize) -> bool {
    (1..=max).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn by_protocol(message: &str) -> Result<BTreeMap<String, String>, SnsError> {
    let Ok(Value::Object(members)) = serde_json::from_str(message) else {
        return Err(SnsError::parameter("Message Structure - JSON message body failed to parse"));
    };
    let texts: BTreeMap<String, String> = members
        .into_iter()
        .filter_map(|(protocol, text)| match text {
            Value::String(text) => Some((protocol, text)),
            _ => None,
        })
        .collect();
    if !texts.contains_key("default") {
        return Err(SnsError::parameter("Message Structure - No default entry in JSON message body"));
    }
    Ok(texts)
}

fn refuse<T>(text: impl Into<String>) -> Result<T, SnsError> {
    Err(SnsError::ParameterValue(text.into()))
}

fn stored(name: String, input: AttributeInput, place: &str) -> Result<StoredAttribute, SnsError> {
    check_name(&name)?;
    let Some(data_type) = input.data_type else {
        return Err(SnsError::Null(format!("{place}messageAttributes.{name}.member.dataType")));
    };
    let about = format!("The message attribute '{name}'");
    let kind = data_type.split('.').next().unwrap_or_default();
    if !["String", "Number", "Binary"].contains(&kind) {
        return refuse(format!(
            "{about} has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and \
             String."
        ));
    }
    let text = input.string_value.filter(|text| !text.is_empty());
    let bytes = input.binary_value.filter(|bytes| !bytes.is_empty());
    let value = match (kind, text, bytes) {
        (_, None, None) => {
            return refuse(format!(
                "{about} must contain non-empty message attribute value for message attribute type '{data_type}'."
            ));
        }
        ("Binary", None, Some(bytes)) => StoredValue::Binary(bytes),
        ("Binary", Some(_), _) => return refuse(format!("{about} with type '{data_type}' must use field 'Binary'.")),
        (_, _, Some(_)) => return refuse(format!("{about} with type '{data_type}' must use field 'String'.")),
        ("Number", Some(text), None) if !text.trim().parse::<f64>().is_ok_and(f64::is_finite) => {
            return refuse(format!("Could not cast message attribute '{name}' value to number."));
        }
        (_, Some(text), None) => StoredValue::Text(text),
    };
    Ok(StoredAttribute { name, data_type, value })
}

fn check_name(name: &str) -> Result<(), SnsError> {
    if name.len() > ATTRIBUTE_NAME_MAX {
        return refuse("Length of message attribute name must be less than 256 bytes.");
    }
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(odd) = name.chars().find(|c| !is_allowed(c)) {
        return refuse(format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only include \
             alphanumeric characters, hyphens, underscores, or dots.",
            u32::from(odd)
        ));
    }
    if name.is_empty() {
        return refuse("Message attribute name can not be empty.");
    }
    if name.starts_with('.') {
        return refuse("Invalid message attribute name starting with character '.' was found.");
    }
    if name.ends_with('.') {
        return refuse("Invalid message attribute name ending with character '.' was found.");
    }
    if name.contains("..") {
        return refuse("Message attribute name can not have successive '.' character.");
    }
    Ok(())
}
