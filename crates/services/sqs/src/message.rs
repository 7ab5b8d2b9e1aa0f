//! A message as it comes in: what it may be, its digests, and what is stored of it.
//! Source: SQS API reference, SendMessage; developer guide, "Amazon SQS message attributes".

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use serde::Deserialize;

use crate::attributes::Settings;
use crate::engine::DedupKey;
use crate::error::SqsError;
use crate::limits::{ATTRIBUTE_NAME_MAX, DELAY_S_MAX, MESSAGE_ATTRIBUTES_MAX};
use crate::page::{StoredAttribute, StoredValue};

/// A value of a message attribute, as requests carry it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct AttributeInput {
    pub(crate) string_value: Option<String>,
    pub(crate) binary_value: Option<Bytes>,
    string_list_values: Vec<String>,
    binary_list_values: Vec<Bytes>,
    pub(crate) data_type: Option<String>,
}

impl AttributeInput {
    pub(crate) fn text(data_type: String, text: String) -> Self {
        Self { string_value: Some(text), data_type: Some(data_type), ..Self::default() }
    }

    pub(crate) fn binary(data_type: String, bytes: Bytes) -> Self {
        Self { binary_value: Some(bytes), data_type: Some(data_type), ..Self::default() }
    }
}

pub(crate) type AttributesInput = BTreeMap<String, AttributeInput>;

/// A message that somebody wants to send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) body: Option<String>,
    pub(crate) delay_s: Option<i64>,
    pub(crate) attributes: AttributesInput,
    pub(crate) system_attributes: AttributesInput,
    pub(crate) dedup_id: Option<String>,
    pub(crate) group_id: Option<String>,
}

/// A message that may be sent, with its digests.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    pub(crate) body: &'a str,
    pub(crate) body_md5: [u8; 16],
    pub(crate) attributes: Vec<StoredAttribute<'a>>,
    pub(crate) attributes_md5: Option<[u8; 16]>,
    pub(crate) trace_header: Option<&'a str>,
    pub(crate) system_md5: Option<[u8; 16]>,
    pub(crate) delay_s: u32,
    pub(crate) group: Option<&'a str>,
    pub(crate) dedup_id: Option<Cow<'a, str>>,
    pub(crate) dedup: Option<DedupKey>,
}

/// A trace header is some hundred characters long; what is longer is none.
const TRACE_BYTES_MAX: usize = 1_024;

impl<'a> Checked<'a> {
    /// With the trace header of the request, where the message brings none: SDKs in functions send that one. Source: X-Ray
    /// developer guide, "Amazon SQS and AWS X-Ray".
    pub(crate) fn traced(self, of_request: Option<&'a str>) -> Self {
        let of_request = of_request.filter(|header| header.len() <= TRACE_BYTES_MAX);
        Self { trace_header: self.trace_header.or(of_request), ..self }
    }
}

