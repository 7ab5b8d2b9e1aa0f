//! Event patterns: which JSON events a rule of EventBridge, or a filter of an event source mapping, is about. Pure.
//!
//! A pattern is compiled once and then asked about any number of events. Source of the language: EventBridge user guide,
//! "Creating event patterns" and "Comparison operators for use in event patterns".
//!
//! What never lives here: where patterns are kept, and what becomes of events.

mod fault;
mod index;
mod parse;
mod reader;
mod rule;
mod text;

use serde_json::Value;

use crate::rule::Rule;

pub use fault::{Fault, PatternError, Place};
pub use index::PatternIndex;
pub use text::Operator;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct EventPattern(Fields);

/// All of these must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields {
    pub(crate) named: Vec<(String, Node)>,
    /// Of each `$or`: one of its alternatives must hold.
    pub(crate) alternatives: Vec<Vec<Fields>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Fields(Fields),
    /// One of these must hold.
    Rules(Vec<Rule>),
}

impl EventPattern {
    /// # Errors
    /// [`PatternError`] when the text is no JSON or no pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        parse::pattern(text).map(Self)
    }

    /// # Errors
    /// [`PatternError`] when the value is no pattern.
    pub fn from_json(pattern: &Value) -> Result<Self, PatternError> {
        Self::parse(&pattern.to_string())
    }

    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        self.0.match_value(Some(event))
    }
}

impl Fields {
    /// What is an array matches by one of its elements alone. What is no object has no fields.
    fn match_value(&self, value: Option<&Value>) -> bool {
        match value {
            Some(Value::Array(elements)) if !elements.is_empty() => {
                elements.iter().any(|element| self.match_value(Some(element)))
            }
            value => {
                self.named.iter().all(|(name, node)| node.match_value(value.and_then(|value| value.get(name))))
                    && self.alternatives.iter().all(|any| any.iter().any(|fields| fields.match_value(value)))
            }
        }
    }
}

impl Node {
    fn match_value(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Fields(fields) => fields.match_value(value),
            Self::Rules(rules) => {
                let mut leaves = Vec::new();
                collect_leaves(value, &mut leaves);
                rules.iter().any(|rule| rule.matches(&leaves))
            }
        }
    }
}

/// The scalars at a place: of an array its elements, however deep in further arrays. An object is no leaf.
fn collect_leaves<'a>(value: Option<&'a Value>, leaves: &mut Vec<&'a Value>) {
    match value {
        None | Some(Value::Object(_)) => {}
        Some(Value::Array(elements)) => elements.iter().for_each(|element| collect_leaves(Some(element), leaves)),
        Some(scalar) => leaves.push(scalar),
    }
}

#[cfg(test)]
mod tests;
