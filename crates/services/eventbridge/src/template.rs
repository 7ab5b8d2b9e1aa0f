//! Input templates: `<name>` stands for a value of the event. Pure. Source: EventBridge user guide, "Amazon EventBridge
//! input transformation".
//!
//! Within quotation marks a value is put as text, and what is no text without its own quotation marks; else as JSON, if
//! the template is JSON. A value that the event does not have is an empty text.

use std::borrow::Cow;

use hearth_types::clock;
use serde_json::value::RawValue;

use crate::path;
use crate::target::{InputTransformer, Target};

const RULE_ARN: &str = "aws.events.rule-arn";
const RULE_NAME: &str = "aws.events.rule-name";
const INGESTION_TIME: &str = "aws.events.event.ingestion-time";
const EVENT: &str = "aws.events.event";
const EVENT_JSON: &str = "aws.events.event.json";
/// Names that every template knows.
pub(crate) const RESERVED: [&str; 5] = [RULE_ARN, RULE_NAME, INGESTION_TIME, EVENT, EVENT_JSON];

/// An event for a target.
pub(crate) struct Told<'a> {
    pub(crate) event: &'a str,
    pub(crate) rule_arn: &'a str,
    pub(crate) rule_name: &'a str,
    pub(crate) arrived_ms: i64,
}

/// The names between angle brackets.
pub(crate) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    pieces(template).filter_map(|(_, name)| name)
}

/// Text, and the name behind it.
fn pieces(template: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = Some(template);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let named = text.find('<').and_then(|open| Some((open, open + text[open..].find('>')?)));
        let Some((open, close)) = named else { return Some((text, None)) };
        rest = Some(&text[close + 1..]);
        Some((&text[..open], Some(&text[open + 1..close])))
    })
}

