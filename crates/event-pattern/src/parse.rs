//! From JSON to a compiled pattern.

use serde_json::{Map, Value};

use crate::rule::{Bound, Cidr, Range, Rule};
use crate::text::{TextRule, Wildcard};
use crate::{Fields, Node, PatternError};

/// Source: EventBridge user guide, "Numeric matching".
const NUMBER_MAX: f64 = 5.0e9;

type Parsed<T> = Result<T, PatternError>;

fn wrong<T>(text: impl Into<String>) -> Parsed<T> {
    Err(PatternError(text.into()))
}

pub(crate) fn fields(pattern: &Value) -> Parsed<Fields> {
    let Value::Object(members) = pattern else { return wrong("a pattern is a JSON object") };
    if members.is_empty() {
        return wrong("empty objects are not allowed");
    }
    let mut fields = Fields::default();
    for (name, value) in members {
        match value {
            Value::Array(alternatives) if name == "$or" => fields.alternatives.push(self::alternatives(alternatives)?),
            Value::Array(rules) => fields.named.push((name.clone(), Node::Rules(self::rules(name, rules)?))),
            Value::Object(_) => fields.named.push((name.clone(), Node::Fields(self::fields(value)?))),
            _ => return wrong(format!("{name} must be an object or an array")),
        }
    }
    Ok(fields)
}

fn alternatives(alternatives: &[Value]) -> Parsed<Vec<Fields>> {
    if alternatives.len() < 2 {
        return wrong("$or needs two alternatives at least");
    }
    alternatives.iter().map(fields).collect()
}

fn rules(name: &str, rules: &[Value]) -> Parsed<Vec<Rule>> {
    if rules.is_empty() {
        return wrong(format!("{name} is an empty array"));
    }
    rules.iter().map(|value| rule(name, value)).collect()
}

fn rule(name: &str, value: &Value) -> Parsed<Rule> {
    match value {
        Value::Object(members) => operator(members),
        Value::Array(_) => wrong(format!("{name} has an array within an array")),
        scalar => Ok(Rule::Exact(scalar.clone())),
    }
}

fn operator(members: &Map<String, Value>) -> Parsed<Rule> {
    let mut members = members.iter();
    let (Some((name, operand)), None) = (members.next(), members.next()) else {
        return wrong("a rule that is an object has one operator");
    };
    match name.as_str() {
        "anything-but" => anything_but(operand),
        "numeric" => numeric(operand).map(Rule::Numeric),
        "exists" => match operand {
            Value::Bool(wanted) => Ok(Rule::Exists(*wanted)),
            _ => wrong("exists is true or false"),
        },
        "cidr" => match operand.as_str().and_then(Cidr::parse) {
            Some(cidr) => Ok(Rule::Cidr(cidr)),
            None => wrong("cidr is a block of addresses such as 10.0.0.0/24"),
        },
        operator => text_rule(operator, operand).map(Rule::Text),
    }
}

fn text_rule(operator: &str, operand: &Value) -> Parsed<TextRule> {
    match (operator, operand) {
        ("prefix", Value::String(text)) => Ok(TextRule::Prefix { text: text.clone() }),
        ("suffix", Value::String(text)) => Ok(TextRule::Suffix { text: text.clone() }),
        ("prefix", operand) => Ok(TextRule::PrefixIgnoringCase { lower: ignoring_case(operand)? }),
        ("suffix", operand) => Ok(TextRule::SuffixIgnoringCase { lower: ignoring_case(operand)? }),
        ("equals-ignore-case", Value::String(text)) => Ok(TextRule::Equals { lower: text.to_lowercase() }),
        ("wildcard", Value::String(text)) => match Wildcard::parse(text) {
            Some(wildcard) => Ok(TextRule::Wildcard(wildcard)),
            None => wrong("a wildcard has no two stars in a row, and a backslash before stars and backslashes only"),
        },
        ("equals-ignore-case" | "wildcard", _) => wrong(format!("{operator} needs a text")),
        _ => wrong(format!("there is no operator {operator}")),
    }
}

/// `{"equals-ignore-case": "text"}` behind `prefix` or `suffix`.
fn ignoring_case(operand: &Value) -> Parsed<String> {
    match operand.as_object().filter(|members| members.len() == 1).and_then(|members| members.get("equals-ignore-case"))
    {
        Some(Value::String(text)) => Ok(text.to_lowercase()),
        _ => wrong("prefix and suffix need a text"),
    }
}

fn anything_but(operand: &Value) -> Parsed<Rule> {
    match operand {
        Value::String(_) | Value::Number(_) => Ok(Rule::AnythingBut(vec![operand.clone()])),
        Value::Array(list) => {
            let is_of_one_kind = list.iter().all(Value::is_string) || list.iter().all(Value::is_number);
            if list.is_empty() || !is_of_one_kind {
                return wrong("anything-but takes a list of texts or a list of numbers");
            }
            Ok(Rule::AnythingBut(list.clone()))
        }
        Value::Object(members) => {
            let mut members = members.iter();
            let (Some((operator, operand)), None) = (members.next(), members.next()) else {
                return wrong("anything-but takes one operator");
            };
            let operands = match operand {
                Value::Array(list) if !list.is_empty() => list.as_slice(),
                operand => std::slice::from_ref(operand),
            };
            let rules = operands.iter().map(|operand| text_rule(operator, operand));
            rules.collect::<Parsed<_>>().map(Rule::AnythingButText)
        }
        _ => wrong("anything-but takes texts, numbers or an operator"),
    }
}

/// `["=", 5]`, `[">", 0]`, `["<=", 5]` or a lower and an upper bound.
fn numeric(operand: &Value) -> Parsed<Range> {
    let Some(parts) = operand.as_array().filter(|parts| matches!(parts.len(), 2 | 4)) else {
        return wrong("numeric takes one or two comparisons");
    };
    let mut range = Range::default();
    for pair in parts.chunks(2) {
        let (Some(comparison), Some(value)) = (pair[0].as_str(), pair[1].as_f64()) else {
            return wrong("a comparison is an operator and a number");
        };
        if value.abs() > NUMBER_MAX {
            return wrong(format!("numbers are between -{NUMBER_MAX:e} and {NUMBER_MAX:e}"));
        }
        let bound = Some(Bound { value, is_included: comparison.ends_with('=') });
        match comparison {
            "=" if parts.len() == 2 => range = Range { low: bound, high: bound },
            ">" | ">=" if range == Range::default() => range.low = bound,
            "<" | "<=" if range.high.is_none() => range.high = bound,
            _ => return wrong(format!("{comparison} has no place there")),
        }
    }
    match range {
        Range { low: Some(low), high: Some(high) } if parts.len() == 4 && low.value >= high.value => {
            wrong("the lower bound must be below the upper one")
        }
        Range { low: None, .. } if parts.len() == 4 => wrong("a range has a lower bound first"),
        range => Ok(range),
    }
}
