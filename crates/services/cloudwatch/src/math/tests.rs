//! What expressions are worth: the examples of the user guide, and what is refused.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::read::Window;

fn line(id: &str, points: &[(i64, f64)]) -> Line {
    Line { id: id.to_owned(), label: id.to_owned(), period_s: 60, points: points.iter().copied().collect() }
}

fn worth(text: &str) -> Result<Value, String> {
    let expression = parse(text)?;
    let mut evaluation = Evaluation {
        metrics: vec![
            line("errors", &[(0, 1.0), (60, 0.0), (180, 3.0)]),
            line("invocations", &[(0, 10.0), (60, 20.0), (120, 30.0), (180, 6.0)]),
        ],
        expressions: HashMap::new(),
        window: Window { start_s: 0, end_s: 240, period_s: 60 },
        done: HashMap::new(),
        open: HashSet::new(),
    };
    evaluate(&mut evaluation, &expression)
}

fn points(text: &str) -> Vec<(i64, f64)> {
    match worth(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
        Value::Line(line) => line.points.into_iter().collect(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn lines_meet_where_both_have_points() {
    assert_eq!(points("100 * errors / invocations"), [(0, 10.0), (60, 0.0), (180, 50.0)]);
    assert_eq!(points("invocations - errors"), [(0, 9.0), (60, 20.0), (180, 3.0)]);
    assert_eq!(points("-errors"), [(0, -1.0), (60, 0.0), (180, -3.0)]);
    assert_eq!(points("errors ^ 2 + 1"), [(0, 2.0), (60, 1.0), (180, 10.0)]);
    // Nothing is divided by zero.
    assert_eq!(points("invocations / errors"), [(0, 10.0), (180, 2.0)]);
}

#[test]
fn operators_bind_as_in_arithmetic() {
    for (text, expected) in [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("10 - 2 - 3", 5.0),
        ("2 ^ 3 ^ 0", 2.0),
        ("1 < 2 && 2 < 1", 0.0),
        ("1.5e1", 15.0),
    ] {
        assert_eq!(worth(text), Ok(Value::Number(expected)), "{text}");
    }
}

#[test]
fn one_line_folds_to_a_number_and_several_to_one_line() {
    assert_eq!(worth("SUM(invocations)"), Ok(Value::Number(66.0)));
    assert_eq!(worth("AVG(invocations)"), Ok(Value::Number(16.5)));
    assert_eq!(points("SUM(METRICS())"), [(0, 11.0), (60, 20.0), (120, 30.0), (180, 9.0)]);
    assert_eq!(points("MAX([errors, invocations])"), [(0, 10.0), (60, 20.0), (120, 30.0), (180, 6.0)]);
    assert_eq!(points("MIN(METRICS(\"inv\"))"), [(0, 10.0), (60, 20.0), (120, 30.0), (180, 6.0)]);
    assert_eq!(points("invocations / MAX(invocations)")[2], (120, 1.0));
}

#[test]
fn gaps_are_filled_as_asked() {
    assert_eq!(points("FILL(errors, 0)")[2], (120, 0.0));
    assert_eq!(points("FILL(errors, REPEAT)")[2], (120, 0.0));
    assert_eq!(points("FILL(errors, LINEAR)")[2], (120, 1.5));
    assert_eq!(points("FILL(errors, invocations)")[2], (120, 30.0));
}

#[test]
fn rates_conditions_and_sums() {
    assert_eq!(points("RATE(invocations)"), [(60, 10.0 / 60.0), (120, 10.0 / 60.0), (180, -24.0 / 60.0)]);
    assert_eq!(points("DIFF(errors)"), [(60, -1.0), (180, 3.0)]);
    assert_eq!(points("RUNNING_SUM(errors)"), [(0, 1.0), (60, 1.0), (180, 4.0)]);
    assert_eq!(points("IF(errors > 0, invocations, -1)"), [(0, 10.0), (60, -1.0), (180, 6.0)]);
    assert_eq!(points("IF(errors > 0, 1)"), [(0, 1.0), (180, 1.0)]);
    assert_eq!(points("errors * PERIOD(errors)")[0], (0, 60.0));
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    for (text, expected) in [
        ("SEARCH('{AWS/Lambda} x', 'Sum', 300)", "the function SEARCH is not supported by Hearth"),
        ("other + 1", "there is no query with the id 'other'"),
        ("errors +", "it ends too early"),
        ("errors errors", "unexpected 'errors'"),
        ("(errors", "')' is missing before ''"),
        ("FILL(errors)", "FILL does not take these arguments"),
        ("SUM(1)", "a time series is needed"),
        ("1 / 0", "it divides by zero"),
    ] {
        assert_eq!(worth(text), Err(expected.to_owned()), "{text}");
    }
    assert!(worth(&"(".repeat(2_000)).is_err());
}
