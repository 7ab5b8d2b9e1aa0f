//! What a subscriber gets: the notification as queues get it, and as functions do. Pure.
//!
//! Source: SNS developer guide, "Parsing Amazon SNS message formats", "Verifying the signatures of Amazon SNS messages";
//! Lambda developer guide, "Using Lambda with Amazon SNS".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::message::{StoredAttribute, StoredValue};

/// SHA-256 with RSA; version 1 is SHA-1, which nobody should trust any more.
pub(crate) const SIGNATURE_VERSION: &str = "2";

/// What is signed: names and values, each on a line of its own.
fn lines<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    pairs.into_iter().fold(String::new(), |text, (name, value)| text + name + "\n" + value + "\n")
}

/// What is signed of a notification: the same for all that get the same text.
pub(crate) fn to_be_signed(
    text: &str,
    message_id: &str,
    subject: Option<&str>,
    timestamp: &str,
    topic: &str,
) -> String {
    let subject = subject.map(|subject| ("Subject", subject));
    let before = [("Message", text), ("MessageId", message_id)];
    let behind = [("Timestamp", timestamp), ("TopicArn", topic), ("Type", "Notification")];
    lines(before.into_iter().chain(subject).chain(behind))
}

/// In the layout of the real service, which some consumers compare; values are JSON already.
fn laid_out(lines: Vec<(&str, String)>) -> String {
    let lines: Vec<String> = lines.into_iter().map(|(name, value)| format!("  \"{name}\" : {value}")).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A message that asks an endpoint's owner for a confirmation.
pub(crate) struct Request<'a> {
    /// `Type`.
    pub(crate) kind: &'a str,
    pub(crate) message_id: &'a str,
    pub(crate) token: &'a str,
    pub(crate) topic_arn: &'a str,
    pub(crate) text: &'a str,
    pub(crate) subscribe_url: &'a str,
    /// ISO 8601 with milliseconds.
    pub(crate) timestamp: &'a str,
}

impl Request<'_> {
    pub(crate) fn to_be_signed(&self) -> String {
        lines([
            ("Message", self.text),
            ("MessageId", self.message_id),
            ("SubscribeURL", self.subscribe_url),
            ("Timestamp", self.timestamp),
            ("Token", self.token),
            ("TopicArn", self.topic_arn),
            ("Type", self.kind),
        ])
    }

    pub(crate) fn document(&self, signature: &str, certificate_url: &str) -> String {
        laid_out(vec![
            ("Type", quoted(self.kind)),
            ("MessageId", quoted(self.message_id)),
            ("Token", quoted(self.token)),
            ("TopicArn", quoted(self.topic_arn)),
            ("Message", quoted(self.text)),
            ("SubscribeURL", quoted(self.subscribe_url)),
            ("Timestamp", quoted(self.timestamp)),
            ("SignatureVersion", quoted(SIGNATURE_VERSION)),
            ("Signature", quoted(signature)),
            ("SigningCertURL", quoted(certificate_url)),
        ])
    }
}

/// A notification on its way to one subscription.
pub(crate) struct Envelope<'a> {
    pub(crate) message_id: &'a str,
    /// Of messages of FIFO topics.
    pub(crate) number: Option<u64>,
    pub(crate) topic_arn: &'a str,
    pub(crate) subscription_arn: &'a str,
    /// Scheme and authority.
    pub(crate) base_url: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) text: &'a str,
    /// ISO 8601 with milliseconds.
    pub(crate) timestamp: &'a str,
    pub(crate) attributes: &'a [StoredAttribute],
    /// Base64.
    pub(crate) signature: &'a str,
    pub(crate) certificate_url: &'a str,
}

impl Envelope<'_> {
    /// The body of a queue's message, and of a request to an HTTP endpoint.
    pub(crate) fn for_queue(&self) -> String {
        let mut lines = vec![("Type", quoted("Notification")), ("MessageId", quoted(self.message_id))];
        lines.extend(self.number.map(|number| ("SequenceNumber", quoted(&number.to_string()))));
        lines.push(("TopicArn", quoted(self.topic_arn)));
        lines.extend(self.subject.map(|subject| ("Subject", quoted(subject))));
        lines.extend([
            ("Message", quoted(self.text)),
            ("Timestamp", quoted(self.timestamp)),
            ("SignatureVersion", quoted(SIGNATURE_VERSION)),
            ("Signature", quoted(self.signature)),
            ("SigningCertURL", quoted(self.certificate_url)),
            ("UnsubscribeURL", quoted(&self.unsubscribe_url())),
        ]);
        if !self.attributes.is_empty() {
            let attributes: Vec<String> = self
                .attributes
                .iter()
                .map(|attribute| {
                    let (data_type, value) = (quoted(&attribute.data_type), quoted(&shown(&attribute.value)));
                    format!("    {} : {{\"Type\":{data_type},\"Value\":{value}}}", quoted(&attribute.name))
                })
                .collect();
            lines.push(("MessageAttributes", format!("{{\n{}\n  }}", attributes.join(",\n"))));
        }
        laid_out(lines)
    }

    /// A function's event.
    pub(crate) fn for_function(&self) -> String {
        let attributes: Map<String, Value> = self
            .attributes
            .iter()
            .map(|StoredAttribute { name, data_type, value }| {
                (name.clone(), json!({ "Type": data_type, "Value": shown(value) }))
            })
            .collect();
        json!({
            "Records": [{
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": self.subscription_arn,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": self.message_id,
                    "TopicArn": self.topic_arn,
                    "Subject": self.subject,
                    "Message": self.text,
                    "Timestamp": self.timestamp,
                    "SignatureVersion": SIGNATURE_VERSION,
                    "Signature": self.signature,
                    "SigningCertUrl": self.certificate_url,
                    "UnsubscribeUrl": self.unsubscribe_url(),
                    "MessageAttributes": attributes,
                },
            }],
        })
        .to_string()
    }

    /// As the real service's, and the version of the API behind it: of all services here, only one has that.
    fn unsubscribe_url(&self) -> String {
        let (base_url, arn) = (self.base_url, self.subscription_arn);
        format!("{base_url}/?Action=Unsubscribe&SubscriptionArn={arn}&Version=2010-03-31")
    }
}

