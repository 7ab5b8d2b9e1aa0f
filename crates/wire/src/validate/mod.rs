//! The generic validation: one pass over the input, against the constraints of the model, in AWS's exact words.
//!
//! What never lives here: checks a service makes itself, with texts of its own. The texts are recorded from the real
//! services; the tests quote them.

mod render;

use http::StatusCode;

use crate::error::ErrorAnswer;
use crate::model::{Kind, Model, OperationId, Reference, Shape, Structure};
use crate::value::Value;
use render::{bound, render};

/// Violations one answer lists. A hostile list must not make an answer larger than its request.
const VIOLATIONS_MAX: usize = 100;

const NOT_NULL: &str = "Member must not be null";

/// What an operation's service does otherwise.
#[derive(Clone, Debug, Default)]
pub struct Exemptions {
    /// Members that it checks itself, as paths of model names.
    members: Vec<Vec<&'static str>>,
    /// It checks everything itself.
    all: bool,
    /// Its code for a failed validation, if not the protocol's.
    code: Option<&'static str>,
}

impl Exemptions {
    /// `VpcConfig.SubnetIds`
    pub fn add(&mut self, path: &'static str) {
        self.members.push(path.split('.').collect());
    }

    pub(crate) const fn cover_all(&mut self) {
        self.all = true;
    }

    pub(crate) const fn answer_with(&mut self, code: &'static str) {
        self.code = Some(code);
    }

    fn cover(&self, path: &[&str]) -> bool {
        self.members.iter().any(|exempt| exempt.as_slice() == path)
    }
}

/// Checks an operation's input.
///
/// # Errors
/// `ValidationException` (`ValidationError` in query services) that lists every violation.
pub fn validate(
    model: &Model,
    operation: OperationId,
    exemptions: &Exemptions,
    input: &Value,
) -> Result<(), ErrorAnswer> {
    let (Kind::Structure(structure), Value::Map(members)) = (&model.input(operation).kind, input) else {
        return Ok(());
    };
    if exemptions.all {
        return Ok(());
    }
    let mut pass = Pass { model, exemptions, names: Vec::new(), violations: Vec::new() };
    pass.structure(structure, members, "");
    let violations = pass.violations;
    if violations.is_empty() {
        return Ok(());
    }
    let errors = if violations.len() == 1 { "error" } else { "errors" };
    let message = format!("{} validation {errors} detected: {}", violations.len(), violations.join("; "));
    let code = exemptions.code.unwrap_or(model.protocol().validation_code());
    Err(ErrorAnswer::new(code, StatusCode::BAD_REQUEST, message))
}

struct Pass<'a> {
    model: &'a Model,
    exemptions: &'a Exemptions,
    /// Model names down to the member at hand, for exemptions.
    names: Vec<&'a str>,
    violations: Vec<String>,
}

impl<'a> Pass<'a> {
    fn structure(&mut self, structure: &'a Structure, members: &[(String, Value)], path: &str) {
        for member in &structure.members {
            if self.violations.len() >= VIOLATIONS_MAX {
                return;
            }
            self.names.push(&member.name);
            if !self.exemptions.cover(&self.names) {
                let value =
                    members.iter().find(|(name, _)| *name == member.name).map_or(&Value::Null, |(_, value)| value);
                if !value.is_null() {
                    self.value(self.model.shape(member.shape), value, &join(path, &lower_camel(&member.name)));
                } else if member.required {
                    let path = join(path, &lower_camel(&member.name));
                    self.violations.push(format!("Value null at '{path}' failed to satisfy constraint: {NOT_NULL}"));
                }
            }
            self.names.pop();
        }
    }

    fn value(&mut self, shape: &'a Shape, value: &Value, path: &str) {
        let mut violated = constraints(shape);
        violated.retain(|constraint| !constraint.holds(shape, value));
        // Recorded: on its own, a violated pattern is told before a violated length.
        violated.sort_by_key(|constraint| !matches!(constraint, Constraint::Pattern));
        for constraint in violated {
            self.violate(shape, value, path, &constraint.text(shape));
        }
        match (&shape.kind, value) {
            (Kind::Structure(structure), Value::Map(members)) => self.structure(structure, members, path),
            (Kind::List { member, .. }, Value::List(items)) => {
                let element = self.model.shape(member.shape);
                if is_scalar(element) {
                    if items.iter().any(|item| !fits(element, item, shape.sparse)) {
                        let text = format!("Member must satisfy constraint: {}", self.nested(member, !shape.sparse));
                        self.violate(shape, value, path, &text);
                    }
                } else {
                    for (index, item) in items.iter().enumerate() {
                        if self.violations.len() >= VIOLATIONS_MAX {
                            return;
                        }
                        self.value(element, item, &format!("{path}.{}.member", index + 1));
                    }
                }
            }
            (Kind::Map { key, value: element, .. }, Value::Map(entries)) => {
                self.map(shape, value, key, element, entries, path)
            }
            _ => {}
        }
    }

