//! Which messages are for the function. Pure.
//!
//! Patterns are about the record as the function would see it, with a body that is JSON taken apart. Source: Lambda
//! developer guide, "Using event filtering with an Amazon SQS event source": a pattern with rules about the body's text
//! never matches a body that is JSON, nor one with rules about its fields a body that is none.

use hearth_event_pattern::{EventPattern, PatternError};
use hearth_ports::ReceivedMessage;
use hearth_types::Arn;
use serde_json::Value;

use crate::event::Record;

/// Any of its patterns is enough; without any, all messages match.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter(Vec<Pattern>);

#[derive(Clone, Debug)]
struct Pattern {
    event: EventPattern,
    /// It has rules about the body as a text.
    is_about_text: bool,
}

impl Filter {
    /// # Errors
    /// One of the texts is no pattern.
    pub(crate) fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let compile = |text: &String| {
            let event = EventPattern::parse(text)?;
            let json: Value = serde_json::from_str(text).unwrap_or_default();
            Ok(Pattern { event, is_about_text: json.get("body").is_some_and(Value::is_array) })
        };
        patterns.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn matches(&self, message: &ReceivedMessage, queue: &Arn) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Ok(mut record) = serde_json::to_value(Record::new(message, queue)) else { return false };
        let body: Option<Value> = serde_json::from_str(&message.body).ok();
        let body = body.filter(|body| body.is_object() || body.is_array());
        let is_json = body.is_some();
        if let Some(body) = body {
            record["body"] = body;
        }
        self.0.iter().any(|pattern| !(pattern.is_about_text && is_json) && pattern.event.matches(&record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{message, queue};

    fn matches(patterns: &[&str], body: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
        Filter::new(&patterns).expect("patterns").matches(&message("m", body), &queue("q"))
    }

    #[test]
    fn a_json_body_is_taken_apart_and_a_text_is_not() {
        let by_field = r#"{"body": {"RequestCode": ["BBBB"]}}"#;
        let by_text = r#"{"body": [{"prefix": "Result: "}]}"#;
        let json = r#"{"RecordNumber": 1234, "RequestCode": "BBBB"}"#;
        for (pattern, body, is_match) in [
            (by_field, json, true),
            (by_field, r#"{"RequestCode": "AAAA"}"#, false),
            (by_field, "RequestCode BBBB", false),
            (by_field, r#""RequestCode""#, false),
            (by_text, "Result: ok", true),
            (by_text, "ok", false),
            (by_text, json, false),
            // Not even what every text is.
            (r#"{"body": [{"exists": false}, {"anything-but": "x"}]}"#, json, false),
            (r#"{"body": [{"anything-but": "x"}]}"#, "y", true),
            // About something else: the body does not matter.
            (r#"{"eventSource": ["aws:sqs"]}"#, "text", true),
            (r#"{"eventSource": ["aws:sqs"]}"#, json, true),
            (r#"{"attributes": {"SenderId": [{"prefix": "AIDA"}]}}"#, "text", true),
            (r#"{"attributes": {"SenderId": [{"prefix": "AROA"}]}}"#, "text", false),
        ] {
            assert_eq!(matches(&[pattern], body), is_match, "{pattern} {body}");
        }
    }

    #[test]
    fn one_of_several_patterns_is_enough_and_none_lets_all_through() {
        let patterns = [r#"{"body": {"a": [1]}}"#, r#"{"body": ["plain"]}"#];
        assert!(matches(&patterns, r#"{"a": 1}"#));
        assert!(matches(&patterns, "plain"));
        assert!(!matches(&patterns, r#"{"a": 2}"#));
        assert!(matches(&[], "anything"));
        assert!(Filter::new(&["{}".to_owned()]).is_err());
    }
}