fn shown(value: &StoredValue) -> String {
    match value {
        StoredValue::Text(text) => text.clone(),
        StoredValue::Binary(bytes) => STANDARD.encode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> [StoredAttribute; 3] {
        let text = |text: &str| StoredValue::Text(text.to_owned());
        let attribute = |name: &str, data_type: &str, value| StoredAttribute {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            value,
        };
        [
            attribute("n", "Number", text("1.5")),
            attribute("raw", "Binary", StoredValue::Binary(vec![0, 255].into())),
            attribute("s", "String", text("a\"b")),
        ]
    }

    fn plain() -> Envelope<'static> {
        Envelope {
            message_id: "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            number: None,
            topic_arn: "arn:aws:sns:us-west-2:123456789012:MyTopic",
            subscription_arn: "arn:aws:sns:us-west-2:123456789012:MyTopic:c9135db0-26c4-47ec-8998-413945fb5a96",
            base_url: "http://localhost:4566",
            subject: None,
            text: "Hello\nworld!",
            timestamp: "2012-05-02T00:54:06.655Z",
            attributes: &[],
            signature: "EXAMPLE",
            certificate_url: "http://localhost:4566/SimpleNotificationService-1.pem",
        }
    }

    /// The layout of both strings is the developer guide's, "Verifying the signatures of Amazon SNS messages".
    #[test]
    fn what_is_signed_is_the_documented_members_in_their_order() {
        let signed = to_be_signed("My Test Message", "4d4dc071", Some("My subject"), "2019-01-31T04:37:04.321Z", "arn");
        let expected = "Message\nMy Test Message\nMessageId\n4d4dc071\nSubject\nMy subject\nTimestamp\n\
                        2019-01-31T04:37:04.321Z\nTopicArn\narn\nType\nNotification\n";
        assert_eq!(signed, expected);
        assert!(!to_be_signed("m", "i", None, "t", "a").contains("Subject"));
        let request = Request {
            kind: "SubscriptionConfirmation",
            message_id: "i",
            token: "k",
            topic_arn: "a",
            text: "m",
            subscribe_url: "u",
            timestamp: "t",
        };
        let expected = "Message\nm\nMessageId\ni\nSubscribeURL\nu\nTimestamp\nt\nToken\nk\nTopicArn\na\nType\n\
                        SubscriptionConfirmation\n";
        assert_eq!(request.to_be_signed(), expected);
    }

    const UNSUBSCRIBE: &str = "http://localhost:4566/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-west-2:123456789012:\
                               MyTopic:c9135db0-26c4-47ec-8998-413945fb5a96&Version=2010-03-31";

    /// The layout is the developer guide's.
    #[test]
    fn a_queue_gets_the_documented_document() {
        let expected = format!(
            r#"{{
  "Type" : "Notification",
  "MessageId" : "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
  "TopicArn" : "arn:aws:sns:us-west-2:123456789012:MyTopic",
  "Subject" : "My First Message",
  "Message" : "Hello\nworld!",
  "Timestamp" : "2012-05-02T00:54:06.655Z",
  "SignatureVersion" : "2",
  "Signature" : "EXAMPLE",
  "SigningCertURL" : "http://localhost:4566/SimpleNotificationService-1.pem",
  "UnsubscribeURL" : "{UNSUBSCRIBE}"
}}"#
        );
        assert_eq!(Envelope { subject: Some("My First Message"), ..plain() }.for_queue(), expected);
        let without = plain().for_queue();
        assert!(!without.contains("Subject\"") && !without.contains("MessageAttributes"), "{without}");
    }

    #[test]
    fn attributes_are_told_by_type_and_value() {
        let expected = json!({
            "n": { "Type": "Number", "Value": "1.5" },
            "raw": { "Type": "Binary", "Value": "AP8=" },
            "s": { "Type": "String", "Value": "a\"b" },
        });
        let attributes = attributes();
        let envelope = Envelope { attributes: &attributes, ..plain() };
        let queue: Value = serde_json::from_str(&envelope.for_queue()).expect("JSON");
        assert_eq!(queue["MessageAttributes"], expected);
        let event: Value = serde_json::from_str(&envelope.for_function()).expect("JSON");
        assert_eq!(event["Records"][0]["Sns"]["MessageAttributes"], expected);
    }

    #[test]
    fn a_function_gets_one_record_with_urls_in_its_own_spelling() {
        let event: Value = serde_json::from_str(&plain().for_function()).expect("JSON");
        let expected = json!({ "Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": "arn:aws:sns:us-west-2:123456789012:MyTopic:c9135db0-26c4-47ec-8998-413945fb5a96",
            "Sns": {
                "Type": "Notification",
                "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
                "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
                "Subject": null,
                "Message": "Hello\nworld!",
                "Timestamp": "2012-05-02T00:54:06.655Z",
                "SignatureVersion": "2",
                "Signature": "EXAMPLE",
                "SigningCertUrl": "http://localhost:4566/SimpleNotificationService-1.pem",
                "UnsubscribeUrl": UNSUBSCRIBE,
                "MessageAttributes": {},
            },
        }]});
        assert_eq!(event, expected);
    }
}