impl Outgoing {
    /// # Errors
    /// What is wrong with it, in the words of the real service.
    pub(crate) fn check(&self, settings: &Settings) -> Result<Checked<'_>, SqsError> {
        let body = self.body.as_deref().filter(|body| !body.is_empty()).ok_or(SqsError::Missing("MessageBody"))?;
        if !is_valid_text(body) {
            return Err(SqsError::MessageContents);
        }
        let attributes = stored(&self.attributes)?;
        let bytes = body.len() + attributes.iter().map(attribute_bytes).sum::<usize>();
        if bytes > settings.message_bytes_max {
            return Err(too_long(settings.message_bytes_max));
        }
        let (group, dedup_id) = self.ids(settings, body)?;
        let dedup = dedup_id.as_deref().map(|id| dedup_key(id, group.filter(|_| settings.dedup_by_group)));
        let (trace_header, system_md5) = self.trace_header()?;
        Ok(Checked {
            body,
            body_md5: Md5::digest(body.as_bytes()).into(),
            attributes_md5: attributes_md5(&attributes),
            attributes,
            trace_header,
            system_md5,
            delay_s: self.delay(settings)?,
            group,
            dedup_id,
            dedup,
        })
    }

    /// Body and attributes, whatever they are.
    pub(crate) fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, input)| {
            let text = [&input.data_type, &input.string_value].into_iter().flatten().map(String::len).sum::<usize>();
            name.len() + text + input.binary_value.as_ref().map_or(0, Bytes::len)
        });
        self.body.as_deref().map_or(0, str::len) + attributes.sum::<usize>()
    }

    fn delay(&self, settings: &Settings) -> Result<u32, SqsError> {
        match self.delay_s {
            None => Ok(settings.delay_s),
            // FIFO queues delay all messages alike.
            Some(delay) if settings.is_fifo && delay != 0 => Err(SqsError::queue_type(delay, "DelaySeconds")),
            Some(_) if settings.is_fifo => Ok(settings.delay_s),
            Some(delay) if (0..=DELAY_S_MAX).contains(&delay) => Ok(delay as u32),
            Some(delay) => Err(SqsError::value(delay, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")),
        }
    }

    /// Message group and deduplication id.
    fn ids(&self, settings: &Settings, body: &str) -> Result<(Option<&str>, Option<Cow<'_, str>>), SqsError> {
        let group = self.group_id.as_deref();
        if let Some(group) = group {
            check_id("MessageGroupId", group)?;
        }
        if let Some(id) = &self.dedup_id {
            check_id("MessageDeduplicationId", id)?;
        }
        if !settings.is_fifo {
            return match &self.dedup_id {
                Some(id) => Err(SqsError::queue_type(id, "MessageDeduplicationId")),
                None => Ok((group, None)),
            };
        }
        if group.is_none() {
            return Err(SqsError::Missing("MessageGroupId"));
        }
        let id = match &self.dedup_id {
            Some(id) => Cow::Borrowed(id.as_str()),
            None if settings.content_dedup => {
                Cow::Owned(hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes())))
            }
            None => {
                return Err(SqsError::invalid(
                    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                     explicitly",
                ));
            }
        };
        Ok((group, Some(id)))
    }

    /// The only system attribute that can be sent.
    fn trace_header(&self) -> Result<(Option<&str>, Option<[u8; 16]>), SqsError> {
        if let Some(name) = self.system_attributes.keys().find(|name| *name != "AWSTraceHeader") {
            return Err(SqsError::invalid(format!(
                "Message system attribute name '{name}' is invalid. Reason: Only AWSTraceHeader can be sent."
            )));
        }
        let stored = stored(&self.system_attributes)?;
        match stored.first() {
            None => Ok((None, None)),
            Some(StoredAttribute { value: StoredValue::Text(text), data_type: "String", .. }) => {
                Ok((Some(*text), attributes_md5(&stored)))
            }
            Some(_) => {
                Err(SqsError::invalid("The message system attribute 'AWSTraceHeader' must be of type 'String'."))
            }
        }
    }
}

pub(crate) fn too_long(max: usize) -> SqsError {
    SqsError::invalid(format!("One or more parameters are invalid. Reason: Message must be shorter than {max} bytes."))
}

/// # Errors
/// [`SqsError::Invalid`].
pub(crate) fn check_id(parameter: &str, id: &str) -> Result<(), SqsError> {
    let is_valid = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_valid {
        return Ok(());
    }
    let reason = format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
    Err(SqsError::value(id, parameter, &reason))
}

/// Source: as above, MessageBody.
fn is_valid_text(text: &str) -> bool {
    text.bytes().all(|byte| byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r'))
        && !text.contains(['\u{fffe}', '\u{ffff}'])
}

fn attribute_bytes(attribute: &StoredAttribute<'_>) -> usize {
    attribute.name.len() + attribute.data_type.len() + value_bytes(attribute.value).len()
}

fn value_bytes(value: StoredValue<'_>) -> &[u8] {
    match value {
        StoredValue::Text(text) => text.as_bytes(),
        StoredValue::Binary(bytes) => bytes,
    }
}

/// Attributes in the order of their names.
fn stored(attributes: &AttributesInput) -> Result<Vec<StoredAttribute<'_>>, SqsError> {
    if attributes.len() > MESSAGE_ATTRIBUTES_MAX {
        return Err(SqsError::invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{MESSAGE_ATTRIBUTES_MAX}].",
            attributes.len()
        )));
    }
    attributes.iter().map(|(name, input)| stored_attribute(name, input)).collect()
}

