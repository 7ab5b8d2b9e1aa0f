//! From the tree of an expression to its value.

use std::collections::{HashMap, HashSet};

use super::function::call;
use super::{Expression, Line, Operator, Points, Value};
use crate::read::Window;

/// What expressions of one request may name, and what has been calculated already.
pub(crate) struct Evaluation<'q> {
    /// The metrics, by id, in the order of the request.
    pub(crate) metrics: Vec<Line>,
    /// The expressions, by id.
    pub(crate) expressions: HashMap<String, (&'q Expression, String)>,
    pub(crate) window: Window,
    pub(crate) done: HashMap<String, Value>,
    /// Under way: who needs one of these needs itself.
    pub(crate) open: HashSet<String>,
}

/// # Errors
/// What is wrong with it, for its author.
pub(crate) fn evaluate(evaluation: &mut Evaluation<'_>, expression: &Expression) -> Result<Value, String> {
    match expression {
        Expression::Number(number) => Ok(Value::Number(*number)),
        Expression::Text(text) => Ok(Value::Text(text.clone())),
        Expression::Name(name) => evaluation.named(name),
        Expression::List(items) => {
            let mut lines = Vec::new();
            for item in items {
                match evaluate(evaluation, item)? {
                    Value::Line(line) => lines.push(line),
                    Value::Lines(some) => lines.extend(some),
                    Value::Number(_) | Value::Text(_) => return Err("an array holds time series only".to_owned()),
                }
            }
            Ok(Value::Lines(lines))
        }
        Expression::Negation(inner) => {
            let inner = evaluate(evaluation, inner)?;
            operate(Operator::Subtract, Value::Number(0.0), inner)
        }
        Expression::Operation(operator, left, right) => {
            let left = evaluate(evaluation, left)?;
            operate(*operator, left, evaluate(evaluation, right)?)
        }
        Expression::Call(name, arguments) => {
            let mut values = Vec::with_capacity(arguments.len());
            for argument in arguments {
                values.push(match argument {
                    // A word, unless it is an id.
                    Expression::Name(word) if !evaluation.knows(word) => Value::Text(word.clone()),
                    argument => evaluate(evaluation, argument)?,
                });
            }
            call(name, values, evaluation)
        }
    }
}

impl Evaluation<'_> {
    fn knows(&self, id: &str) -> bool {
        self.expressions.contains_key(id) || self.metrics.iter().any(|line| line.id == id)
    }

    /// The value of a query of the request.
    ///
    /// # Errors
    /// There is none of that id, or it needs itself.
    pub(crate) fn named(&mut self, id: &str) -> Result<Value, String> {
        if let Some(line) = self.metrics.iter().find(|line| line.id == id) {
            return Ok(Value::Line(line.clone()));
        }
        if let Some(value) = self.done.get(id) {
            return Ok(value.clone());
        }
        let Some((expression, label)) = self.expressions.get(id).cloned() else {
            return Err(format!("there is no query with the id '{id}'"));
        };
        if !self.open.insert(id.to_owned()) {
            return Err(format!("'{id}' needs itself"));
        }
        let mut value = evaluate(self, expression)?;
        self.open.remove(id);
        if let Value::Line(line) = &mut value {
            line.id = id.to_owned();
            line.label = label;
        }
        self.done.insert(id.to_owned(), value.clone());
        Ok(value)
    }
}

/// Numbers with each point, lines at the moments that both have.
fn operate(operator: Operator, left: Value, right: Value) -> Result<Value, String> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            operator.of(left, right).map(Value::Number).ok_or_else(|| "it divides by zero".to_owned())
        }
        (Value::Line(line), Value::Number(number)) => Ok(Value::Line(map(line, |point| operator.of(point, number)))),
        (Value::Number(number), Value::Line(line)) => Ok(Value::Line(map(line, |point| operator.of(number, point)))),
        (Value::Line(left), Value::Line(right)) => Ok(Value::Line(join(left, &right, operator))),
        (Value::Lines(lines), Value::Number(number)) => {
            let each = |line| map(line, |point| operator.of(point, number));
            Ok(Value::Lines(lines.into_iter().map(each).collect()))
        }
        (Value::Number(number), Value::Lines(lines)) => {
            let each = |line| map(line, |point| operator.of(number, point));
            Ok(Value::Lines(lines.into_iter().map(each).collect()))
        }
        (Value::Lines(lines), Value::Line(right)) => {
            Ok(Value::Lines(lines.into_iter().map(|left| join(left, &right, operator)).collect()))
        }
        (Value::Line(left), Value::Lines(lines)) => {
            Ok(Value::Lines(lines.iter().map(|right| join(left.clone(), right, operator)).collect()))
        }
        (Value::Lines(_), Value::Lines(_)) => Err("two arrays cannot be calculated with each other".to_owned()),
        (Value::Text(text), _) | (_, Value::Text(text)) => Err(format!("'{text}' is no number")),
    }
}

pub(super) fn map(line: Line, mut change: impl FnMut(f64) -> Option<f64>) -> Line {
    let points = line.points.iter().filter_map(|(at, point)| Some((*at, change(*point)?))).collect();
    Line { points, ..line }
}

fn join(left: Line, right: &Line, operator: Operator) -> Line {
    let both = |(at, left): (&i64, &f64)| Some((*at, operator.of(*left, *right.points.get(at)?)?));
    let points: Points = left.points.iter().filter_map(both).collect();
    Line { points, period_s: left.period_s.max(right.period_s), ..left }
}
