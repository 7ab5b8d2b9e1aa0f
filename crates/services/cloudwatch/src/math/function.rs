//! The functions of expressions.

use super::evaluate::map;
use super::{Evaluation, Line, Points, Value};

/// # Errors
/// What is wrong with the call, for its author.
pub(super) fn call(name: &str, mut arguments: Vec<Value>, evaluation: &Evaluation<'_>) -> Result<Value, String> {
    let wrong = || format!("{name} does not take these arguments");
    let mut take = || if arguments.is_empty() { None } else { Some(arguments.remove(0)) };
    let value = match name {
        "ABS" => each(take().ok_or_else(wrong)?, |line| map(line, |point| Some(point.abs())))?,
        "CEIL" => each(take().ok_or_else(wrong)?, |line| map(line, |point| Some(point.ceil())))?,
        "FLOOR" => each(take().ok_or_else(wrong)?, |line| map(line, |point| Some(point.floor())))?,
        "DIFF" => each(take().ok_or_else(wrong)?, |line| between(line, |_, before, after| after - before))?,
        "RATE" => {
            each(take().ok_or_else(wrong)?, |line| between(line, |seconds, before, after| (after - before) / seconds))?
        }
        "RUNNING_SUM" => each(take().ok_or_else(wrong)?, |line| {
            let mut sum = 0.0;
            map(line, |point| {
                sum += point;
                Some(sum)
            })
        })?,
        "SUM" => fold(take().ok_or_else(wrong)?, |points| points.iter().sum())?,
        "AVG" => fold(take().ok_or_else(wrong)?, |points| points.iter().sum::<f64>() / points.len() as f64)?,
        "MIN" => fold(take().ok_or_else(wrong)?, |points| points.iter().copied().fold(f64::INFINITY, f64::min))?,
        "MAX" => fold(take().ok_or_else(wrong)?, |points| points.iter().copied().fold(f64::NEG_INFINITY, f64::max))?,
        "PERIOD" => match take() {
            Some(Value::Line(line)) => Value::Number(line.period_s as f64),
            _ => return Err(wrong()),
        },
        "METRICS" => {
            let part = match take() {
                None => String::new(),
                Some(Value::Text(part)) => part,
                Some(_) => return Err(wrong()),
            };
            let named = evaluation.metrics.iter().filter(|line| line.id.contains(&part));
            Value::Lines(named.cloned().collect())
        }
        "FILL" => {
            let (Some(what), Some(with)) = (take(), take()) else { return Err(wrong()) };
            let filling = Filling::read(with).ok_or_else(wrong)?;
            each(what, |line| fill(line, &filling, evaluation))?
        }
        "IF" => {
            let (Some(condition), Some(then)) = (take(), take()) else { return Err(wrong()) };
            choose(condition, &then, take().as_ref()).ok_or_else(wrong)?
        }
        other => return Err(format!("the function {other} is not supported by Hearth")),
    };
    if arguments.is_empty() { Ok(value) } else { Err(wrong()) }
}

fn each(value: Value, mut change: impl FnMut(Line) -> Line) -> Result<Value, String> {
    match value {
        Value::Line(line) => Ok(Value::Line(change(line))),
        Value::Lines(lines) => Ok(Value::Lines(lines.into_iter().map(change).collect())),
        Value::Number(_) | Value::Text(_) => Err("a time series is needed".to_owned()),
    }
}

/// One line to a number; several to one line, at each moment that any of them has.
fn fold(value: Value, combine: impl Fn(&[f64]) -> f64) -> Result<Value, String> {
    match value {
        Value::Line(line) => {
            let points: Vec<f64> = line.points.into_values().collect();
            // Of nothing there is neither a mean nor an end.
            Ok(Value::Number(if points.is_empty() { 0.0 } else { combine(&points) }))
        }
        Value::Lines(lines) => {
            let mut all: std::collections::BTreeMap<i64, Vec<f64>> = Default::default();
            for line in &lines {
                line.points.iter().for_each(|(at, point)| all.entry(*at).or_default().push(*point));
            }
            let points = all.into_iter().map(|(at, points)| (at, combine(&points))).collect();
            let period_s = lines.iter().map(|line| line.period_s).max().unwrap_or(60);
            Ok(Value::Line(Line { points, period_s, ..Line::default() }))
        }
        Value::Number(_) | Value::Text(_) => Err("a time series is needed".to_owned()),
    }
}

/// Each point but the first, from the one before it, and the seconds between them.
fn between(line: Line, of: impl Fn(f64, f64, f64) -> f64) -> Line {
    let behind = line.points.iter().skip(1);
    let pairs = line.points.iter().zip(behind);
    let points: Points =
        pairs.map(|((then, before), (at, after))| (*at, of((at - then) as f64, *before, *after))).collect();
    Line { points, ..line }
}

enum Filling {
    Number(f64),
    /// The last one that is known.
    Repeat,
    /// On the straight line between two that are known.
    Linear,
    /// As another line has it.
    Line(Line),
}

impl Filling {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => Some(Self::Number(number)),
            Value::Text(word) if word == "REPEAT" => Some(Self::Repeat),
            Value::Text(word) if word == "LINEAR" => Some(Self::Linear),
            Value::Line(line) => Some(Self::Line(line)),
            Value::Text(_) | Value::Lines(_) => None,
        }
    }
}

/// The moments of the request that a line has no point at. A line without any point stays so, unless a number fills it.
fn fill(line: Line, filling: &Filling, evaluation: &Evaluation<'_>) -> Line {
    let window = evaluation.window;
    let mut points = line.points.clone();
    let period_s = line.period_s.max(1);
    let mut at = window.start_s;
    while at < window.end_s {
        if !line.points.contains_key(&at) {
            let before = line.points.range(..at).next_back();
            let after = line.points.range(at..).next();
            let filled = match filling {
                Filling::Number(number) => Some(*number),
                Filling::Repeat => before.map(|(_, point)| *point),
                Filling::Linear => before.zip(after).map(|((then, from), (later, to))| {
                    from + (to - from) * ((at - then) as f64 / (later - then) as f64)
                }),
                Filling::Line(other) => other.points.get(&at).copied(),
            };
            if let Some(filled) = filled {
                points.insert(at, filled);
            }
        }
        at += period_s;
    }
    Line { points, ..line }
}

/// At each moment of the condition: one or the other; without another there is no point.
fn choose(condition: Value, then: &Value, otherwise: Option<&Value>) -> Option<Value> {
    let at = |value: &Value, at: i64| match value {
        Value::Number(number) => Some(*number),
        Value::Line(line) => line.points.get(&at).copied(),
        Value::Lines(_) | Value::Text(_) => None,
    };
    let fits = |value: &Value| matches!(value, Value::Number(_) | Value::Line(_));
    if !fits(then) || !otherwise.is_none_or(fits) {
        return None;
    }
    match condition {
        Value::Number(number) if number != 0.0 => Some(then.clone()),
        Value::Number(_) => otherwise.cloned(),
        Value::Line(line) => {
            let chosen = |(moment, flag): (&i64, &f64)| {
                let side = if *flag == 0.0 { otherwise? } else { then };
                Some((*moment, at(side, *moment)?))
            };
            let points = line.points.iter().filter_map(chosen).collect();
            Some(Value::Line(Line { points, ..line }))
        }
        Value::Lines(_) | Value::Text(_) => None,
    }
}