    fn map(
        &mut self,
        shape: &'a Shape,
        value: &Value,
        key: &'a Reference,
        element: &'a Reference,
        entries: &[(String, Value)],
        path: &str,
    ) {
        let key_shape = self.model.shape(key.shape);
        let element_shape = self.model.shape(element.shape);
        let wrong_key =
            |text: &String| constraints(key_shape).iter().any(|c| !c.holds(key_shape, &Value::String(text.clone())));
        if entries.iter().any(|(text, _)| wrong_key(text)) {
            let text = format!("Map keys must satisfy constraint: {}", self.nested(key, false));
            self.violate(shape, value, path, &text);
        }
        if is_scalar(element_shape) {
            if entries.iter().any(|(_, item)| !fits(element_shape, item, shape.sparse)) {
                let text = format!("Map value must satisfy constraint: {}", self.nested(element, !shape.sparse));
                self.violate(shape, value, path, &text);
            }
            return;
        }
        for (text, item) in entries {
            if self.violations.len() >= VIOLATIONS_MAX {
                return;
            }
            self.value(element_shape, item, &format!("{path}.{text}.member"));
        }
    }

    fn violate(&mut self, shape: &Shape, value: &Value, path: &str, text: &str) {
        let shown = render(self.model, shape, value).map(|shown| format!(" '{shown}'")).unwrap_or_default();
        self.violations.push(format!("Value{shown} at '{path}' failed to satisfy constraint: {text}"));
    }

    /// All constraints of an element, violated or not: `[Member must …, Member must not be null]`.
    fn nested(&self, element: &Reference, not_null: bool) -> String {
        let shape = self.model.shape(element.shape);
        let mut texts: Vec<String> = constraints(shape).iter().map(|constraint| constraint.text(shape)).collect();
        texts.extend(not_null.then(|| NOT_NULL.to_owned()));
        format!("[{}]", texts.join(", "))
    }
}

fn is_scalar(shape: &Shape) -> bool {
    !matches!(shape.kind, Kind::Structure(_) | Kind::List { .. } | Kind::Map { .. })
}

fn fits(shape: &Shape, value: &Value, sparse: bool) -> bool {
    if value.is_null() { sparse } else { constraints(shape).iter().all(|constraint| constraint.holds(shape, value)) }
}

/// One thing a model can demand of a value, in the order in which nested texts list them.
#[derive(Clone, Copy)]
enum Constraint {
    Enumeration,
    Max(f64),
    Min(f64),
    Pattern,
}

fn constraints(shape: &Shape) -> Vec<Constraint> {
    let mut all = Vec::new();
    if !shape.enumeration.is_empty() {
        all.push(Constraint::Enumeration);
    }
    all.extend(shape.max.map(Constraint::Max));
    all.extend(shape.min.map(Constraint::Min));
    if shape.pattern.is_some() {
        all.push(Constraint::Pattern);
    }
    all
}

impl Constraint {
    fn holds(self, shape: &Shape, value: &Value) -> bool {
        match (self, value) {
            (Self::Enumeration, Value::String(text)) => shape.enumeration.contains(text),
            (Self::Pattern, Value::String(text)) => shape.pattern.as_ref().is_none_or(|pattern| pattern.matches(text)),
            (Self::Max(max), value) => measure(value).is_none_or(|size| size <= max),
            (Self::Min(min), value) => measure(value).is_none_or(|size| size >= min),
            _ => true,
        }
    }

    fn text(self, shape: &Shape) -> String {
        let (what, is_float) = match shape.kind {
            Kind::Integer | Kind::Long => ("value", false),
            Kind::Float | Kind::Double => ("value", true),
            _ => ("length", false),
        };
        match self {
            Self::Enumeration => format!("Member must satisfy enum value set: [{}]", shape.enumeration.join(", ")),
            Self::Max(max) => format!("Member must have {what} less than or equal to {}", bound(max, is_float)),
            Self::Min(min) => format!("Member must have {what} greater than or equal to {}", bound(min, is_float)),
            Self::Pattern => {
                let text = shape.pattern.as_ref().map_or("", |pattern| &pattern.text);
                format!("Member must satisfy regular expression pattern: {text}")
            }
        }
    }
}

/// What bounds are compared with: a number's value, anything else's length. Text is measured as Java does.
fn measure(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::String(text) if text.is_ascii() => Some(text.len() as f64),
        Value::String(text) => Some(text.encode_utf16().count() as f64),
        Value::Blob(bytes) => Some(bytes.len() as f64),
        Value::List(items) => Some(items.len() as f64),
        Value::Map(entries) => Some(entries.len() as f64),
        Value::Null | Value::Bool(_) | Value::Timestamp(_) => None,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// `FunctionName` → `functionName`; only the first letter changes.
fn lower_camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}
