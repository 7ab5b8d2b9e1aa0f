//! A comparison of one value: an operator and what stands to its right.

use super::PatternError;
use super::cursor::Cursor;
use super::regex::Regex;

#[derive(Debug)]
pub(super) struct Comparison {
    operator: Operator,
    operand: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer ones first: they begin like others.
const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

#[derive(Debug)]
enum Operand {
    Number { number: f64, text: String },
    Glob(Glob),
    Regex(Regex),
}

impl Comparison {
    /// Reads operator and operand; `belongs` says which characters an operand without quotes may have.
    pub(super) fn parse(cursor: &mut Cursor<'_>, belongs: impl Fn(char) -> bool) -> Result<Self, PatternError> {
        let operator = OPERATORS.iter().find(|(text, _)| cursor.take(text));
        let operator = operator.ok_or_else(|| cursor.unexpected())?.1;
        cursor.skip_spaces();
        let operand = match cursor.peek() {
            Some('"') => Operand::Glob(Glob::new(&cursor.quoted()?)),
            Some('%') => Operand::Regex(cursor.regex()?),
            _ => match cursor.take_while(belongs) {
                "" => return Err(cursor.unexpected()),
                text => match number(text) {
                    Some(number) => Operand::Number { number, text: text.to_owned() },
                    None => Operand::Glob(Glob::new(text)),
                },
            },
        };
        let is_order = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if is_order && !matches!(operand, Operand::Number { .. }) {
            return Err(PatternError::Malformed);
        }
        Ok(Self { operator, operand })
    }

    /// Compares with a value's text.
    pub(super) fn holds(&self, text: &str) -> bool {
        match (&self.operand, self.operator) {
            (Operand::Number { number: wanted, text: written }, operator) => match (number(text), operator) {
                (Some(found), Operator::Equal) => found == *wanted,
                (Some(found), Operator::NotEqual) => found != *wanted,
                (Some(found), Operator::Less) => found < *wanted,
                (Some(found), Operator::LessOrEqual) => found <= *wanted,
                (Some(found), Operator::Greater) => found > *wanted,
                (Some(found), Operator::GreaterOrEqual) => found >= *wanted,
                (None, operator) => operator == Operator::NotEqual && text != written,
            },
            (Operand::Glob(glob), operator) => glob.matches(text) == (operator == Operator::Equal),
            (Operand::Regex(regex), operator) => regex.is_match(text) == (operator == Operator::Equal),
        }
    }

    /// `= "*"`: anything, whatever it is.
    pub(super) fn is_anything(&self) -> bool {
        let is_star = matches!(&self.operand, Operand::Glob(glob) if glob.is_star());
        self.operator == Operator::Equal && is_star
    }
}

/// What a person would call a number: neither `inf` nor `nan`.
fn number(text: &str) -> Option<f64> {
    let is_numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if is_numeric { text.parse().ok() } else { None }
}

/// Text in which `*` stands for any characters. It takes one pass over the value.
#[derive(Debug)]
struct Glob {
    parts: Vec<String>,
}

impl Glob {
    fn new(text: &str) -> Self {
        Self { parts: text.split('*').map(str::to_owned).collect() }
    }

    fn is_star(&self) -> bool {
        self.parts.len() > 1 && self.parts.iter().all(String::is_empty)
    }

    fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}
