//! Filter policies: which messages a subscription gets. Pure.
//!
//! The language is that of event patterns, about fewer operators: what is allowed is checked here (`check.rs`), what it
//! means is `hearth-event-pattern`'s. Source: SNS developer guide, "Amazon SNS message filtering".

mod check;
mod token;

use hearth_event_pattern::EventPattern;
use serde_json::{Map, Number, Value};

use crate::error::SnsError;
use crate::message::{StoredAttribute, StoredValue};

/// What a policy is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    #[default]
    MessageAttributes,
    MessageBody,
}

impl Scope {
    /// # Errors
    /// [`SnsError::Parameter`].
    pub(crate) fn parse(text: &str) -> Result<Self, SnsError> {
        match text {
            "MessageAttributes" => Ok(Self::MessageAttributes),
            "MessageBody" => Ok(Self::MessageBody),
            _ => Err(SnsError::parameter(format!(
                "FilterPolicyScope: Invalid value [{text}]. Please use either MessageBody or MessageAttributes"
            ))),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    scope: Scope,
    pattern: EventPattern,
}

impl Filter {
    /// `None`: the empty policy, which all messages pass.
    ///
    /// # Errors
    /// [`SnsError::Parameter`] for what is no filter policy.
    pub(crate) fn compile(text: &str, scope: Scope) -> Result<Option<Self>, SnsError> {
        if text.chars().filter(|c| !c.is_ascii_whitespace()).eq("{}".chars()) {
            return Ok(None);
        }
        check::check(text, scope)?;
        let pattern =
            EventPattern::parse(text).map_err(|error| SnsError::parameter(format!("FilterPolicy: {error}")))?;
        Ok(Some(Self { scope, pattern }))
    }

    /// `text`: as the subscription would get it.
    pub(crate) fn accepts(&self, attributes: &[StoredAttribute], text: &str) -> bool {
        match self.scope {
            Scope::MessageAttributes => self.pattern.matches(&as_event(attributes)),
            Scope::MessageBody => {
                serde_json::from_str::<Value>(text).is_ok_and(|body| body.is_object() && self.pattern.matches(&body))
            }
        }
    }
}

/// Binary attributes, and types with labels of one's own, are not looked at.
fn as_event(attributes: &[StoredAttribute]) -> Value {
    let mut event = Map::new();
    for StoredAttribute { name, data_type, value } in attributes {
        let StoredValue::Text(text) = value else { continue };
        let value = match data_type.as_str() {
            "String" => Some(Value::String(text.clone())),
            "String.Array" => serde_json::from_str::<Value>(text).ok().filter(Value::is_array),
            "Number" => number(text).map(Value::Number),
            _ => None,
        };
        event.extend(value.map(|value| (name.clone(), value)));
    }
    Value::Object(event)
}

fn number(text: &str) -> Option<Number> {
    let text = text.trim();
    text.parse::<Number>().ok().or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
}

/// The refusal of an attribute that is no JSON. The places are those the real service's parser names.
pub(crate) fn unreadable(attribute: &str, text: &str, error: &serde_json::Error) -> SnsError {
    let (what, column) = jackson(text).unwrap_or_else(|| (error.to_string(), error.column()));
    SnsError::parameter(format!(
        "{attribute}: failed to parse JSON. {what}\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` \
         disabled); line: {}, column: {column}]",
        error.line()
    ))
}

/// The two refusals that are recorded.
fn jackson(text: &str) -> Option<(String, usize)> {
    let first = text.chars().next()?;
    if first.is_ascii_alphabetic() {
        let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let reason = "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
        return Some((format!("Unrecognized token '{word}': {reason}"), word.chars().count() + 1));
    }
    let second = text.strip_prefix('{')?.chars().next().filter(|c| !c.is_ascii_whitespace() && *c != '"')?;
    let reason = "was expecting double-quote to start field name";
    Some((format!("Unexpected character ('{second}' (code {})): {reason}", u32::from(second)), 2))
}

#[cfg(test)]
mod tests;
