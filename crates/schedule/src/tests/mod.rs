//! AWS's documented expressions, and what each answers.

mod cron;
mod daylight;
mod expressions;
mod walk;

use crate::{Expression, Schedule, Zone};

pub(crate) fn ms(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect(text).as_millisecond()
}

pub(crate) fn text(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).expect("a time").to_string()
}

pub(crate) fn schedule(expression: &str, zone: &str) -> Schedule {
    let expression = Expression::parse(expression).expect(expression);
    let zone = Zone::named(zone).expect(zone);
    Schedule { expression, zone, anchor_ms: 0, start_ms: None, end_ms: None }
}

/// The next occurrences after that time.
pub(crate) fn next(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let mut at_ms = ms(after);
    let following = std::iter::from_fn(|| {
        at_ms = schedule.next_after(at_ms)?;
        Some(text(at_ms))
    });
    following.take(count).collect()
}