fn stored_attribute<'a>(name: &'a str, input: &'a AttributeInput) -> Result<StoredAttribute<'a>, SqsError> {
    check_attribute_name(name)?;
    if !input.string_list_values.is_empty() || !input.binary_list_values.is_empty() {
        return Err(SqsError::Unsupported(
            "Message attribute list values in SendMessage operation are not supported.".to_owned(),
        ));
    }
    let data_type = input.data_type.as_deref().unwrap_or_default();
    if data_type.is_empty() {
        return Err(SqsError::invalid(format!(
            "The message attribute '{name}' must contain a non-empty message attribute type."
        )));
    }
    let kind = data_type.split('.').next().unwrap_or_default();
    if !["String", "Number", "Binary"].contains(&kind) || data_type.len() > ATTRIBUTE_NAME_MAX {
        return Err(SqsError::invalid(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
        )));
    }
    let empty = || {
        SqsError::invalid(format!("Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."))
    };
    let value = if kind == "Binary" {
        let bytes = input.binary_value.as_deref().filter(|bytes| !bytes.is_empty()).ok_or_else(empty)?;
        if input.string_value.is_some() {
            return Err(mixed(name));
        }
        StoredValue::Binary(bytes)
    } else {
        let text = input.string_value.as_deref().filter(|text| !text.is_empty()).ok_or_else(empty)?;
        if input.binary_value.is_some() {
            return Err(mixed(name));
        }
        if !is_valid_text(text) {
            return Err(SqsError::MessageContents);
        }
        if kind == "Number" && !text.trim().parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(SqsError::invalid(format!(
                "Can't cast the value of message (user) attribute '{name}' to a number."
            )));
        }
        StoredValue::Text(text)
    };
    Ok(StoredAttribute { name, data_type, value })
}

fn mixed(name: &str) -> SqsError {
    SqsError::invalid(format!(
        "Message (user) attribute '{name}' has more than one value: give StringValue or BinaryValue, as its type says."
    ))
}

fn check_attribute_name(name: &str) -> Result<(), SqsError> {
    let lower = name.to_ascii_lowercase();
    let is_valid = (1..=ATTRIBUTE_NAME_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.");
    if is_valid { Ok(()) } else { Err(SqsError::invalid(format!("Invalid attribute name '{name}'."))) }
}

/// The digest that clients check. Source: developer guide, "Calculating the MD5 message digest for message attributes".
pub(crate) fn attributes_md5(sorted: &[StoredAttribute<'_>]) -> Option<[u8; 16]> {
    if sorted.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    let mut part = |bytes: &[u8], kind: Option<u8>| {
        if let Some(kind) = kind {
            digest.update([kind]);
        }
        digest.update((bytes.len() as u32).to_be_bytes());
        digest.update(bytes);
    };
    for attribute in sorted {
        part(attribute.name.as_bytes(), None);
        part(attribute.data_type.as_bytes(), None);
        let kind = match attribute.value {
            StoredValue::Text(_) => 1,
            StoredValue::Binary(_) => 2,
        };
        part(value_bytes(attribute.value), Some(kind));
    }
    Some(digest.finalize().into())
}

fn dedup_key(id: &str, group: Option<&str>) -> DedupKey {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    if let Some(group) = group {
        digest.update(group.as_bytes());
    }
    // No id has this byte.
    digest.update(&[0]);
    digest.update(id.as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&digest.finish().as_ref()[..16]);
    DedupKey(key)
}

/// The usual text of a UUID.
pub(crate) fn uuid_text(id: &[u8; 16]) -> String {
    let text = hex::encode(id);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