impl Told<'_> {
    /// What the target gets.
    pub(crate) fn to(&self, target: &Target) -> String {
        if let Some(input) = &target.input {
            return input.clone();
        }
        if let Some(path) = &target.input_path {
            let found = path::parse(path).and_then(|steps| path::find(self.event, &steps));
            return found.map_or_else(|| "null".to_owned(), |raw| raw.get().to_owned());
        }
        match &target.input_transformer {
            Some(transformer) => self.render(transformer),
            None => self.event.to_owned(),
        }
    }

    fn render(&self, transformer: &InputTransformer) -> String {
        let template = transformer.input_template.trim();
        let is_json = template.starts_with(['{', '[', '"']);
        let mut rendered = String::with_capacity(template.len() * 2);
        let mut in_quotes = false;
        for (text, name) in pieces(template) {
            in_quotes ^= is_json && has_odd_quotes(text);
            rendered.push_str(text);
            let Some(name) = name else { continue };
            let json = self.value(transformer, name).unwrap_or_else(|| r#""""#.to_owned());
            let is_text = json.starts_with('"');
            match (in_quotes || !is_json, is_text) {
                // As it is written, with its escapes.
                (true, true) if is_json => rendered.push_str(json.get(1..json.len() - 1).unwrap_or_default()),
                (true, true) => rendered.push_str(&serde_json::from_str::<String>(&json).unwrap_or_default()),
                (true, false) if in_quotes => rendered.push_str(&json.replace(['"', '\\'], "")),
                (_, _) => rendered.push_str(&json),
            }
        }
        rendered
    }

    /// JSON.
    fn value(&self, transformer: &InputTransformer, name: &str) -> Option<String> {
        let text = |text: &str| serde_json::to_string(text).ok();
        match name {
            RULE_ARN => text(self.rule_arn),
            RULE_NAME => text(self.rule_name),
            INGESTION_TIME => text(&clock::format_utc(self.arrived_ms, "%Y-%m-%dT%H:%M:%SZ")),
            EVENT_JSON => Some(self.event.to_owned()),
            EVENT => self.without_detail(),
            name => {
                let steps = path::parse(transformer.input_paths_map.get(name)?)?;
                path::find(self.event, &steps).map(|raw| raw.get().to_owned())
            }
        }
    }

    fn without_detail(&self) -> Option<String> {
        let members: Vec<(Cow<'_, str>, &RawValue)> = serde_json::from_str::<Members<'_>>(self.event).ok()?.0;
        let kept = members.iter().filter(|(name, _)| name != "detail");
        let kept: Option<Vec<String>> =
            kept.map(|(name, value)| Some(format!("{}:{}", serde_json::to_string(name).ok()?, value.get()))).collect();
        Some(format!("{{{}}}", kept?.join(",")))
    }
}

/// Whether an odd number of quotation marks is in a text, but for those behind a backslash.
fn has_odd_quotes(text: &str) -> bool {
    let (mut is_odd, mut is_escaped) = (false, false);
    for byte in text.bytes() {
        is_odd ^= byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
    }
    is_odd
}

/// An object's members in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((Cow::Owned(name), value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const EVENT: &str = r#"{"version":"0","id":"7bf73129","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{"instance-id":"i-0123456789","state":"RUNNING","n":5,"quoted":"a \"b\"","deep":{"x":"y","z":[1]}}}"#;

    fn rendered(paths: &[(&str, &str)], template: &str) -> String {
        let paths = paths.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned()));
        let input_paths_map: BTreeMap<String, String> = paths.collect();
        let told = Told { event: EVENT, rule_arn: "arn:r", rule_name: "r", arrived_ms: 0 };
        told.render(&InputTransformer { input_paths_map, input_template: template.to_owned() })
    }

    /// Source: EventBridge user guide, "Input transformer examples".
    #[test]
    fn the_documented_templates_give_the_documented_inputs() {
        let paths = [("instance", "$.detail.instance-id"), ("state", "$.detail.state"), ("deep", "$.detail.deep")];
        let table = [
            (r#""instance <instance> is in <state>""#, r#""instance i-0123456789 is in RUNNING""#),
            (
                r#"{"instance" : "<instance>", "state": "<state>"}"#,
                r#"{"instance" : "i-0123456789", "state": "RUNNING"}"#,
            ),
            (r#"{"instance" : <instance>, "state": <state>}"#, r#"{"instance" : "i-0123456789", "state": "RUNNING"}"#),
            (r#"{"instance" : "my \"<instance>\" text"}"#, r#"{"instance" : "my \"i-0123456789\" text"}"#),
            ("<instance> is in state <state>", "i-0123456789 is in state RUNNING"),
            (r#"{"deep": <deep>}"#, r#"{"deep": {"x":"y","z":[1]}}"#),
            (r#""deep is <deep>""#, r#""deep is {x:y,z:[1]}""#),
        ];
        for (template, expected) in table {
            assert_eq!(rendered(&paths, template), expected, "{template}");
        }
    }

    #[test]
    fn what_the_event_has_not_is_an_empty_text() {
        assert_eq!(rendered(&[("x", "$.detail.x")], r#"{"a": <x>, "b": "-<x>-"}"#), r#"{"a": "", "b": "--"}"#);
    }

    #[test]
    fn numbers_and_escapes_stay_as_they_are() {
        let paths = [("n", "$.detail.n"), ("q", "$.detail.quoted")];
        assert_eq!(
            rendered(&paths, r#"{"n": <n>, "t": "<n>", "q": "<q>", "r": <q>}"#),
            r#"{"n": 5, "t": "5", "q": "a \"b\"", "r": "a \"b\""}"#
        );
        assert_eq!(rendered(&paths, "<q>!"), r#"a "b"!"#);
    }

    #[test]
    fn reserved_names_stand_for_rule_and_event() {
        let template = r#"{"arn": "<aws.events.rule-arn>", "name": <aws.events.rule-name>, "at": <aws.events.event.ingestion-time>, "all": <aws.events.event.json>, "head": <aws.events.event>}"#;
        let found: serde_json::Value = serde_json::from_str(&rendered(&[], template)).expect("JSON");
        assert_eq!((&found["arn"], &found["name"]), (&"arn:r".into(), &"r".into()));
        assert_eq!(found["at"], "1970-01-01T00:00:00Z");
        assert_eq!(
            found["all"].to_string(),
            serde_json::from_str::<serde_json::Value>(EVENT).expect("JSON").to_string()
        );
        assert!(found["head"].get("detail").is_none() && found["head"]["source"] == "aws.ec2");
    }

    #[test]
    fn placeholders_are_what_stands_in_angle_brackets() {
        let names: Vec<&str> = placeholders("a <b> c <d.e> < f").collect();
        assert_eq!(names, ["b", "d.e"]);
    }
}
