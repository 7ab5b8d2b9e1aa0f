//! `{ … }`: conditions on the properties of an event that is JSON.

use serde_json::Value;

use super::PatternError;
use super::compare::Comparison;
use super::cursor::Cursor;

/// Parentheses in parentheses.
const DEPTH_MAX: usize = 32;

#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Test(Selector, Test),
}

#[derive(Debug)]
pub(super) struct Selector {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Property(String),
    Element(usize),
    /// Any property or element.
    Any,
}

#[derive(Debug)]
pub(super) enum Test {
    Compare(Comparison),
    IsNull,
    Is(bool),
    Exists,
    NotExists,
}

impl Condition {
    pub(super) fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(event)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(event)),
            Self::Test(selector, test) => {
                let found = selector.find(event);
                match test {
                    Test::NotExists => found.is_empty(),
                    test => found.into_iter().any(|value| test.holds(value)),
                }
            }
        }
    }

    pub(super) fn extract(&self, event: &Value) -> Vec<(String, String)> {
        match self {
            Self::All(conditions) | Self::Any(conditions) => {
                conditions.iter().flat_map(|condition| condition.extract(event)).collect()
            }
            Self::Test(selector, _) => {
                let value = selector.find(event).first().map(|value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                value.map(|value| (selector.text.clone(), value)).into_iter().collect()
            }
        }
    }
}

impl Selector {
    fn find<'v>(&self, event: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![event];
        for step in &self.steps {
            found = found
                .into_iter()
                .flat_map(|value| match (step, value) {
                    (Step::Property(name), value) => value.get(name).into_iter().collect::<Vec<_>>(),
                    (Step::Element(at), value) => value.get(at).into_iter().collect(),
                    (Step::Any, Value::Array(items)) => items.iter().collect(),
                    (Step::Any, Value::Object(members)) => members.values().collect(),
                    (Step::Any, _) => Vec::new(),
                })
                .collect();
        }
        found
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Compare(comparison), Value::String(text)) => comparison.holds(text),
            (Self::Compare(comparison), Value::Number(number)) => comparison.holds(&number.to_string()),
            (Self::Compare(comparison), Value::Bool(flag)) => comparison.holds(if *flag { "true" } else { "false" }),
            (Self::Compare(comparison), Value::Array(_) | Value::Object(_)) => comparison.is_anything(),
            (Self::Compare(_), Value::Null) => false,
            (Self::IsNull, value) => value.is_null(),
            (Self::Is(wanted), value) => value.as_bool() == Some(*wanted),
            (Self::Exists, _) => true,
            (Self::NotExists, _) => false,
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Condition, PatternError> {
    let mut cursor = Cursor::new(text);
    cursor.demand("{")?;
    let condition = any(&mut cursor, 0)?;
    cursor.demand("}")?;
    cursor.skip_spaces();
    if cursor.is_at_end() { Ok(condition) } else { Err(cursor.unexpected()) }
}

/// Conditions with `||` between them; `&&` binds closer.
fn any(cursor: &mut Cursor<'_>, depth: usize) -> Result<Condition, PatternError> {
    let mut conditions = vec![all(cursor, depth)?];
    while cursor.take("||") {
        conditions.push(all(cursor, depth)?);
    }
    Ok(if conditions.len() == 1 { conditions.remove(0) } else { Condition::Any(conditions) })
}

fn all(cursor: &mut Cursor<'_>, depth: usize) -> Result<Condition, PatternError> {
    let mut conditions = vec![one(cursor, depth)?];
    while cursor.take("&&") {
        conditions.push(one(cursor, depth)?);
    }
    Ok(if conditions.len() == 1 { conditions.remove(0) } else { Condition::All(conditions) })
}

fn one(cursor: &mut Cursor<'_>, depth: usize) -> Result<Condition, PatternError> {
    if depth > DEPTH_MAX {
        return Err(PatternError::Malformed);
    }
    cursor.skip_spaces();
    let condition = if cursor.take("(") {
        let condition = any(cursor, depth + 1)?;
        cursor.demand(")")?;
        condition
    } else {
        let selector = selector(cursor)?;
        cursor.skip_spaces();
        Condition::Test(selector, test(cursor)?)
    };
    cursor.skip_spaces();
    Ok(condition)
}

fn selector(cursor: &mut Cursor<'_>) -> Result<Selector, PatternError> {
    cursor.demand("$")?;
    let (mut text, mut steps) = ("$".to_owned(), Vec::new());
    loop {
        if cursor.take(".") {
            text.push('.');
            if cursor.take("*") {
                text.push('*');
                steps.push(Step::Any);
                continue;
            }
            let name = cursor.take_while(|c| c.is_alphanumeric() || c == '_' || c == '-');
            if name.is_empty() {
                return Err(cursor.unexpected());
            }
            text.push_str(name);
            steps.push(Step::Property(name.to_owned()));
        } else if cursor.take("[") {
            let index = cursor.take_while(|c| c.is_ascii_digit());
            if index.is_empty() {
                cursor.demand("*")?;
                text.push_str("[*]");
                steps.push(Step::Any);
            } else {
                text.push_str(&format!("[{index}]"));
                steps.push(Step::Element(index.parse().map_err(|_| PatternError::Malformed)?));
            }
            cursor.demand("]")?;
        } else if steps.is_empty() {
            return Err(cursor.unexpected());
        } else {
            return Ok(Selector { text, steps });
        }
    }
}

fn test(cursor: &mut Cursor<'_>) -> Result<Test, PatternError> {
    if cursor.take_word("IS") {
        cursor.skip_spaces();
        let values = [("NULL", Test::IsNull), ("TRUE", Test::Is(true)), ("FALSE", Test::Is(false))];
        let found = values.into_iter().find(|(word, _)| cursor.take_word(word));
        return found.map(|(_, test)| test).ok_or_else(|| cursor.unexpected());
    }
    if cursor.take_word("NOT") {
        cursor.skip_spaces();
        return if cursor.take_word("EXISTS") { Ok(Test::NotExists) } else { Err(cursor.unexpected()) };
    }
    if cursor.take_word("EXISTS") {
        return Ok(Test::Exists);
    }
    let belongs = |c: char| !c.is_whitespace() && !"(){}&|\"%=<>!".contains(c);
    Comparison::parse(cursor, belongs).map(Test::Compare)
}
