//! Messages as the function sees them. Pure.
//!
//! Source: Lambda developer guide, "Using Lambda with Amazon SQS" (example events); the members are recorded.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_ports::{AttributeValue, MessageAttribute, ReceivedMessage};
use hearth_types::Arn;
use serde::Serialize;

/// What stands around the records of an event, and between two of them.
pub(crate) const HEAD: &str = r#"{"Records":["#;
pub(crate) const TAIL: &str = "]}";
pub(crate) const COMMA: &str = ",";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: &'a BTreeMap<String, String>,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    md5_of_message_attributes: Option<&'a str>,
    md5_of_body: &'a str,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    aws_region: &'a str,
}

/// SQS has no lists; their members are there all the same.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    string_list_values: [(); 0],
    binary_list_values: [(); 0],
    data_type: &'a str,
}

impl<'a> Record<'a> {
    pub(crate) fn new(message: &'a ReceivedMessage, queue: &'a Arn) -> Self {
        Self {
            message_id: &message.message_id,
            receipt_handle: &message.receipt_handle,
            body: &message.body,
            attributes: &message.system_attributes,
            message_attributes: message
                .attributes
                .iter()
                .map(|(name, value)| (name.as_str(), attribute(value)))
                .collect(),
            md5_of_message_attributes: message.attributes_md5.as_deref(),
            md5_of_body: &message.body_md5,
            event_source: "aws:sqs",
            event_source_arn: queue.to_string(),
            aws_region: &queue.region,
        }
    }
}

fn attribute(attribute: &MessageAttribute) -> Attribute<'_> {
    let (string_value, binary_value) = match &attribute.value {
        AttributeValue::Text(text) => (Some(text.as_str()), None),
        AttributeValue::Binary(bytes) => (None, Some(STANDARD.encode(bytes))),
    };
    let data_type = &attribute.data_type;
    Attribute { string_value, binary_value, string_list_values: [], binary_list_values: [], data_type }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{message, queue};

    fn record(message: &ReceivedMessage) -> Value {
        serde_json::to_value(Record::new(message, &queue("q"))).expect("JSON")
    }

    #[test]
    fn a_record_has_the_members_of_the_real_service_in_its_order() {
        let message = message("19dd0b57-b21e-4ac1-bd88-01bbb068cb78", "Hello from SQS!");
        let text = serde_json::to_string(&Record::new(&message, &queue("q"))).expect("JSON");
        assert_eq!(
            text,
            r#"{"messageId":"19dd0b57-b21e-4ac1-bd88-01bbb068cb78","receiptHandle":"handle of 19dd0b57-b21e-4ac1-bd88-01bbb068cb78","body":"Hello from SQS!","attributes":{"ApproximateFirstReceiveTimestamp":"1523232000001","ApproximateReceiveCount":"1","SenderId":"AIDAIENQZJOLO23YVJ4VO","SentTimestamp":"1523232000000"},"messageAttributes":{},"md5OfMessageAttributes":null,"md5OfBody":"md5","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:q","awsRegion":"us-east-1"}"#
        );
    }

    #[test]
    fn attributes_have_their_type_and_one_of_their_values() {
        let mut message = message("m", "b");
        let mut set = |name: &str, data_type: &str, value| {
            let attribute = MessageAttribute { data_type: data_type.to_owned(), value };
            message.attributes.insert(name.to_owned(), attribute);
        };
        set("text", "String", AttributeValue::Text("v".to_owned()));
        set("count", "Number.int", AttributeValue::Text("7".to_owned()));
        set("raw", "Binary", AttributeValue::Binary(vec![1, 2, 255].into()));
        message.attributes_md5 = Some("digest".to_owned());
        message.system_attributes.insert("MessageGroupId".to_owned(), "g".to_owned());
        let record = record(&message);
        assert_eq!(
            record["messageAttributes"],
            json!({
                "text": {"stringValue": "v", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
                "count": {"stringValue": "7", "stringListValues": [], "binaryListValues": [], "dataType": "Number.int"},
                "raw": {"binaryValue": "AQL/", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
            })
        );
        assert_eq!(record["md5OfMessageAttributes"], "digest");
        assert_eq!(record["attributes"]["MessageGroupId"], "g");
    }
}
