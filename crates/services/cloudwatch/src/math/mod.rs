//! Metric math: expressions over time series. Pure. Source: CloudWatch user guide, "Using math expressions with CloudWatch
//! metrics".
//!
//! What is not known here (SEARCH, ANOMALY_DETECTION_BAND, Metrics Insights queries …) is refused by name.

mod evaluate;
mod function;
mod parse;

use std::collections::BTreeMap;

pub(crate) use evaluate::Evaluation;
#[cfg(test)]
use evaluate::evaluate;
pub(crate) use parse::parse;

/// Points by the second at which they begin.
pub(crate) type Points = BTreeMap<i64, f64>;

/// One time series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) period_s: i64,
    pub(crate) points: Points,
}

/// What an expression is worth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Line(Line),
    Lines(Vec<Line>),
    /// A word to a function: `REPEAT`, or a part of an id.
    Text(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Number(f64),
    Text(String),
    /// An id, or a word to a function.
    Name(String),
    List(Vec<Expression>),
    Negation(Box<Expression>),
    Operation(Operator, Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

impl Operator {
    /// `None`: there is no such number, and so no point.
    fn of(self, left: f64, right: f64) -> Option<f64> {
        let truth = |flag: bool| Some(f64::from(u8::from(flag)));
        let number = match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Power => left.powf(right),
            Self::Equal => return truth(left == right),
            Self::NotEqual => return truth(left != right),
            Self::Less => return truth(left < right),
            Self::LessOrEqual => return truth(left <= right),
            Self::Greater => return truth(left > right),
            Self::GreaterOrEqual => return truth(left >= right),
            Self::And => return truth(left != 0.0 && right != 0.0),
            Self::Or => return truth(left != 0.0 || right != 0.0),
        };
        number.is_finite().then_some(number)
    }
}

#[cfg(test)]
mod tests;
